"""Paired differences of every metric between two models, over the same texts."""

from infogeo.jobs import binding
from infogeo.files import artefacts, tables
from infogeo.laws.differences import difference_table
from infogeo.laws.measured import Measured, long_table
from infogeo.sources import cards

FIELDS = ("params_non_embedding", "width", "layers", "tokenizer_sha256", "commit", "source")


def main(files, params, output) -> None:
    """Read the entropies of the models of each pair, and write their differences."""
    models = cards.described(files.models, FIELDS, slug=params.models, family=params.families)
    by_slug = {model["slug"]: model for model in models}
    pairs = [(by_slug[one], by_slug[other]) for one, other in params.pairs]
    with_twins = [slug for slug, model in by_slug.items() if cards.has_model(model)]
    entropies = zip(files.entropy, params.expected, strict=True)
    twins = binding.of_twins(files.untrained, params.places_of_twins)
    untrained = zip(twins, params.expected_untrained, strict=True)
    shuffled = zip(files.shuffled, params.expected_shuffled, strict=True)
    corpora = []
    for corpus, *of_corpus in binding.of_each_corpus(
        params.corpora, entropies, untrained, shuffled
    ):
        by_kind = [
            dict(zip(slugs, parts, strict=True))
            for slugs, parts in zip(
                (params.models, with_twins, params.shuffled), of_corpus, strict=True
            )
        ]

        def read(slug, texts, by_kind=by_kind):
            return [
                Measured(long_table(*files[slug]) if slug in files else (), texts)
                for files in by_kind
            ]

        corpora.append((corpus, pairs, read))
    table = difference_table(
        corpora,
        depths=params.depths,
        depth_tolerance=params.depth_tolerance,
        draws=params.draws,
        seed=params.seed,
    )
    artefacts.write_table(table, output.differences, params.fingerprint)
    tables.write_csv(table, output.table)


if __name__ == "__main__":
    binding.run(main, snakemake)
