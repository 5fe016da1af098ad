"""How similar models are on the same texts, beside twins, and the similarities of their layers."""

from functools import cache, partial

from infogeo.jobs import binding
from infogeo.files import artefacts, tables
from infogeo.geometry import similarity_rows, similarity_tables, text_rows
from infogeo.laws.alignment import alignment_table
from infogeo.sources import cards

FIELDS = (
    "params_non_embedding", "params_total", "width", "layers", "tokenizer_sha256", "commit",
    "source",
)  # fmt: skip


def main(files, params, output) -> None:
    """Read pairs of layers and rows of every model, compare models, and write the tables."""
    models = cards.described(
        files.models,
        FIELDS,
        slug=params.models,
        family=params.families,
        replicate=params.replicates,
        run=params.runs,
        step=params.steps,
    )
    of_layers, of_models = [], []
    for corpus, *of_corpus in binding.of_each_corpus(
        params.corpora,
        zip(files.rows, params.expected, strict=True),
        zip(files.pairs, params.expected, strict=True),
        binding.of_twins(files.untrained, params.places_of_twins),
        params.expected_untrained,
    ):
        read = Read(models, *of_corpus, params.neighbours)
        of_models.append((corpus, models, read.rows, read.twins))
        of_layers += [
            (corpus, model, read.pairs(model["slug"]), read.layers_of_twins(model["slug"]))
            for model in models
        ]
    made = {
        "layers": similarity_tables.layer_table(of_layers, params.n),
        "models": similarity_tables.model_table(
            of_models,
            neighbours=params.neighbours,
            permutations=params.permutations,
            seed=params.seed,
        ),
        "alignment": alignment_table(of_models),
    }
    for name, frame in made.items():
        artefacts.write_table(frame, output[name], params.fingerprint)
        tables.write_csv(frame, output[f"{name}_table"])


class Read:
    """What was measured of models and of their untrained twins on a corpus.

    Parameters
    ----------
    models : list of dict
    rows, pairs : lists of (path, str)
        Of each model: the rows of its texts, the pairs of its layers, and the fingerprint of both.
    untrained : list of path
        Rows of the twins of each model that has some, draw after draw.
    expected_untrained : list of str
        Of the twins of each of these models.
    neighbours : int
    """

    def __init__(self, models, rows, pairs, untrained, expected_untrained, neighbours):
        slugs = [model["slug"] for model in models]
        self._rows, self._pairs = (dict(zip(slugs, of, strict=True)) for of in (rows, pairs))
        with_twins = [model["slug"] for model in models if cards.has_model(model)]
        draws = len(untrained) // max(len(with_twins), 1)
        self._twins = {
            slug: (tuple(untrained[at * draws : (at + 1) * draws]), expected)
            for at, (slug, expected) in enumerate(zip(with_twins, expected_untrained, strict=True))
        }
        self._load = cache(text_rows.load)
        self._similar = cache(partial(self._layers, neighbours=neighbours))

    def rows(self, slug: str) -> text_rows.TextRows:
        (rows,) = text_rows.load(*self._rows[slug]).values()
        return rows

    def pairs(self, slug: str):
        return artefacts.read_table(*self._pairs[slug])

    def twins(self, slug: str, layer: str):
        """See `similarity_rows.SharedTexts`."""
        if slug not in self._twins:
            return None
        paths, expected = self._twins[slug]
        return paths[0], [self._load(path, expected, layer)[layer] for path in paths]

    def layers_of_twins(self, slug: str):
        """See `similarity_tables.layer_table`."""
        return self._similar(*self._twins[slug]) if slug in self._twins else None

    def _layers(self, paths, expected, *, neighbours: int):
        draws = [text_rows.load(path, expected) for path in paths]
        return similarity_rows.layers_of_twins(draws, neighbours)


if __name__ == "__main__":
    binding.run(main, snakemake)
