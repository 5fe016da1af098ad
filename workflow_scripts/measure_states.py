"""Run one model over one corpus: spectra, gains, likelihoods and the few states that are kept."""

from infogeo import logs
from infogeo.measurement import measure

if __name__ == "__main__":
    with logs.rule(snakemake):
        params = snakemake.params
        measure(
            snakemake.input.model,
            snakemake.input.corpus,
            snakemake.input.sample or None,
            dict(snakemake.output.items()),
            n=params.n,
            layers=params.layers,
            attention_texts=params.attention_texts,
            batch_tokens=params.batch_tokens,
            shard_tokens=params.shard_tokens,
            dtype=params.dtype,
            trust_remote_code=params.trust_remote_code,
            lambdas=params.lambdas,
            eps2=params.eps2,
            draws=params.draws,
            depths=params.depths,
            depth_tolerance=params.depth_tolerance,
            sentence_n=params.sentence_n,
            seed=params.seed,
            fingerprints={
                "states": params.states_fingerprint,
                "spectra": params.spectra_fingerprint,
                "gain": params.gain_fingerprint,
            },
            expected=params.expected[:2],
            expected_sample=params.expected[2],
            placement=snakemake.resources.placement,
            workers=snakemake.resources.workers,
            threads=snakemake.threads,
            resources=dict(snakemake.resources.items()),
        )
