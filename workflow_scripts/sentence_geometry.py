"""Mean embeddings of the sampled texts, and every distance between them."""

from infogeo.files.artefacts import read_table
from infogeo.geometry.depths import layers_at
from infogeo.jobs import binding
from infogeo.sentences.file import save
from infogeo.sentences.model_distances import measure
from infogeo.sentences.sample import SampledTexts
from infogeo.sources import cards
from infogeo.states.store import open_store


def main(files, params, output) -> None:
    """Read the stored states and the sample, and write the geometry."""
    with (
        open_store(files.states, params.expected[1]) as store,
    ):
        texts = SampledTexts.of(
            store.doc_ids,
            store.labels,
            store.sources,
            store.offsets,
            store.token_ids(),
            store.token_end_byte(),
            sample=read_table(files.sample, params.expected[2]),
            n=params.n,
        )
        card = cards.read(files.model, params.expected[0])
        layers = layers_at(params.depths, card["layers"], store.layers, params.depth_tolerance)
        wanted = [layer for layer in store.layers if layer in layers.values()]
        found = measure(texts, [lambda: store.states(wanted)], layers)
        print(f"{len(texts)} texts of {params.n} tokens; left out: {texts.left_out}", flush=True)
        save(output[0], found, params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
