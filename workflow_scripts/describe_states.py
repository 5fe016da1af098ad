"""Describe a model whose states another engine made in model.json, from what states.json says."""

from infogeo.jobs import binding
from infogeo.sources import foreign, models


def main(files, params, output) -> None:
    """Read and compare the descriptions of all corpora, and write the card."""
    described = foreign.of_model(params.where, params.corpora)
    foreign.check_dtype(described[0], params.dtype)
    card = foreign.card(described, params.model, params.where, params.revision, params.fingerprint)
    models.write_description(card, output[0])
    print(f"{params.model}: {foreign.NO_MODEL}; sizes as states.json says", flush=True)


if __name__ == "__main__":
    binding.run(main, snakemake)
