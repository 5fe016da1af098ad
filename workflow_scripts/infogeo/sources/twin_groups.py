"""Which models share untrained twins: those of one architecture, which differ in their weights.

The Snakefile imports this module, so it needs nothing beyond the standard library.
"""

from infogeo.files.errors import InfogeoError, stop_at
from infogeo.sources import ladder_members

# Keys of config.json that say nothing about the architecture.
IRRELEVANT = {
    "_name_or_path", "name_or_path", "_commit_hash", "transformers_version", "torch_dtype", "dtype",
    "architectures", "use_cache", "return_dict", "output_attentions", "output_hidden_states",
    "bos_token_id", "eos_token_id", "id2label", "label2id", "problem_type",
}  # fmt: skip
# Of model.json, beside its `config`.
SHARED = ("kind", "trust_remote_code", "tokenizer_sha256", "params_total", "vocabulary")


def architectures(rows: list[dict]) -> dict[str, str]:
    """The model under whose name the twins of each model are.

    Parameters
    ----------
    rows : list of dict
        Of the table of models, in the order of its lines: so a row that is added at the end
        changes nothing.

    Returns
    -------
    dict
        Slug → slug of the first row of its group. A group is: the members of a ladder with one
        width and depth; the rows of a run; models of one family and of equal `params` that are
        numbered in `replicate`. Others, and those of another dtype, are on their own; those of
        which only the states are there ("") have no twins.
    """
    first: dict[tuple, str] = {}
    return {
        row["slug"]: ""
        if row["source"] == "states"
        else first.setdefault((*_group(row), row["dtype"]), row["slug"])
        for row in rows
    }


def _group(row: dict) -> tuple:
    """What rows of one architecture have in common, as far as their table shows."""
    if row["source"] == "ladder":
        member = ladder_members.member(row["where"])
        return "ladder", member["ladder"], member["width"], member["depth"]
    if row["replicate"] is not None and row["params"]:
        return "replicates", row["family"], row["params"], row["params_non_embedding"]
    if row["run"] is not None:
        return "run", row["run"]
    return "model", row["slug"]


def require_groups(cards: list[dict], architectures: list[str]) -> None:
    """See that models which the table groups are of one architecture, before one of them is run.

    Parameters
    ----------
    cards : list of dict
        Of all models; see `cards.read`.
    architectures : list of str
        See `architectures`: of each model, in their order.

    Raises
    ------
    InfogeoError
        Listing all that differ, such as the steps of a run with another tokenizer or shape.
    """
    by_slug = {card["slug"]: card for card in cards}
    problems = []
    for card, first in zip(cards, architectures, strict=True):
        if first not in ("", card["slug"]):
            try:
                require_same(card, by_slug[first])
            except InfogeoError as error:
                problems.append(str(error))
    stop_at(problems, "models that are not what the table says")


def require_same(card: dict, of_twins: dict) -> None:
    """See that the twins of one model are those of another too.

    Parameters
    ----------
    card, of_twins : dict
        Of the model, and of that whose twins they are; see `cards.read`.

    Raises
    ------
    InfogeoError
        Naming both, what differs and the remedy.
    """
    one, other = ({name: of[name] for name in SHARED} | of["config"] for of in (card, of_twins))
    apart = [
        f"{name} ({one.get(name)} and {other.get(name)})"
        for name in sorted((set(one) | set(other)) - IRRELEVANT)
        if one.get(name) != other.get(name)
    ]
    if apart:
        raise InfogeoError(
            f"models {card['slug']} and {of_twins['slug']} share their untrained twins, as the "
            f"table of models groups them, but they differ in {', '.join(apart)}. Take one of them "
            "out of the group: another family or run, or no replicate."
        )
