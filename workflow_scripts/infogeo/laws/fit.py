"""From measurements to scaling laws with their controls and verdicts.

A law is one metric, at one depth, convention and n, of one family on one corpus, against one
way to count N.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd

from infogeo.files.errors import InfogeoError
from infogeo.geometry import metrics
from infogeo.geometry.depths import layer_at, width_at
from infogeo.geometry.entropy import evaluate
from infogeo.geometry.metrics import CONDITIONAL
from infogeo.inference import forms, multiple_tests, regression, resampling
from infogeo.jobs.progress import Heartbeat
from infogeo.laws.law import Curve, judge
from infogeo.laws.measured import Measured, Texts
from infogeo.sources import replicates

KEY = ["corpus", "family", "scope", "metric", "depth", "convention", "n", "axis"]

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
          "common_families"]  # fmt: skip
POINT_COLUMNS = [
    *KEY, "models", "N", "width", "layers", "layer", "train_tokens", "replicates",
    "y", "y_low", "y_high", "seed_sd", "fitted", "band_low", "band_high",
    "width_law", "random_null", "random_low", "random_high",
    "untrained", "untrained_low", "untrained_high",
]  # fmt: skip
PAIR_COLUMNS = [
    *KEY, "width", "models_low", "models_high", "layers_low", "layers_high", "N_low", "N_high",
    "ln_ratio", "ln_ratio_low", "ln_ratio_high", "exponent", "exponent_low", "exponent_high",
]  # fmt: skip

# A model's spectra: (slug, scope, layer, convention, n) → doc_ids (texts,), eigenvalues
# (texts, rank), rows that each was made of (texts,); one "text" for a dataset scope.
Spectra = Callable[[str, str, str, str, int], tuple]


@dataclass(frozen=True)
class Settings:
    """What the configuration says about laws.

    Attributes
    ----------
    depths : tuple of str
        Relative depths ("0" … "1") and "final".
    depth_tolerance : float
        Largest distance of a layer from a relative depth.
    axes : tuple of str
        "non_embedding", "total".
    draws, seed : int
        Bootstrap.
    headline : dict
        n, eps2, depth, axis, metrics (list of [metric, convention]; coding rates without ε²).
    """

    depths: tuple = ("0", "0.5", "1", "final")
    depth_tolerance: float = 0.1
    axes: tuple = ("non_embedding", "total")
    draws: int = 999
    seed: int = 0
    headline: dict = field(default_factory=dict)

    def is_headline(self, law: dict) -> bool:
        """Whether a law was declared a headline before the run."""
        if not self.headline or law["scope"] != "text":
            return False
        declared = {
            (metrics.at_eps2(base, self.headline["eps2"]), convention)
            for base, convention in self.headline["metrics"]
        }
        depth = metrics.depth_of(law["metric"], self.headline["depth"])
        return (
            (law["metric"], law["convention"]) in declared
            and (law["n"], law["axis"]) == (self.headline["n"], self.headline["axis"])
            and law["depth"] == depth
        )


# ---------------------------------------------------------------- what is compared


def incomparable(models: list[dict], metric: str) -> str:
    """Why these models may not be compared, or "": a comparison has one dtype and one tokenizer."""
    kinds = sorted({model["dtype"] for model in models})
    if len(kinds) > 1:
        return f"models of different dtypes ({', '.join(kinds)}) are not compared"
    if metric != "bits_per_byte" and len({model["tokenizer_sha256"] for model in models}) > 1:
        return "models with different tokenizers are compared in bits_per_byte only"
    return ""


@dataclass
class Comparison:
    """The models of one family that have a key at a depth, on the texts that all of them have.

    Attributes
    ----------
    key : dict
        corpus, family, scope, metric, depth, convention, n.
    models : list of dict
        One per row of `values`.
    layers : list of str
        The layer taken of each.
    values : (models, texts) array
    used : (texts,) array
        Positions of the texts.
    weights : (draws, texts) array or None
        Resamples of text clusters; None for a dataset scope.
    """

    key: dict
    models: list
    layers: list
    values: np.ndarray
    used: np.ndarray
    weights: np.ndarray | None

    def curve(self, values) -> tuple[np.ndarray, np.ndarray | None]:
        """ln of means over texts, and what resampling the texts does to it.

        Parameters
        ----------
        values : (rows, texts) array

        Returns
        -------
        centres : (rows,) array
        shifts : (draws, rows) array or None
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            centres = np.log(values.mean(-1))
            if self.weights is None:
                return centres, None
            return centres, np.log(self.weights @ values.T) - centres


