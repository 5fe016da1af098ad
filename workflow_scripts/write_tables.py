"""Write the result tables: all laws and all means as CSV, the headline laws for readers."""

from infogeo.jobs import binding
from infogeo.files import artefacts, tables
from infogeo.laws import report


def main(files, params, output) -> None:
    """Read laws and profiles, and write the tables."""
    of_laws, of_profiles = params.expected
    laws = artefacts.read_table(files.laws, of_laws)
    profiles = artefacts.read_table(files.profiles, of_profiles)
    tables.write_csv(laws, output.laws)
    tables.write_csv(profiles, output.entropy)
    tables.write_text(report.markdown_text(laws, profiles), output.headline)
    tables.write_text(report.terminal_text(laws, profiles), output.terminal)


if __name__ == "__main__":
    binding.run(main, snakemake)
