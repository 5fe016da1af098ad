"""The table of entropies of one model and corpus, from spectra and per-token likelihoods."""

from infogeo import logs
from infogeo.artefacts import write_table
from infogeo.entropy import Tokens, entropies
from infogeo.spectra import read
from infogeo.store import open_store

if __name__ == "__main__":
    with logs.rule(snakemake):
        spectra_expected, states_expected = snakemake.params.expected
        spectra = read(snakemake.input.spectra, spectra_expected)
        with open_store(snakemake.input.states, states_expected) as states:
            tokens = Tokens(
                offsets=states.offsets,
                nll=states.nll(),
                predictive_entropy=states.predictive_entropy(),
                token_end_byte=states.token_end_byte(),
            )
        table = entropies(spectra, spectra.documents, snakemake.params.eps2, tokens)
        write_table(table, snakemake.output[0], snakemake.params.fingerprint)
