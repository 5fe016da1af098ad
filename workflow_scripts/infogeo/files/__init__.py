"""Whole files and what they know: errors, artefacts with fingerprints, tables, HDF5."""
