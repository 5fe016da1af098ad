"""Run one model on chosen tokens of texts only, and measure how far its predictions move."""

from infogeo.jobs import binding
from infogeo.context.token_ablation import ablate
from infogeo.sources import borrowed


def main(files, params, output) -> None:
    """Run the model on chosen tokens, and write the tables."""
    with borrowed.weights(files.model, output.ablation, at_once=params.checkpoints_at_once):
        ablate(
            files.model,
            files.corpus,
            files.states,
            output.ablation,
            output.status,
            output.prediction,
            n=params.n,
            k=params.k,
            shares=params.shares,
            draws=params.draws,
            centred=params.centred,
            batch_tokens=params.batch_tokens,
            dtype=params.dtype,
            trust_remote_code=params.trust_remote_code,
            seed=params.seed,
            fingerprint=params.fingerprint,
            expected=params.expected,
            **params.launch,
        )


if __name__ == "__main__":
    binding.run(main, snakemake)
