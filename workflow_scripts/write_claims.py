"""Collect a verdict on each claim from the tables of all parts of the study."""

from infogeo.claims import claims, report
from infogeo.files import artefacts, tables
from infogeo.jobs import binding


def main(files, params, output) -> None:
    """Read what the parts found, and write the claims."""

    def read(name: str, rule: str):
        return artefacts.read_table(getattr(files, name), getattr(params, f"expected_{rule}"))

    measured, published = read("laws", "laws"), read("published", "published")
    gain, selection, distribution = (
        read(name, "context") for name in ("gain", "selection", "distribution")
    )
    rates = claims.error_rates()
    families = list(dict.fromkeys(zip(distribution["corpus"], distribution["family"], strict=True)))
    rows = claims.laws(measured, claims.MEASURED) + claims.absent(measured, families)
    rows += claims.context(gain, selection, distribution, rates)
    judged = set()
    if hasattr(files, "trends"):
        trends = read("trends", "trends")
        rows += claims.sentences(trends, rates)
        judged = set(zip(trends["corpus"], trends["family"], strict=True))
    rows += claims.unlabelled([family for family in families if family not in judged])
    rows += claims.laws(published, "published")
    rows += claims.skills(read("curve", "skills"), read("recovery", "skills"), params.alpha)
    found = claims.table(rows)
    tables.write_csv(found, output.table)
    tables.write_text(report.markdown_text(found), output.markdown)
    tables.write_text(report.terminal_text(found), output.terminal)


if __name__ == "__main__":
    binding.run(main, snakemake)
