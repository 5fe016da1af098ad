"""Tables of similarities: layers of a model, and models at one layer, pair by pair."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd

from infogeo.geometry.depths import relative_depth
from infogeo.geometry.similarity import MEASURES, compare
from infogeo.geometry.similarity_inference import LEAST_SOURCES, interval, permuted
from infogeo.geometry.similarity_rows import SharedTexts
from infogeo.geometry.text_rows import KINDS, Rows
from infogeo.inference import multiple_tests, resampling

RESULTS = ["texts", "sources", "value", "low", "high", "null", "null_high", "p", "problems"]
PAIR_COLUMNS = ["one", "other", "scope", "first", "measure", *RESULTS]
LAYER_COLUMNS = [
    "corpus", "family", "model", "commit", "N", "layers", "layer", "other_layer", "relative_depth",
    "other_relative_depth", "n", "scope", "first", "measure", *RESULTS[:-1], "q", "untrained",
    "problems",
]  # fmt: skip
MODEL_COLUMNS = [
    "corpus", "family", "model", "commit", "N", "other_family", "other_model", "other_commit",
    "other_N", "layer", "n", "scope", "first", "measure", *RESULTS[:-1], "q", "untrained",
    "problems",
]  # fmt: skip
ANOTHER_TOKENIZER = "models with different tokenizers read other texts in n tokens: not compared"


def pair_table(
    representations: Callable[[Rows], dict],
    doc_ids,
    sources,
    *,
    neighbours: int,
    permutations: int,
    seed: int,
) -> pd.DataFrame:
    """Both measures of all pairs of representations of the same texts.

    Parameters
    ----------
    representations : callable
        Rows → dict of a name to its (texts, d) array; called once for each of KINDS.
    doc_ids, sources : (texts,) lists of str
        Texts of one source are no neighbours, and are left out together in the jackknife.
    neighbours : int
    permutations, seed : int
        Of the null.

    Returns
    -------
    pandas.DataFrame
        PAIR_COLUMNS, each pair once. value with its 95 % interval; null and null_high: mean and
        95 % quantile over permuted texts; p of the same; problems: why something is missing.
    """
    clusters = resampling.clusters(doc_ids, sources)
    return pd.concat([
        measure_pairs(
            representations(kind), measure, clusters,
            neighbours=neighbours, permutations=permutations, seed=seed,
        ).assign(scope=kind.scope, first=kind.first)
        for kind in KINDS for measure in MEASURES
    ], ignore_index=True)[PAIR_COLUMNS]  # fmt: skip


def measure_pairs(
    of_names: dict, measure: str, sources, *, neighbours: int, permutations: int, seed: int
) -> pd.DataFrame:
    """One measure of all pairs of representations of the same texts.

    Parameters
    ----------
    of_names : dict
        Name → (texts, d) array.
    measure : {"cka", "mutual_knn"}
    sources : (texts,) array
    neighbours, permutations, seed : int
        See `pair_table`.

    Returns
    -------
    pandas.DataFrame
        Of PAIR_COLUMNS all but scope and first.
    """
    compared = compare(
        list(of_names.values()), measure, sources=sources, neighbours=neighbours, keep=True
    )
    low, high = interval(compared)
    null = permuted(compared, permutations=permutations, seed=seed)
    columns = {"value": compared.values, "low": low, "high": high}
    columns |= dict(zip(("null", "null_high", "p"), null, strict=True))
    names, count = list(of_names), len(set(sources))
    one, other = np.triu_indices(len(names), 1)
    return pd.DataFrame({
        "one": [names[i] for i in one], "other": [names[i] for i in other], "measure": measure,
        "texts": len(sources), "sources": count,
        **{name: values[one, other] for name, values in columns.items()},
        "problems": [
            _problems({names[i]: compared.reasons[i] for i in pair}, count)
            for pair in zip(one, other, strict=True)
        ],
    })  # fmt: skip


def _problems(reasons: dict[str, str], sources: int) -> str:
    """Why two representations have no similarity, or no interval of it."""
    lacking = [f"{name}: {reason}" for name, reason in reasons.items() if reason]
    if not lacking and sources < LEAST_SOURCES:
        lacking = [f"no interval: {sources} sources, {LEAST_SOURCES} are needed"]
    return "; ".join(lacking)


PAIR = ["one", "other", "scope", "first", "measure"]


def layer_table(corpora: list[tuple], n: int) -> pd.DataFrame:
    """The similarities of layers of every model, with q values over all.

    Parameters
    ----------
    corpora : list of (str, dict, pandas.DataFrame, pandas.DataFrame or None)
        Corpus, model (slug, family, commit, params_non_embedding, layers), `pair_table` of it, and
        `similarity_rows.layers_of_twins`.
    n : int
        Tokens of each text.

    Returns
    -------
    pandas.DataFrame
        LAYER_COLUMNS. untrained: of the twins, NaN at layers of which they keep no rows.
    """
    parts = []
    for corpus, model, pairs, twins in corpora:
        pairs = (
            pairs.assign(untrained=np.nan) if twins is None else pairs.merge(twins, "left", PAIR)
        )

        def depths(layers, blocks=model["layers"]):
            return [relative_depth(layer, blocks) for layer in layers]

        described = {
            "corpus": corpus, "family": model["family"], "model": model["slug"],
            "commit": model["commit"], "N": model["params_non_embedding"],
            "layers": model["layers"], "n": n,
            "relative_depth": depths(pairs["one"]), "other_relative_depth": depths(pairs["other"]),
        }  # fmt: skip
        renamed = pairs.rename(columns={"one": "layer", "other": "other_layer"})
        parts.append(renamed.assign(**described))
    return _with_q_values(parts, LAYER_COLUMNS)


def model_table(corpora: list[tuple], **settings) -> pd.DataFrame:
    """The similarities of models at one layer, on the texts that all of one tokenizer have.

    Parameters
    ----------
    corpora : list of (str, list of dict, callable, callable)
        Corpus, models (slug, family, commit, params_non_embedding, tokenizer_sha256), and what
        gives rows of a model and of its twins; see `SharedTexts`.
    **settings
        Of `pair_table`.

    Returns
    -------
    pandas.DataFrame
        MODEL_COLUMNS, each pair once. untrained: of the twins, mean over pairs of draws on the
        scale of Fisher's z. Pairs of different tokenizers have a row without a value.
    """
    parts = []
    for corpus, models, *of_slug in corpora:
        by_slug = {model["slug"]: model for model in models}
        tables = [
            _shared_tokenizer(SharedTexts([model["slug"] for model in of_one], *of_slug), settings)
            for of_one in _tokenizers(models)
        ]
        tables.append(_apart(models))
        pairs = pd.concat(tables, ignore_index=True)
        for end, prefix in (("one", ""), ("other", "other_")):
            for column, field in (("family", "family"), ("model", "slug"), ("commit", "commit"),
                                  ("N", "params_non_embedding")):  # fmt: skip
                pairs[prefix + column] = [by_slug[slug][field] for slug in pairs[end]]
        parts.append(pairs.assign(corpus=corpus))
    return _with_q_values(parts, MODEL_COLUMNS)


def _tokenizers(models: list[dict]) -> list[list[dict]]:
    """The models of each tokenizer."""
    hashes = dict.fromkeys(model["tokenizer_sha256"] for model in models)
    return [[model for model in models if model["tokenizer_sha256"] == name] for name in hashes]


def _shared_tokenizer(shared: SharedTexts, settings: dict) -> pd.DataFrame:
    """The pairs of models of one tokenizer."""
    table = pair_table(shared.of_models, shared.doc_ids, shared.sources, **settings)
    clusters = resampling.clusters(shared.doc_ids, shared.sources)
    untrained = {}
    for kind in KINDS:
        for measure in MEASURES:
            twins = shared.of_twins(
                kind, measure, sources=clusters, neighbours=settings["neighbours"]
            )
            if twins is not None:
                values = np.tanh(twins.of_models(twins.compared.values))
                untrained[*kind, measure] = pd.DataFrame(values, shared.slugs, shared.slugs)
    columns = ("scope", "first", "measure", "one", "other")
    table["untrained"] = [
        untrained[scope, first, measure].at[one, other] if untrained else np.nan
        for scope, first, measure, one, other in zip(*(table[c] for c in columns), strict=True)
    ]
    return table.assign(layer=shared.layer, n=shared.n)


def _apart(models: list[dict]) -> pd.DataFrame:
    """Rows of the pairs that are not compared."""
    pairs = [
        (one["slug"], other["slug"]) for one, other in combinations(models, 2)
        if one["tokenizer_sha256"] != other["tokenizer_sha256"]
    ]  # fmt: skip
    rows = [
        {"one": one, "other": other, **kind._asdict(), "measure": measure, "texts": 0, "sources": 0}
        for one, other in pairs for kind in KINDS for measure in MEASURES
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=PAIR_COLUMNS).assign(problems=ANOTHER_TOKENIZER)


def _with_q_values(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """The parts below each other, with Benjamini–Hochberg q values over all."""
    table = pd.concat(parts, ignore_index=True)
    numbers = [name for name in RESULTS if name not in ("texts", "sources", "problems")]
    table[numbers] = table[numbers].astype(float)
    return table.assign(q=multiple_tests.benjamini_hochberg(table["p"])).reindex(columns=columns)
