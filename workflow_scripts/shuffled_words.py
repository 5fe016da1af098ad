"""Spectra and likelihoods of a model on the texts of a corpus with their words in random order."""

from infogeo.jobs import binding
from infogeo.sources import borrowed
from infogeo.states.shuffled import measure_shuffled


def main(files, params, output) -> None:
    """Run the model, and write the spectra."""
    with borrowed.weights(files.model, output[0], at_once=params.checkpoints_at_once):
        measure_shuffled(
            files.model,
            files.corpus,
            output[0],
            n=params.n,
            layers=params.layers,
            depths=params.depths,
            depth_tolerance=params.depth_tolerance,
            batch_tokens=params.batch_tokens,
            shard_tokens=params.shard_tokens,
            dtype=params.dtype,
            trust_remote_code=params.trust_remote_code,
            seed=params.seed,
            fingerprint=params.fingerprint,
            expected=params.expected,
            **params.launch,
        )


if __name__ == "__main__":
    binding.run(main, snakemake)
