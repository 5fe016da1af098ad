"""The front of the report: what was measured, the claims with their verdicts, and some figures."""

import base64
import textwrap
from html import escape
from pathlib import Path

import pandas as pd

from infogeo.claims.report import NOT_AVAILABLE, claim_text, estimate_text, groups, own_claims
from infogeo.files.numbers import count, counted

# Figures of a corpus by their names, the first ones first.
FIGURES = {
    "entropy_scaling": "Entropies against size, every control beside them",
    "depth": "Entropies over layers",
    "information_gain": "What each token adds to those before it",
    "token_ablation": "How many tokens bring back the prediction",
    "sentence_distances": "Distances between texts, judged by labels",
    "intrinsic_dimension": "Intrinsic dimension over layers",
    "layer_similarity": "Similarity of layers",
}
MOST_FIGURES = 5
WORDS = [
    "corpus",
    "family",
    "metric",
    "estimate_of",
    "control",
    "to_add",
]  # columns that may be empty
LINE = 8000  # characters


def class_of(verdict: str) -> str:
    """Its class in the stylesheet of the report, which gives it a colour."""
    return f"verdict-{verdict.replace(' ', '-')}"


def text(profiles, claims: pd.DataFrame, trained, figures: Path, below: str) -> str:
    """The front page in reStructuredText with HTML inside, a template of Jinja.

    Parameters
    ----------
    profiles : pandas.DataFrame
        Means of every model and layer, from `laws.measured`.
    claims : pandas.DataFrame
        claims.csv.
    trained : collection of str
        Families of ladders; see `report.own_claims`.
    figures : pathlib.Path
        Folder with a folder a corpus, where the PNG files are.
    below : str
        What follows, a template of reStructuredText.

    Returns
    -------
    str
    """
    corpora = list(dict.fromkeys(profiles["corpus"]))
    claims = claims.fillna(dict.fromkeys(WORDS, ""))
    parts = [
        "<h1>What was measured</h1>",
        _measured(profiles),
        "<h1>Claims</h1>",
        _claims(own_claims(claims, trained)),
        "<h1>Figures</h1>",
        *(_figure(path, title) for path, title in _chosen(figures.joinpath(*corpora[:1]))),
    ]
    body = "\n".join(['<div class="front">', *parts, "</div>"])
    html = f".. raw:: html\n\n{textwrap.indent(body, '   ')}\n"
    return f"{{% raw %}}\n{html}{{% endraw %}}\n\n{below}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    """Cells are HTML."""
    cells = "".join(f"<th>{name}</th>" for name in head)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _range(values, written=str) -> str:
    """The least and the greatest of some numbers."""
    ends = [written(value) for value in (min(values), max(values))]
    return " – ".join(dict.fromkeys(ends))


def _models(run: pd.Series) -> str:
    """How many models there are, and at how many earlier steps of their runs; run: that of each."""
    earlier = int(run[run != ""].duplicated().sum())
    models = counted(len(run) - earlier, "model")
    return f"{models}, and {counted(earlier, 'earlier step')} of them" if earlier else models


def _measured(profiles: pd.DataFrame) -> str:
    """A row a family and corpus."""
    rows = []
    for (corpus, family), of in profiles.groupby(["corpus", "family"], sort=False):
        models = of.drop_duplicates("model")
        longest = of[(of["scope"] == "text") & (of["n"] == of["n"].max())]
        texts = int(longest["texts"].max()) if len(longest) else 0
        rows.append([
            f"<b>{escape(family)}</b> on {escape(corpus)}",
            _models(models["run"]),
            f"N = {_range(models['N'], count)}, width {_range(models['width'])}, "
            f"{_range(models['layers'])} "
            f"{'layer' if models['layers'].max() == 1 else 'layers'}",
            f"{texts} texts of {of['n'].max()} tokens: {texts * of['n'].max():,} tokens a model",
        ])  # fmt: skip
    return _table(["family", "models", "sizes", "texts"], rows)


def _claims(claims: pd.DataFrame) -> str:
    """A table a family and corpus."""
    tables = []
    for title, rows in groups(claims):
        cells = [
            [
                f'<span class="verdict {class_of(row["verdict"])}">{escape(row["verdict"])}</span>',
                escape(claim_text(row)),
                escape(row["to_add"])
                if row["verdict"] == NOT_AVAILABLE and row["to_add"]
                else _number(row["estimate_of"], estimate_text(row, "")),
                _number(row["control"], estimate_text(row, "control_")),
            ]
            for _, row in rows.iterrows()
        ]
        head = ["verdict", "claim", "estimate", "control"]
        tables += [f"<h2>{escape(title)}</h2>", _table(head, cells)]
    return "\n".join(tables)


def _number(what: str, written: str) -> str:
    """A number, which no line break divides, after what it is."""
    return f"{escape(what)} <b>{escape(written)}</b>" if written else ""


def _chosen(folder: Path) -> list[tuple[Path, str]]:
    """Figures that exist, with their titles."""
    paths = [(folder / f"{name}.png", title) for name, title in FIGURES.items()]
    return [(path, title) for path, title in paths if path.exists()][:MOST_FIGURES]


def _figure(path: Path, title: str) -> str:
    code = base64.b64encode(path.read_bytes()).decode()
    # docutils refuses lines of more than 10,000 characters; browsers take line feeds out of a URL.
    image = "\n".join(code[i : i + LINE] for i in range(0, len(code), LINE))
    return (
        f'<figure><img alt="{escape(title)}" src="data:image/png;base64,{image}">'
        f"<figcaption>{escape(title)}</figcaption></figure>"
    )
