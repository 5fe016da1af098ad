"""Runs: rows of the table of models that are one model at different steps of its training.

Steps of a run are no models of the same size: what compares models takes the last of them. The
Snakefile imports this module, so it needs nothing beyond the standard library.
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


def ends_of_runs(*tables) -> list:
    """Tables that are set beside each other, of each run the last step alone.

    Parameters
    ----------
    *tables : pandas.DataFrame
        With columns run ("" without one) and step.

    Returns
    -------
    list of pandas.DataFrame
        Rows of models without a run, and of each run those of the last step that every table has
        which has the run at all.
    """
    steps: dict[str, set] = {}
    for table in tables:
        for run, of_run in table[table["run"] != ""].groupby("run")["step"]:
            steps[run] = steps.get(run, set(of_run)) & set(of_run)
    shared = [{"run": run, "step": step} for run, at in steps.items() for step in at]
    last = {model["run"]: model["step"] for model in last_of_runs(shared)}
    return [
        table[(table["run"] == "") | (table["step"] == table["run"].map(last))] for table in tables
    ]
