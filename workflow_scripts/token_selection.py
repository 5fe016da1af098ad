"""The tokens that explain a text's last one best: lasso against attention and others."""

from infogeo.jobs import binding
from infogeo.context.selection_tables import selection_tables, texts_taken
from infogeo.files.artefacts import write_table
from infogeo.jobs.progress import Heartbeat
from infogeo.states.store import open_store


def main(files, params, output) -> None:
    """Read the stored states, select, and write the three tables."""
    with open_store(files[0], params.expected[0]) as states:
        taken, note = texts_taken(states, params.n)
        print(note)
        heartbeat = Heartbeat(params.model, taken, "texts")
        made = selection_tables(
            states,
            n=params.n,
            ks=params.k,
            lambdas=params.lambdas,
            eps2=params.eps2,
            headline_eps2=params.headline_eps2,
            draws=params.random_draws,
            rotations=params.rotations,
            centred=params.centred,
            seed=params.seed,
            update=heartbeat.update,
        )
        for name, table in zip(("selection", "tokens", "ridge"), made, strict=True):
            write_table(table, output[name], params.fingerprint)
        heartbeat.close()


if __name__ == "__main__":
    binding.run(main, snakemake)
