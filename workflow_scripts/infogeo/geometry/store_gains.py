"""The tables of information gains from stored states, and a line about what was checked."""

from collections.abc import Callable

from infogeo.geometry.gain_tables import layers_together, tables_together
from infogeo.geometry.layer_gains import Checks, FullTexts, gains_of_layer
from infogeo.geometry.repetition import TypeGains
from infogeo.inference import resampling


def by_layers(
    states, *, n: int, lambdas, eps2, draws: int, seed: int, threads: int, counted
) -> tuple[FullTexts, list, Callable]:
    """The texts whose gains are taken, groups of layers, and the function from one to its tables.

    Parameters
    ----------
    states : infogeo.states.store.HiddenStates
        Open as long as the function is called.
    n : int
        Texts of n tokens are taken.
    lambdas, eps2 : list of float
        See `metrics.regularisers`.
    draws, seed : int
        Of the bootstrap over text clusters, and of the tokens that are checked.
    threads : int
        In which the function is called.
    counted : callable
        Called with the iterator over the texts of a layer; yields them again.
    """
    offsets = states.offsets
    texts = FullTexts.of(states.doc_ids, states.sources, offsets, states.token_ids(), n)
    scores = texts.scores_of_model(states.nll(), states.predictive_entropy(), offsets)
    copies = resampling.text_copies(texts.clusters, draws=draws, seed=seed)
    types = TypeGains(texts.tokens, seed)

    def gains_of(layers: list[str]):
        for layer in layers:
            checks = Checks(texts.doc_ids, texts.n, seed)
            hidden = counted(states.states([layer]))
            yield gains_of_layer(hidden, texts, lambdas, eps2, checks.check_text), checks.rows

    def tables_of(layers: list[str]) -> dict:
        return tables_together(gains_of(layers), texts, scores, copies, types)

    groups = layers_together(states.layers, texts, len(lambdas) + len(eps2), threads)
    return texts, groups, tables_of


def checked(checks, texts: FullTexts, corpus_texts: int) -> str:
    """How many texts were taken, and how well the gains agree with other ways to compute them.

    Parameters
    ----------
    checks : pandas.DataFrame
        residual_ridge and residual_slogdet, nats, of every checked token.
    texts : FullTexts
    corpus_texts : int
        Of the whole corpus.
    """
    worst = checks[["residual_ridge", "residual_slogdet"]].max()
    return (
        f"{len(texts)} texts of {texts.n} tokens; {corpus_texts - len(texts)} shorter ones left "
        f"out. {len(checks):,} gains checked: at most {worst['residual_ridge']:.0e} nats "
        f"from scikit-learn's Ridge, {worst['residual_slogdet']:.0e} from slogdet."
    )
