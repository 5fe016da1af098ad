"""Run one model over one corpus and store its hidden states, likelihoods and attention rows."""

from infogeo import logs
from infogeo.dump import dump

if __name__ == "__main__":
    with logs.rule(snakemake):
        dump(
            snakemake.input.model,
            snakemake.input.corpus,
            snakemake.output[0],
            n=snakemake.params.n,
            layers=snakemake.params.layers,
            attention_texts=snakemake.params.attention_texts,
            batch_tokens=snakemake.params.batch_tokens,
            shard_tokens=snakemake.params.shard_tokens,
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
