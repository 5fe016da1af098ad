"""The skills model, simulated beside its exact law; known exponents fitted as those of models."""

from infogeo.jobs import binding
from infogeo.files import artefacts, tables
from infogeo.theory import simulated_study


def main(files, params, output) -> None:
    """Simulate, fit, and write the tables."""
    made = simulated_study.tables(
        texts=params.texts,
        alpha=params.alpha,
        true_probabilities=params.true_probabilities,
        background_probabilities=params.background_probabilities,
        skills_per_text=params.skills_per_text,
        understood_share=params.understood_share,
        laws=params.laws,
        seed=params.seed,
    )
    for name, frame in made.items():
        artefacts.write_table(frame, output[name], params.fingerprint)
    tables.write_csv(made["recovery"], output.table)


if __name__ == "__main__":
    binding.run(main, snakemake)
