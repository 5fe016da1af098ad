"""The information gain of every token over those before it, and its relation to surprisal."""

from infogeo import logs
from infogeo.artefacts import write_table
from infogeo.information_gain import Checks, Texts, compute, tables
from infogeo.progress import Heartbeat
from infogeo.store import open_store


def watched(states, what: str):
    """The states of a store, counted as they come."""
    heartbeat = Heartbeat(what, len(states.doc_ids) * len(states.layers), "texts × layers")

    def fresh():
        for done, item in enumerate(states.states()):
            heartbeat.update(done)
            yield item

    return fresh


if __name__ == "__main__":
    with (
        logs.rule(snakemake),
        open_store(snakemake.input[0], snakemake.params.expected[0]) as states,
    ):
        params, offsets = snakemake.params, states.offsets
        texts = Texts.of(states.doc_ids, states.sources, offsets, states.token_ids(), params.n)
        checks = Checks(texts.doc_ids, texts.n, params.seed)
        layers = compute(
            watched(states, snakemake.wildcards.model),
            texts,
            params.lambdas,
            params.eps2,
            checks.watch,
        )
        made = tables(
            layers,
            checks.rows,
            texts,
            texts.said(states.nll(), states.predictive_entropy(), offsets),
            draws=params.draws,
            seed=params.seed,
        )
        left_out = len(states.doc_ids) - len(texts)
        checks = made["checks"][["residual_ridge", "residual_slogdet"]].max()
        print(
            f"{len(texts)} texts of {params.n} tokens; {left_out} shorter ones left out. "
            f"{len(made['checks']):,} gains checked: at most {checks['residual_ridge']:.0e} nats "
            f"from scikit-learn's Ridge, {checks['residual_slogdet']:.0e} from slogdet."
        )
        for name, path in snakemake.output.items():
            write_table(made[name], path, params.fingerprint)
