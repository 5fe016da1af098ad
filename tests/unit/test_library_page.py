"""The code of docs/library.md runs, and prints what the page says."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from tiny import save_store

PAGE = (Path(__file__).parents[2] / "docs/library.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", PAGE, re.M | re.S)


def save_results(path):
    """A store of three texts, where the page expects one."""
    path.parent.mkdir(parents=True)
    rng = np.random.default_rng(0)
    lengths = [5, 7, 6]
    rows = sum(lengths)
    layers = "0", "1", "final"
    save_store(
        path,
        attrs={"fingerprint": "f"},
        doc_ids=["a", "b", "c"], sources=["s"] * 3, labels=[""] * 3, lengths=lengths,
        dtype="float32", post_norm=["final"],
        hidden={layer: rng.standard_normal((rows, 16), np.float32) for layer in layers},
        tokens={"token_ids": np.zeros(rows, np.int32)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What each block prints, one after another as in a notebook."""
    folder, names, outputs = tmp_path_factory.mktemp("page"), {}, []
    save_results(folder / "results/hidden_states/docstrings/ladder-w32-d1.h5")
    with contextlib.chdir(folder):
        for place, (code, _) in enumerate(BLOCKS):
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(compile(code, f"block {place} of docs/library.md", "exec"), names)
            outputs.append(output.getvalue())
    return outputs, folder


@pytest.mark.parametrize("place", range(len(BLOCKS)))
def test_a_block_of_the_page_prints_what_stands_below_it(printed, place):
    outputs, _ = printed
    assert outputs[place] == BLOCKS[place][1]


def test_the_plot_of_the_page_is_drawn_by_its_code(printed):
    _, folder = printed
    assert (folder / "library.png").stat().st_size > 10_000
