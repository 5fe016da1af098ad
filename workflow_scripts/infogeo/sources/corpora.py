"""Texts to measure on: docstrings of installed packages, a user's own files, or a hub's data set.

A corpus is a series of documents. Exact duplicates are left out. A hash of the text decides whether
a document may be trained on; the evaluation texts are a seeded sample of the rest. Nothing depends
on the order in which a file system lists its files.
"""

from collections import Counter

from infogeo.files.errors import InfogeoError
from infogeo.sources import docstrings, text_files
from infogeo.sources.documents import Document, select


def fetch(
    source: str,
    where: str,
    texts: int,
    min_characters: int,
    train_share: float,
    seed: int,
    text_column: str = "text",
    label_column: str = "",
    workers: int = 1,
    listing=None,
    expected: str | None = None,
):
    """A corpus as a row of the corpora table describes it.

    Parameters
    ----------
    source : {'docstrings', 'local', 'hub'}
    where : str
        docstrings: import names separated by commas, empty for the default; local: a path; hub:
        the repository.
    texts : int
        Evaluation texts; 0 means all that are long enough.
    min_characters : int
        Length that an evaluation text must have.
    train_share : float
        Share of the documents, in [0, 1), that may be trained on and never evaluated.
    seed : int
        Of the sample of evaluation texts.
    text_column, label_column : str
        Of a JSON-lines or .parquet file.
    workers : int
        Processes to read docstrings with; the result does not depend on it.
    listing : path
        hub: what was downloaded; see `text_files.downloaded`.
    expected : str
        hub: fingerprint that the listing must carry.

    Returns
    -------
    evaluation, train : DataFrame
        Columns doc_id (unique), text, label, source.
    summary : str
        How many texts there are, are left out, trained on and evaluated, for the log.

    Raises
    ------
    InfogeoError
        Where there is no text, or no evaluation text that is long enough. And as
        `docstrings.read`, `text_files.local` and `text_files.downloaded`.
    """
    import pandas as pd

    passed_over = Counter()
    if source == "docstrings":
        documents = docstrings.read(
            [name.strip() for name in where.split(",") if name.strip()], workers
        )
    elif source == "local":
        documents = text_files.local(where, text_column, label_column, passed_over)
    elif source == "hub":
        documents = text_files.downloaded(listing, text_column, label_column, expected)
    else:
        raise InfogeoError(f"corpus source {source!r}: it must be `docstrings`, `local` or `hub`.")
    chosen = select(documents, texts, min_characters, train_share, seed)
    if chosen.total == chosen.empty:
        raise InfogeoError(
            f"{where or source}: the corpus is empty: no text in it. Correct `where` or `files`."
        )
    if not chosen.evaluation:
        raise InfogeoError(
            f"corpus {where or source}: none of the {chosen.held_out} evaluation texts has "
            f"min_characters = {min_characters} (the longest has {chosen.longest}). "
            "Lower `min_characters`, lower `train_share`, or give longer texts."
        )
    fewer = f" (of {texts} asked for)" if len(chosen.evaluation) < texts else ""
    summary = (
        f"{chosen.total:,} texts found, {chosen.duplicates:,} duplicates and "
        f"{chosen.empty:,} empty ones left out; "
        f"{len(chosen.train):,} to train on; of {chosen.held_out:,} held out, {chosen.short:,} are "
        f"shorter than {min_characters} characters and {len(chosen.evaluation):,} are "
        f"evaluated{fewer}"
    )
    if label_column:
        unlabelled = sum(not document.label for document in chosen.evaluation)
        summary += f"; {unlabelled:,} of these without a label"
    for why, count in sorted(passed_over.items()):
        summary += f"; {count:,} {why} passed over"

    def frame(rows):
        columns = list(Document.__slots__)
        values = [[getattr(row, name) for name in columns] for row in rows]
        return pd.DataFrame(values, columns=columns, dtype="str")

    return frame(chosen.evaluation), frame(chosen.train), summary
