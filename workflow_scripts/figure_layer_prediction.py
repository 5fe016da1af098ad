"""Figure: what each layer predicts through the model's own final norm and head."""

from infogeo.jobs import binding
from infogeo.figures.layer_prediction import layer_prediction
from infogeo.figures.style import save
from infogeo.files.artefacts import read_table


def main(files, params, output) -> None:
    """Read the table, and draw the figure."""
    predictions = read_table(files[0], params.expected[0])
    save(layer_prediction(predictions, corpus=params.corpus), output)


if __name__ == "__main__":
    binding.run(main, snakemake)
