"""How similar models are on the same texts, and the similarities of their layers as tables."""

from infogeo.files import artefacts, tables
from infogeo.geometry import similarity_tables, text_rows
from infogeo.jobs import binding
from infogeo.sources import cards

FIELDS = ("params_non_embedding", "layers", "tokenizer_sha256", "commit")


def main(files, params, output) -> None:
    """Read pairs of layers and rows of every model, compare models, and write the tables."""
    models = cards.described(files.models, FIELDS, slug=params.models, family=params.families)
    rows = zip(files.rows, params.expected, strict=True)
    pairs = zip(files.pairs, params.expected, strict=True)
    of_layers, of_models = [], []
    for corpus, of_rows, of_pairs in binding.of_each_corpus(params.corpora, rows, pairs):
        places = dict(zip(params.models, of_rows, strict=True))
        of_models.append((corpus, models, lambda slug, at=places: text_rows.load(*at[slug])))
        of_layers += [
            (corpus, model, artefacts.read_table(*place))
            for model, place in zip(models, of_pairs, strict=True)
        ]
    made = {
        "layers": similarity_tables.layer_table(of_layers, params.n),
        "models": similarity_tables.model_table(
            of_models,
            neighbours=params.neighbours,
            permutations=params.permutations,
            seed=params.seed,
        ),
    }
    for name, frame in made.items():
        artefacts.write_table(frame, output[name], params.fingerprint)
        tables.write_csv(frame, output[f"{name}_table"])


if __name__ == "__main__":
    binding.run(main, snakemake)
