"""Run one model over one corpus: spectra, gains, likelihoods and the few states that are kept."""

from infogeo.jobs import binding
from infogeo.sources import borrowed
from infogeo.states.measurement import measure


def main(files, params, output) -> None:
    """Run the model, and write whatever is kept of it."""
    *expected, expected_sample = params.expected
    with borrowed.weights(files.model, output.states, at_once=params.checkpoints_at_once):
        measure(
            files.model,
            files.corpus,
            files.sample or None,
            dict(output.items()),
            n=params.n,
            layers=params.layers,
            attention_texts=params.attention_texts,
            batch_tokens=params.batch_tokens,
            shard_tokens=params.shard_tokens,
            dtype=params.dtype,
            states_dtype=params.states_dtype,
            trust_remote_code=params.trust_remote_code,
            lambdas=params.lambdas,
            eps2=params.eps2,
            neighbours=params.neighbours,
            sampled_rows=params.sampled_rows,
            draws=params.draws,
            depths=params.depths,
            depth_tolerance=params.depth_tolerance,
            sentence_n=params.sentence_n,
            seed=params.seed,
            fingerprints=dict.fromkeys(("states", "spectra", "gain"), params.fingerprint),
            expected=expected,
            expected_sample=expected_sample,
            **params.launch,
        )


if __name__ == "__main__":
    binding.run(main, snakemake)
