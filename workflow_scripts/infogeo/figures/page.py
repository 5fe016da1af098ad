"""What the HTML pages share: a template with data inside, and the check of their tables."""

import html
import json
from string import Template

from infogeo.files.errors import InfogeoError


def fill_page(template: str, data: dict, corpus: str, **parts: str) -> str:
    """A template with its $data, its $corpus and other parts filled in.

    Parameters
    ----------
    template : str
        Of string.Template.
    data : dict
        Plain values without NaN, which a script of the page reads as JSON.
    corpus : str
        Its name; escaped.
    **parts : str
        Trusted text, put in as it is.
    """
    # ASCII escapes hold U+2028 back, \u003c whatever could end the script element.
    embedded = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return Template(template).substitute(corpus=html.escape(corpus), data=embedded, **parts)


def check_source(frame, needed: list[str], texts: dict, place: str, remake: str) -> None:
    """Refuse a table that lacks a column, or has texts that the corpus has not.

    Parameters
    ----------
    frame : pandas.DataFrame
        With doc_id.
    needed : list of str
        The columns that the page shows.
    texts : dict
        doc_id → text of the corpus.
    place : str
        What messages call the table.
    remake : str
        What `snakemake -R` makes anew.

    Raises
    ------
    InfogeoError
    """
    missing = [column for column in needed if column not in frame.columns]
    if missing:
        raise InfogeoError(
            f"{place}: lacks the column(s) {', '.join(missing)} that the page shows. "
            f"It was made by another version. Make it anew: snakemake -R {remake}"
        )
    unknown = sorted(set(frame["doc_id"]) - set(texts))
    if unknown:
        raise InfogeoError(
            f"{place}: doc_id {unknown[0]!r} is not in the corpus. The table was made from other "
            f"texts. Make it anew: snakemake -R {remake}"
        )
