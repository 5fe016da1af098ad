"""Figures of training: metrics against tokens seen, their phases by size, and exponents of N."""

from infogeo.jobs import binding
from infogeo.figures import training
from infogeo.figures.style import save
from infogeo.files.artefacts import read_table


def main(files, params, output) -> None:
    """Read the tables, and draw the figures."""
    trajectories, phases, exponents = (
        read_table(getattr(files, name), params.expected)
        for name in ("trajectories", "phases", "exponents")
    )
    figures = {
        "trajectories": training.trajectories(trajectories, corpus=params.corpus),
        "training_phases": training.phases_by_size(phases, trajectories, corpus=params.corpus),
        "exponents_over_training": training.exponents(exponents, corpus=params.corpus),
    }
    for name, figure in figures.items():
        save(figure, [output[f"{name}_{kind}"] for kind in ("pdf", "png")])


if __name__ == "__main__":
    binding.run(main, snakemake)
