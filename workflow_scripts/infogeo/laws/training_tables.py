"""The laws over training on a corpus, from the files of what was measured of the runs' models."""

import numpy as np
import pandas as pd

from infogeo.geometry.depths import layers_at
from infogeo.laws import exponents_over_training, pace, phases, trajectories
from infogeo.laws.measured import Measured, Texts, long_table
from infogeo.laws.settings import Settings
from infogeo.sources import cards

TABLES = ("trajectories", "phases", "pace", "exponents")
COLUMNS = dict(zip(TABLES, (trajectories.COLUMNS, phases.COLUMNS, pace.COLUMNS,
                            exponents_over_training.COLUMNS), strict=True))  # fmt: skip
WORDS = {*trajectories.ABOUT[:3], "metric", "convention", "first", "depth", "scope", "layer",
         "models", "word", "words", "controls_applied", "falls_verdict", "problems"}  # fmt: skip


class Declared:
    """What was measured of models for the metrics declared before the run, one file at a time.

    Parameters
    ----------
    files : dict
        Slug → entropies of the model, and their fingerprint.
    twins : dict
        Slug → the same of its untrained twins; models that share them name one file.
    settings : Settings

    Attributes
    ----------
    texts : Texts
        Of the models read so far.
    """

    def __init__(self, files: dict, twins: dict, settings: Settings):
        self.files, self.twins, self.settings = files, twins, settings
        self.texts = Texts()
        self._measured: dict[tuple, Measured] = {}

    def of(self, model: dict) -> tuple[Measured, Measured | None]:
        """Of a model and of its twins."""
        slug = model["slug"]
        twins = self._read(self.twins[slug], model) if slug in self.twins else None
        return self._read(self.files[slug], model), twins

    def _read(self, file: tuple, model: dict) -> Measured:
        if file not in self._measured:
            settings = self.settings
            measured = Measured((self._declared(part) for part in long_table(*file)), self.texts)
            layers = layers_at(
                [settings.headline["depth"]], model["layers"], measured.layers,
                settings.depth_tolerance,
            )  # fmt: skip
            self._measured[file] = measured.only(layers.values())
        return self._measured[file]

    def _declared(self, part: pd.DataFrame) -> pd.DataFrame:
        names = {(metric, kind) for metric, kind, _ in trajectories.declared(self.settings)}
        of_texts = (part["scope"] == "text") & (part["n"] == self.settings.headline["n"])
        part = part[of_texts & part["metric"].isin([metric for metric, _ in names])]
        keys = zip(part["metric"], part["convention"], strict=True)
        return part[np.fromiter((key in names for key in keys), bool, len(part))]


def tables_of_corpus(
    corpus: str, models: list[dict], files: dict, twins: dict, random, spectra, settings: Settings
) -> dict[str, pd.DataFrame]:
    """Trajectories, phases, pace and exponents of the runs on a corpus.

    Parameters
    ----------
    corpus : str
    models : list of dict
        See `infogeo.laws.fit.scaling_laws`; also run and step.
    files, twins : dict
        See `Declared`.
    random, spectra
        See `infogeo.laws.fit.scaling_laws`.
    settings : Settings
        Of depths and axes those of the headline alone are used.

    Returns
    -------
    dict
        A DataFrame for each of TABLES.
    """
    declared = Declared(files, twins, settings)
    rows: dict[str, list] = {name: [] for name in TABLES[:3]}
    for family in cards.by_family(models):
        # Texts that any model has, before values of all are set side by side.
        for model in family:
            declared.of(model)
        segmented = []
        for trajectory in trajectories.trajectories(family, settings.headline["axis"]):
            of_metrics = _with_phases(trajectory, declared, settings)
            segmented.append((trajectory, of_metrics))
            for course, segments in of_metrics:
                rows["trajectories"] += trajectories.rows(corpus, trajectory, course)
                rows["phases"] += phases.rows(corpus, trajectory, course, segments)
        rows["pace"] += pace.rows(corpus, segmented)
    frames = {name: pd.DataFrame(of_table) for name, of_table in rows.items()}
    frames["exponents"] = exponents_over_training.table(
        corpus, models, declared.of, declared.texts, random, spectra, settings
    )
    return {name: typed(frame, COLUMNS[name]) for name, frame in frames.items()}


def _with_phases(trajectory, declared: Declared, settings: Settings) -> list[tuple]:
    """The courses of a trajectory, each with its phases or None."""
    courses = trajectories.Courses(declared.of, declared.texts, settings).of(trajectory)
    places = trajectory.places()
    return [
        (course, None if phases.unfit(course) else
         phases.segmented(course, places, draws=settings.draws, seed=settings.seed))
        for course in courses
    ]  # fmt: skip


def typed(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The columns of a table with one type each: words (none: ""), numbers."""
    frame = frame.reindex(columns=columns)
    words = [name for name in columns if name in WORDS]
    frame[words] = frame[words].astype(object).fillna("").astype(str)
    return frame.astype({name: "float64" for name in columns if name not in WORDS})
