"""Every entropy of a model, and of its untrained twins, from their spectra."""

from itertools import islice

from infogeo.files.artefacts import write_table
from infogeo.files.parts import in_parts
from infogeo.geometry.entropy import entropies
from infogeo.geometry.spectra_file import SpectraFile
from infogeo.jobs import binding


def main(files, params, output) -> None:
    """Read the spectra of the model and of each twin, and write the entropies of both."""
    of_model, of_twins = params.expected
    chosen = params.eps2, params.lambdas, params.orders
    spectra = SpectraFile(files.trained, of_model)
    trained = entropies(spectra, *chosen)
    write_table(in_parts(trained), output.trained, params.fingerprint)
    untrained = (
        part.assign(draw=draw)
        for draw, path in enumerate(files.untrained)
        for part in entropies(SpectraFile(path, of_twins), *chosen)
    )
    if not files.untrained:  # of states whose model is not here: a table without rows
        untrained = (
            part.iloc[:0].assign(draw=0) for part in islice(entropies(spectra, *chosen), 1)
        )
    write_table(in_parts(untrained), output.untrained, params.fingerprint)


if __name__ == "__main__":
    binding.run(main, snakemake)
