"""The eigenvalue spectra of every text at every layer, both conventions, from one Gram each."""

from infogeo.geometry.corpus_spectra import Documents, spectra_of_layer
from infogeo.geometry.spectra_file import Tokens, write_spectra_file
from infogeo.jobs import binding
from infogeo.jobs.progress import Heartbeat
from infogeo.jobs.threads import side_by_side
from infogeo.states.store import open_store


def main(files, params, output) -> None:
    """Read the stored states layer by layer, and write their spectra."""
    with (
        open_store(files[0], params.expected[0]) as states,
        side_by_side(params.threads) as each,
    ):
        documents = Documents.of(
            states.doc_ids, states.sources, states.lengths, params.n, states.nested
        )
        tokens = Tokens(
            offsets=states.offsets,
            nll=states.nll(),
            predictive_entropy=states.predictive_entropy(),
            token_end_byte=states.token_end_byte(),
        )
        total = 2 * len(states.doc_ids) * len(states.layers)  # every text comes twice
        heartbeat = Heartbeat(params.model, total, "texts × layers")

        def of_layer(layer):
            return spectra_of_layer(lambda: heartbeat.counted(states.states([layer])), documents)

        layers = each(of_layer, states.layers)
        write_spectra_file(output[0], documents, tokens, layers, params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
