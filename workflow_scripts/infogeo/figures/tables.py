"""The columns that figures draw, and the rows of a table that belong to one."""

import numpy as np
import pandas as pd

from infogeo.files.errors import InfogeoError

KEY = ["corpus", "family", "scope", "metric", "depth", "convention", "first", "n", "axis"]
MODEL = ["corpus", "family", "model", "N"]
IN_RUN = [*MODEL, "run", "step"]
ENDS = ("", "_low", "_high")
EXPONENTS = ["exponent", "excess_width", "excess_random", "excess_untrained", "depth_exponent"]

# Folder of results → table → what it must have. One that lacks a column is another version's.
NEEDED = {
    "scaling": {
        "laws": [
            *KEY, "points", "models", "texts", "falls_verdict", "problems",
            *(f"{name}{end}" for name in (*EXPONENTS, "excess_reading") for end in ENDS),
        ],
        "points": [
            *KEY, "N", "width", "layers", "y", "y_low", "y_high", "seed_sd", "replicates",
            "fitted", "band_low", "band_high", "width_law",
            "random_null", "random_low", "random_high",
            "untrained", "untrained_low", "untrained_high",
        ],
        "profiles": [
            "corpus", "family", "scope", "metric", "convention", "first", "n",
            "model", "N", "params_total", "width", "layers", "run", "step", "layer",
            "relative_depth", "y", "y_low", "y_high",
            "untrained", "untrained_low", "untrained_high",
        ],
        "differences": [
            "corpus", "model", "other_model", "layer", "relative_depth", "scope", "convention",
            "first", "n", "metric", "other_value", "difference", "low", "high",
            "untrained_difference", "equal_difference", "equal_low", "equal_high",
        ],
        "pairs": [
            "corpus", "family", "scope", "metric", "depth", "convention", "first", "n",
            "width", "layers_low", "layers_high", "ln_ratio", "ln_ratio_low", "ln_ratio_high",
        ],
    },
    "context": {
        "gain": [
            *IN_RUN, "width", "replicate", "layer", "regulariser", "metric", "y", "low", "high",
            "untrained", "untrained_low", "untrained_high", "untrained_on_trained", "types_partial",
            "random", "random_low", "random_high",
            "largest_residual_ridge", "largest_residual_slogdet", "checked_tokens",
        ],
        "gain_positions": [
            *IN_RUN, "layer", "regulariser", "position", "quantity", "mean", "low", "high",
        ],
        "gain_checks": [*IN_RUN, "layer", "regulariser", "gain", "gain_ridge"],
        "gain_surprisal": [*IN_RUN, "layer", "regulariser", "surprisal", "gain", "low", "high"],
        "selection": [
            *IN_RUN, "selector", "sink", "k", "held_out", "held_out_low", "held_out_high",
            "in_sample", "in_sample_low", "in_sample_high",
            "lasso_wins", "lasso_wins_low", "lasso_wins_high", "wilcoxon_p_holm",
        ],
        "ablation": [
            *IN_RUN, "selector", "sink", "mode", "share",
            "recovery", "recovery_low", "recovery_high",
        ],
        "layer_prediction": [
            *IN_RUN, "layer", "relative_depth", "nll", "nll_low", "nll_high",
            "predictive_entropy", "correlation", "problem",
        ],
        "distribution": [
            *IN_RUN, "width", "replicate", "share90", "share90_low", "share90_high", "censored",
            "share90_random", "share90_random_low", "share90_random_high",
            "gap", "gap_low", "gap_high",
            "participation_share", "participation_low", "participation_high", "problem",
        ],
    },
    "dimension": {
        "dimension": [
            *IN_RUN, "layer", "relative_depth", "scope", "first", "n", "estimator", "scale",
            "value", "low", "high", "null", "untrained", "reason",
        ],
    },
    "sentences": {
        "scores": [
            *IN_RUN, "width", "replicate", "depth", "first", "distance", "score",
            "value", "low", "high", "untrained", "untrained_low", "untrained_high",
        ],
        "layers": [
            *IN_RUN, "layer", "relative_depth", "first", "auc", "low", "high",
            "untrained", "untrained_low", "untrained_high",
        ],
        "which_layer": [
            *IN_RUN, "scope", "convention", "first", "metric",
            "rho", "rho_low", "rho_high", "untrained", "problems",
        ],
        "maps": [
            "model", "depth", "doc_id", "label",
            "pca_1", "pca_2", "umap_1", "umap_2", "explained_1", "explained_2",
        ],
    },
    "similarity": {
        "layers": [
            "corpus", "family", "model", "N", "layer", "other_layer", "scope", "first", "measure",
            "value", "p", "untrained",
        ],
        "models": [
            "corpus", "family", "model", "N", "other_family", "other_model", "other_N", "scope",
            "first", "measure", "value", "p", "untrained",
        ],
    },
    "training": {
        "trajectories": [
            "corpus", "family", "runs", "N", "width", "layers", "metric", "convention", "first",
            "step", "train_tokens", "place", "y", "y_low", "y_high",
            "untrained", "untrained_low", "untrained_high", "problems",
        ],
        "phases": [
            "corpus", "family", "runs", "N", "width", "layers", "metric", "convention", "first",
            "phase", "starts", "starts_low", "starts_high", "ends", "word", "problems",
        ],
        "exponents": [
            "corpus", "family", "metric", "convention", "first", "step", "train_tokens", "place",
            *(f"{name}{end}" for name in EXPONENTS for end in ENDS), "problems",
        ],
    },
    "theory": {
        "graph": ["text", "skill"],
        "curve": [
            "n", "texts", "not_understood", "not_understood_low", "not_understood_high",
            "entropy", "entropy_low", "entropy_high", "exact_not_understood", "exact_entropy",
            "h1", "delta", "used", "fitted", "exponent", "exponent_low", "exponent_high",
        ],
        "recovery": [
            "variant", "n_low", "points", "exponent_true", "exponent_mean", "coverage", "width",
        ],
    },
}  # fmt: skip


