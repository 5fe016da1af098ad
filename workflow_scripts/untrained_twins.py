"""Spectra, gains and dimensions of the same architecture with random weights, in several draws."""

from infogeo.jobs import binding
from infogeo.states.twins import measure_twins


def main(files, params, output) -> None:
    """Run each twin, and write its spectra and the tables of gains and dimensions."""
    measure_twins(
        files.model,
        files.corpus,
        dict(output.items()),
        n=params.n,
        layers=params.layers,
        batch_tokens=params.batch_tokens,
        shard_tokens=params.shard_tokens,
        dtype=params.dtype,
        trust_remote_code=params.trust_remote_code,
        lambdas=params.lambdas,
        eps2=params.eps2,
        neighbours=params.neighbours,
        sampled_rows=params.sampled_rows,
        depths=params.depths,
        depth_tolerance=params.depth_tolerance,
        rows_n=params.rows_n,
        most_texts=params.most_texts,
        seed=params.seed,
        fingerprint=params.fingerprint,
        expected=params.expected,
        **params.launch,
    )


if __name__ == "__main__":
    binding.run(main, snakemake)
