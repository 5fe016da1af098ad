"""README is short, its commands run, and its numbers come from results."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FRONT_PAGE = runpy.run_path(str(ROOT / "tests/bench/front_page.py"))
page_numbers = FRONT_PAGE["page_numbers"]


def blocks(language: str) -> str:
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S))


def commands(program: str) -> list[str]:
    """What README shows of a program, in blocks and in sentences, comments left out."""
    texts = [*blocks("sh").splitlines(), *re.findall(r"`([^`\n]+)`", README)]
    return [text.split("#")[0].strip() for text in texts if text.startswith(f"{program} ")]


def test_readme_has_at_most_100_lines():
    assert len(README.splitlines()) <= 100


def test_snakemake_commands_of_readme_plan_jobs():
    shown = [text for text in commands("snakemake") if "--profile" not in text]
    targets = [word for text in shown for word in text.split()[1:] if not word.startswith("-")]
    # The parts that the line of one part lists.
    targets += re.search(r"# one part: ([\w ]+)", README)[1].split()
    assert {"theory", "plan", "scaling", "claims"} <= set(targets)
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "all", "--", *set(targets)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


def test_profiles_make_targets_and_programs_that_readme_shows_exist():
    profiles = [text.split()[-1] for text in commands("snakemake") if "--profile" in text]
    assert profiles
    assert [name for name in profiles if not (ROOT / name / "profile.yaml").exists()] == []
    targets = {text.split()[1] for text in commands("make")}
    assert {"results", "test"} <= targets
    make = subprocess.run(
        ["make", "--dry-run", *targets], cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"MAKEFLAGS": ""},
    )  # fmt: skip
    assert make.returncode == 0, make.stderr


def test_python_of_readme_runs():
    rng = np.random.default_rng(0)
    N = np.array([1e6, 2e6, 4e6, 8e6, 16e6])
    names = {
        "states": rng.standard_normal((128, 8)), "N": N, "width": [64, 64, 128, 128, 256],
        "y": N**-0.1 * np.exp(0.01 * rng.standard_normal(5)),
    }  # fmt: skip
    exec(compile(blocks("python"), "README.md", "exec"), names)
    assert len(names["table"]) > 10


def claims(loss: float) -> pd.DataFrame:
    """A table of claims that has those of README, one of another family first."""
    columns = ["estimate", "low", "high", "control_estimate", "control_low", "control_high"]
    rows = [
        {"family": family, "corpus": "docstrings", "claim": claim, "metric": metric or None,
         "estimate_of": "exponent", "control": "fixed width", "verdict": "supported",
         **dict(zip(columns, np.array([-2, -3, -1, 2, 1, 3]) / 10, strict=True))}
        for family in ("mine", "ladder")
        for _, claim, metric, _, _ in FRONT_PAGE["ROWS"]
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    frame.loc[(frame["family"] == "ladder") & (frame["metric"] == "nll"), "estimate"] = loss
    return frame


@pytest.fixture
def page(tmp_path):
    """A README with an outdated table, and results beside it."""
    results = tmp_path / "results"
    for folder in (results / "tables", (results / FRONT_PAGE["PICTURE"]).parent, tmp_path / "docs"):
        folder.mkdir(parents=True)
    (results / FRONT_PAGE["PICTURE"]).write_bytes(b"new picture")
    claims(-0.1234).to_csv(results / "tables/claims.csv", index=False)
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{FRONT_PAGE['BEGIN']}| old |\n{FRONT_PAGE['END']}after\n")
    return results, readme


def test_numbers_of_the_front_page_are_written_from_the_results_of_the_ladder(page):
    results, readme = page
    assert FRONT_PAGE["main"](results, readme, check=False) == 0
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    row = next(line for line in text.splitlines() if "the loss falls" in line)
    assert "exponent −0.123 [−0.300, −0.100]" in row and "at fixed width +0.200" in row
    assert (readme.parent / "docs/entropy_scaling.png").read_bytes() == b"new picture"
    assert FRONT_PAGE["main"](results, readme, check=True) == 0


def test_a_front_page_that_differs_from_the_results_is_refused_and_left_as_it_is(page, capsys):
    results, readme = page
    FRONT_PAGE["main"](results, readme, check=False)
    written = readme.read_text()
    claims(-0.2).to_csv(results / "tables/claims.csv", index=False)
    assert FRONT_PAGE["main"](results, readme, check=True) == 1
    assert readme.read_text() == written
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")] == [
        "| the loss falls with N | exponent −0.200 [−0.300, −0.100] | at fixed width "
        "+0.200 [+0.100, +0.300] | supported |"
    ]


def test_results_of_other_models_say_nothing_on_the_front_page(page):
    results, readme = page
    frame = claims(-0.2)
    frame[frame["family"] == "mine"].to_csv(results / "tables/claims.csv", index=False)
    assert FRONT_PAGE["main"](results, readme, check=True) == 0
    assert FRONT_PAGE["main"](results, readme, check=False) == 1
    assert "old" in readme.read_text()


def test_readme_has_the_rows_that_the_program_writes():
    _, shown, _ = FRONT_PAGE["split"](README)
    names = [line.split(" | ")[0].strip("| ") for line in shown.splitlines()[2:]]
    assert names == [row[0] for row in FRONT_PAGE["ROWS"]]


def test_the_number_of_architectures_in_readme_is_that_of_the_census():
    page = (ROOT / "docs/architectures.md").read_text()
    measured = re.search(r"(\d+) measured", page)[1]
    assert f"of {measured} architectures" in README


@pytest.mark.parametrize("page, template", [row[:2] for row in page_numbers.SENTENCES])
def test_a_sentence_whose_numbers_are_from_results_is_on_its_page_once(page, template):
    page_numbers.places((ROOT / "docs" / page).read_text(), template)


@pytest.fixture
def in_docs(tmp_path):
    """Pages with an old number in a sentence, and results that have a new one and no more."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.png"))
    row = {"family": "ladder", "corpus": "docstrings", "quantity": "alpha_tokens"}
    (tmp_path / "results/tables").mkdir(parents=True)
    frame = pd.DataFrame([row | {"value": 0.5, "low": 0.25, "high": np.inf}])
    frame.to_csv(tmp_path / "results/tables/theory.csv", index=False)
    return tmp_path / "results", tmp_path / "docs"


def test_a_number_of_a_page_is_written_from_the_results_and_the_rest_stays(in_docs):
    results, docs = in_docs
    before = (docs / "reading.md").read_text()
    assert page_numbers.main(results, docs, check=False) == 0
    after = (docs / "reading.md").read_text()
    old, new = (page_numbers.places(text, "need an α of {}, which") for text in (before, after))
    assert new[1] == "0.500 [0.250, ∞)"
    assert after == before[: old.start(1)] + new[1] + before[old.end(1) :]
    assert page_numbers.main(results, docs, check=True) == 0


def test_a_number_of_a_page_that_differs_from_the_results_is_named(in_docs, capsys):
    results, docs = in_docs
    before = (docs / "reading.md").read_text()
    assert page_numbers.main(results, docs, check=True) == 1
    assert (docs / "reading.md").read_text() == before
    assert "docs/reading.md: … need an α of 0.500 [0.250, ∞), which …" in capsys.readouterr().out
