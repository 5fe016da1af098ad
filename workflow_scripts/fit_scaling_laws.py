"""Fit every scaling law with its controls and verdicts, and the means per model and layer."""

from infogeo.files import artefacts
from infogeo.jobs import binding
from infogeo.laws import corpus_tables
from infogeo.laws.settings import Settings
from infogeo.sources import cards

FIELDS = (
    "params_total",
    "params_non_embedding",
    "width",
    "final_width",
    "layers",
    "train_tokens",
    "tokenizer_sha256",
    "commit",
    "kind",
    "source",
)
HEADLINE = ("n", "eps2", "depth", "axis", "metrics")


def main(files, params, output) -> None:
    """Read one corpus after the other, fit, and write the tables."""
    settings = Settings(
        depths=tuple(params.depths),
        depth_tolerance=params.depth_tolerance,
        axes=tuple(params.axes),
        draws=params.draws,
        seed=params.seed,
        headline={name: getattr(params, f"headline_{name}") for name in HEADLINE},
    )
    models = cards.described(
        files.models,
        FIELDS,
        slug=params.models,
        family=params.families,
        replicate=params.replicates,
        dtype=params.dtypes,
        run=params.runs,
        step=params.steps,
        train_tokens=params.train_tokens,
    )
    random = artefacts.read_table(files.null, params.expected_null)
    entropies = zip(files.entropy, params.expected, strict=True)
    untrained = zip(files.untrained, params.expected_untrained, strict=True)
    spectra = zip(files.spectra, params.expected_spectra, strict=True)
    corpora = [
        corpus_tables.tables_of_corpus(corpus, models, *of_corpus, random, settings)
        for corpus, *of_corpus in binding.of_each_corpus(
            params.corpora, entropies, untrained, spectra
        )
    ]
    for name, frame in corpus_tables.joined(corpora).items():
        artefacts.write_table(frame, output[name], params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
