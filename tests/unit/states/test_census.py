"""Every type of causal model in transformers against its row in docs/architectures.md."""

import pytest
from census import NAMES, examine, silent_errors
from census_page import read_page

# One of each kind: plain, tied, ALiBi, windows, experts, latent attention, recurrent, hybrid,
# sinks, an encoder, a decoder of its family, vision beside text, several streams, no padding token.
FEW = (
    "gpt2", "gpt_neox", "opt", "bloom", "gemma2", "mixtral", "deepseek_v3", "mamba", "jamba",
    "gpt_oss", "bert", "roberta, is_decoder", "gemma3", "gemma3n_text", "codegen",
)  # fmt: skip
TYPES = [name if name in FEW else pytest.param(name, marks=pytest.mark.long) for name in NAMES]


@pytest.fixture(scope="module")
def rows():
    """The rows of the page by type."""
    return {row["type"]: row for row in read_page()}


def test_the_page_has_every_type_of_the_installed_transformers(rows):
    assert set(rows) == set(NAMES)


def test_no_type_ends_in_an_error_of_ours_or_is_wrong_without_a_word(rows):
    faults = {name for name, row in rows.items() if row["verdict"].startswith("fault")}
    wrong = {name: silent_errors(row) for name, row in rows.items() if silent_errors(row)}
    assert faults == set() and wrong == {}


def test_a_row_that_is_wrong_is_seen(rows):
    good = rows["gpt2"]
    assert silent_errors(good) == []
    assert silent_errors(good | {"sees later tokens": "yes"}) == ["taken as causal"]
    assert silent_errors(good | {"nll": "6.459 for 6.455", "batch": "off by 2"}) == ["batch", "nll"]


@pytest.mark.parametrize("name", TYPES)
def test_a_type_is_what_its_row_says(rows, name):
    assert examine(name) == rows[name]
