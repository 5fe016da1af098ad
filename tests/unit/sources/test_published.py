"""Published values: read with all problems at once, and judged like what is measured here."""

from pathlib import Path

import numpy as np
import pytest

from infogeo.files.errors import InfogeoError
from infogeo.inference import other_estimates
from infogeo.laws.columns import LAW_COLUMNS
from infogeo.laws.published_laws import published_laws, width_law
from infogeo.sources import published

TABLE = Path(__file__).parents[3] / "config/published/matrix_entropy.csv"
HEADER = "family,model,N,d,corpus,metric,value\n"


@pytest.fixture(scope="module")
def rows():
    return published.read([TABLE])


def test_results_name_a_table_and_no_folder_but_of_two_tables_of_one_name(rows, tmp_path):
    assert {row["table"] for row in rows} == {TABLE.name}
    other = tmp_path / TABLE.name
    other.write_text(TABLE.read_text())
    both = published.read([TABLE, other])
    assert {row["table"] for row in both} == {str(TABLE), str(other)}


def law_of(rows, **where):
    found = published_laws(rows, draws=99, seed=0)
    found = found[np.logical_and.reduce([found[name] == value for name, value in where.items()])]
    assert len(found) == 1
    return found.iloc[0]


PYTHIA = {"family": "pythia", "corpus": "dolly", "metric": "entropy_over_ln_d"}


def test_the_published_fall_is_that_of_its_divisor_to_the_last_printed_digit(rows):
    law = law_of(rows, **PYTHIA)
    assert f"{law['exponent']:.4f} {law['standard_error']:.4f}" == "-0.0685 0.0043"
    some = [row for row in rows if all(row[name] == value for name, value in PYTHIA.items())]
    x = np.log([row["N"] for row in some])
    divisor = other_estimates.ols(x, width_law(law["metric"], np.array([row["d"] for row in some])))
    assert f"{divisor['exponent']:.4f} {divisor['standard_error']:.4f}" == "-0.0778 0.0063"
    assert f"{law['excess_width']:+.4f}" == "+0.0093"  # of the entropy itself
    assert law["falls_verdict"] == "width artefact"


def test_the_published_entropy_itself_rises_slightly(rows):
    raw = [
        row | {"metric": "entropy", "value": row["value"] * np.log(row["d"])}
        for row in rows
        if row["metric"] == "entropy_over_ln_d"
    ]
    law = law_of(raw, **PYTHIA | {"metric": "entropy"})
    assert f"{law['exponent']:+.4f} {law['standard_error']:.4f}" == "+0.0093 0.0040"
    assert law["falls_verdict"] == "inconclusive"


def test_every_published_normalised_entropy_is_a_width_artefact(rows):
    laws = published_laws(rows, draws=99, seed=0)
    entropies = laws[laws["metric"] == "entropy_over_ln_d"]
    assert len(entropies) == 4
    assert set(entropies["falls_verdict"]) == {"width artefact"}


def test_controls_that_were_not_published_are_named_and_cannot_be_beaten(rows):
    falling = [row | {"value": row["value"] * row["N"] ** -0.2} for row in rows]
    law = law_of(falling, **PYTHIA)
    assert law["exponent_high"] < 0 and law["excess_width_high"] < 0
    assert law["falls_verdict"] == "inconclusive"
    assert "random vectors: not measured" in law["problems"]
    assert "untrained twins: not measured" in law["problems"]
    nll = law_of(rows, **PYTHIA | {"metric": "nll"})
    assert nll["controls_applied"] == "untrained twins"


def test_laws_have_the_columns_of_measured_ones_and_their_table(rows):
    laws = published_laws(rows, draws=99, seed=0)
    assert list(laws.columns) == [*LAW_COLUMNS, "table"]
    assert set(laws["table"]) == {TABLE.name}
    assert laws["texts"].isna().all()


def test_no_table_gives_no_law():
    laws = published_laws(published.read([]), draws=99, seed=0)
    assert list(laws.columns) == [*LAW_COLUMNS, "table"] and not len(laws)


def test_too_few_models_have_no_law_and_say_so(rows):
    few = [row for row in rows if row["model"] in ("14M", "12B")]
    law = law_of(few, **PYTHIA)
    assert law["falls_verdict"] == "not available"
    assert "a law needs at least 3" in law["problems"]


def test_all_problems_of_all_tables_are_listed_at_once(tmp_path):
    wrong, broken = tmp_path / "wrong.csv", tmp_path / "broken.csv"
    wrong.write_text(
        HEADER + "a,m,12.5,64,c,nll,1.0\na,m,1000,1,c,entropie,-2\n\na,,10,64,c,nll,x\n"
        "a,n,10,64,c,nll,1\na,n,10,64,c,nll,2\na,o,10\n"
    )
    broken.write_text("family,model\n")
    with pytest.raises(InfogeoError) as error:
        published.read([wrong, broken, tmp_path / "none.csv"])
    said = str(error.value)
    for part in (
        "10 problems", "line 2, N: '12.5'", "line 3, d: '1'", "metric: 'entropie' must be one of",
        "value: '-2'", "line 5, model: empty", "value: 'x'", "as line 6",
        "line 8: 3 cells under 7 columns", "broken.csv: the header", "none.csv: no such file",
    ):  # fmt: skip
        assert part in said, (part, said)


def test_columns_may_stand_in_any_order(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("value,metric,corpus,d,N,model,family\n2.5,nll,c,64,1000,m,f\n")
    (row,) = published.read([table])
    assert row == {"family": "f", "model": "m", "N": 1000, "d": 64, "corpus": "c", "metric": "nll",
                   "value": 2.5, "table": "t.csv"}  # fmt: skip
