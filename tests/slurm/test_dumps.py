"""What a dump on a private SLURM survives."""

import os
import re
import shlex
import shutil
import signal
import time
from contextlib import suppress

import pytest
from cluster import Cluster, missing
from harness import (
    DUMP,
    Head,
    Shards,
    done,
    kill_job,
    occupy_all_nodes,
    processes,
    submitted,
    variable,
    watched_to_the_end,
)

pytestmark = pytest.mark.skipif(
    bool(missing()), reason=f"SLURM is not installed here: no {', '.join(missing())}"
)


def test_a_preempted_dump_goes_on_from_its_shards(cluster, slow, tmp_path):
    checkout = slow.copy(tmp_path / "checkout")
    checkout.cluster = cluster
    shards = Shards(checkout)
    with Head(checkout, DUMP) as head:
        cluster.wait_for(lambda: shards.look() >= 5, "five shards", 180)
        urgent = occupy_all_nodes(cluster)
        (job,) = head.ids()

        def requeued():
            return any(j["id"] == job and j["state"] == "PENDING" for j in cluster.jobs())

        cluster.wait_for(requeued, "the dump to be requeued", 120)
        before = shards.look()
        assert not checkout.path(DUMP).exists(), "the dump was too fast to be preempted"
        cluster.run("scancel", urgent)
        cluster.start_now(job)
        watched_to_the_end(head, shards)
        assert head.ids() == [job]  # SLURM has brought it back, not a second submission
    assert len(shards.seen) > before
    shards.assert_none_was_made_twice()
    assert checkout.path(DUMP).read_bytes() == slow.dumps["w32-d1"]
    states = [row["state"] for row in cluster.accounted() if row["id"] == job]
    assert states == ["PREEMPTED", "COMPLETED"]


@pytest.mark.long
def test_a_dump_that_hits_its_time_limit_gets_more_time_and_goes_on(cluster, slow, tmp_path):
    checkout = slow.copy(tmp_path / "checkout")
    checkout.cluster = cluster
    rule = "  dump_hidden_states:\n"
    limit = f"{rule}    runtime: 1 if attempt == 1 else 20\n"
    checkout.edit("profiles/slurm/profile.yaml", rule, limit)
    shards = Shards(checkout)
    with Head(checkout, DUMP) as head:
        cluster.wait_for(lambda: shards.look() >= 5, "five shards", 180)
        for process in processes(checkout, "dump_hidden_states.py"):
            os.kill(process, signal.SIGSTOP)  # as slow as can be
        before = shards.look()
        assert not checkout.path(DUMP).exists()
        watched_to_the_end(head, shards)
        ids = head.ids()
    assert len(shards.seen) > before
    shards.assert_none_was_made_twice()
    assert checkout.path(DUMP).read_bytes() == slow.dumps["w32-d1"]
    assert [row["state"] for row in done(cluster, ids)] == ["TIMEOUT", "COMPLETED"]


@pytest.mark.long
def test_a_dump_whose_node_is_lost_goes_on_on_another(cluster, slow, tmp_path):
    checkout = slow.copy(tmp_path / "checkout")
    checkout.cluster = cluster
    shards = Shards(checkout)
    with Head(checkout, DUMP) as head:
        cluster.wait_for(lambda: shards.look() >= 5, "five shards", 180)
        (job,) = head.ids()
        (lost,) = {row["node"] for row in cluster.jobs("RUNNING") if row["id"] == job}
        try:
            cluster.end(f"slurmd-{lost}", kill=True)
            kill_job(cluster, job)
            before = shards.look()
            assert not checkout.path(DUMP).exists()

            def requeued():
                return any(j["id"] == job and j["state"] == "PENDING" for j in cluster.jobs())

            cluster.wait_for(requeued, "SLURM to notice the loss", 180)
            cluster.start_now(job)
            watched_to_the_end(head, shards)
            assert head.ids() == [job]
        finally:
            cluster.start_node(lost)
            cluster.wait_for(lambda: lost in cluster.idle_nodes(), f"{lost} to come back", 120)
    assert len(shards.seen) > before
    shards.assert_none_was_made_twice()
    assert checkout.path(DUMP).read_bytes() == slow.dumps["w32-d1"]
    rows = [row for row in cluster.accounted() if row["id"] == job]
    assert [row["state"] for row in rows] == ["NODE_FAIL", "COMPLETED"]
    assert rows[0]["node"] == lost != rows[1]["node"]


