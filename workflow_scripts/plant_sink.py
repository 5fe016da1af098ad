"""A trained ladder model anew, with a planted first token of massive states."""

from pathlib import Path

from infogeo.jobs import binding
from infogeo.sources import cards, models, planted_sink


def main(files, params, output) -> None:
    """Write the model's directory and its description."""
    description = planted_sink.write(
        cards.read(files.trained, params.expected),
        Path(output.model).parent,
        slug=params.model,
        where=params.where,
        fingerprint=params.fingerprint,
    )
    models.write_description(description, output.model)


if __name__ == "__main__":
    binding.run(main, snakemake)
