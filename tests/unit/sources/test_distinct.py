"""Models that share weights stop the run, but where the table says that they do."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

import compare_weights
from infogeo.files.errors import InfogeoError


def compared(folder, rows: dict, same_as: dict | None = None):
    """The table of weights of models: slug → (source, where, revision, hash of each file)."""
    cards = []
    for slug, (source, where, revision, hashes) in rows.items():
        hashes = hashes | {"tokenizer.json": "of all"}
        files = {name: {"bytes": 1, "sha256": sha256} for name, sha256 in hashes.items()}
        card = {"slug": slug, "source": source, "where": where, "revision": revision,
                "commit": "", "files": files}  # fmt: skip
        cards.append(folder / f"{slug}.json")
        cards[-1].write_text(json.dumps(card))
    params = SimpleNamespace(
        same_as=[(same_as or {}).get(slug, "") for slug in rows], architectures=list(rows)
    )
    output = folder / "weights.csv"
    compare_weights.main(SimpleNamespace(models=cards), params, [output])
    return pd.read_csv(output, keep_default_na=False).set_index("model")


def one(sha256: str) -> dict:
    return {"model.safetensors": sha256}


def test_each_model_is_listed_with_a_hash_of_its_weights(tmp_path):
    shards = {"model-00001-of-00002.safetensors": "b", "model-00002-of-00002.safetensors": "c"}
    rows = {"m": ("local", "m", "", one("a")), "n": ("hub", "o/n", "main", shards),
            "given": ("states", "g", "", {})}  # fmt: skip
    table = compared(tmp_path, rows)
    assert table["files"].to_dict() == {"m": 1, "n": 2}  # states of another engine have none
    assert table["sha256"].nunique() == 2


def test_a_copy_under_another_name_stops_the_run_and_names_both(tmp_path):
    rows = {"m": ("hub", "o/m", "", one("a")), "copy": ("local", "copy", "", one("a")),
            "n": ("local", "n", "", one("b"))}  # fmt: skip
    with pytest.raises(InfogeoError, match=r"(?s)same_as.*- m, copy: the same model.safetensors"):
        compared(tmp_path, rows)
    assert not (tmp_path / "weights.csv").exists()
    assert compared(tmp_path, rows, {"copy": "m"})["same_as"].tolist() == ["", "m", ""]


def test_two_rows_may_be_the_same_as_one_that_is_not_among_them(tmp_path):
    rows = {name: ("hub", "o/m", name, one("a")) for name in ("m1", "m2")}
    assert len(compared(tmp_path, rows, dict.fromkeys(rows, "of another source"))) == 2
    with pytest.raises(InfogeoError, match="m1, m2: the same"):
        compared(tmp_path, rows, {"m1": "one", "m2": "other"})


def test_one_model_in_two_types_needs_no_word(tmp_path):
    rows = {name: ("hub", "o/m", "v1", one("a")) for name in ("m-float32", "m-bfloat16")}
    assert len(compared(tmp_path, rows)) == 2


def test_many_rows_of_the_same_weights_are_one_line(tmp_path):
    rows = {f"step{i}": ("hub", "o/m", f"step{i}", one("a")) for i in range(76)}
    with pytest.raises(InfogeoError) as error:
        compared(tmp_path, rows)
    assert len(str(error.value).splitlines()) == 2
    assert "step7 and 68 others: the same" in str(error.value)