@pytest.mark.long
def test_after_the_head_was_killed_nothing_finished_is_done_again(cluster, slow, tmp_path):
    checkout = slow.copy(tmp_path / "checkout")
    checkout.cluster = cluster
    # What the undisturbed run has noted of the same files.
    shutil.rmtree(checkout.path(".snakemake/metadata"))
    shards = Shards(checkout)
    with Head(checkout, "hidden_states") as head:
        cluster.wait_for(lambda: shards.look() >= 5, "five shards", 180)
        head.process.kill()
        head.process.wait()
        ids = head.ids()
        # Its jobs do not need it.
        assert {row["state"] for row in done(cluster, ids)} == {"COMPLETED"}
    for model, dump in slow.dumps.items():
        assert checkout.path(DUMP.replace("w32-d1", model)).read_bytes() == dump
    locked = checkout.slurm("hidden_states")
    assert locked.returncode != 0 and "--unlock" in locked.stdout + locked.stderr
    assert checkout.slurm("--unlock").returncode == 0
    again = checkout.slurm("hidden_states")
    assert again.returncode == 0, again.stderr[-3000:]
    assert submitted(again) == []

    # Snakemake has no record of these files; their fingerprints tell that they are stale.
    table = checkout.path("config/models.tsv")
    table.write_text(table.read_text().replace("\tfloat32\t", "\tbfloat16\t"))
    stale = checkout.slurm("--retries", "0", "results/spectra/stories/w32-d1.h5")
    assert stale.returncode != 0
    log = checkout.path("results/logs/compute_spectra/stories/w32-d1.log").read_text()
    assert f"snakemake -R {DUMP}" in log
    mended = checkout.slurm("results/spectra/stories/w32-d1.h5", "-R", DUMP)
    assert mended.returncode == 0, mended.stderr[-3000:]
    assert len(submitted(mended)) == 2


@pytest.mark.long
def test_the_head_may_be_a_job_itself(cluster, fresh, tmp_path):
    checkout = fresh.copy(tmp_path / "checkout")
    command = shlex.join(checkout.command("results/corpora/stories.parquet"))
    # Not on the one CPU node, all of whose cores the job that it submits asks for.
    job = cluster.run(
        "sbatch", "--parsable", "-p", "gpu", "-D", str(checkout.folder), "-o", "head.log",
        "--wrap", command,
    ).strip()  # fmt: skip
    (row,) = cluster.wait_for(lambda: done(cluster, [job]), "the head to end", 180)
    said = checkout.path("head.log").read_text()
    assert row["state"] == "COMPLETED", said
    assert checkout.path("results/corpora/stories.parquet").exists()
    assert re.findall(r"submitted with SLURM jobid (\d+)", said) not in ([], [job])


@pytest.mark.long
def test_two_dumps_share_the_two_gpus_of_a_node(cluster, slow, tmp_path):
    checkout = slow.copy(tmp_path / "checkout")
    checkout.cluster = cluster
    rule = "  dump_hidden_states:\n"
    node = f"{rule}    slurm_extra: \"'--nodelist=node1'\"\n"
    checkout.edit("profiles/slurm/profile.yaml", rule, node)
    with Head(checkout, "hidden_states") as head:
        seen = set()

        def both():
            for process in processes(checkout, "dump_hidden_states.py"):
                with suppress(OSError):  # it has ended meanwhile
                    seen.add(variable(process, "CUDA_VISIBLE_DEVICES"))
            return len(seen) > 1

        cluster.wait_for(both, "both dumps to run", 180)
        assert seen == {"0", "1"}  # to each a GPU of its own
        head.wait()
        rows = done(cluster, head.ids())
    assert len(rows) == 2
    assert all(row["node"] == "node1" and "gres/gpu=1" in row["tres"] for row in rows)
    assert max(row["start"] for row in rows) < min(row["end"] for row in rows)


@pytest.mark.long
def test_two_minutes_without_slurmdbd_do_not_stop_a_run(cluster, slow, tmp_path):
    checkout = slow.copy(tmp_path / "checkout")
    checkout.cluster = cluster
    shards = Shards(checkout)
    with Head(checkout, "hidden_states") as head:
        cluster.wait_for(lambda: shards.look() >= 1, "a shard", 180)
        cluster.end("slurmdbd")
        try:
            time.sleep(120)
        finally:
            cluster.start_accounting()
        head.wait()
    for model, dump in slow.dumps.items():
        assert checkout.path(DUMP.replace("w32-d1", model)).read_bytes() == dump


@pytest.mark.long
def test_a_cluster_without_accounting_is_as_good(slow, tmp_path):
    checkout = slow.copy(tmp_path / "checkout")
    with Cluster(accounting=False) as checkout.cluster:
        run = checkout.slurm("hidden_states")
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert len(submitted(run)) == 2
    for model, dump in slow.dumps.items():
        assert checkout.path(DUMP.replace("w32-d1", model)).read_bytes() == dump
