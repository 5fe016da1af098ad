"""The command line: files of states in, a table out, and clear words where that is impossible."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from tiny import save_store

import infogeo
from infogeo.door.command import main

Z = np.random.default_rng(0).standard_normal((3, 5, 4)).astype(np.float32)


@pytest.fixture
def states(tmp_path):
    np.savez(tmp_path / "states.npz", **{"0": Z, "final": Z + 1})
    return str(tmp_path / "states.npz")


def test_a_table_of_a_file_is_that_of_its_arrays(states, tmp_path, capsys):
    main(["measure", states, "--out", str(tmp_path / "table.parquet")])
    table = pd.read_parquet(tmp_path / "table.parquet")
    pd.testing.assert_frame_equal(table, infogeo.measure({"0": Z, "final": Z + 1}))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"3 texts, layers 0, final: {len(table)} values in " in printed.err


def test_layers_prefixes_and_regularisers_are_chosen_by_options(states, capsys, tmp_path):
    out = tmp_path / "table.csv"
    main(["measure", states, "--layers", "final", "--n", "3,5", "--eps2", "0.5", "--lambdas", "1",
          "--threads", "1", "--out", str(out)])  # fmt: skip
    expected = infogeo.measure({"final": Z + 1}, n=[3, 5], eps2=[0.5], lambdas=[1])
    pd.testing.assert_frame_equal(
        pd.read_csv(out, keep_default_na=False, dtype={"doc_id": str}), expected, rtol=1e-9
    )


def test_texts_are_measured_together_on_request(states, tmp_path):
    out = tmp_path / "table.parquet"
    main(["measure", states, "--layers", "0", "--corpus", "--out", str(out)])
    pd.testing.assert_frame_equal(pd.read_parquet(out), infogeo.measure({"0": Z}, corpus=True))


def test_without_a_file_to_write_the_table_is_printed(states, capsys):
    main(["measure", states, "--layers", "0"])
    assert capsys.readouterr().out.startswith("doc_id,source,scope,layer,convention,")


def test_a_store_of_the_workflow_is_measured_by_its_layers(tmp_path, capsys):
    save_store(
        tmp_path / "store.h5",
        attrs={"fingerprint": "f"}, doc_ids=["a", "b"], sources=["", ""], labels=["", ""],
        lengths=[5, 4], dtype="float32", hidden={"final": Z.reshape(-1, 4)[:9]},
        tokens={"token_ids": np.zeros(9, np.int32)},
    )  # fmt: skip
    main(["measure", str(tmp_path / "store.h5"), "--out", str(tmp_path / "table.parquet")])
    texts = [Z.reshape(-1, 4)[:5], Z.reshape(-1, 4)[5:9]]
    expected = infogeo.measure({"final": texts}, doc_ids=["a", "b"])
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layers", "0,7"], "--layers 7: not in .*; it has 0, final"),
        (["--out", "table.xlsx"], r"tables are written as \.csv or \.parquet"),
        (["--n", "9"], "from 2 to 5"),
    ],
)
def test_what_cannot_be_done_ends_with_one_message_and_no_table(states, options, message):
    with pytest.raises(SystemExit, match=f"^infogeo: .*{message}"):
        main(["measure", states, *options])


def test_texts_with_different_layers_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", final=Z[0])
    np.savez(tmp_path / "b.npz", last=Z[1])
    with pytest.raises(SystemExit, match="text 'b' has layers last, and 'a' final"):
        main(["measure", str(tmp_path)])


def test_python_runs_the_package_as_the_command(tmp_path):
    run = [sys.executable, "-m", "infogeo", "--version"]
    path = infogeo.__path__[0].rpartition("/")[0]
    printed = subprocess.check_output(run, env={"PYTHONPATH": path}, text=True)
    assert printed == f"infogeo {infogeo.__version__}\n"
