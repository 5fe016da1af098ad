"""What the likelihoods of real models and the frequencies of tokens imply, beside the theory."""

from infogeo.jobs import binding
from infogeo.files import artefacts, tables
from infogeo.states.store import open_store, tokens_of_texts
from infogeo.theory import beside_data, report, zipf


def main(files, params, output) -> None:
    """Fit both, and write what they say."""
    zipfs = {}
    rows = zip(params.corpora, params.families, files.states, params.expected_states, strict=True)
    for corpus, family, path, expected in rows:
        with open_store(path, expected) as store:
            zipfs[corpus, family] = zipf.exponent(
                **tokens_of_texts(store), draws=params.draws, seed=params.seed
            )
    points, laws = (
        artefacts.read_table(path, params.expected_laws) for path in (files.points, files.laws)
    )
    recovery = artefacts.read_table(files.recovery, params.expected_recovery)
    implied = beside_data.implied(points, laws, zipfs, n=params.n, axis=params.axis)
    compared = beside_data.comparison(implied, zipfs)
    tables.write_csv(compared, output.table)
    tables.write_text(report.markdown_text(compared, recovery), output.markdown)
    tables.write_text(report.terminal_text(compared, recovery), output.terminal)


if __name__ == "__main__":
    binding.run(main, snakemake)
