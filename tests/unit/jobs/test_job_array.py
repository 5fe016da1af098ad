"""What needs no SLURM; tests/slurm runs real arrays."""

import json
import pickle

import pytest

from infogeo.jobs import job_array, slurm
from infogeo.files.errors import InfogeoError

ASKED = {"runtime": 30, "mem_mb": 1500, "threads": 2}


class Fake:
    """A SLURM of a few lines: states that it reports in turn (None: no answer), and its clock."""

    def __init__(self, monkeypatch, *reports):
        self.reports, self.cancelled = list(reports), set()
        monkeypatch.setattr(slurm, "states", self.states)
        monkeypatch.setattr(slurm, "cancel", self.cancelled.update)
        monkeypatch.setattr(job_array, "_submit", self.submit)
        monkeypatch.setattr(job_array, "ASK_SECONDS", 0)
        monkeypatch.setattr(job_array, "PATIENCE_SECONDS", 2)
        monkeypatch.setattr(job_array, "time", self)
        self.submitted, self.now = [], 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def states(self, _):
        report = self.reports.pop(0) if len(self.reports) > 1 else self.reports[0]
        if report is None:
            raise InfogeoError("SLURM does not answer")
        return report

    def submit(self, _, calls, folder, *others):
        jobs = [job_array.submitit.SlurmJob(folder, f"7_{i}") for i in range(len(calls))]
        self.submitted += calls
        return jobs


def leave(folder, job, outcome):
    """Write the result of a task as submitit does."""
    (folder / f"{job}_0_result.pkl").write_bytes(pickle.dumps(("success", outcome)))


def run(folder, keys=("a", "b"), waiting=lambda: None):
    return job_array.run(None, list(keys), list(keys), folder=folder, resources={}, waiting=waiting)


def test_results_come_in_the_order_of_the_calls(monkeypatch, tmp_path):
    fake = Fake(monkeypatch, {})
    leave(tmp_path, "7_1", ("ok", "second"))

    def finish():
        leave(tmp_path, "7_0", ("ok", "first"))

    assert run(tmp_path, waiting=finish) == ["first", "second"]
    assert fake.submitted == ["a", "b"] and not fake.cancelled


def test_living_tasks_are_picked_up_others_submitted_and_strangers_ended(monkeypatch, tmp_path):
    fake = Fake(monkeypatch, {"5_0": "RUNNING", "5_1": "FAILED", "4_0": "PENDING"})
    known = {"a": "5_0", "b": "5_1", "of other settings": "4_0"}
    (tmp_path / "array.json").write_text(json.dumps(known))
    leave(tmp_path, "5_0", ("ok", 1))
    leave(tmp_path, "7_0", ("ok", 2))
    assert run(tmp_path) == [1, 2]
    assert fake.submitted == ["b"] and fake.cancelled == {"4_0"}
    assert json.loads((tmp_path / "array.json").read_text()) == {"a": "5_0", "b": "7_0"}


def test_the_error_of_a_task_surfaces_and_ends_the_others(monkeypatch, tmp_path):
    fake = Fake(monkeypatch, {})
    leave(tmp_path, "7_1", ("error", InfogeoError("text 3 is not finite")))
    with pytest.raises(InfogeoError, match="text 3 is not finite"):
        run(tmp_path)
    assert fake.cancelled == {"7_0", "7_1"}


def test_a_task_that_could_not_begin_shows_its_log_and_no_traceback_of_ours(monkeypatch, tmp_path):
    fake = Fake(monkeypatch, {})
    (tmp_path / "7_0_0_log.out").write_text("ModuleNotFoundError: No module named 'infogeo'\n")
    (tmp_path / "7_0_0_result.pkl").write_bytes(pickle.dumps(("error", "Traceback ...")))
    with pytest.raises(InfogeoError, match=r"SLURM task 7_0 (.|\n)*No module named 'infogeo'"):
        run(tmp_path)
    assert fake.cancelled == {"7_0", "7_1"}


