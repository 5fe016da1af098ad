"""Train one model of a ladder and save it as a Hugging Face directory."""

from pathlib import Path

from infogeo.jobs import binding
from infogeo.sources import ladder, models


def main(files, params, output) -> None:
    """Train, and write the model and its description."""
    [expected] = params.expected
    folder = Path(output.model).parent
    trained = ladder.train(
        prepared=Path(files.prepared).parent,
        folder=folder,
        scratch=Path("scratch") / "train_ladder",
        width=params.width,
        depth=params.depth,
        seed=params.seed,
        batch=params.batch,
        tokens=params.tokens,
        peak=params.learning_rate,
        beta2=params.beta2,
        init_std=params.init_std,
        head_width=params.head_width,
        fingerprint=params.fingerprint,
        expected=expected,
        threads=params.threads,
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
