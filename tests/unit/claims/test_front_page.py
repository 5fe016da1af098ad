"""The front page of the report, read as Snakemake reads it."""

import base64
import html
import re
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
import pytest
from docutils.core import publish_parts

from infogeo.claims import claim_rows, front_page

STYLE = (Path(__file__).parents[3] / "rules/captions/report.css").read_text()


def claims() -> pd.DataFrame:
    """As claims.csv is read: empty cells are missing."""
    row = {
        "source": claim_rows.MEASURED, "corpus": "c", "family": "{{f}} & <g>", "metric": np.nan,
        "claim": "Lasso", "estimate_of": "exponent", "estimate": -0.25, "low": -0.3, "high": -0.2,
        "control": np.nan, "control_estimate": np.nan, "control_low": np.nan,
        "control_high": np.nan, "verdict": "width artefact",
        "to_add": np.nan,
    }  # fmt: skip
    simulated = {"source": claim_rows.SIMULATED, "corpus": np.nan, "family": np.nan}
    published = {"source": "p.csv", "claim": "of others"}
    unknown = {"claim": "valley", "verdict": "not available", "to_add": "3 blocks"}
    others = (unknown, simulated | {"claim": "lemma"}, published)
    return pd.DataFrame([row, *(row | other for other in others)])


def profiles() -> pd.DataFrame:
    rows = [
        {"corpus": corpus, "family": "{{f}} & <g>", "model": f"m{width}", "N": 100.0 * width,
         "width": width, "layers": 2, "scope": "text", "n": n, "texts": 400 if n == 128 else 410,
         "run": ""}
        for corpus in ("c", "e") for width in (16, 32) for n in (32, 128)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def figures(tmp_path):
    """Six figures of one corpus."""
    (tmp_path / "c").mkdir()
    for name in list(front_page.FIGURES)[1:]:
        (tmp_path / "c" / f"{name}.png").write_bytes(name.encode() * 3000)
    return tmp_path


@pytest.fixture
def page(figures) -> str:
    source = front_page.text(profiles(), claims(), [], figures, "Seed {{ seed }}.")
    rendered = jinja2.Environment().from_string(source).render(seed=3)
    return publish_parts(rendered, writer="html")["html_body"]


def test_the_page_says_how_many_models_texts_and_tokens_were_measured(page):
    row = page.partition("on c</td>")[2].partition("</tr>")[0]
    assert "2 models" in row and "N = 1.6k – 3.2k, width 16 – 32, 2 layers" in row
    assert "400 texts of 128 tokens: 51,200 tokens a model" in row


def test_steps_of_a_run_are_one_model(figures):
    rows = profiles()
    steps = rows[rows["model"] == "m32"].assign(run="r", model="m32@1")
    rows = pd.concat([rows.assign(run=["r" if m == "m32" else "" for m in rows["model"]]), steps])
    source = front_page.text(rows, claims(), [], figures, "")
    assert "2 models, and 1 earlier step of them" in source


def test_the_page_has_own_claims_with_verdicts_in_words_and_names_as_they_are(page):
    assert ">width artefact</span>" in page and "exponent <b>−0.250 [−0.300, −0.200]</b>" in page
    assert "{{f}} & <g> on c" in html.unescape(page)
    assert (
        "<td>3 blocks</td>" in page
        and "lemma" in page
        and "of others" not in page
        and "nan" not in page
    )


def test_five_figures_that_exist_are_in_the_page_whole(page):
    names = list(front_page.FIGURES)[1:6]
    images = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert [base64.b64decode(image) for image in images] == [name.encode() * 3000 for name in names]


def test_what_follows_is_a_template(page):
    assert page.index("<figure>") < page.index("Seed 3.")


def test_every_verdict_has_a_colour():
    verdicts = {"supported", "contradicted", "inconclusive", "width artefact", "not supported"}
    classes = [f".{front_page.class_of(verdict)}" for verdict in [*verdicts, "not available"]]
    assert [name for name in classes if name not in STYLE] == []
