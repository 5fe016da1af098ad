"""Run one model on chosen tokens of texts only, and measure how far its predictions move."""

from infogeo.context.token_ablation import ablate
from infogeo.jobs import logs
from infogeo.jobs.binding import settings

if __name__ == "__main__":
    with logs.rule(snakemake):
        files, made = snakemake.input, snakemake.output
        ablate(
            files.model,
            files.corpus,
            files.states,
            made.ablation,
            made.status,
            **settings(snakemake),
        )
