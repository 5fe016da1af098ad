"""Collect a verdict on each claim from the tables of all parts of the study."""

from infogeo.claims import claims, report
from infogeo.files import artefacts, tables
from infogeo.jobs import binding


def main(files, params, output) -> None:
    """Read the tables of all parts, and write the claims."""

    def read(name: str, rule: str):
        return artefacts.read_table(getattr(files, name), getattr(params, f"expected_{rule}"))

    measured, published = read("laws", "laws"), read("published", "published")
    gain, selection, distribution = (
        read(name, "context") for name in ("gain", "selection", "distribution")
    )
    rates = claims.error_rates()
    families = list(dict.fromkeys(zip(distribution["corpus"], distribution["family"], strict=True)))
    rows = claims.of_laws(measured, claims.MEASURED) + claims.without_law(measured, families)
    rows += claims.of_context(gain, selection, distribution, rates)
    judged = set()
    if hasattr(files, "trends"):
        trends = read("trends", "trends")
        rows += claims.of_sentences(trends, rates)
        judged = set(zip(trends["corpus"], trends["family"], strict=True))
    others = [family for family in families if family not in judged]
    rows += claims.not_judged(others, dict(zip(params.corpora, params.lacking, strict=True)))
    rows += claims.of_laws(published, "published")
    rows += claims.of_skills(read("curve", "skills"), read("recovery", "skills"), params.alpha)
    table = claims.table(rows)
    tables.write_csv(table, output.table)
    tables.write_text(report.markdown_text(table), output.markdown)
    tables.write_text(report.terminal_text(table), output.terminal)


if __name__ == "__main__":
    binding.run(main, snakemake)
