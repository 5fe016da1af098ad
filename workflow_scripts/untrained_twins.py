"""Spectra and gains of the same architecture with seeded random weights, in several draws."""

from infogeo import logs
from infogeo.untrained import measure_twins

if __name__ == "__main__":
    with logs.rule(snakemake):
        measure_twins(
            snakemake.input.model,
            snakemake.input.corpus,
            snakemake.input.states,
            dict(snakemake.output.items()),
            n=snakemake.params.n,
            layers=snakemake.params.layers,
            batch_tokens=snakemake.params.batch_tokens,
            shard_tokens=snakemake.params.shard_tokens,
            dtype=snakemake.params.dtype,
            trust_remote_code=snakemake.params.trust_remote_code,
            lambdas=snakemake.params.lambdas,
            eps2=snakemake.params.eps2,
            seed=snakemake.params.seed,
            fingerprint=snakemake.params.fingerprint,
            expected=snakemake.params.expected,
            placement=snakemake.resources.placement,
            workers=snakemake.resources.workers,
            threads=snakemake.threads,
            resources=dict(snakemake.resources.items()),
        )
