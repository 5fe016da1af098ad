"""What stops a run on a private SLURM before it submits a job, and a name that need not."""

import json
import subprocess

import pytest
from cluster import missing
from harness import submitted

pytestmark = pytest.mark.skipif(
    bool(missing()), reason=f"SLURM is not installed here: no {', '.join(missing())}"
)


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
