"""Tables of words for readers: the same rows as Markdown, or in aligned columns for a terminal.

A cell may have several lines.
"""

import textwrap
from itertools import zip_longest

WIDTH = 110  # columns of a terminal


def markdown(head: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
        *("| " + " | ".join(cell.replace("\n", " ") for cell in row) + " |" for row in rows),
    ]


def terminal(rows: list[list[str]]) -> list[str]:
    """Lines of a table in columns as wide as their longest line; the head is its first row."""
    lines = [
        line
        for row in rows
        for line in zip_longest(*(cell.split("\n") for cell in row), fillvalue="")
        if any(line)
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def wrapped(sentence: str, first: str = "", rest: str = "", width: int = WIDTH) -> list[str]:
    """A sentence in lines of at most `width` columns; `first` and `rest` indent them."""
    return textwrap.wrap(sentence, width, initial_indent=first, subsequent_indent=rest)
