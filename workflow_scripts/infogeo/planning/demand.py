"""What a scheduler is asked for: GPUs, memory, minutes, of jobs of a model or over all models."""

import contextlib
from math import ceil
from pathlib import Path

from infogeo.files.errors import InfogeoError
from infogeo.geometry.depths import choose_layers
from infogeo.planning import costs
from infogeo.planning.job_costs import Job, Summary
from infogeo.planning.known import describe_model, sampled_texts_of, texts_of
from infogeo.sources import cards, ladder_members, runs

# The least that is asked for.
LEAST_MEGABYTES = 1500
# The minutes that a job takes to start, on a busy file system too, and what its operations take is
# multiplied by: a scheduler ends what runs longer.
START_MINUTES = 15
SLACK = 2


def demand(
    rule: str, model: dict, corpus, config: dict, results, expected_model: str, threads: int = 1
) -> dict:
    """What to ask a scheduler for, for the job of a rule.

    Parameters
    ----------
    rule : str
        Its name, a method of `Job`.
    model : dict
        Its row of the table.
    corpus : dict or None
        Its row of the table; None for a training.
    config : dict
        The complete configuration.
    results : path-like
        The folder results/.
    expected_model : str
        Fingerprint that a finished model must carry to be believed.
    threads : int
        CPU threads of the job.

    Returns
    -------
    dict
        `gpus` that hold the model and `megabytes`, both of one worker, and `minutes`. Where the
        model or the number of texts is not known yet, those of a job with next to nothing to do.
    """
    gpu_bytes = config["plan"]["gpu_gigabytes"] * 1e9
    asked = {
        "gpus": int(gpu_bytes > 0),
        "megabytes": LEAST_MEGABYTES,
        "minutes": START_MINUTES,
    }
    try:
        known = describe_model(model, config, Path(results), expected_model)
    except InfogeoError:
        return asked  # it stops, with its message, in the job that fetches it
    texts = texts_of(results, corpus) if corpus else 0
    launch = config["launch"]
    job = Job(
        known,
        model["dtype"],
        config,
        texts,
        # So that no tokenizer is needed: schedulers ask often.
        texts * (sum if cards.is_encoder(model) else max)(config["spectra"]["n"]),
        sampled_texts_of(results, corpus["slug"]) if corpus else 0,
        threads,
        1 if launch["placement"] == "debug" else launch["workers"],
        ladder_members.settings(model, config),
    )
    asked["gpus"] = costs.gpus_needed(known["params_total"], model["dtype"], gpu_bytes)
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
