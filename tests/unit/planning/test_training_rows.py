"""Rows of the table of models that are steps of a training."""

import pytest

from infogeo.planning import training_rows

LADDER = {"tokens": 4000, "batch": 4, "context": 100}  # 400 tokens a step, 10 steps
CONFIG = {"ladders": {"small": LADDER}}


def row(slug="m", source="hub", where="a/b", revision="", **other):
    return {
        "slug": slug, "source": source, "where": where, "revision": revision, "family": "f",
        "dtype": "float32", "kind": "causal", "replicate": None, "trust_remote_code": False,
        "run": None, "step": None, "steps": "", "train_tokens": None, "studies": "", **other,
    }  # fmt: skip


def expanded(*rows):
    return training_rows.expanded(list(enumerate(rows, 2)))


def problems(*rows) -> list[str]:
    made, in_steps = expanded(*rows)
    return [f"{line}: {text}" for line, text in in_steps or training_rows.run_problems(made)]


def test_a_row_with_steps_is_one_model_a_step_the_last_first():
    made, wrong = expanded(row(revision="step{step}", steps="0, 1,512", train_tokens=5120))
    assert wrong == [] and {line for line, _ in made} == {2}
    assert [(one["slug"], one["revision"], one["step"], one["train_tokens"], one["run"])
            for _, one in made] == [
        ("m@512", "step512", 512, 5120, "m"), ("m@1", "step1", 1, 10, "m"),
        ("m@0", "step0", 0, 0, "m"),
    ]  # fmt: skip


def test_steps_take_their_place_in_a_local_folder_too_and_keep_a_run_of_their_own_name():
    made, _ = expanded(row(source="local", where="runs/step{step}", steps="7", run="r"))
    assert [(one["where"], one["run"]) for _, one in made] == [("runs/step7", "r")]


def test_a_model_takes_part_in_all_studies_and_a_step_in_that_of_entropy():
    made, _ = expanded(
        row(), row("s", run="r", step=3), row("t", run="r", step=4, studies="context, dimension")
    )
    studies = [one["studies"] for _, one in made]
    assert studies == [
        list(training_rows.STUDIES), ["entropy"], ["entropy", "gain", "context", "dimension"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"studies": "entropy, entropies"}, "studies: 'entropies' is none; write some of entropy"),
        ({"step": 5}, "run: empty, but step is 5; name the run"),
        ({"run": "r"}, "step: empty, but run is 'r'; write the step"),
        ({"steps": "1,2"}, "steps: neither revision nor where has {step}"),
        ({"steps": "1;2", "revision": "{step}"}, "steps: '1;2'; write whole numbers"),
        ({"steps": "1", "step": 1, "run": "r", "revision": "{step}"}, "step: 1, beside steps"),
        ({"source": "ladder", "train_tokens": 5}, "train_tokens: 5; a ladder model counts them"),
    ],
)
def test_what_contradicts_itself_in_a_row_is_said(other, said):
    (line,) = problems(row(**other))
    assert line.startswith(f"2: {said}")


def test_all_problems_of_runs_are_listed():
    lines = problems(
        row("a", run="r", step=5, train_tokens=50),
        row("b", run="r", step=9, train_tokens=40),
        row("c", run="r", step=5, train_tokens=50, dtype="float16"),
        row("d", run="s", step=5, train_tokens=40),
    )
    assert lines == [
        "4: dtype: 'float16', but 'float32' on line 2 of run 'r'; a run is one model, give this "
        "one another run",
        "4: step: 5 of run 'r' is on line 2 too",
        "3: train_tokens: 40 at step 9 of run 'r', but 50 at step 5 (line 4); they must rise with "
        "the steps",
    ]


def test_a_step_twice_in_one_cell_is_a_problem_too():
    assert problems(row(revision="step{step}", steps="4,4")) == [
        "2: step: 4 of run 'm' is on line 2 too"
    ]


