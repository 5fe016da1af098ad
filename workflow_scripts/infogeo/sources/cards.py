"""model.json, the card of a model: what it is, where its weights are, and its counts."""

import json
from pathlib import Path

from infogeo.files.errors import InfogeoError
from infogeo.files.fingerprint import check, make_anew
from infogeo.sources import distinct
from infogeo.sources.foreign import NO_MODEL

# Why an encoder lacks likelihoods, information gain, token selection and token ablation.
NO_PREDICTION = "an encoder predicts no next token"
REASONS = (NO_PREDICTION, NO_MODEL)  # of `no_prediction`


def read(path, expected: str | None = None) -> dict:
    """The model.json of a model.

    Raises
    ------
    InfogeoError
        Where it is missing, is no JSON, or carries another fingerprint than expected.
    """
    path = Path(path)
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InfogeoError(f"{path}: no such file. Run the workflow to make it.") from error
    except ValueError as error:
        raise InfogeoError(f"{path}: not JSON ({error}). {make_anew(path)}") from error
    check(path, card.get("fingerprint"), expected)
    return card


def require_files(card: dict, weights: bool = True) -> None:
    """See that the files of a model are still where its card says, before it is run.

    Parameters
    ----------
    card : dict
    weights : bool
        Whether its weights are read too; an untrained twin needs none.

    Raises
    ------
    InfogeoError
        Where one is gone or of another size, naming the command that fetches it anew.
    """
    of_weights = distinct.weights(dict.fromkeys(card["files"], ""))
    for name, facts in card["files"].items():
        if name in of_weights and not weights:
            continue
        file = Path(card["directory"], name)
        if not file.is_file() or file.stat().st_size != facts["bytes"]:
            raise InfogeoError(
                f"{file}: gone or changed since model {card['slug']} was fetched (of source hub: "
                "was the cache under HF_HOME cleaned up?). Make it anew: snakemake -R "
                f"results/models/{card['slug']}/model.json"
            )


def is_encoder(model: dict) -> bool:
    """Whether a model, by its row or card, is run as an encoder; without `kind` it is causal."""
    return model.get("kind", "causal") == "encoder"


def has_model(model: dict) -> bool:
    """Whether a model, by its row or card, is there to be run; else only its states are."""
    return model.get("source") != "states"


def no_prediction(model: dict) -> str:
    """Why a model, by its row or card, makes no prediction of the next token; "" where it does."""
    if not has_model(model):
        return NO_MODEL
    return NO_PREDICTION if is_encoder(model) else ""


def stored_dtype(card: dict, dtype: str, asked: str) -> str:
    """The dtype in which a model's hidden states are stored.

    Parameters
    ----------
    card : dict
        float32_stream; without it, as before the model is fetched, taken as false.
    dtype : {'float32', 'float16', 'bfloat16'}
        Of the weights.
    asked : {'computed', 'float32'}
        config states.dtype.
    """
    return "float32" if asked == "float32" or card.get("float32_stream") else dtype


def described(paths, fields, **columns) -> list[dict]:
    """Some fields of the cards of several models, beside columns of their rows.

    Parameters
    ----------
    paths : sequence of path
    fields : sequence of str
        Keys of model.json.
    **columns : sequences, one value per model
        Of the models table. Where one that the card has too is None, the card's value is taken.
    """
    models = []
    for path, *values in zip(paths, *columns.values(), strict=True):
        card, row = read(path), dict(zip(columns, values, strict=True))
        of_card = {key: card[key] for key in fields if row.get(key) is None}
        models.append(row | of_card)
    return models


def with_commits(frame, models: list[dict]):
    """A table (DataFrame) with a column `commit` after `model`; empty for models not from a hub.

    Parameters
    ----------
    frame : DataFrame
        With a column model.
    models : list of dict
        slug and commit.
    """
    commits = {model["slug"]: model["commit"] for model in models}
    frame = frame.copy()
    frame.insert(frame.columns.get_loc("model") + 1, "commit", frame["model"].map(commits))
    return frame


def by_family(models: list[dict]) -> list[list[dict]]:
    """The models of each family, in the order of the table of models."""
    names = dict.fromkeys(model["family"] for model in models)
    return [[model for model in models if model["family"] == name] for name in names]


def replicate_name(replicate: tuple[str, int] | None) -> str:
    """What `replicates.replicate_of` gives, as a cell of a table: origin/number, or ""."""
    return "" if replicate is None else "/".join(map(str, replicate))


def model_columns(corpus: str, model: dict) -> dict:
    """The columns that every row of a model begins with."""
    return {
        "corpus": corpus, "family": model["family"], "model": model["slug"],
        "N": model["params_non_embedding"], "params_total": model["params_total"],
        "width": model["width"], "layers": model["layers"],
        "replicate": replicate_name(model.get("replicate")),
        "run": model.get("run") or "", "step": model.get("step"),
    }  # fmt: skip
