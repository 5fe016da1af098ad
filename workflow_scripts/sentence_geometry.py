"""Mean embeddings of the sampled texts, and every distance between them."""

from infogeo.jobs import binding
from infogeo.files.artefacts import read_table
from infogeo.sentences.file import save
from infogeo.sentences.model_distances import of_store
from infogeo.sources import cards
from infogeo.states.store import open_store


def main(files, params, output) -> None:
    """Read the stored states and the sample, and write the geometry."""
    model, states, sample = params.expected
    with open_store(files.states, states) as store:
        texts, distances = of_store(
            store,
            read_table(files.sample, sample),
            blocks=cards.read(files.model, model)["layers"],
            n=params.n,
            depths=params.depths,
            depth_tolerance=params.depth_tolerance,
        )
    print(f"{len(texts)} texts of {params.n} tokens; left out: {texts.left_out}", flush=True)
    save(output[0], distances, params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
