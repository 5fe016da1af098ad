"""From hidden states Z to numbers: spectra, entropies, information gain and their nulls."""
