"""Every type of causal model in transformers against its row in docs/architectures.md."""

import pytest
from census import NAMES, examine, silent_errors
from census_page import read_page

# One of each kind: plain, tied, ALiBi, windows, experts, latent attention, recurrent, hybrid,
# shared blocks, sinks, vision beside it.
FEW = (
    "gpt2", "gpt_neox", "opt", "bloom", "gemma2", "mixtral", "deepseek_v3", "mamba", "qwen3_next",
    "zamba2", "gpt_oss", "gemma3",
)  # fmt: skip
TYPES = [name if name in FEW else pytest.param(name, marks=pytest.mark.long) for name in NAMES]


@pytest.fixture(scope="module")
def rows():
    """The rows of the page by type."""
    return {row["type"]: row for row in read_page()}


def test_the_page_has_every_type_of_the_installed_transformers(rows):
    assert set(rows) == set(NAMES)


def test_a_row_that_is_wrong_is_seen(rows):
    good = rows["gpt2"]
    assert silent_errors(good) == []
    assert silent_errors(good | {"sees later tokens": "yes"}) == ["taken as causal"]
    assert silent_errors(good | {"nll": "6.459 for 6.455", "batch": "off by 2"}) == ["batch", "nll"]


@pytest.mark.parametrize("name", TYPES)
def test_a_type_is_what_its_row_says(rows, name):
    assert examine(name) == rows[name]
