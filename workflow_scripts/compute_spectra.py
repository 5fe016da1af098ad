"""The eigenvalue spectra of every text at every layer, both conventions, from one Gram each."""

from infogeo import logs
from infogeo.progress import Heartbeat
from infogeo.spectra import Documents, Tokens, compute, write
from infogeo.store import open_store


def watched(states, what: str):
    """The states of a store as `compute` wants them, counted as they come: twice each."""
    heartbeat = Heartbeat(what, 2 * len(states.doc_ids) * len(states.layers), "texts × layers")
    done = 0

    def fresh():
        nonlocal done
        for item in states.states():
            heartbeat.update(done)
            yield item
            done += 1

    return fresh


if __name__ == "__main__":
    with (
        logs.rule(snakemake),
        open_store(snakemake.input[0], snakemake.params.expected[0]) as states,
    ):
        documents = Documents.of(states.doc_ids, states.sources, states.lengths, snakemake.params.n)
        tokens = Tokens(
            offsets=states.offsets,
            nll=states.nll(),
            predictive_entropy=states.predictive_entropy(),
            token_end_byte=states.token_end_byte(),
        )
        layers = compute(watched(states, snakemake.wildcards.model), documents)
        write(snakemake.output[0], documents, tokens, layers, snakemake.params.fingerprint)
