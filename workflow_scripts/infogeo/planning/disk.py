"""What a run downloads of models, and how much of it lies on the disk at once."""

from infogeo.sources import distinct

MOST_ITEM_BYTES = 4  # of a number in a file of weights: publishers store float32 or less


def weights_bytes(row: dict, model: dict) -> int | None:
    """Bytes of the weights that are downloaded of a model.

    Parameters
    ----------
    row : dict
        Of the table of models.
    model : dict
        See `known.describe_model`: with `files` once it is described, else at most by its
        parameters; None where these are not known.
    """
    if row["source"] != "hub":
        return 0
    if "files" in model:
        files = model["files"]
        return sum(files[name]["bytes"] for name in distinct.weights(dict.fromkeys(files, "")))
    return model["params_total"] and MOST_ITEM_BYTES * model["params_total"]


def notes(rows: list[dict], config: dict, human) -> list[str]:
    """What is downloaded, and the most that is on the disk at once; none without a download.

    Parameters
    ----------
    rows : list of dict
        Of the plan.
    config : dict
        The complete configuration.
    human : callable
        Writes a number of bytes with its unit, None as unknown.
    """
    size = {row["model"]: row["weights_bytes"] for row in rows}
    if not any(value != 0 for value in size.values()):
        return []
    removed = {row["model"] for row in rows if not row["weights_stay"]}
    kind = "hidden" if config["keep_hidden_states"] else "reduced"
    states = _sum([row[f"{kind}_states_bytes"] for row in rows])
    staying = _sum([size[model] for model in size if model not in removed])
    at_once, passing = config["checkpoints_at_once"], [size[model] for model in removed]
    largest = None if None in passing else sum(sorted(passing)[-at_once:])
    lines = [f"Downloads: {human(_sum(list(size.values())), 'B')} of weights at most."]
    if removed:
        lines.append(
            f"Of them {human(_sum(passing), 'B')} do not stay (keep_weights: false): at most "
            f"{human(largest, 'B')} are on the disk at once (checkpoints_at_once: {at_once})."
        )
    peak = _sum([staying, largest, states])
    if peak is not None:
        lines.append(f"With states they take at most {human(peak, 'B')} of disk at once.")
    return lines


def _sum(values: list) -> int | None:
    return None if None in values else sum(values)
