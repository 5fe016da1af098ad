"""Train one model of a ladder and save it as a Hugging Face directory."""

from pathlib import Path

from infogeo.jobs import logs
from infogeo.sources import ladder, models

if __name__ == "__main__":
    with logs.rule(snakemake):
        params, [expected] = snakemake.params, snakemake.params.expected
        folder = Path(snakemake.output.model).parent
        trained = ladder.train(
            prepared=Path(snakemake.input.prepared).parent,
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
            threads=snakemake.threads,
        )
        description = models.describe(
            folder,
            slug=snakemake.wildcards.model,
            source="ladder",
            where=params.where,
            train_tokens=trained["tokens"],
            fingerprint=params.fingerprint,
        )
        models.write_description(description, snakemake.output.model)
