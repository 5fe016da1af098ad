"""What a rule hands to the function of its script."""

import gc
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from infogeo.jobs import binding
from infogeo.jobs.binding import of_each_corpus, of_twins, parameters, run


class Named(SimpleNamespace):
    """Values by name and as attributes, as Snakemake has them."""

    def items(self):
        return vars(self).items()


def job(folder, params, wildcards=None, resources=None) -> SimpleNamespace:
    return SimpleNamespace(
        input=Named(corpus="texts.parquet"),
        output=Named(table=folder / "table"),
        params=Named(**params),
        wildcards=Named(**wildcards or {}),
        resources=Named(**resources or {"mem_mb": 1500}),
        threads=3,
        log=[folder / "logs/job.log"],
        rule="a_rule",
    )


def test_parameters_are_params_wildcards_and_threads(tmp_path):
    params = parameters(job(tmp_path, {"n": [8], "seed": 0}, {"corpus": "stories"}))
    stated = {"n": [8], "seed": 0, "corpus": "stories"}
    own = {"placement": "debug", "workers": 1, "threads": 3, "resources": {"mem_mb": 1500}}
    assert vars(params) == stated | {"threads": 3, "checkpoints_at_once": 0, "launch": own}


def test_where_a_job_runs_is_one_value_and_its_own_process_where_its_rule_states_none(tmp_path):
    resources = {"placement": "local", "workers": 2, "mem_mb": 1500}
    params = parameters(job(tmp_path, {}, resources=resources))
    expected = {"placement": "local", "workers": 2, "threads": 3, "resources": resources}
    assert params.launch == expected


def test_how_many_weights_are_on_the_disk_is_no_param_so_that_it_reruns_nothing(tmp_path):
    params = parameters(job(tmp_path, {}, resources={"checkpoints_at_once": 2}))
    assert params.checkpoints_at_once == 2


def test_a_param_named_like_a_wildcard_is_refused(tmp_path):
    with pytest.raises(TypeError, match="corpus"):
        parameters(job(tmp_path, {"corpus": "a"}, {"corpus": "b"}))


def test_a_script_is_called_with_files_parameters_and_output_and_its_words_are_logged(tmp_path):
    def main(files, params, output):
        print(files.corpus, params.n)
        output.table.write_text("made")

    run(main, job(tmp_path, {"n": 8}))
    assert (tmp_path / "table").read_text() == "made"
    assert (tmp_path / "logs/job.log").read_text() == "texts.parquet 8\n"


def test_what_imports_have_made_is_not_searched_for_garbage(tmp_path):
    searched = []

    def main(files, params, output):
        searched.append(len(gc.get_objects()))

    gc.unfreeze()  # of tests before this one
    before = len(gc.get_objects())
    try:
        run(main, job(tmp_path, {}))
    finally:
        gc.unfreeze()
    assert searched[0] < before / 10


@pytest.mark.parametrize("beginning, while_importing", [("snakemake = None", False), ("", True)])
def test_garbage_is_not_searched_for_while_a_script_imports(beginning, while_importing):
    script = f"""{beginning}
import contextlib, gc
from types import SimpleNamespace
from infogeo.jobs import binding
imported = gc.isenabled()
binding.parameters = lambda job: None
binding.logs.rule = contextlib.nullcontext
binding.run(lambda *_: print(imported, gc.isenabled()), SimpleNamespace(input=0, output=0))
"""
    env = os.environ | {"PYTHONPATH": str(Path(binding.__file__).parents[2])}
    printed = subprocess.check_output([sys.executable, "-c", script], env=env, text=True)
    assert printed.split() == [str(while_importing), "True"]


def test_each_corpus_has_its_part_of_what_holds_every_model():
    parts = list(of_each_corpus(["a", "b"], ["a1", "a2", "b1", "b2"], iter(range(4))))
    assert parts == [("a", ["a1", "a2"], [0, 1]), ("b", ["b1", "b2"], [2, 3])]


def test_models_of_one_architecture_have_the_files_of_their_twins_in_common():
    files = ["a-0", "a-1", "b-0", "b-1"]  # two draws
    assert of_twins(files, [0, 1, 0]) == ["a-0", "a-1", "b-0", "b-1", "a-0", "a-1"]
    assert of_twins(files[:2], [1, 0, 0]) == ["a-1", "a-0", "a-0"]  # one file for all draws
    assert of_twins([], []) == []
