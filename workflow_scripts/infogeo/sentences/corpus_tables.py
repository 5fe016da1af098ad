"""The study of sentences of all models on a corpus, from the files of their geometry."""

import pandas as pd

from infogeo.files import tables
from infogeo.files.parts import LazyTables
from infogeo.sentences.file import load
from infogeo.sentences.judged_texts import NotJudged
from infogeo.sentences.study import judge_corpus
from infogeo.sentences.summary import SCORE_COLUMNS, score_table, with_q_values
from infogeo.sentences.trends import not_available, trend_table
from infogeo.sources import cards


def tables_of_corpus(
    corpus: str,
    models: list[dict],
    trained,
    untrained,
    *,
    neighbours: int,
    permutations: int,
    headline_depth: str,
    draws: int,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """How well each distance separates the labels of a corpus, and how that changes with N.

    Parameters
    ----------
    corpus : str
    models : list of dict
        slug, family, commit and what cards say of them.
    trained, untrained : sequences of (path, str)
        A model each: its file of geometry, or that of its twins, and the fingerprint. A model of
        which only the states are there has no twins.
    neighbours, permutations, headline_depth, draws, seed
        See `judge_corpus`, `score_table` and `trend_table`.

    Returns
    -------
    dict
        The DataFrames `scores` and `trends`. Where texts cannot be judged there are no scores, and
        the trends say why.
    """
    slugs = [model["slug"] for model in models]
    with_twins = [model["slug"] for model in models if cards.has_model(model)]
    both = (_tables(slugs, trained), _tables(with_twins, untrained))
    try:
        study = judge_corpus(
            corpus, models, *both, neighbours=neighbours, permutations=permutations, seed=seed
        )
    except NotJudged as reason:
        trends = not_available(corpus, models, str(reason), headline_depth=headline_depth)
        none = pd.DataFrame(columns=SCORE_COLUMNS)
        return {"scores": cards.with_commits(none, models), "trends": trends}
    scores = score_table(study, headline_depth=headline_depth)
    trends = trend_table(study, headline_depth=headline_depth, draws=draws, seed=seed)
    return {"scores": cards.with_commits(scores, models), "trends": trends}


def _tables(slugs: list[str], files) -> LazyTables:
    """The file of geometry of each of some models, perhaps of none."""
    return LazyTables(load, slugs, *(zip(*files, strict=True) if slugs else ((), ())))


def joined(corpora: list[dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """The tables of several corpora as one each, with q values over all rows."""
    return {
        name: with_q_values(tables.joined([of_corpus[name] for of_corpus in corpora]))
        for name in corpora[0]
    }
