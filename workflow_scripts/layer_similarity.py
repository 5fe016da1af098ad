"""How similar the layers of a model are on the same texts, beside permuted texts."""

from infogeo.jobs import binding
from infogeo.files.artefacts import write_table
from infogeo.geometry import similarity_tables, text_rows
from infogeo.geometry.depths import layer_at
from infogeo.geometry.dimension_rows import RowChoice
from infogeo.sources import cards
from infogeo.states.store import open_store


def main(files, params, output) -> None:
    """Read the stored states once, and write the pairs of layers and the rows of the headline."""
    model, states = params.expected
    blocks = cards.read(files.model, model)["layers"]
    with open_store(files.states, states) as store:
        choice = RowChoice(store.lengths, [params.n], params.rows, params.seed, store.nested)
        candidates = text_rows.of_choice(choice, params.n)
        texts = text_rows.sample(store.doc_ids, candidates, params.texts, seed=params.seed)
        layers = dict(text_rows.rows_of_layers(store.states(), texts, params.n))
        doc_ids, sources = ([names[i] for i in texts] for names in (store.doc_ids, store.sources))
        headline = layer_at(params.depth, blocks, store.layers, params.depth_tolerance)
    print(f"{len(texts)} texts of {params.n} tokens, {len(layers)} layers", flush=True)
    pairs = similarity_tables.pair_table(
        lambda kind: {layer: rows[kind] for layer, rows in layers.items()},
        doc_ids,
        sources,
        neighbours=params.neighbours,
        permutations=params.permutations,
        seed=params.seed,
    )
    write_table(pairs, output.pairs, params.fingerprint)
    at_headline = text_rows.TextRows(doc_ids, sources, headline, params.n, layers[headline])
    text_rows.save(output.rows, [at_headline], params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
