"""Means, intervals and verdicts of the context study, over all corpora and models."""

from infogeo.jobs import binding
from infogeo.context import corpus_tables, report
from infogeo.files import artefacts, tables
from infogeo.sources import cards

FIELDS = (
    "params_total", "params_non_embedding", "width", "final_width", "layers", "commit", "kind",
    "source",
)  # fmt: skip


def main(files, params, output) -> None:
    """Read one corpus after the other, one model at a time, summarise, and write the tables."""
    rows = {"slug": params.models, "family": params.families, "replicate": params.replicates}
    rows |= {"studies": params.studies, "run": params.runs, "step": params.steps}
    models = cards.described(files.models, FIELDS, **rows)
    random = artefacts.read_table(files.null, params.expected_null)
    of_models = {
        name: zip(
            binding.of_twins(getattr(files, name), params.places_of_twins)
            if maker == "untrained"
            else getattr(files, name),
            getattr(params, f"expected_{maker}"),
            strict=True,
        )
        for name, maker in corpus_tables.MAKERS.items()
    }
    corpora = [
        corpus_tables.tables_of_corpus(
            corpus,
            models,
            dict(zip(of_models, of_corpus, strict=True)),
            random,
            n=params.n,
            headline_eps2=params.headline_eps2,
            draws=params.draws,
            seed=params.seed,
        )
        for corpus, *of_corpus in binding.of_each_corpus(params.corpora, *of_models.values())
    ]
    made = corpus_tables.joined(corpora, models)
    for name, frame in made.items():
        artefacts.write_table(frame, output[name], params.fingerprint)
    for name in ("gain", "selection", "ablation", "layer_prediction"):
        of_all = corpus_tables.with_problems(made[name], made["distribution"])
        tables.write_csv(of_all, output[f"{name}_table"])
    shown = (made["gain"], made["selection"], made["distribution"], params.headline_eps2)
    tables.write_text(report.markdown_text(*shown), output.markdown)
    tables.write_text(report.terminal_text(*shown), output.terminal)


if __name__ == "__main__":
    binding.run(main, snakemake)
