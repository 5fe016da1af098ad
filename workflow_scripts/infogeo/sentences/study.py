"""Every distance of every model of a corpus, judged on the texts that all models have."""

from dataclasses import dataclass

import numpy as np

from infogeo.files.errors import InfogeoError
from infogeo.inference import resampling
from infogeo.jobs.progress import Heartbeat
from infogeo.sentences.distances import BASELINES
from infogeo.sentences.judged_texts import NotJudged
from infogeo.sentences.separation import Judged, Separation

MEANS = ("cosine", "cosine_centred")  # what covariance has to beat
REFERENCES = (*MEANS, "bag_of_words", "length")


@dataclass(frozen=True)
class Study:
    """Every distance of every model of a corpus, judged on the texts that all of them have.

    Attributes
    ----------
    corpus : str
    models : list of dict
        slug, family, params_total, params_non_embedding, width, layers, replicate, dtype,
        tokenizer_sha256.
    separation : Separation
    cells : dict
        (slug, depth, first, distance) → Judged; depth and first "": baselines.
    twins : dict
        (slug, depth, first, distance) → values (draws, scores) and the influence of the sources on
        their mean (sources, scores).
    texts_left_out : int
        Texts that some model lacks, or whose label has no second source.
    """

    corpus: str
    models: list
    separation: Separation
    cells: dict
    twins: dict
    texts_left_out: int

    def cell(self, slug: str, depth: str, first: str, distance: str) -> Judged | None:
        """One judged distance, or None; a baseline is found from every depth and first."""
        at = ("", "") if distance in BASELINES else (depth, first)
        return self.cells.get((slug, *at, distance))

    def gap(self, slug: str, depth: str, first: str, distance: str, reference: str):
        """Scores less those of a reference, of the untrained twins ("untrained"), or of the same
        distance without the first tokens ("out").

        Returns
        -------
        values : (scores,) array
        influence : (sources, scores) array
            NaN where there is no such reference, or it is the distance itself.
        """
        cell = self.cell(slug, depth, first, distance)
        if reference == "untrained":
            values, influence = self.twins.get((slug, depth, first, distance), (None, None))
            other = None if values is None else (values.mean(axis=0), influence)
        else:
            if reference == "out":
                rival = self.cell(slug, depth, "out", distance) if first == "in" else None
            else:
                rival = None if reference == distance else self.cell(slug, depth, first, reference)
            other = None if rival is None else (rival.values, rival.influence)
        if other is None:
            return np.full_like(cell.values, np.nan), np.full_like(cell.influence, np.nan)
        return cell.values - other[0], cell.influence - other[1]


def judge_corpus(
    corpus: str,
    models: list[dict],
    trained: dict,
    untrained: dict,
    *,
    neighbours: int,
    permutations: int,
    seed: int,
) -> Study:
    """Judge every distance of a corpus.

    Parameters
    ----------
    corpus : str
    models : list of dict
        slug, family, params_total, params_non_embedding, width, layers, replicate, dtype,
        tokenizer_sha256.
    trained, untrained : dict
        Slug → `infogeo.sentences.file.Sentences`, read one at a time; a model may lack twins.
    neighbours, permutations, seed : int
        As for `infogeo.sentences.separation.Separation`.

    Raises
    ------
    NotJudged
        Where no text is in all models, or labels cannot be judged.
    InfogeoError
        Where a text has two labels or sources.
    """
    slugs = [model["slug"] for model in models]
    texts, shared, total = _texts(corpus, slugs, trained, untrained)
    labels, sources = zip(*(texts[doc_id] for doc_id in shared), strict=True)
    separation = Separation(labels, resampling.clusters(shared, sources), neighbours=neighbours,
                            permutations=permutations, seed=seed)  # fmt: skip
    cells, twins = {}, {}
    beat = Heartbeat(f"separation of labels of {corpus}", total, "distances")
    done = 0
    for slug in slugs:
        for (_, *key), distance in _distances(trained[slug], shared):
            cells[slug, *key] = separation.judge(distance)
            done += 1
        draws: dict[tuple, list] = {}
        for (_, *key), distance in _distances(untrained.get(slug), shared):
            scores = separation.values(distance), separation.influence(distance)
            draws.setdefault((slug, *key), []).append(scores)
            done += 1
        for key, scores in draws.items():
            values, influence = (np.stack(part) for part in zip(*scores, strict=True))
            twins[key] = values, influence.mean(axis=0)
        beat.update(done)
    beat.close()
    left_out = len(texts) - len(shared) + separation.texts.left_out
    return Study(corpus, models, separation, cells, twins, left_out)


def _texts(corpus, slugs, trained, untrained) -> tuple[dict[str, tuple], list[str], int]:
    """doc_id → (label, source) of all texts; those that all models have; how many distances."""
    texts: dict[str, tuple] = {}
    shared, total = None, 0
    for part in (trained, untrained):
        for sentences in (part[slug] for slug in slugs if slug in part):
            for text in zip(sentences.doc_ids, sentences.labels, sentences.sources, strict=True):
                if texts.setdefault(text[0], text[1:]) != text[1:]:
                    raise InfogeoError(
                        f"results/sentences/{corpus}: the text {text[0]!r} has another label or "
                        "source in one model than in another. Make them anew: "
                        "snakemake -R sentence_geometry"
                    )
            own = set(sentences.doc_ids)
            shared = own if shared is None else shared & own
            total += len(sentences.distances)
    doc_ids = [doc_id for doc_id in texts if doc_id in shared]
    if not doc_ids:
        raise NotJudged(_why_none(slugs, trained))
    return texts, doc_ids, total


def _why_none(slugs, trained) -> str:
    """Why no text is in all models: the texts left out, where it is for the same reasons."""
    left_out = [trained[slug].left_out for slug in slugs if not trained[slug].doc_ids]
    if not left_out:
        return (
            f"no text is in every one of the {len(slugs)} models. Their tokenizers leave too few "
            "tokens of too many texts: lower sentences.n"
        )
    reasons = ", ".join(f"{why}: {number}" for why, number in left_out[0].items() if number)
    return (
        f"no two texts can be compared (left out: {reasons}); see sentences.texts_per_label and "
        "sentences.n"
    )


def _distances(sentences, doc_ids):
    """(key, distance) of a model, in the order of doc_ids."""
    if sentences is None:
        return
    place = {doc_id: row for row, doc_id in enumerate(sentences.doc_ids)}
    rows = np.array([place[doc_id] for doc_id in doc_ids])
    for key, distance in sentences.distances.items():
        yield key, np.asarray(distance)[np.ix_(rows, rows)]
