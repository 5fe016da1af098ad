"""Figure: texts and skills, conditional entropy against n, known exponents recovered."""

from infogeo.jobs import binding
from infogeo.figures import theory as theory_figures
from infogeo.figures.style import save
from infogeo.files.artefacts import read_tables
from infogeo.theory import skills

COMPREHENDED = 4  # skills of the model in the schematic figure


def main(files, params, output) -> None:
    """Read the tables, and draw the figure."""
    tables = read_tables(files, params.expected)
    m, share = params.skills_per_text, params.understood_share
    figure = theory_figures.skills(
        *tables,
        alpha=params.alpha,
        comprehended=COMPREHENDED,
        skills_per_text=m,
        share=share,
        exponent=skills.exponent(params.alpha, m, share),
    )
    save(figure, output)


if __name__ == "__main__":
    binding.run(main, snakemake)
