"""The workflow on a private SLURM: what it submits, where jobs run, and what it survives."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from cluster import Cluster, missing
from harness import DUMP, Head, Shards, done, kill_job, processes, submitted, variable

pytestmark = pytest.mark.skipif(
    bool(missing()), reason=f"SLURM is not installed here: no {', '.join(missing())}"
)

GPU_RULES = {
    "dump_hidden_states", "untrained_twins", "untrained_sentences", "shuffled_words",
    "token_ablation",
}  # fmt: skip
PER_MODEL = GPU_RULES | {
    "train_ladder", "compute_spectra", "compute_entropy", "untrained_entropy", "information_gain",
    "token_selection", "sentence_geometry", "layer_similarity", "intrinsic_dimension",
}  # fmt: skip
# Over all models; write_tables and write_claims stay with the head.
SUMMARIES = {
    "random_null", "fit_scaling_laws", "summarise_context", "summarise_sentences", "compare_theory",
    "model_similarity", "summarise_dimension", "which_layer",
}  # fmt: skip
DRAWN = {
    "figure_entropy", "figure_conditional_entropy", "figure_depth", "figure_width_pairs",
    "figure_information_gain", "figure_token_selection", "figure_token_ablation",
    "figure_sentence_maps", "figure_sentence_distances", "sentence_maps", "sentence_view",
    "figure_which_layer", "figure_layer_prediction", "text_view", "figure_layer_similarity",
    "figure_model_similarity",
    "figure_dimension",
}  # fmt: skip
OF_PAIRS = {"paired_differences"}  # two sizes have no law; three have one
ONCE = {"fetch_corpus", "sentence_sample", "prepare_ladder", "simulate_skills", "fit_published"}
# Every table, and of the figures, each of which costs seconds, one.
TARGETS = ("tables", "results/figures/stories/sentence_maps.png")
ONE_FIGURE = {"sentence_maps", "figure_sentence_maps"}
SPELLINGS = (
    ("--profile", "slurm"),
    ("--workflow-profile", "slurm"),
    ("--profile", "profiles/slurm"),
)


def rule_and_model(comment: str) -> str:
    """'rule model' or 'rule' from the comment that the plugin gives a job."""
    rule, _, wildcards = comment.removeprefix("rule_").partition("_wildcards_")
    return f"{rule} {wildcards.split('_')[-1]}" if rule in PER_MODEL else rule


# ---------------------------------------------------------------- whole runs
@pytest.fixture(scope="module")
def local(fresh, tmp_path_factory):
    """The tables of the tiny run on this machine, which come beside the run on SLURM: `process`."""
    checkout = fresh.copy(tmp_path_factory.mktemp("local") / "checkout")
    with checkout.path("run.log").open("w") as log:
        checkout.process = subprocess.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "1", "tables"],
            cwd=checkout.folder, stdout=log, stderr=log,
        )  # fmt: skip
    yield checkout
    checkout.process.kill()
    checkout.process.wait()


@pytest.fixture(scope="module")
def finished(fresh, cluster, tmp_path_factory):
    """The tiny run on SLURM; `ids` are its jobs."""
    checkout = fresh.copy(tmp_path_factory.mktemp("finished") / "checkout")
    checkout.cluster = cluster
    begin = time.monotonic()
    run = checkout.slurm(*TARGETS)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    checkout.ids = submitted(run)
    print(f"\nTiny run on SLURM: {time.monotonic() - begin:.0f} s, {len(checkout.ids)} jobs")
    return checkout


def test_every_table_is_that_of_the_local_run_byte_for_byte(local, finished):
    assert local.process.wait(600) == 0, local.path("run.log").read_text()[-6000:]
    tables = sorted(path.name for path in local.path("results/tables").glob("*.csv"))
    assert len(tables) >= 5
    for name in tables:
        theirs, ours = (run.path(f"results/tables/{name}") for run in (finished, local))
        assert theirs.read_bytes() == ours.read_bytes(), name


def test_jobs_that_run_a_model_hold_a_gpu_and_the_others_none(cluster, finished):
    rows = done(cluster, finished.ids)
    assert {row["state"] for row in rows} == {"COMPLETED"}
    rules = {rule_and_model(row["rule"]).split()[0] for row in rows}
    assert rules == ONCE | PER_MODEL | SUMMARIES | OF_PAIRS | ONE_FIGURE
    for row in rows:
        on_gpu = rule_and_model(row["rule"]).split()[0] in GPU_RULES
        assert row["node"] in (("node1", "node2") if on_gpu else ("node3",)), row
        assert row["tres"].count("gres/gpu=1") == on_gpu and "gres/gpu=2" not in row["tres"], row


@pytest.mark.parametrize("profile", SPELLINGS, ids="=".join)
def test_no_spelling_of_the_profile_reruns_anything_after_touch(finished, profile, tmp_path):
    checkout = finished.copy(tmp_path / "checkout")
    for folder in ("rules", "workflow_scripts", "profiles", "envs"):
        for path in checkout.path(folder).rglob("*"):
            path.touch()
    checkout.path("Snakefile").touch()
    run = checkout.slurm("--dry-run", *TARGETS, profile=profile)
    assert run.returncode == 0, run.stderr
    assert "Nothing to be done" in run.stdout + run.stderr
    # And the check can fail: a changed parameter is seen under each.
    checkout.edit("config/config.yaml", "shares: [0.25, 0.5]", "shares: [0.25, 0.75]")
    run = checkout.slurm("--dry-run", *TARGETS, profile=profile)
    assert "rule token_ablation:" in run.stdout + run.stderr


@pytest.mark.long
def test_every_figure_is_drawn_by_a_job_and_stands_in_the_report(cluster, finished, tmp_path):
    checkout = finished.copy(tmp_path / "checkout")
    run = checkout.slurm()
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    found = {rule_and_model(row["rule"]) for row in done(cluster, submitted(run))}
    assert found == DRAWN - ONE_FIGURE | {"figure_skills", "figure_differences"}
    assert "entropy_scaling" in checkout.path("results/report.html").read_text()


@pytest.mark.long  # four minutes; all rules are submitted above, tests/workflow plans a new model
def test_a_new_model_submits_its_jobs_and_the_aggregates(cluster, finished, tmp_path):
    checkout = finished.copy(tmp_path / "checkout")
    table = checkout.path("config/models.tsv")
    table.write_text(table.read_text() + "w32-d2\ttiny\tladder\ttiny/w32-d2-s0\t\tfloat32\t\t\n")
    run = checkout.slurm("tables")
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-6000:]
    found = sorted(rule_and_model(row["rule"]) for row in done(cluster, submitted(run)))
    assert found == sorted(SUMMARIES | {f"{rule} w32-d2" for rule in PER_MODEL})
    assert checkout.planned() == DRAWN | {"figure_skills"}


# ---------------------------------------------------------------- what SLURM refuses
def test_a_partition_that_would_not_do_stops_the_run_before_it_starts(cluster, fresh, tmp_path):
    checkout = fresh.copy(tmp_path / "checkout")
    checkout.cluster = cluster
    checkout.edit("profiles/slurm/profile.yaml", "slurm_partition: gpu", "slurm_partition: gpus")
    run = checkout.slurm()
    said = run.stdout + run.stderr
    assert run.returncode != 0 and not submitted(run)
    assert said.count("slurm_partition 'gpus' does not exist. Did you mean 'gpu'?") == 1
    assert "profiles/slurm/profile.yaml" in said and "cpu, gpu (GPUs), urgent (GPUs)" in said
    checkout.edit("profiles/slurm/profile.yaml", "slurm_partition: gpus", "slurm_partition: cpu")
    run = checkout.slurm()
    assert run.returncode != 0 and not submitted(run)
    assert "'cpu' has no GPU, but the job asks for one" in run.stdout + run.stderr
    # A job that asks for more time than a partition allows would wait for ever.
    checkout.edit("profiles/slurm/profile.yaml", "runtime: 60 * attempt", "runtime: 121 * attempt")
    run = checkout.slurm()
    assert run.returncode != 0 and not submitted(run)
    assert "random_null (1 job): slurm_partition 'cpu' allows 120 minutes" in (
        run.stdout + run.stderr
    )


def test_a_clock_for_minutes_is_named_before_anything_is_submitted(cluster, fresh, tmp_path):
    checkout = fresh.copy(tmp_path / "checkout")
    checkout.cluster = cluster
    checkout.edit("profiles/slurm/profile.yaml", "runtime: 60 * attempt", "runtime: 24:00:00")
    run = checkout.slurm("theory")
    assert run.returncode != 0 and not submitted(run)
    assert "Is 86400 a clock, 24:00:00?" in run.stdout + run.stderr


def test_a_name_that_a_shell_would_expand_reaches_its_job_as_it_is(cluster, fresh, tmp_path):
    checkout = fresh.copy(tmp_path / "checkout")
    checkout.cluster = cluster
    texts = [json.loads(line)["text"] for line in checkout.path("texts.jsonl").open()]
    for name, part in (("price in $USER", texts[::2]), ("$(echo no)", texts[1::2])):
        folder = checkout.path("texts/kind one")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.txt").write_text(" ".join(part[:40]))
    checkout.edit("config/corpora.tsv", "\ttexts.jsonl\ttext\tkind\t", "\ttexts\t\t\t")
    checkout.edit("config/corpora.tsv", "\t0.8", "\t0.4")
    run = checkout.slurm("results/corpora/stories.parquet")
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert len(submitted(run)) == 1


def test_where_slurm_does_not_answer_the_run_stops_with_one_message(cluster, fresh, tmp_path):
    checkout = fresh.copy(tmp_path / "checkout")
    sinfo = tmp_path / "bin" / "sinfo"
    sinfo.parent.mkdir()
    sinfo.write_text("#!/bin/sh\necho 'slurm_load_partitions: Unable to contact' >&2; exit 1\n")
    sinfo.chmod(0o755)
    path = f"{sinfo.parent}:{cluster.environment['PATH']}"
    run = subprocess.run(
        checkout.command("results/corpora/stories.parquet"), cwd=checkout.folder,
        env=cluster.environment | {"PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = run.stdout + run.stderr
    assert run.returncode != 0 and not submitted(run)
    assert "SLURM does not answer" in said and "Unable to contact" in said


def test_what_sbatch_refuses_is_said_once_and_the_other_jobs_go_on(cluster, finished, tmp_path):
    checkout = finished.copy(tmp_path / "checkout")
    shutil.rmtree(checkout.path("results/hidden_states"))
    # MB: no node has so much.
    refused = "mem_mb: \"10**6 if wildcards.model == 'w32-d1' else 1000\""
    rule = "  dump_hidden_states:\n"
    checkout.edit("profiles/slurm/profile.yaml", rule, f"{rule}    {refused}\n")
    run = checkout.slurm("hidden_states")
    said = run.stdout + run.stderr
    assert run.returncode != 0
    assert not checkout.path(DUMP).exists()
    assert checkout.path(DUMP.replace("w32-d1", "w16-d1")).exists()
    found = [rule_and_model(row["rule"]) for row in done(cluster, submitted(run))]
    assert found == ["dump_hidden_states w16-d1"]
    message = said[said.index("SLURM refused submissions") :]
    assert message.count("Memory specification can not be satisfied") == 1
    assert "profiles/slurm/profile.yaml" in message


# ---------------------------------------------------------------- what a dump survives
def test_a_preempted_dump_goes_on_from_its_shards(cluster, slow, tmp_path):
    checkout = slow.copy(tmp_path / "checkout")
    checkout.cluster = cluster
    shards = Shards(checkout)
    with Head(checkout, DUMP) as head:
        cluster.wait_for(lambda: shards.look() >= 5, "five shards", 180)
        urgent = cluster.run(
            "sbatch", "--parsable", "-p", "urgent", "-N", "2", "--exclusive", "-o", "/dev/null",
            "--wrap", "sleep 600",
        ).strip()  # fmt: skip
        (job,) = head.ids()

        def requeued():
            return any(j["id"] == job and j["state"] == "PENDING" for j in cluster.jobs())

        cluster.wait_for(requeued, "the dump to be requeued", 120)
        before = shards.look()
        assert not checkout.path(DUMP).exists(), "the dump was too fast to be preempted"
        cluster.run("scancel", urgent)
        cluster.start_now(job)
        while head.process.poll() is None:
            shards.look()
            time.sleep(0.02)
        head.wait()
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
        while head.process.poll() is None:
            shards.look()
            time.sleep(0.02)
        head.wait()
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
            while head.process.poll() is None:
                shards.look()
                time.sleep(0.02)
            head.wait()
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
