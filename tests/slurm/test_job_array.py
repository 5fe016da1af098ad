"""`launch: {placement: slurm}` on a private SLURM: arrays that outlive their head and nodes."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from cluster import Cluster, missing
from harness import (
    DUMP,
    Head,
    Shards,
    kill_job,
    occupy_all_nodes,
    processes,
    variable,
    watched_to_the_end,
)

pytestmark = pytest.mark.skipif(
    bool(missing()), reason=f"SLURM is not installed here: no {', '.join(missing())}"
)

PATIENCE = "PATIENCE_SECONDS = 90"


@pytest.fixture
def spread(cluster, slow, tmp_path):
    """A checkout whose dump two workers of an array make."""
    checkout = slow.copy(tmp_path / "checkout")
    checkout.cluster = cluster
    config = checkout.path("config/config.yaml")
    config.write_text(config.read_text() + "launch: {placement: slurm, workers: 2}\n")
    # It changes no number, so that the fingerprints stay.
    checkout.edit("workflow_scripts/infogeo/jobs/job_array.py", PATIENCE, "PATIENCE_SECONDS = 5")
    return checkout


def tasks(head, of=0) -> list[str]:
    """Ids of the tasks that the head's submission number `of` has made."""
    return re.findall(r"SLURM: submitted (.*)", head.log.read_text())[of].split(", ")


def states(cluster, ids) -> list[str]:
    """What the controller says of tasks, in their order; '' where it has forgotten one."""
    output = cluster.run("squeue", "-h", "-r", "-t", "all", "-o", "%i|%T")
    known = dict(line.split("|") for line in output.splitlines())
    return [known.get(job, "") for job in ids]


def workers(checkout) -> dict[str, int]:
    """The processes that do the tasks' work: task -> process."""
    found = {}
    for process in processes(checkout, "python\0-u\0-m\0submitit.core._submit"):
        if "srun" not in (Path("/proc") / str(process) / "cmdline").read_text():
            array, task = (variable(process, f"SLURM_ARRAY_{of}_ID") for of in ("JOB", "TASK"))
            found[f"{array}_{task}"] = process
    return found


def test_preempted_workers_go_on_from_their_shards(cluster, slow, spread):
    shards = Shards(spread)
    with Head(spread, DUMP) as head:
        cluster.wait_for(lambda: shards.look() >= 5, "five shards", 180)
        urgent = occupy_all_nodes(cluster)
        ids = tasks(head)
        cluster.wait_for(lambda: states(cluster, ids) == ["PENDING"] * 2, "the requeue", 120)
        before = shards.look()
        assert not spread.path(DUMP).exists(), "the workers were too fast to be preempted"
        cluster.run("scancel", urgent)
        for job in ids:
            cluster.start_now(job)
        said = watched_to_the_end(head, shards)
        assert said.count("SLURM: submitted") == 1  # SLURM has brought them back
    assert len(shards.seen) > before
    shards.assert_none_was_made_twice()
    assert spread.path(DUMP).read_bytes() == slow.dumps["w32-d1"]
    rows = [row for row in cluster.accounted() if row["id"] in ids]
    assert sorted(row["state"] for row in rows) == ["COMPLETED"] * 2 + ["PREEMPTED"] * 2
    assert all("gres/gpu=1" in row["tres"] for row in rows)


@pytest.mark.long
def test_a_worker_near_its_time_limit_puts_itself_back_into_the_queue(cluster, slow, spread):
    shards = Shards(spread)
    with Head(spread, DUMP) as head:
        cluster.wait_for(lambda: shards.look() >= 5, "five shards", 180)
        job = tasks(head)[0]
        # What SLURM sends before a time limit.
        cluster.run("scancel", "--signal", "USR2", job)
        cluster.wait_for(lambda: states(cluster, [job]) == ["PENDING"], "the requeue", 60)
        cluster.start_now(job)
        said = watched_to_the_end(head, shards)
    assert said.count("SLURM: submitted") == 1
    shards.assert_none_was_made_twice()
    assert spread.path(DUMP).read_bytes() == slow.dumps["w32-d1"]


