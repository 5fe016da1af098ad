"""Print what the configured run will cost, and write it as a table."""

from infogeo.jobs import binding
from infogeo.planning import plan


def main(files, params, output) -> None:
    """Compute the plan, write its table, and print it."""
    rows = plan.rows(
        params.models,
        params.corpora,
        params.config,
        params.results,
        params.expected_models,
        params.expected_corpora,
    )
    plan.write(rows, params.table)
    print(f"\n{plan.rendered(rows, params.config)}\n")
    print(f"{plan.rendered_demand(rows, params.config)}\n")
    print(f"The same in full: {params.table}\n")


if __name__ == "__main__":
    binding.run(main, snakemake)
