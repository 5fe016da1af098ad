"""How well each distance separates labels, and how that changes with N."""

from infogeo.jobs import binding
from infogeo.files import artefacts, tables
from infogeo.sentences import corpus_tables, report
from infogeo.sources import cards

FIELDS = (
    "params_total", "params_non_embedding", "width", "layers", "tokenizer_sha256", "commit",
    "source",
)  # fmt: skip


def main(files, params, output) -> None:
    """Judge one corpus after the other, one model at a time, and write the tables."""
    models = cards.described(
        files.models,
        FIELDS,
        slug=params.models,
        family=params.families,
        replicate=params.replicates,
        dtype=params.dtypes,
        run=params.runs,
        step=params.steps,
    )
    trained = zip(files.trained, params.expected, strict=True)
    twins = binding.of_twins(files.untrained, params.places_of_twins)
    untrained = zip(twins, params.expected_untrained, strict=True)
    corpora = [
        corpus_tables.tables_of_corpus(
            corpus,
            models,
            *of_corpus,
            neighbours=params.neighbours,
            permutations=params.permutations,
            headline_depth=params.headline_depth,
            draws=params.draws,
            seed=params.seed,
        )
        for corpus, *of_corpus in binding.of_each_corpus(params.corpora, trained, untrained)
    ]
    made = corpus_tables.joined(corpora)
    for name, frame in made.items():
        artefacts.write_table(frame, output[name], params.fingerprint)
        tables.write_csv(frame, output[f"{name}_table"])
    tables.write_text(report.markdown_text(**made), output.markdown)
    tables.write_text(report.terminal_text(**made), output.terminal)


if __name__ == "__main__":
    binding.run(main, snakemake)
