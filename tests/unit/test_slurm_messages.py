"""What is said of partitions and refusals; tests/slurm holds the same against a real SLURM."""

import subprocess

import pytest

from infogeo import slurm
from infogeo.errors import InfogeoError

THERE = {
    "cpu": {"up": True, "gpus": False},
    "gpu": {"up": True, "gpus": True},
    "old": {"up": False, "gpus": True},
}


def test_partitions_are_read_from_sinfo(monkeypatch):
    said = "cpu|up|(null)\ngpu|up|(null)\ngpu|up|gpu:a100:4(S:0)\nold|down|gpu:1\n"

    def run(command, **_):
        assert command[0] == "sinfo"
        return subprocess.CompletedProcess(command, 0, said, "")

    monkeypatch.setattr(slurm.subprocess, "run", run)
    assert slurm.partitions() == THERE


def test_no_sinfo_is_one_message(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfogeoError, match="SLURM does not answer"):
        slurm.partitions()


def test_jobs_that_fit_pass():
    slurm.check([("a", "cpu", False), ("b", "gpu", True), ("c", "gpu,cpu", True)], THERE)


def test_all_problems_stand_in_one_message():
    requests = [("dump", "gpus", True)] * 2 + [("twins", "cpu", True), ("fit", "old", False)]
    with pytest.raises(InfogeoError) as raised:
        slurm.check(requests, THERE)
    message = str(raised.value)
    assert "dump (2 jobs): slurm_partition 'gpus' does not exist. Did you mean 'gpu'?" in message
    assert "twins (1 job): slurm_partition 'cpu' has no GPU" in message
    assert "fit (1 job): slurm_partition 'old' is not up." in message
    assert "cpu, gpu (GPUs), old (GPUs)" in message and slurm.BLOCK in message


def test_one_unknown_partition_among_several_is_a_problem():
    with pytest.raises(InfogeoError, match="'none' does not exist"):
        slurm.check([("a", "gpu,none", True)], THERE)


def test_each_refusal_is_said_once_with_its_number():
    log = """
Error in rule dump_hidden_states:
    message: SLURM sbatch failed. The error message was 'sbatch: error: Memory specification
sbatch: error: can't be satisfied'.
    sbatch call:
        sbatch --parsable
"""
    other = "    message: Job submission failed with exception: The given account x is invalid.\n"
    said = slurm.refusals(log * 3 + other)
    assert "3 × sbatch: error: Memory specification sbatch: error: can't be satisfied\n" in said
    assert "1 × The given account x is invalid." in said
    assert slurm.BLOCK in said
    assert slurm.refusals("Error in rule fit_scaling_laws:") == ""
