"""Write the result tables: all laws and all means as CSV, the headline laws for readers."""

from infogeo.files import artefacts, tables
from infogeo.jobs import logs
from infogeo.laws import report

if __name__ == "__main__":
    with logs.rule(snakemake):
        of_laws, of_profiles = snakemake.params.expected
        laws = artefacts.read_table(snakemake.input.laws, of_laws)
        profiles = artefacts.read_table(snakemake.input.profiles, of_profiles)
        tables.write_csv(laws, snakemake.output.laws)
        tables.write_csv(profiles, snakemake.output.entropy)
        tables.write_text(report.markdown_text(laws), snakemake.output.headline)
        tables.write_text(report.terminal_text(laws), snakemake.output.terminal)
