"""Run one model over one corpus and store its hidden states, likelihoods and attention rows."""

from infogeo.jobs import binding
from infogeo.sources import borrowed
from infogeo.states.dump import dump


def main(files, params, output) -> None:
    """Run the model, and write its store."""
    with borrowed.weights(files.model, output[0], at_once=params.checkpoints_at_once):
        dump(
            files.model,
            files.corpus,
            output[0],
            n=params.n,
            layers=params.layers,
            attention_texts=params.attention_texts,
            batch_tokens=params.batch_tokens,
            shard_tokens=params.shard_tokens,
            dtype=params.dtype,
            states_dtype=params.states_dtype,
            trust_remote_code=params.trust_remote_code,
            seed=params.seed,
            fingerprint=params.fingerprint,
            expected=params.expected,
            **params.launch,
        )


if __name__ == "__main__":
    binding.run(main, snakemake)
