"""What a scheduler is asked for: GPUs, memory, minutes, of jobs of a model or over all models."""

import contextlib
from math import ceil
from pathlib import Path

from infogeo.files.errors import InfogeoError
from infogeo.geometry.depths import choose_layers
from infogeo.planning import costs
from infogeo.planning.job_costs import Job, Summary
from infogeo.planning.known import describe_model, sampled_texts_of, texts_of, written
from infogeo.sources import cards, ladder_members, runs

# The least that is asked for.
LEAST_MEGABYTES = 1500
# The minutes that a job takes to start, on a busy file system too, and what its operations take is
# multiplied by: a scheduler ends what runs longer.
START_MINUTES = 15
SLACK = 2
# What the costs of a job depend on, of what is known of its model.
SHAPE = (
    "params_total", "params_non_embedding", "width", "layers", "vocabulary", "float32_stream"
)  # fmt: skip


class Demands:
    """What jobs of a model ask for.

    Snakemake asks several times for each job, in a dry run too. So files are read again only once
    they have changed, and models of one shape are computed once.

    Parameters
    ----------
    config : dict
        The complete configuration.
    results : path-like
        The folder results/.
    """

    def __init__(self, config: dict, results):
        self._config, self._results = config, Path(results)
        self._gpu_bytes = config["plan"]["gpu_gigabytes"] * 1e9
        self._shapes: dict[tuple, tuple | None] = {}
        self._texts: dict[tuple, tuple[int, int]] = {}
        self._asked: dict[tuple, dict] = {}

    def of(self, rule: str, model: dict, corpus, expected_model: str, threads: int = 1) -> dict:
        """What to ask a scheduler for, for the job of a rule.

        Parameters
        ----------
        rule : str
            Its name, a method of `Job`.
        model : dict
            Its row of the table.
        corpus : dict or None
            Its row of the table; None for a training.
        expected_model : str
            Fingerprint that a finished model must carry to be believed.
        threads : int
            CPU threads of the job.

        Returns
        -------
        dict
            `gpus` that hold the model and `megabytes`, both of one worker, and `minutes`. Where the
            model or the number of texts is not known yet, those of a job with next to nothing to
            do. Not to be changed: it is kept.
        """
        ladder = model["source"] == "ladder" and ladder_members.member(model["where"])["ladder"]
        key = (
            rule,
            self._shape(model, expected_model),
            (model["dtype"], cards.is_encoder(model), ladder),
            self._counts(corpus) if corpus else (0, 0),
            threads,
        )
        if key not in self._asked:
            self._asked[key] = self._computed(*key)
        return self._asked[key]

    def _shape(self, model: dict, expected: str) -> tuple | None:
        """(name, value) of what costs depend on; None where it is not known yet."""
        slug = model["slug"]
        key = slug, written(f"{self._results}/models/{slug}/model.json")
        if key not in self._shapes:
            try:
                known = describe_model(model, self._config, self._results, expected)
                self._shapes[key] = tuple((name, known[name]) for name in SHAPE if name in known)
            except InfogeoError:  # it stops, with its message, in the job that fetches it
                self._shapes[key] = None
        return self._shapes[key]

    def _counts(self, corpus: dict) -> tuple[int, int]:
        """Texts of a corpus, and those between which distances are taken."""
        slug = corpus["slug"]
        tables = f"corpora/{slug}.parquet", f"sentences/{slug}/texts.parquet"
        key = slug, *(written(f"{self._results}/{table}") for table in tables)
        if key not in self._texts:
            sampled = sampled_texts_of(self._results, slug)
            self._texts[key] = texts_of(self._results, corpus), sampled
        return self._texts[key]

    def _computed(self, rule, shape, kind, counts, threads) -> dict:
        gpu_bytes = self._gpu_bytes
        asked = {
            "gpus": int(gpu_bytes > 0),
            "megabytes": LEAST_MEGABYTES,
            "minutes": START_MINUTES,
        }
        if shape is None:
            return asked
        (dtype, encoder, ladder), (texts, sampled) = kind, counts
        config, launch = self._config, self._config["launch"]
        known = dict(shape)
        job = Job(
            known,
            dtype,
            config,
            texts,
            # So that no tokenizer is needed: schedulers ask often.
            texts * (sum if encoder else max)(config["spectra"]["n"]),
            sampled,
            threads,
            1 if launch["placement"] == "debug" else launch["workers"],
            config["ladders"][ladder] if ladder else None,
        )
        asked["gpus"] = costs.gpus_needed(known["params_total"], dtype, gpu_bytes)
        needed, seconds = getattr(job, rule)()
        asked["megabytes"] = max(LEAST_MEGABYTES, ceil(needed / 1e6))
        asked["minutes"] += ceil(SLACK * seconds / 60)
        return asked


def summary(rule: str, models, corpora, config: dict, results, expected_models) -> dict:
    """What to ask a scheduler for, for the job of a rule over all models.

    Parameters
    ----------
    rule : str
        Its name, a method of `Summary`.
    models, corpora : lists of dict
        Rows of both tables.
    config : dict
        The complete configuration.
    results : path-like
        The folder results/.
    expected_models : list of str
        Fingerprints that finished models must carry to be believed.

    Returns
    -------
    dict
        `megabytes` and `minutes`.
    """
    last, layers = runs.last_of_runs(models), [1]
    families = [len(of_family) for of_family in cards.by_family(last)]
    for model, expected in zip(models, expected_models, strict=True):
        with contextlib.suppress(InfogeoError):  # its own job reports it
            blocks = describe_model(model, config, Path(results), expected)["layers"]
            layers.append(len(choose_layers(config["states"]["layers"], blocks)))
    texts = [texts_of(results, corpus) for corpus in corpora]
    sampled = [sampled_texts_of(results, corpus["slug"]) for corpus in corpora]
    steps = len(models) - len(last)
    of_all = Summary(families, texts, sampled, max(layers), config, steps)
    needed, seconds = getattr(of_all, rule)()
    return {
        "megabytes": max(LEAST_MEGABYTES, ceil(needed / 1e6)),
        "minutes": START_MINUTES + ceil(SLACK * seconds / 60),
    }
