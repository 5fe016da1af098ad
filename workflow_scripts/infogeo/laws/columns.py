"""The tables of laws, their points and pairs: columns and types, and q values over all of them."""

import numpy as np
import pandas as pd

from infogeo.inference import forms, multiple_tests

KEY = ["corpus", "family", "scope", "metric", "depth", "convention", "first", "n", "axis"]

LAW_COLUMNS = [
    *KEY, "headline",
    "points", "widths", "models", "models_left_out", "texts", "texts_left_out", "clusters",
    "exponent", "exponent_low", "exponent_high", "text_resampling",
    "falls_verdict", "falls_p", "falls_q", "falls_false_supported", "falls_false_artefact",
    "rises_false",
    "controls_applied", "reference_model",
    "excess_width", "excess_width_low", "excess_width_high",
    "excess_random", "excess_random_low", "excess_random_high",
    "excess_untrained", "excess_untrained_low", "excess_untrained_high",
    "excess_reading", "excess_reading_low", "excess_reading_high",
    "equal_exponent", "equal_exponent_low", "equal_exponent_high",
    "shuffled_exponent", "shuffled_exponent_low", "shuffled_exponent_high",
    "shuffled_texts_left_out",
    "depth_exponent", "depth_exponent_low", "depth_exponent_high",
    "standard_error", "t_low", "t_high", "p_value", "q_value", "r_squared", "log_prefactor",
    "residual_sd", "seed_sd", "bootstrap_low", "bootstrap_high", "bca_low", "bca_high", "huber",
    "leave_one_out_low", "leave_one_out_high", "leave_one_out_model",
    "held_out_model", "held_out_measured", "held_out_predicted", "held_out_low",
    "held_out_high", "held_out_error",
    "form_verdict", "form_false_supported", "form_false_rejected", "form_power", "best_form",
    *(f"aicc_{form}" for form in forms.FORMS),
    "log_a", "log_b", "shifted_c", "shifted_a", "shifted_b",
    "joint_n_exponent", "joint_width_exponent", "joint_inflation",
    "common_families", "common_exponent", "common_low", "common_high", "common_f", "common_p",
    "problems",
]  # fmt: skip
WORDS = ["controls_applied", "reference_model", "leave_one_out_model", "held_out_model",
         "best_form", "problems"]  # fmt: skip
COUNTS = ["points", "widths", "models", "models_left_out", "texts", "texts_left_out", "clusters",
          "shuffled_texts_left_out", "common_families"]  # fmt: skip
POINT_COLUMNS = [
    *KEY, "models", "N", "width", "layers", "layer", "train_tokens", "replicates",
    "y", "y_low", "y_high", "seed_sd", "fitted", "band_low", "band_high",
    "width_law", "random_null", "random_low", "random_high",
    "untrained", "untrained_low", "untrained_high", "shuffled", "reading",
]  # fmt: skip
PAIR_COLUMNS = [
    *KEY, "width", "models_low", "models_high", "layers_low", "layers_high", "N_low", "N_high",
    "ln_ratio", "ln_ratio_low", "ln_ratio_high", "exponent", "exponent_low", "exponent_high",
]  # fmt: skip


def tidy(laws: pd.DataFrame) -> pd.DataFrame:
    """LAW_COLUMNS with one type each: words (none: ""), counts, booleans, numbers."""
    laws = laws.reindex(columns=LAW_COLUMNS)
    flags = ["headline", "text_resampling"]
    words = [*KEY, *WORDS, "falls_verdict", "form_verdict"]
    kinds = {name: "float64" for name in LAW_COLUMNS if name not in (*words, *flags)}
    kinds |= dict.fromkeys(COUNTS, "Int64") | dict.fromkeys(flags, bool)
    laws[WORDS] = laws[WORDS].astype(object).fillna("")
    laws["text_resampling"] = laws["text_resampling"].eq(True)
    return laws.astype(kinds)


def with_q_values(laws: pd.DataFrame) -> pd.DataFrame:
    """Benjamini–Hochberg q values over the exploratory laws of all corpora; headlines have none."""
    laws = laws.copy()
    exploratory = ~laws["headline"]
    for p, q in (("p_value", "q_value"), ("falls_p", "falls_q")):
        laws[q] = np.nan
        laws.loc[exploratory, q] = multiple_tests.benjamini_hochberg(laws.loc[exploratory, p])
    return laws
