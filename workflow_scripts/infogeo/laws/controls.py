"""The controls beside a law at its points: width law, random vectors, twins, shuffled words."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from infogeo.files.errors import InfogeoError
from infogeo.geometry.entropy import evaluate
from infogeo.geometry.metrics import CONDITIONAL
from infogeo.inference.regression import t_quantile
from infogeo.laws.comparison import Comparison, averaged
from infogeo.laws.measured import Texts
from infogeo.laws.reading import MARGIN

# A model's spectra: (slug, scope, layer, convention, first, n) → doc_ids (texts,), eigenvalues
# (texts, rank), rows that each was made of (texts,); one "text" for a dataset scope.
Spectra = Callable[[str, str, str, str, str, int], tuple]


RANDOM_KEY = ["n", "convention", "first", "metric"]


def truncate(eigenvalues, d: int) -> np.ndarray:
    """The d largest eigenvalues of each row, scaled to the row's former sum."""
    if eigenvalues.shape[-1] <= d:
        return eigenvalues
    largest = np.sort(eigenvalues, axis=-1)[..., ::-1][..., :d]
    before, after = (part.sum(-1, keepdims=True) for part in (eigenvalues, largest))
    return largest * np.divide(before, after, where=after > 0, out=np.zeros_like(after))


class Beside(NamedTuple):
    """The controls of one law at its points.

    Attributes
    ----------
    nulls : dict
        As in `infogeo.laws.law.Curve`.
    random : (3, points) array
        Mean over draws of random vectors, and its 95 % t interval; NaN: none.
    reach : (2, points) array
        Least and largest draw of the twins; NaN: none.
    reference : int or None
        Position of the model whose spectra give the width law.
    shuffled, gain : (points,) array and (draws, points) array or None
        ln of the metric of texts with shuffled words, and of what better reading adds, and what
        resampling the texts does to it; NaN: none.
    reasons : dict
        As in `infogeo.laws.law.Curve`.
    """

    nulls: dict
    random: np.ndarray
    reach: np.ndarray
    reference: int | None
    shuffled: tuple
    gain: tuple
    reasons: dict


class Controls:
    """The controls of every law of one corpus.

    Parameters
    ----------
    corpus : str
    texts : Texts
    random : pandas.DataFrame
        The random null: d, n, convention, first, metric, draw, value.
    spectra : callable
        A reference model's spectra, see `Spectra`.
    """

    def __init__(self, corpus: str, texts: Texts, random: pd.DataFrame, spectra: Spectra):
        self.corpus, self.texts, self.spectra = corpus, texts, spectra
        by_key = random.groupby(["d", *RANDOM_KEY])["value"]
        self.random = {key: group.to_numpy() for key, group in by_key}

    def beside(self, compared: Comparison, points, widths: list[int], twins, shuffled) -> Beside:
        """What each control is at every point.

        Parameters
        ----------
        compared : Comparison
        points : list of lists of int
            Positions of the models of each point, ascending in N.
        widths : list of int
            Of the points.
        twins
            From `infogeo.laws.comparison.Family.twins`.
        shuffled
            From `infogeo.laws.comparison.Family.shuffled`.
        """
        nulls: dict[str, tuple] = {}
        reasons: dict[str, str] = {}
        random, reach = np.full((3, len(points)), np.nan), np.full((2, len(points)), np.nan)
        reference = None
        if compared.key["metric"] not in CONDITIONAL:
            reference = points[(len(points) - 1) // 2][0]
            nulls["width"] = self.width_law(compared, reference, widths)
            reasons["width"] = "not defined on the reference model's spectra at every width"
            if compared.key["scope"] == "text":
                random = self.random_null(compared.key, widths)
                with np.errstate(divide="ignore", invalid="ignore"):
                    nulls["random"] = np.log(random[0]), None
        if twins is None:
            nulls["untrained"] = np.full(len(points), np.nan), None
        else:
            curve, draws = twins
            nulls["untrained"] = averaged(curve, points)
            of_points = [np.concatenate([draws[i] for i in point]) for point in points]
            reach = np.array([(s.min(), s.max()) for s in of_points]).T
        nothing = np.full(len(points), np.nan), None
        of_shuffled = gain = nothing
        if shuffled is not None:
            of_shuffled = averaged(shuffled.curve, points)
        if shuffled is not None and compared.key["metric"] not in CONDITIONAL:
            gain = averaged(shuffled.gain, points)
            nulls["reading"] = tuple(None if part is None else MARGIN * part for part in gain)
            reasons["reading"] = shuffled.problem
        return Beside(nulls, random, reach, reference, of_shuffled, gain, reasons)

    def width_law(self, compared: Comparison, reference: int, widths):
        """ln y_w(d) and its shifts: the reference model's spectra with only d changed."""
        key, slug = compared.key, compared.models[reference]["slug"]
        doc_ids, eigenvalues, rows = self.spectra(
            slug, key["scope"], compared.layers[reference], key["convention"], key["first"],
            key["n"],
        )  # fmt: skip
        if key["scope"] == "text":
            place = self.texts.rows(doc_ids, compared.used)
            if (place < 0).any():
                raise InfogeoError(
                    f"spectra of {slug} on {self.corpus}: {int((place < 0).sum())} texts are "
                    "missing that its entropies have. Make them anew: "
                    f"snakemake -R results/spectra/{self.corpus}/{slug}.h5"
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
            values = self.random.get((d, *(key[name] for name in RANDOM_KEY)))
            if values is not None and len(values) > 1:
                error = values.std(ddof=1) / np.sqrt(len(values))
                half = t_quantile(len(values) - 1) * error
                out[:, i] = values.mean() + half * np.array([0, -1, 1])
        return out