def averaged(curve, points):
    """A curve over models as one over points: ln y of the replicates of a point averaged."""
    centres, shifts = curve
    y = np.array([centres[point].mean() for point in points])
    if shifts is None:
        return y, None
    return y, np.stack([shifts[:, point].mean(-1) for point in points], axis=1)


def truncate(eigenvalues, d: int) -> np.ndarray:
    """The d largest eigenvalues of each row, scaled to the row's former sum."""
    if eigenvalues.shape[-1] <= d:
        return eigenvalues
    kept = np.sort(eigenvalues, axis=-1)[..., ::-1][..., :d]
    before, after = (part.sum(-1, keepdims=True) for part in (eigenvalues, kept))
    return kept * np.divide(before, after, where=after > 0, out=np.zeros_like(after))


# ---------------------------------------------------------------- the laws of one corpus


class Laws:
    """Fits every law of one corpus; see `scaling_laws`, whose parameters it takes."""

    def __init__(self, corpus, models, measure, texts, random, spectra, settings):
        self.corpus, self.models, self.settings = corpus, models, settings
        self.measure, self.texts = measure, texts
        names = ["d", "n", "convention", "metric"]
        self.random = {key: group.to_numpy() for key, group in random.groupby(names)["value"]}
        self.spectra = spectra
        self.reference: tuple = (None, None)  # the spectra read last, and their key
        # Of the family at hand: what was measured, slug → Measured; the texts' clusters; and their
        # resamples.
        self.trained: dict[str, Measured] = {}
        self.untrained: dict[str, Measured | None] = {}
        self.sources = np.array([])
        self.resamples: dict[bytes, np.ndarray] = {}
        self.laws: list[dict] = []
        self.points: list[dict] = []
        self.pairs: list[dict] = []
        self.fitted: dict[tuple, list] = {}  # for the exponents common to families

    def fit_all(self) -> None:
        """Every family, key, depth and axis; one family's measurements are in memory."""
        families: dict[str, list[dict]] = {}
        for model in self.models:
            families.setdefault(model["family"], []).append(model)
        for family, models in families.items():
            self.trained, self.untrained, self.resamples = {}, {}, {}
            for model in models:
                slug = model["slug"]
                self.trained[slug], self.untrained[slug] = self.measure(model)
            self.sources = np.array(self.texts.sources)
            self.fit_family(family, models)

    def fit_family(self, family: str, models: list[dict]) -> None:
        """Every key, depth and axis of one family."""
        depths, axes = self.settings.depths, self.settings.axes
        keys = dict.fromkeys(
            (scope, convention, n, metric)
            for model in models
            for scope, _, convention, n, metric in self.trained[model["slug"]].row
        )
        # Neighbours share the reference's spectra: depth first, then the rest.
        jobs = [
            (family, models, depth, *key)
            for depth in (*depths, "")
            for key in keys
            if (key[-1] in CONDITIONAL) == (depth == "")
        ]
        beat = Heartbeat(f"scaling laws of {family}, {self.corpus}", len(jobs) * len(axes), "laws")
        done = len(self.laws)
        for job in jobs:
            self.compare(*job)
            beat.update(len(self.laws) - done)
        beat.close()

    def compare(self, family, models, depth, scope, convention, n, metric) -> None:
        """Choose layers and texts for one key and depth, then fit it against every N."""
        key = {
            "corpus": self.corpus, "family": family, "scope": scope, "metric": metric,
            "depth": depth, "convention": convention, "n": n,
        }  # fmt: skip
        chosen, layers, values = [], [], []
        for model in models:
            measured, layer = self.trained[model["slug"]], ""
            if depth:
                layer = layer_at(
                    depth, model["layers"], measured.layers, self.settings.depth_tolerance
                )
            found = measured.get((scope, layer, convention, n, metric), len(self.sources))
            if found is not None:
                chosen.append(model)
                layers.append(layer)
                values.append(found[0])
        counts = {"models": len(chosen), "models_left_out": len(models) - len(chosen)}
        problem, remarks = incomparable(chosen, metric), []
        if not chosen:
            problem = "no model has a layer at this depth"
        else:
            table = np.stack(values)  # (models, texts)
            used = np.flatnonzero(np.isfinite(table).all(0))
            if not len(used) and not problem:
                problem = "no text has a finite value in every model"
            if scope == "text":
                counts["texts"] = len(used)
                counts["texts_left_out"] = int((~np.isnan(table)).any(0).sum()) - len(used)
                counts["clusters"] = len(np.unique(self.sources[used]))
                if broken := int(np.isinf(table).any(0).sum()):
                    remarks.append(f"{broken} texts with a value that is not finite left out")
        if problem:
            for axis in self.settings.axes:
                law = key | {"axis": axis, "points": 0} | counts
                law |= {"falls_verdict": "not available", "form_verdict": "not available"}
                law["problems"] = "; ".join([problem, *remarks])
                self.laws.append(law | {"headline": self.settings.is_headline(law)})
            return
        weights = self.weights(used) if scope == "text" else None
        compared = Comparison(key, chosen, layers, table[:, used], used, weights)
        curve, twins = compared.curve(compared.values), self.twins(compared)
        for axis in self.settings.axes:
            self.fit(compared, axis, curve, twins, counts, list(remarks))

    def weights(self, used) -> np.ndarray:
        """The resamples of one set of texts."""
        name = used.tobytes()
        if name not in self.resamples:
            self.resamples[name] = resampling.text_weights(
                self.sources[used], draws=self.settings.draws, seed=self.settings.seed
            )
        return self.resamples[name]

    # -------- controls

    def width_law(self, compared: Comparison, reference: int, widths):
        """ln y_w(d) and its shifts: the reference model's spectra with only d changed."""
        key = compared.key
        name = (compared.models[reference]["slug"], key["scope"], compared.layers[reference],
                key["convention"], key["n"])  # fmt: skip
        if self.reference[0] != name:
            self.reference = name, self.spectra(*name)
        doc_ids, eigenvalues, rows = self.reference[1]
        if key["scope"] == "text":
            place = self.texts.rows(doc_ids, compared.used)
            if (place < 0).any():
                raise InfogeoError(
                    f"spectra of {name[0]} on {self.corpus}: {int((place < 0).sum())} texts are "
                    "missing that its entropies have. Make them anew: "
                    f"snakemake -R results/spectra/{self.corpus}/{name[0]}.h5"
                )
            eigenvalues, rows = eigenvalues[place], rows[place]
        different = list(dict.fromkeys(widths))
        table = np.stack(
            [
                evaluate(key["metric"], truncate(eigenvalues, d), d, rows, key["convention"])
                for d in different
            ]
        )  # (widths, texts)
        return averaged(compared.curve(table), [[different.index(d)] for d in widths])

    def random_null(self, key, widths) -> np.ndarray:
        """Mean over draws and its 95 % t interval at every point, (3, points); NaN: none."""
        out = np.full((3, len(widths)), np.nan)
        for i, d in enumerate(widths):
            values = self.random.get((d, key["n"], key["convention"], key["metric"]))
            if values is not None and len(values) > 1:
                error = values.std(ddof=1) / np.sqrt(len(values))
                half = regression.t_quantile(len(values) - 1) * error
                out[:, i] = values.mean() + half * np.array([0, -1, 1])
        return out

    def twins(self, compared: Comparison):
        """The twins' curve over models and each draw's mean (models, draws), or None."""
        key, tables = compared.key, []
        for model, layer in zip(compared.models, compared.layers, strict=True):
            twin = self.untrained[model["slug"]]
            name = (key["scope"], layer, key["convention"], key["n"], key["metric"])
            found = twin and twin.get(name, len(self.sources))
            if found is None or not np.isfinite(found[:, compared.used]).all():
                return None
            tables.append(found[:, compared.used])  # (draws, texts)
        means = [table.mean(-1) for table in tables]
        return compared.curve(np.stack([table.mean(0) for table in tables])), means

    # -------- one law

    def fit(self, compared: Comparison, axis, curve, twins, counts, problems) -> None:
        """Append one law, its points, and (once per key) its same-width pairs."""
        settings, models = self.settings, compared.models
        points, clash = replicates.points(models, axis)
        first = [models[point[0]] for point in points]
        N = np.array([model[f"params_{axis}"] for model in first], float)
        widths = np.array([width_at(compared.layers[row], models[row]) for row, *_ in points])
        x = np.log(N)
        y, shifts = averaged(curve, points)
        if not np.isfinite(y).all():
            names = [model["slug"] for model, ln_y in zip(first, y, strict=True)
                     if not np.isfinite(ln_y)]  # fmt: skip
            reason = f"y is not positive for {', '.join(names)}"
            y, shifts = np.where(np.isfinite(y), y, np.nan), None
        else:
            reason = regression.reason_no_fit(x, y)
        reason = "; ".join(filter(None, [clash, reason]))
        if shifts is not None and not np.isfinite(shifts).all():
            problems.append("texts not resampled: some resamples have a mean that is not positive")
            shifts = None
        if reason:
            problems.append(reason)
        row = compared.key | {"axis": axis, "points": len(points)} | counts
        row["headline"] = settings.is_headline(row)
        row["text_resampling"] = shifts is not None and not reason

        # What each control is at every point (ln), and how it moves with the texts.
        nulls: dict[str, tuple] = {}
        nothing = np.full(len(points), np.nan)
        random, reach = np.full((3, len(points)), np.nan), np.full((2, len(points)), np.nan)
        if compared.key["metric"] not in CONDITIONAL:
            reference = points[(len(points) - 1) // 2][0]
            row["reference_model"] = models[reference]["slug"]
            nulls["width"] = self.width_law(compared, reference, widths.tolist())
            if compared.key["scope"] == "text":
                random = self.random_null(compared.key, widths.tolist())
                with np.errstate(divide="ignore", invalid="ignore"):
                    nulls["random"] = np.log(random[0]), None
        if twins is None:
            nulls["untrained"] = nothing, None
        else:
            nulls["untrained"] = averaged(twins[0], points)
            spread = [np.concatenate([twins[1][i] for i in point]) for point in points]
            reach = np.array([(s.min(), s.max()) for s in spread]).T
        names = [model["slug"] for model in first]
        fitted = Curve(x, y, widths, names, nulls, shifts, counts.get("clusters", np.inf) - 1)
        judged, band, more = judge(fitted, reason, draws=settings.draws, seed=settings.seed)
        problems += more
        row |= judged | {"problems": "; ".join(problems)}

        with np.errstate(invalid="ignore"):
            seeds = np.array([curve[0][p].std(ddof=1) if len(p) > 1 else np.nan for p in points])
        spread = seeds[np.isfinite(seeds)]
        row["seed_sd"] = np.sqrt((spread**2).mean()) if len(spread) else np.nan
        self.laws.append(row)
        ends = np.full((2, len(y)), np.nan) if shifts is None else resampling.percentiles(shifts)
        rows = {
            "models": [" ".join(models[row]["slug"] for row in point) for point in points],
            "N": N, "width": widths, "layers": [model["layers"] for model in first],
            "layer": [compared.layers[point[0]] for point in points],
            "train_tokens": [model["train_tokens"] for model in first],
            "replicates": [len(point) for point in points],
            "y": np.exp(y), "y_low": np.exp(y + ends[0]), "y_high": np.exp(y + ends[1]),
            "seed_sd": seeds, **{name: np.exp(line) for name, line in band.items()},
            "width_law": np.exp(nulls.get("width", (nothing,))[0]),
            "random_null": random[0], "random_low": random[1], "random_high": random[2],
            "untrained": np.exp(nulls["untrained"][0]),
            "untrained_low": reach[0], "untrained_high": reach[1],
        }  # fmt: skip
        key = compared.key | {"axis": axis}
        self.points.append({name: [value] * len(points) for name, value in key.items()} | rows)
        if axis == settings.axes[0] and not clash:
            self.pairs += same_width(key, rows, y, shifts)
        if not reason:
            across = tuple(key[name] for name in KEY if name != "family")
            tokenizers = {model["tokenizer_sha256"] for model in models}
            self.fitted.setdefault(across, []).append((row, x, y, tokenizers))

    def across_families(self) -> None:
        """Add the exponent common to all families to the laws that share everything else."""
        for fitted in self.fitted.values():
            if len(fitted) < 2:
                continue
            laws = [law for law, *_ in fitted]
            tokenizers = set().union(*(found for *_, found in fitted))
            common = {"common_families": len(fitted)}
            if len(tokenizers) > 1 and laws[0]["metric"] != "bits_per_byte":
                why = "common exponent: families with different tokenizers"
                for law in laws:
                    law["problems"] = "; ".join(filter(None, [law["problems"], why]))
            else:
                x, y = (np.concatenate([fit[i] for fit in fitted]) for i in (1, 2))
                groups = np.repeat(np.arange(len(fitted)), [len(fit[1]) for fit in fitted])
                found = regression.common_slope(x, y, groups)
                common |= {f"common_{name}": value for name, value in found.items()}
            for law in laws:
                law |= common


def same_width(key: dict, points: dict, y, shifts) -> list[dict]:
    """Rows of `pairs`: neighbours in depth among the points of one width.

    Intervals come from resampling the texts alone: they say nothing of other seeds.

    Parameters
    ----------
    key : dict
        The law's.
    points : dict of lists
        models, N, width, layers of each point.
    y : (points,) array
        ln y.
    shifts : (draws, points) array or None
    """
    rows = []
    order = np.lexsort((points["N"], points["layers"], points["width"]))
    for low, high in pairwise(order):
        if points["width"][low] != points["width"][high]:
            continue
        ratio = y[high] - y[low]
        ends = (np.nan, np.nan)
        if shifts is not None:
            ends = ratio + resampling.percentiles(shifts[:, high] - shifts[:, low])
        row = key | {"width": points["width"][low]}
        for name in ("models", "layers", "N"):
            row |= {f"{name}_low": points[name][low], f"{name}_high": points[name][high]}
        span = np.log(points["N"][high] / points["N"][low])
        for end, value in zip(("", "_low", "_high"), (ratio, *ends), strict=True):
            row[f"ln_ratio{end}"] = value
            row[f"exponent{end}"] = value / span if span > 0 else np.nan
        rows.append(row)
    return rows


def scaling_laws(
    corpus: str,
    models: list[dict],
    measure: Callable[[dict], tuple[Measured, Measured | None]],
    texts: Texts,
    random: pd.DataFrame,
    spectra: Spectra,
    settings: Settings,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Every law of one corpus, with its points and its same-width pairs.

    Parameters
    ----------
    corpus : str
    models : list of dict
        slug, family, params_total, params_non_embedding, width, layers, replicate (see
        `infogeo.sources.replicates`), train_tokens (int or None), dtype, tokenizer_sha256 of every
        model.
    measure : callable
        Given a model, what was measured of it at the settings' depths and of its twins, or None: a
        model may lack twins; its laws then say so. Called once for each, family by family.
    texts : Texts
        Those to which it adds the texts.
    random : pandas.DataFrame
        The random null: d, n, convention, metric, draw, value.
    spectra : callable
        A reference model's spectra, see `Spectra`.
    settings : Settings

    Returns
    -------
    laws, points, pairs : pandas.DataFrame
        LAW_COLUMNS (q values belong to all corpora together: see `with_q_values`),
        POINT_COLUMNS, PAIR_COLUMNS.

    Raises
    ------
    InfogeoError
        Where tables do not belong together. What cannot be estimated is NaN, and the law's
        `problems` say why.
    """
    run = Laws(corpus, models, measure, texts, random, spectra, settings)
    run.fit_all()
    run.across_families()
    points = {
        name: [value for part in run.points for value in part[name]] for name in POINT_COLUMNS
    }
    points = pd.DataFrame(points).astype({"train_tokens": "Int64"})
    return tidy(pd.DataFrame(run.laws)), points, pd.DataFrame(run.pairs, columns=PAIR_COLUMNS)


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
