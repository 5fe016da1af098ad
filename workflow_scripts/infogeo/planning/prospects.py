"""What a run will not be able to judge, and what to add, as far as its tables show before it runs.

The Snakefile imports this module, so it needs nothing beyond PyYAML and jsonschema.
"""

from infogeo.planning.input_tables import has_labels

NO_LABELS = "labels of the texts: label_column in the table of corpora, or subfolders"
NOT_CHOSEN = "the corpus in sentences.corpora"


def lacking_for_sentences(corpora: list[dict], config: dict) -> dict[str, str]:
    """What each corpus lacks for the study of sentences.

    Parameters
    ----------
    corpora : list of dict
        Rows of the table.
    config : dict
        The complete configuration.

    Returns
    -------
    dict
        Slug → what to add; "" where the texts are judged. Whether there are enough texts of two
        labels is known once they are sampled (`infogeo.sentences.sample`).
    """
    return {row["slug"]: _lacking(row, config["sentences"]) for row in corpora}


def _lacking(row: dict, sentences: dict) -> str:
    chosen, least = sentences["corpora"], 2 * sentences["texts_per_label"]
    if not has_labels(row):
        return NO_LABELS
    if chosen != "all" and row["slug"] not in chosen:
        return NOT_CHOSEN
    if row["source"] == "docstrings" and len(_packages(row["where"])) == 1:
        return "another package in `where`, for one is one label, and two are compared"
    if 0 < row["texts"] < least:
        return (
            f"texts of the corpus, of which it takes {row['texts']}: two labels with "
            f"{sentences['texts_per_label']} each (sentences.texts_per_label) need {least}"
        )
    return ""


def _packages(where: str) -> set[str]:
    return {name.strip() for name in where.split(",")} - {""}
