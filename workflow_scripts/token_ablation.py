"""Run one model on chosen tokens of texts only, and measure how far its predictions move."""

from infogeo import logs
from infogeo.token_ablation import ablate

if __name__ == "__main__":
    with logs.rule(snakemake):
        ablate(
            snakemake.input.model,
            snakemake.input.corpus,
            snakemake.input.states,
            snakemake.output.ablation,
            snakemake.output.status,
            n=snakemake.params.n,
            k=snakemake.params.k,
            shares=snakemake.params.shares,
            draws=snakemake.params.draws,
            centred=snakemake.params.centred,
            batch_tokens=snakemake.params.batch_tokens,
            dtype=snakemake.params.dtype,
            trust_remote_code=snakemake.params.trust_remote_code,
            seed=snakemake.params.seed,
            fingerprint=snakemake.params.fingerprint,
            expected=snakemake.params.expected,
            placement=snakemake.resources.placement,
            workers=snakemake.resources.workers,
            threads=snakemake.threads,
            resources=dict(snakemake.resources.items()),
        )
