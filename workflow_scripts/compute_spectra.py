"""The eigenvalue spectra of every text at every layer, both conventions, from one Gram each."""

from infogeo.jobs import binding
from infogeo.states.stored_spectra import write_spectra


def main(files, params, output) -> None:
    """Read the stored states, and write their spectra."""
    write_spectra(
        files[0],
        output[0],
        n=params.n,
        name=params.model,
        fingerprint=params.fingerprint,
        expected=params.expected[0],
        threads=params.threads,
    )


if __name__ == "__main__":
    binding.run(main, snakemake)
