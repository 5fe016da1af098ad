"""Every entropy of the untrained twins of an architecture, from their spectra."""

from infogeo.jobs import binding
from infogeo.files.artefacts import write_table
from infogeo.files.parts import in_parts
from infogeo.geometry.entropy import entropies
from infogeo.geometry.spectra_file import SpectraFile


def main(files, params, output) -> None:
    """Read the spectra of one draw after the other, and write the entropies of all."""
    parts = (
        part.assign(draw=draw)
        for draw, path in enumerate(files)
        for part in entropies(
            SpectraFile(path, params.expected), params.eps2, params.lambdas, params.orders
        )
    )
    write_table(in_parts(parts), output[0], params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
