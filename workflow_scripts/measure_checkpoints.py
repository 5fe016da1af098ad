"""The spectra of a ladder model at every step of its training that a row of the table names."""

from infogeo.jobs import binding
from infogeo.states.stored_spectra import measure_checkpoints


def main(files, params, output) -> None:
    """Run the model at each step, and write its spectra."""
    measure_checkpoints(
        files.models,
        files.corpus,
        list(output),
        n=params.n,
        fingerprints=params.fingerprints,
        expected_models=params.expected_models,
        expected_corpus=params.expected_corpus,
        layers=params.layers,
        batch_tokens=params.batch_tokens,
        shard_tokens=params.shard_tokens,
        dtype=params.dtype,
        states_dtype=params.states_dtype,
        trust_remote_code=False,  # ladders have no code of their own
        seed=params.seed,
        **params.launch,
    )


if __name__ == "__main__":
    binding.run(main, snakemake)
