"""The laws over training: trajectories, phases, pace, and the exponent of N at common steps."""

from infogeo.jobs import binding
from infogeo.files import artefacts, tables
from infogeo.laws import asked
from infogeo.laws.corpus_tables import reference_spectra
from infogeo.laws.training_tables import TABLES, tables_of_corpus
from infogeo.sources import cards


def main(files, params, output) -> None:
    """Read one corpus after the other, and write the tables."""
    settings = asked.settings(params, [params.headline_depth], [params.headline_axis])
    models = asked.models(files.models, params)
    random = artefacts.read_table(files.null, params.expected_null)
    slugs = [model["slug"] for model in models]
    with_twins = [model["slug"] for model in models if cards.has_model(model)]
    entropies = zip(files.entropy, params.expected, strict=True)
    twins = binding.of_twins(files.untrained, params.places_of_twins)
    untrained = zip(twins, params.expected_untrained, strict=True)
    spectra = zip(files.spectra, params.expected_spectra, strict=True)
    corpora = []
    for corpus, *of_corpus in binding.of_each_corpus(params.corpora, entropies, untrained, spectra):
        of_models, of_twins, of_spectra = (
            dict(zip(names, parts, strict=True))
            for names, parts in zip((slugs, with_twins, slugs), of_corpus, strict=True)
        )
        read = reference_spectra(of_spectra)
        corpora.append(
            tables_of_corpus(corpus, models, of_models, of_twins, random, read, settings)
        )
    for name in TABLES:
        frame = tables.joined([of_corpus[name] for of_corpus in corpora])
        artefacts.write_table(frame, output[name], params.fingerprint)
        tables.write_csv(frame, output[f"{name}_table"])


if __name__ == "__main__":
    binding.run(main, snakemake)
