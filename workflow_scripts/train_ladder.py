"""Train one model of a ladder and save it as a Hugging Face directory."""

from pathlib import Path

from infogeo.jobs import binding
from infogeo.sources import ladder, models

SETTINGS = (
    "width",
    "depth",
    "seed",
    "batch",
    "tokens",
    "beta2",
    "init_std",
    "head_width",
    "threads",
)


def main(files, params, output) -> None:
    """Train, and write the model and its description."""
    [expected] = params.expected
    folder = Path(output.model).parent
    trained = ladder.train(
        prepared=Path(files.prepared).parent,
        folder=folder,
        scratch=Path("scratch") / "train_ladder",
        **{name: getattr(params, name) for name in SETTINGS},
        peak=params.learning_rate,
        fingerprint=params.fingerprint,
        checkpoints=params.checkpoints,
        expected=expected,
    )
    description = models.describe(
        folder,
        slug=params.model,
        source="ladder",
        where=params.where,
        train_tokens=trained["tokens"],
        fingerprint=params.fingerprint,
    )
    models.write_description(description, output.model)


if __name__ == "__main__":
    binding.run(main, snakemake)
