"""Runs: rows of the table of models that are one model at different steps of its training.

The Snakefile imports this module, so it needs nothing beyond the standard library.
"""


def steps_of_runs(models: list[dict]) -> dict[str, list[dict]]:
    """The models of each run that is there at two steps or more, ascending in step.

    Parameters
    ----------
    models : list of dict
        Rows of the table of models: run and step, both None of a model that belongs to no run.

    Returns
    -------
    dict
        Run → its models; runs in the order of the table.
    """
    runs: dict[str, list[dict]] = {}
    for model in models:
        if model.get("run") is not None:
            runs.setdefault(model["run"], []).append(model)
    return {
        run: sorted(at_steps, key=lambda model: model["step"])
        for run, at_steps in runs.items()
        if len(at_steps) > 1
    }


def last_of_runs(models: list[dict]) -> list[dict]:
    """The models that a law over N compares: of each run its last step, and those without a run.

    Parameters
    ----------
    models : list of dict
        Of one family or several: run and step, None (or lacking) of a model that belongs to no run.
    """
    last: dict[str, int] = {}
    for model in models:
        if model.get("run") is not None:
            last[model["run"]] = max(model["step"], last.get(model["run"], 0))
    return [
        model for model in models if model.get("run") is None or model["step"] == last[model["run"]]
    ]
