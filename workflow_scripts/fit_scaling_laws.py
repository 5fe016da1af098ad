"""Fit every scaling law with its controls and verdicts, and the means per model and layer."""

from infogeo.jobs import binding
from infogeo.files import artefacts
from infogeo.laws import asked, corpus_tables


def main(files, params, output) -> None:
    """Read one corpus after the other, fit, and write the tables."""
    settings = asked.settings(params, params.depths, params.axes)
    models = asked.models(files.models, params)
    random = artefacts.read_table(files.null, params.expected_null)
    entropies = zip(files.entropy, params.expected, strict=True)
    twins = binding.of_twins(files.untrained, params.places_of_twins)
    untrained = zip(twins, params.expected_untrained, strict=True)
    spectra = zip(files.spectra, params.expected_spectra, strict=True)
    shuffled = zip(files.shuffled, params.expected_shuffled, strict=True)
    corpora = [
        corpus_tables.tables_of_corpus(
            corpus, models, *of_corpus, dict(zip(params.shuffled, of_shuffled, strict=True)),
            random, settings,
        )
        for corpus, *of_corpus, of_shuffled in binding.of_each_corpus(
            params.corpora, entropies, untrained, spectra, shuffled
        )
    ]  # fmt: skip
    for name, frame in corpus_tables.joined(corpora).items():
        artefacts.write_table(frame, output[name], params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