def test_what_sbatch_refuses_is_said_with_the_place_to_change_it(monkeypatch, tmp_path):
    def refuse(*_):
        raise job_array.submitit.core.utils.FailedJobError("Requested node is not available")

    monkeypatch.setattr(job_array.submitit.SlurmExecutor, "affinity", lambda _: 1)
    monkeypatch.setattr(job_array.submitit.AutoExecutor, "map_array", refuse)
    with pytest.raises(InfogeoError, match=r"refused(.|\n)*not available(.|\n)*profile\.yaml"):
        job_array._submit(None, ["a"], tmp_path, "name", ASKED)


@pytest.mark.parametrize("last", [{"7_0": "RUNNING", "7_1": "OUT_OF_MEMORY"}, {"7_0": "RUNNING"}])
def test_a_task_that_is_gone_without_a_result_is_noticed(monkeypatch, tmp_path, last):
    fake = Fake(monkeypatch, {}, {"7_0": "RUNNING", "7_1": "RUNNING"}, last)
    (tmp_path / "7_1_0_log.out").write_text("first line\nslurmstepd: error: Detected 1 oom_kill\n")
    state = last.get("7_1", "no longer known to SLURM")
    with pytest.raises(InfogeoError, match=rf"7_1 .*{state}(.|\n)*oom_kill"):
        run(tmp_path)
    assert fake.cancelled == {"7_0", "7_1"}
    assert 2 < fake.now <= 4  # not at once


def test_what_comes_back_or_cannot_be_asked_about_is_waited_for(monkeypatch, tmp_path):
    gone, back = {"7_0": "NODE_FAIL"}, {"7_0": "PENDING"}
    # Gone for less than two seconds, twice; then unknown for longer.
    reports = [{}, gone, gone, gone, back, gone, gone, gone, back, *[None] * 20, back]
    fake = Fake(monkeypatch, *reports)

    def finish():
        if len(fake.reports) == 1:
            leave(tmp_path, "7_0", ("ok", "done"))

    assert run(tmp_path, keys=("a",), waiting=finish) == ["done"]
    assert fake.now > 14


def test_an_interrupt_ends_the_array_and_a_take_over_does_not(monkeypatch, tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    fake = Fake(monkeypatch, {})
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, waiting=interrupt)
    assert fake.cancelled == {"7_0", "7_1"}

    fake.cancelled.clear()
    mine = job_array.Claim(tmp_path)
    job_array.Claim(tmp_path)
    with pytest.raises(job_array.TakenOver):
        run(tmp_path, waiting=mine.check)
    assert not fake.cancelled


def test_a_claim_holds_until_another_is_made_or_the_folder_is_gone(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    first = job_array.Claim(folder)
    first.check()
    second = job_array.Claim(folder)
    second.check()
    with pytest.raises(job_array.TakenOver, match="another process"):
        first.check()
    (folder / "claim").unlink()
    with pytest.raises(job_array.TakenOver):
        second.check()


def test_resources_of_snakemake_become_options_of_sbatch():
    resources = {
        **ASKED, "slurm_partition": "gpu", "slurm_account": "lab", "qos": "long", "gpu": 2,
        "gpu_model": "a100", "constraint": "nvlink",
        "slurm_extra": "'--mail-type=FAIL --exclusive'",
    }  # fmt: skip
    found = job_array.parameters(resources)
    assert found.pop("slurm_additional_parameters") == {
        "requeue": True, "gpus": "a100:2", "mail-type": "FAIL", "exclusive": True,
    }  # fmt: skip
    assert found == {
        "timeout_min": 30, "mem_gb": 1500 / 1024, "cpus_per_task": 2,
        "slurm_srun_args": ["--cpus-per-task=2"], "slurm_partition": "gpu", "slurm_account": "lab",
        "slurm_qos": "long", "slurm_constraint": "nvlink",
    }  # fmt: skip


def test_what_is_not_given_is_not_asked_for():
    found = job_array.parameters({**ASKED, "gpu": 0})
    assert found["slurm_additional_parameters"] == {"requeue": True}
    assert not {"slurm_partition", "slurm_account", "slurm_qos"} & found.keys()


def test_short_options_of_sbatch_are_refused():
    with pytest.raises(InfogeoError, match="'-C' is not of the form"):
        job_array.parameters({**ASKED, "slurm_extra": "'-C a100'"})
