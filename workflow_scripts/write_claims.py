"""Collect a verdict on each claim from the tables of all parts of the study."""

from infogeo.jobs import binding
from infogeo.claims import (
    alignment_claims,
    claim_rows,
    claims,
    report,
    sentence_claims,
    training_claims,
)
from infogeo.files import artefacts, tables


def main(files, params, output) -> None:
    """Read the tables of all parts, and write the claims."""

    def read(name: str, rule: str):
        return artefacts.read_table(getattr(files, name), getattr(params, f"expected_{rule}"))

    measured, published = read("laws", "laws"), read("published", "published")
    rates = claim_rows.error_rates()
    names = [name for name in ("gain", "selection", "distribution") if hasattr(files, name)]
    context = {name: read(name, "context") for name in names}
    judged = context.get("distribution", measured)
    families = list(dict.fromkeys(zip(judged["corpus"], judged["family"], strict=True)))
    rows = claims.of_laws(measured, claim_rows.MEASURED) + claims.without_law(measured, families)
    rows += claims.of_valleys(read("valleys", "laws"), rates)
    if context:
        rows += claims.of_context(**context, rates=rates)
    else:
        rows += claims.without_prediction(families, params.no_prediction)
    if hasattr(files, "pace"):
        training = [read(name, "training") for name in ("trajectories", "phases", "pace")]
        rows += training_claims.of_training(*training, rates)
    separated = set()
    if hasattr(files, "trends"):
        trends = read("trends", "trends")
        rows += sentence_claims.of_sentences(trends, rates)
        rows += sentence_claims.of_layers(read("which_layer", "which_layer"), rates)
        separated = set(zip(trends["corpus"], trends["family"], strict=True))
    others = [family for family in families if family not in separated]
    rows += sentence_claims.not_judged(
        others, dict(zip(params.corpora, params.lacking, strict=True))
    )
    if hasattr(files, "alignment"):
        rows += alignment_claims.of_alignment(read("alignment", "alignment"), rates)
    rows += claims.of_laws(published, "published")
    rows += claims.of_skills(read("curve", "skills"), read("recovery", "skills"), params.alpha)
    table = claim_rows.table(rows)
    tables.write_csv(table, output.table)
    tables.write_text(report.markdown_text(table), output.markdown)
    tables.write_text(report.terminal_text(table, params.trained), output.terminal)


if __name__ == "__main__":
    binding.run(main, snakemake)
