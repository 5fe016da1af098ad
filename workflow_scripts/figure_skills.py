"""Figure: texts and skills, conditional entropy against n, known exponents recovered."""

from infogeo.figures import theory as theory_figures
from infogeo.figures.laws import save
from infogeo.files.artefacts import read_table
from infogeo.jobs import logs
from infogeo.theory import skills

COMPREHENDED = 4  # skills of the model in the schematic figure

if __name__ == "__main__":
    with logs.rule(snakemake):
        params = snakemake.params
        tables = (
            read_table(path, expected)
            for path, expected in zip(snakemake.input, params.expected, strict=True)
        )
        m, share = params.skills_per_text, params.understood_share
        figure = theory_figures.skills(
            *tables,
            alpha=params.alpha,
            comprehended=COMPREHENDED,
            skills_per_text=m,
            share=share,
            exponent=skills.exponent(params.alpha, m, share),
        )
        save(figure, snakemake.output)
