"""Every entropy of a model, and of its untrained twins, from their spectra."""

from infogeo.files.artefacts import write_table
from infogeo.files.parts import in_parts
from infogeo.geometry.entropy import entropies
from infogeo.geometry.spectra_file import SpectraFile
from infogeo.jobs import logs

if __name__ == "__main__":
    with logs.rule(snakemake):
        params = snakemake.params
        of_model, of_twins = params.expected
        trained = entropies(
            SpectraFile(snakemake.input.trained, of_model), params.eps2, params.lambdas
        )
        write_table(in_parts(trained), snakemake.output.trained, params.fingerprint)
        untrained = (
            part.assign(draw=draw)
            for draw, path in enumerate(snakemake.input.untrained)
            for part in entropies(SpectraFile(path, of_twins), params.eps2, params.lambdas)
        )
        write_table(in_parts(untrained), snakemake.output.untrained, params.fingerprint)
