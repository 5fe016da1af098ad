"""The context study of all models on a corpus, from the files of its parts."""

from itertools import chain

import pandas as pd

from infogeo.context import layer_prediction
from infogeo.context.ablation_summary import summarise_ablation
from infogeo.context.distribution import distribution
from infogeo.context.gain_summary import at_final, summarise_gain
from infogeo.context.selection_summary import summarise_selection
from infogeo.files import tables
from infogeo.files.artefacts import read_table
from infogeo.files.parts import LazyTables, Parts, in_parts
from infogeo.sources import cards
from infogeo.sources.cards import REASONS

MAKERS = {  # the part of the study that makes each table of a model
    "gain": "gain", "gain_positions": "gain", "gain_relations": "gain", "gain_checks": "gain",
    "gain_surprisal": "gain", "untrained_gain": "untrained", "untrained_relations": "untrained",
    "crossed_relations": "crossed", "selection": "selection", "ridge": "selection",
    "ablation": "ablation", "ablation_status": "ablation",
    "layer_prediction": "ablation",
}  # fmt: skip
OF_CONTEXT = ("selection", "ablation")  # parts in which models of the study of gains may lack
MODEL_COLUMNS = (
    "corpus", "family", "model", "commit", "N", "width", "layers", "replicate", "run", "step",
)  # fmt: skip
PER_TEXT = ("gain", "untrained_gain")  # a row for each text: read in parts
AT_FINAL = ("gain_positions", "gain_checks", "gain_surprisal")


def tables_of_corpus(
    corpus: str,
    models: list[dict],
    files: dict[str, list[tuple]],
    random: pd.DataFrame,
    *,
    n: int,
    headline_eps2: float,
    draws: int,
    seed: int,
) -> dict:
    """Summaries of a corpus, reading one table of one model at a time.

    Parameters
    ----------
    corpus : str
    models : list of dict
        slug, family, studies and what cards say of them: those of the study of gains.
    files : dict
        For each name of MAKERS a path and its fingerprint for each causal model, of selection and
        ablation for those in the study `context`.
    random : pandas.DataFrame
        The random null.
    n : int
        Tokens of the texts.
    headline_eps2 : float
    draws, seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        A DataFrame for gain, selection, ablation, layer_prediction and distribution, and for
        each of AT_FINAL an iterable of DataFrames, read when it is consumed.
    """
    causal = [model for model in models if not cards.no_prediction(model)]
    in_context = [model for model in models if "context" in model["studies"]]
    both = [model for model in causal if model in in_context]
    of_models = {
        name: LazyTables(
            Parts if name in PER_TEXT else read_table,
            [model["slug"] for model in (both if maker in OF_CONTEXT else causal)],
            *zip(*files[name], strict=True),
        )
        for name, maker in MAKERS.items()
    }
    settings = {"draws": draws, "seed": seed}
    return {
        "gain": summarise_gain(corpus, causal, of_models, random, **settings),
        "selection": summarise_selection(corpus, both, of_models["selection"], **settings),
        "ablation": summarise_ablation(corpus, both, of_models["ablation"], **settings),
        "layer_prediction": layer_prediction.summarise(
            corpus, both, of_models["layer_prediction"], **settings
        ),
        "distribution": distribution(
            corpus, in_context, of_models, n=n, headline_eps2=headline_eps2, **settings
        ),
    } | {name: at_final(corpus, causal, of_models[name]) for name in AT_FINAL}


def with_problems(frame: pd.DataFrame, distribution: pd.DataFrame) -> pd.DataFrame:
    """A table for readers, with a row and the reason for each model that has no part in it.

    Parameters
    ----------
    frame : DataFrame
        gain, selection, ablation or layer_prediction.
    distribution : DataFrame
        With a row for each model.
    """
    others = distribution[distribution["problem"].isin(REASONS)]
    lacking = others[[name for name in frame.columns if name in MODEL_COLUMNS]]
    own = frame if "problem" in frame else frame.assign(problem="")
    rows = [own, lacking.assign(problem=others["problem"])]
    return tables.joined(rows).reindex(columns=own.columns)


def joined(corpora: list[dict], models: list[dict]) -> dict:
    """The tables of several corpora as one each; those of AT_FINAL in parts of bounded size."""
    made = {}
    for name in corpora[0]:
        of_corpora = [of_corpus[name] for of_corpus in corpora]
        if name in AT_FINAL:
            made[name] = in_parts(chain.from_iterable(of_corpora))
        else:
            made[name] = cards.with_commits(pd.concat(of_corpora, ignore_index=True), models)
    return made