def check_columns(frame: pd.DataFrame, study: str, table: str, corpus: str = "") -> None:
    """Stop where a table lacks a column that its figure draws.

    Parameters
    ----------
    frame : pandas.DataFrame
    study, table : str
        Keys of `NEEDED`: the folder in results, and the name of the file.
    corpus : str
        The folder below, of a table of one corpus.

    Raises
    ------
    InfogeoError
        Naming the table, the columns it lacks, and the command that makes it anew.
    """
    missing = [name for name in NEEDED[study][table] if name not in frame.columns]
    if missing:
        path = "/".join(filter(None, ["results", study, corpus, f"{table}.parquet"]))
        raise InfogeoError(
            f"{path}: lacks the column(s) {', '.join(missing)} that the figures draw. "
            f"It was made by another version. Make it anew: snakemake -R {path}"
        )


def select(frame: pd.DataFrame, **keys) -> pd.DataFrame:
    """The rows in which every named column has the given value."""
    chosen = np.ones(len(frame), dtype=bool)
    for name, value in keys.items():
        chosen &= (frame[name] == value).to_numpy()
    return frame[chosen]


def select_parts(parts, study: str, table: str, **keys) -> pd.DataFrame:
    """The rows of a table that a figure draws: those in which every named column has its value.

    Parameters
    ----------
    parts : infogeo.files.parts.Parts
        Such as results/context/gain_positions.parquet, of a thousand models millions of rows.
    study, table : str
        As in `check_columns`.

    Raises
    ------
    InfogeoError
        Where the table lacks a column.
    """
    selected = []
    for part in parts:
        check_columns(part, study, table)
        selected.append(select(part, **keys))
    return pd.concat(selected, ignore_index=True)
