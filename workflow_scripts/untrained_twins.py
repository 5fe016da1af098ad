"""Spectra and gains of the same architecture with seeded random weights, in several draws."""

from infogeo.jobs import logs
from infogeo.jobs.binding import settings
from infogeo.states.twins import measure_twins

if __name__ == "__main__":
    with logs.rule(snakemake):
        files, made = snakemake.input, dict(snakemake.output.items())
        given = settings(snakemake)
        del given["draws"]  # as many as files of spectra
        measure_twins(files.model, files.corpus, files.states, made, **given)
