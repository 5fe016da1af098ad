"""Run one model on chosen tokens of texts only, and measure how far its predictions move."""

from infogeo import logs
from infogeo.binding import settings
from infogeo.token_ablation import ablate

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
