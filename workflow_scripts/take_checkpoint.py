"""A ladder model at one step of its training, from the weights that the training has kept."""

from pathlib import Path

from infogeo.jobs import binding
from infogeo.sources import cards, ladder_checkpoints, models


def main(files, params, output) -> None:
    """Write the model's directory and its description."""
    description = ladder_checkpoints.take(
        cards.read(files.end, params.expected),
        Path(output.model).parent,
        slug=params.model,
        step=params.step,
        tokens=params.train_tokens,
        fingerprint=params.fingerprint,
    )
    models.write_description(description, output.model)


if __name__ == "__main__":
    binding.run(main, snakemake)
