"""Spectra of every text and layer, and of the whole corpus, from stored hidden states."""

from infogeo import logs
from infogeo.progress import Heartbeat
from infogeo.spectra import Documents, compute, write
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
        open_store(snakemake.input.states, snakemake.params.expected[0]) as states,
    ):
        documents = Documents.of(states.doc_ids, states.sources, states.lengths, snakemake.params.n)
        layers = compute(watched(states, snakemake.output[0]), documents)
        write(snakemake.output[0], documents, layers, snakemake.params.fingerprint)
