"""Compare the weights of all models, from the hashes of their files, and write which each has.

Models that are to share untrained twins are compared too: before one is run.
"""

from infogeo.jobs import binding
from infogeo.files.tables import write_csv
from infogeo.sources import cards, distinct, twin_groups


def main(files, params, output) -> None:
    """Stop where models share weights, or a run is of two shapes; write the table of weights."""
    twin_groups.require_groups(list(map(cards.read, files.models)), params.architectures)
    rows = cards.described(
        files.models, ["slug", "source", "where", "revision", "commit", "files"],
        same_as=params.same_as,
    )  # fmt: skip
    for row in rows:
        row["weights"] = distinct.weights(
            {name: facts["sha256"] for name, facts in row["files"].items()}
        )
    distinct.require(rows)
    write_csv(distinct.table(rows), output[0])


if __name__ == "__main__":
    binding.run(main, snakemake)
