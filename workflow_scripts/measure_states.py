"""Run one model over one corpus: spectra, gains, likelihoods and the few states that are kept."""

from infogeo.jobs import logs
from infogeo.jobs.binding import settings
from infogeo.states.measurement import measure

if __name__ == "__main__":
    with logs.rule(snakemake):
        files, made, given = snakemake.input, dict(snakemake.output.items()), settings(snakemake)
        *expected, expected_sample = given.pop("expected")
        fingerprints = dict.fromkeys(("states", "spectra", "gain"), given.pop("fingerprint"))
        measure(
            files.model,
            files.corpus,
            files.sample or None,
            made,
            fingerprints=fingerprints,
            expected=expected,
            expected_sample=expected_sample,
            **given,
        )
