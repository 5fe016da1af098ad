"""The laws of all models on a corpus, from the files of their measurements."""

from functools import lru_cache

import numpy as np
import pandas as pd

from infogeo.geometry.depths import layers_at
from infogeo.geometry.spectra_file import SpectraFile
from infogeo.laws import valley
from infogeo.laws.columns import with_q_values
from infogeo.laws.fit import scaling_laws
from infogeo.laws.measured import Measured, OfModel, Texts, long_table, profile
from infogeo.laws.settings import Settings
from infogeo.sources import cards, runs

TABLES = ("laws", "points", "pairs", "profiles", "valleys")


def reference_spectra(files: dict[str, tuple[str, str]]):
    """The callable by which the laws read a reference model's spectra; see `scaling_laws`.

    Parameters
    ----------
    files : dict
        Slug → spectra file and its fingerprint.
    """

    @lru_cache(maxsize=2)  # a law of each axis in turn, whose reference models may differ
    def layer_of(slug: str, layer: str):
        file = SpectraFile(*files[slug])
        return file.documents, file.layer(layer)

    def read(slug: str, scope: str, layer: str, convention: str, first: str, n: int):
        documents, of_layer = layer_of(slug, layer)
        spectrum = of_layer.spectra[scope, convention, first, n]
        texts = documents.texts[n] if scope == "text" else []
        doc_ids = [documents.doc_ids[i] for i in texts] or [""]
        return doc_ids, spectrum.eigenvalues, spectrum.rows - np.asarray(spectrum.zero_rows)

    return read


class Measurements:
    """What was measured of the models on a corpus, read one model at a time.

    Parameters
    ----------
    corpus : str
    files, untrained, shuffled : dict
        Slug → entropies of the model, of its twins, or of texts with shuffled words, those that
        there are, and their fingerprint.
    settings : Settings

    Attributes
    ----------
    texts : Texts
        Of the models read so far.
    profiles : dict
        Slug → means of every layer of the models read so far.
    valleys : dict
        Slug → row of `valley.of_model`, likewise.
    """

    def __init__(
        self,
        corpus: str,
        files: dict[str, tuple],
        untrained: dict[str, tuple],
        shuffled: dict[str, tuple],
        settings: Settings,
    ):
        self.corpus, self.files, self.untrained = corpus, files, untrained
        self.shuffled = shuffled
        self.settings = settings
        self.texts, self.profiles, self.valleys = Texts(), {}, {}
        # Neighbours in the table often share their twins.
        self._measured = lru_cache(maxsize=1)(
            lambda *file: Measured(long_table(*file) if file else (), self.texts)
        )

    def of(self, model: dict) -> OfModel:
        """Of a model, its twins and shuffled words, the layers at the depths of the laws."""
        settings, slug = self.settings, model["slug"]
        trained = Measured(long_table(*self.files[slug]), self.texts)
        shuffled = None
        if slug in self.shuffled:
            shuffled = Measured(long_table(*self.shuffled[slug]), self.texts)
        measured = OfModel(trained, self._measured(*self.untrained.get(slug, ())), shuffled)
        self.profiles[slug] = profile(
            self.corpus, model, measured, self.texts, draws=settings.draws, seed=settings.seed
        )
        self.valleys[slug] = valley.of_model(
            self.corpus, model, trained, self.texts,
            n=settings.headline["n"], seed=settings.seed,
        )  # fmt: skip
        layers = layers_at(
            settings.depths, model["layers"], trained.layers, settings.depth_tolerance
        ).values()
        return OfModel(*(of and of.only(layers) for of in measured))


def tables_of_corpus(
    corpus: str,
    models: list[dict],
    entropies,
    untrained,
    spectra,
    shuffled: dict[str, tuple],
    random: pd.DataFrame,
    settings: Settings,
) -> dict[str, pd.DataFrame]:
    """Every law on a corpus, its points and pairs, and the means of every layer.

    Parameters
    ----------
    corpus : str
    models : list of dict
        See `scaling_laws`; also commit.
    entropies, untrained : iterables of (path, str)
        A model each: its entropies, or those of its twins, and their fingerprint. A model of which
        only the states are there has no twins.
    spectra : iterable of (path, str)
        A model each: its spectra and their fingerprint.
    shuffled : dict
        Slug → entropies of texts with shuffled words, of the models that have them, and their
        fingerprint.
    random : DataFrame
        The random null.
    settings : Settings

    Returns
    -------
    dict
        A DataFrame for each of TABLES.
    """
    slugs = [model["slug"] for model in models]
    with_twins = [model["slug"] for model in models if cards.has_model(model)]
    files = (
        dict(zip(names, of_models, strict=True))
        for names, of_models in ((slugs, entropies), (with_twins, untrained))
    )
    measurements = Measurements(corpus, *files, shuffled, settings)
    read = reference_spectra(dict(zip(slugs, spectra, strict=True)))
    fitted = scaling_laws(
        corpus, models, measurements.of, measurements.texts, random, read, settings
    )
    for model in models:  # of runs all steps but the last are in no law
        if model["slug"] not in measurements.profiles:
            measurements.of(model)
    profiles = pd.concat([measurements.profiles[slug] for slug in slugs], ignore_index=True)
    last = runs.last_of_runs(models)
    valleys = valley.table([measurements.valleys[model["slug"]] for model in last])
    made = (*fitted, cards.with_commits(profiles, models), valleys)
    return dict(zip(TABLES, made, strict=True))


def joined(corpora: list[dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """The tables of several corpora as one each, with q values over all laws."""
    tables = {
        name: pd.concat([tables[name] for tables in corpora], ignore_index=True) for name in TABLES
    }
    return tables | {"laws": with_q_values(tables["laws"])}
