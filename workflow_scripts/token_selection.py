"""The tokens that explain a text's last one best: lasso against attention and others."""

from infogeo.context.selection_tables import selection_tables
from infogeo.files.artefacts import write_table
from infogeo.jobs import binding
from infogeo.jobs.progress import Heartbeat
from infogeo.states.store import open_store


def main(files, params, output) -> None:
    """Read the stored states, select, and write the three tables."""
    with open_store(files[0], params.expected[0]) as states:
        texts = len(states.attention_texts)
        taken = sum(states.lengths[text] == params.n for text in states.attention_texts)
        if states.attrs.get("attention_problem"):
            print(f"No attention is stored: {states.attrs['attention_problem']}")
        elif taken < texts or not taken:
            left = texts - taken
            print(f"{left} of {texts} texts with attention are left out: not of {params.n} tokens")
        heartbeat = Heartbeat(params.model, int(taken), "texts")
        found = selection_tables(
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
        for name, table in zip(("selection", "tokens", "ridge"), found, strict=True):
            write_table(table, output[name], params.fingerprint)
        heartbeat.close()


if __name__ == "__main__":
    binding.run(main, snakemake)
