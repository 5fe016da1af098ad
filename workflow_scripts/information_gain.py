"""The information gain of every token over those before it, and its relation to surprisal."""

from infogeo.jobs import binding
from infogeo.files.artefacts import read_table
from infogeo.files.parts import write_pieces
from infogeo.geometry import store_gains
from infogeo.jobs.progress import Heartbeat
from infogeo.jobs.threads import side_by_side
from infogeo.states.store import open_store


def main(files, params, output) -> None:
    """Read the stored states layer by layer, and write the five tables of gains."""
    with open_store(files[0], params.expected[0]) as states, side_by_side(params.threads) as each:
        total = len(states.doc_ids) * len(states.layers)
        texts, groups, tables_of = store_gains.by_layers(
            states,
            n=params.n,
            lambdas=params.lambdas,
            eps2=params.eps2,
            draws=params.draws,
            seed=params.seed,
            threads=params.threads,
            counted=Heartbeat(params.model, total, "texts × layers").counted,
        )
        write_pieces(each(tables_of, groups), dict(output.items()), params.fingerprint)
        print(store_gains.checked(read_table(output.checks), texts, len(states.doc_ids)))


if __name__ == "__main__":
    binding.run(main, snakemake)
