"""The information gain of every token over those before it, and its relation to surprisal."""

from infogeo.files.artefacts import read_table
from infogeo.files.parts import write_pieces
from infogeo.geometry.gain_tables import layer_tables
from infogeo.geometry.layer_gains import Checks, FullTexts, gains_of_layer
from infogeo.inference import resampling
from infogeo.jobs import binding
from infogeo.jobs.progress import Heartbeat
from infogeo.jobs.threads import side_by_side
from infogeo.states.store import open_store


def main(files, params, output) -> None:
    """Read the stored states layer by layer, and write the five tables of gains."""
    with (
        open_store(files[0], params.expected[0]) as states,
        side_by_side(params.threads) as each,
    ):
        offsets = states.offsets
        texts = FullTexts.of(states.doc_ids, states.sources, offsets, states.token_ids(), params.n)
        scores = texts.scores_of_model(states.nll(), states.predictive_entropy(), offsets)
        copies = resampling.text_copies(texts.clusters, draws=params.draws, seed=params.seed)
        total = len(states.doc_ids) * len(states.layers)
        heartbeat = Heartbeat(params.model, total, "texts × layers")

        def of_layer(layer):
            checks = Checks(texts.doc_ids, texts.n, params.seed)
            gains = gains_of_layer(
                heartbeat.counted(states.states([layer])),
                texts,
                params.lambdas,
                params.eps2,
                checks.check_text,
            )
            return layer_tables(gains, checks.rows, texts, scores, copies)

        write_pieces(each(of_layer, states.layers), dict(output.items()), params.fingerprint)
        checks = read_table(output.checks, columns=["residual_ridge", "residual_slogdet"])
        left_out, worst = len(states.doc_ids) - len(texts), checks.max()
        print(
            f"{len(texts)} texts of {params.n} tokens; {left_out} shorter ones left out. "
            f"{len(checks):,} gains checked: at most {worst['residual_ridge']:.0e} nats "
            f"from scikit-learn's Ridge, {worst['residual_slogdet']:.0e} from slogdet."
        )


if __name__ == "__main__":
    binding.run(main, snakemake)