def test_the_end_of_a_ladder_model_is_the_last_step_of_its_run_where_there_are_checkpoints():
    where = "small/w8-d1-s0"
    made, _ = expanded(
        row("end", "ladder", where), row("c", "ladder", where, steps="0,4"),
        row("alone", "ladder", "small/w8-d2-s0"), row("half", "ladder", where, dtype="bfloat16"),
    )  # fmt: skip
    assert training_rows.lacking_members(made) == []
    made = training_rows.with_ladder_runs(made, CONFIG)
    assert [one["checkpoint_of"] for _, one in made] == ["", "end", "end", "", ""]
    assert {one["slug"]: (one["run"], one["step"], one["train_tokens"]) for _, one in made} == {
        "end": (where, 10, 4000), "c@4": (where, 4, 1600), "c@0": (where, 0, 0),
        "alone": (None, None, 4000), "half": (None, None, 4000),
    }  # fmt: skip
    assert training_rows.run_problems(made) == []


def test_a_planted_sink_belongs_to_the_row_of_its_trained_member_and_to_no_run():
    where = "small/w8-d1-s0"
    made, _ = expanded(
        row("sink", "ladder", f"{where}+sink"), row("end", "ladder", where),
        row("c", "ladder", where, steps="4"),
    )  # fmt: skip
    assert training_rows.lacking_members(made) == []
    made = training_rows.with_ladder_runs(made, CONFIG)
    facts = [(one["variant_of"], one["checkpoint_of"], one["run"]) for _, one in made]
    assert facts == [("end", "", None), ("", "", where), ("", "end", where)]


def test_checkpoints_of_a_ladder_need_the_row_of_the_end():
    made, _ = expanded(row("c", "ladder", "small/w8-d1-s0", steps="0"))
    problem = "step: of small/w8-d1-s0, but no row is its end, whose training keeps it; "
    problem += "add one with an empty step"
    assert training_rows.lacking_members(made) == [(2, problem)]


def of_ladder(name, steps, studies=("entropy",), family="f", dtype="float32"):
    return [
        {
            "slug": f"{name}@{step}", "checkpoint_of": f"end-{name}", "studies": list(studies),
            "step": step, "family": family, "dtype": dtype,
        }
        for step in steps
    ]  # fmt: skip


END = {"slug": "end", "checkpoint_of": "", "studies": ["entropy"], "step": 10, "family": "f",
       "dtype": "float32"}  # fmt: skip


def test_steps_of_a_ladder_are_measured_together_where_only_their_entropy_is_asked_for():
    rows = [END, *of_ladder("a", (3, 1, 0)), *of_ladder("b", (3, 1, 0)), *of_ladder("c", (3, 0))]
    rows += of_ladder("d", (3, 1, 0), studies=("entropy", "gain")) + of_ladder("e", (3,))
    assert training_rows.measured_together(rows) == {
        "a": ["a@3", "a@1", "a@0"], "b": ["b@3", "b@1", "b@0"],
    }  # fmt: skip
    assert training_rows.measured_together([END, *of_ladder("c", (3, 0))]) == {"c": ["c@3", "c@0"]}
    assert training_rows.measured_together([END]) == {}


def test_rows_of_another_list_of_steps_that_are_added_change_nothing_above_them():
    rows = [END, *of_ladder("a", (3, 1, 0))]
    together = training_rows.measured_together(rows)
    rows += of_ladder("b", (3, 0)) + of_ladder("c", (3, 0))
    assert training_rows.measured_together(rows) == together


def test_steps_of_a_family_that_has_nothing_else_are_measured_alone_since_states_are_read():
    rows = [*of_ladder("a", (3, 0), family="other"), *of_ladder("b", (3, 0)), END]
    assert list(training_rows.measured_together(rows)) == ["b"]


def test_rows_that_only_share_a_name_are_not_measured_together():
    rows = [END, *of_ladder("a", (3,)), *of_ladder("a", (0,), dtype="bfloat16")]
    assert training_rows.measured_together(rows) == {}