@pytest.mark.long
@pytest.mark.parametrize("orphan", [False, True], ids=["all killed", "its script lives on"])
def test_workers_are_picked_up_again_after_the_head_was_killed(cluster, slow, spread, orphan):
    shards = Shards(spread)
    with Head(spread, DUMP) as first:
        cluster.wait_for(lambda: shards.look() >= 5, "five shards", 180)
        if orphan:
            first.process.kill()
        else:
            os.killpg(first.process.pid, signal.SIGKILL)
        first.process.wait()
        ids = tasks(first)
        assert spread.slurm("--unlock").returncode == 0
        assert states(cluster, ids) == ["RUNNING"] * 2
        with Head(spread, DUMP, log="again.log") as second:
            said = watched_to_the_end(second, shards)
    assert "picked up 2 of 2 tasks" in said and "SLURM: submitted" not in said
    shards.assert_none_was_made_twice()
    assert spread.path(DUMP).read_bytes() == slow.dumps["w32-d1"]
    assert states(cluster, ids) == ["COMPLETED"] * 2
    assert not spread.path("scratch").exists()


@pytest.mark.long
def test_an_array_measures_without_stored_states_as_one_machine_does(slow, spread, tmp_path):
    local = slow.copy(tmp_path / "local")
    settings = "keep_hidden_states: false\nlaunch: {placement: local, workers: 2}\n"
    config = local.path("config/config.yaml")
    config.write_text(config.read_text() + settings)
    spread.edit(
        "config/config.yaml", "launch: {placement", "keep_hidden_states: false\nlaunch: {placement"
    )
    made = ["results/spectra/stories/w32-d1.h5", "results/context/stories/w32-d1.gain.parquet"]
    # So are the twins, in either mode.
    made += ["results/spectra/stories/w32-d1.untrained-0.h5"]
    made += ["results/context/stories/w32-d1.untrained_relations.parquet"]
    for run in (local.snakemake(*made), spread.slurm(*made)):
        assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    log = spread.path("results/logs/measure_states/stories/w32-d1.log").read_text()
    # Both passes and the assembly.
    assert log.count("SLURM: submitted") == 3
    for name in [*made, DUMP]:
        assert spread.path(name).read_bytes() == local.path(name).read_bytes(), name
    assert not spread.path("scratch").exists()


@pytest.mark.long
def test_ctrl_c_cancels_the_workers_and_the_next_run_goes_on(cluster, slow, spread):
    shards = Shards(spread)
    with Head(spread, DUMP) as head:
        cluster.wait_for(lambda: shards.look() >= 5, "five shards", 180)
        os.killpg(head.process.pid, signal.SIGINT)  # as a terminal does
        head.process.wait(60)
        assert head.process.returncode != 0
        ids = tasks(head)
    cluster.wait_for(
        lambda: set(states(cluster, ids)) <= {"CANCELLED", "COMPLETED", ""}, "the cancelling", 30
    )
    assert not spread.path(DUMP).exists()
    spread.slurm("--unlock")
    with Head(spread, DUMP, log="again.log") as again:
        watched_to_the_end(again, shards)
    shards.assert_none_was_made_twice()
    assert spread.path(DUMP).read_bytes() == slow.dumps["w32-d1"]


def killed_worker_is_noticed(cluster, slow, spread):
    """Kill one worker for good; the head says so, and its next attempt completes."""
    shards = Shards(spread)
    with Head(spread, DUMP, "--retries", "1") as head:
        cluster.wait_for(lambda: shards.look() >= 5, "five shards", 180)
        job = tasks(head)[0]
        os.kill(workers(spread)[job], signal.SIGKILL)
        said = watched_to_the_end(head, shards)
    assert f"SLURM task {job} has ended without a result" in said
    assert said.count("SLURM: submitted") == 2
    shards.assert_none_was_made_twice()
    assert spread.path(DUMP).read_bytes() == slow.dumps["w32-d1"]


