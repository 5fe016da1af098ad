"""PCA and UMAP of the mean embeddings of every model of a corpus."""

from infogeo.jobs import binding
from infogeo.files import tables
from infogeo.files.artefacts import write_table
from infogeo.sentences.file import load
from infogeo.sentences.maps import maps


def main(files, params, output) -> None:
    """Read the geometry of each model, and write the maps of all."""
    frames = [
        maps(
            model,
            load(path, expected),
            neighbours=params.umap_neighbours,
            seed=params.seed,
        )
        for model, path, expected in zip(params.models, files, params.expected, strict=True)
    ]
    write_table(tables.joined(frames), output[0], params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