@pytest.mark.long
def test_a_dead_worker_is_noticed(cluster, slow, spread):
    killed_worker_is_noticed(cluster, slow, spread)


@pytest.mark.long
def test_a_dead_worker_is_noticed_without_accounting(slow, spread):
    with Cluster(accounting=False) as spread.cluster:
        killed_worker_is_noticed(spread.cluster, slow, spread)


@pytest.mark.long
def test_a_worker_whose_node_is_lost_goes_on_on_another(cluster, slow, spread):
    shards = Shards(spread)
    with Head(spread, DUMP) as head:
        cluster.wait_for(lambda: shards.look() >= 5, "five shards", 180)
        ids = tasks(head)
        lost = next(row["node"] for row in cluster.jobs("RUNNING") if row["id"] == ids[0])
        on = {row["id"] for row in cluster.jobs("RUNNING") if row["node"] == lost} & set(ids)
        try:
            cluster.end(f"slurmd-{lost}", kill=True)
            running = workers(spread)
            for raw in [variable(running[task], "SLURM_JOB_ID") for task in on]:
                kill_job(cluster, raw)
            cluster.wait_for(
                lambda: all(state == "PENDING" for state in states(cluster, on)),
                "SLURM to notice the loss", 180,
            )  # fmt: skip
            for job in on:
                cluster.start_now(job)
            said = watched_to_the_end(head, shards)
        finally:
            cluster.start_node(lost)
            cluster.wait_for(lambda: lost in cluster.idle_nodes(), f"{lost} to come back", 120)
    assert said.count("SLURM: submitted") == 1 and "ended without" not in said
    shards.assert_none_was_made_twice()
    assert spread.path(DUMP).read_bytes() == slow.dumps["w32-d1"]
    ends = {(row["state"], row["node"] == lost) for row in cluster.accounted() if row["id"] in on}
    assert ends == {("NODE_FAIL", True), ("COMPLETED", False)}


def test_a_partition_that_is_not_there_is_said_before_an_array_is_submitted(spread):
    spread.edit("profiles/slurm/profile.yaml", "slurm_partition: gpu", "slurm_partition: gpus")
    run = spread.slurm(DUMP)
    said = run.stdout + run.stderr
    assert run.returncode != 0 and "SLURM: submitted" not in said
    assert said.count("slurm_partition 'gpus' does not exist. Did you mean 'gpu'?") == 1


def test_without_slurm_the_placement_says_what_it_needs(slow, tmp_path):
    checkout = slow.copy(tmp_path / "checkout")
    config = checkout.path("config/config.yaml")
    config.write_text(config.read_text() + "launch: {placement: slurm, workers: 2}\n")
    sinfo = tmp_path / "bin" / "sinfo"
    sinfo.parent.mkdir()
    sinfo.write_text("#!/bin/sh\nexit 1\n")
    sinfo.chmod(0o755)
    run = subprocess.run(
        checkout.command(DUMP, "--cores", "1", profile=()), cwd=checkout.folder,
        env=os.environ | {"PATH": f"{sinfo.parent}:{os.environ['PATH']}"}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert run.returncode != 0
    assert "SLURM does not answer" in run.stdout + run.stderr


@pytest.mark.long
def test_an_array_ablates_as_one_process_does(cluster, slow, tmp_path):
    tables = {}
    for placement in ("debug", "slurm"):
        checkout = slow.copy(tmp_path / placement)
        checkout.cluster = cluster
        config = checkout.path("config/config.yaml")
        config.write_text(config.read_text() + f"launch: {{placement: {placement}, workers: 2}}\n")
        checkout.path(DUMP).write_bytes(slow.dumps["w32-d1"])
        run = checkout.slurm("results/context/stories/w32-d1.ablation.parquet")
        assert run.returncode == 0, run.stderr[-3000:]
        assert ("SLURM: submitted" in run.stderr + run.stdout) == (placement == "slurm")
        found = sorted(checkout.path("results/context/stories").glob("*.ablation*.parquet"))
        tables[placement] = [path.read_bytes() for path in found]
    assert tables["slurm"] == tables["debug"] != []
