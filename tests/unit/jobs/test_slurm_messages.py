"""What is said of partitions and refusals; tests/slurm holds the same against a real SLURM."""

import math
import subprocess
import sys

import pytest
import yaml
from snakemake_interface_executor_plugins.utils import format_cli_arg

from infogeo.jobs import slurm
from infogeo.files.errors import InfogeoError

THERE = {
    "cpu": {"up": True, "gpus": False, "minutes": math.inf},
    "gpu": {"up": True, "gpus": True, "minutes": 120},
    "old": {"up": False, "gpus": True, "minutes": 30 * 60 + 0.5},
}


def test_partitions_are_read_from_sinfo(monkeypatch):
    said = "cpu|up|infinite|(null)\ngpu|up|2:00:00|(null)\ngpu|up|2:00:00|gpu:a100:4(S:0)\n"
    said += "old|down|1-06:00:30|gpu:1\n"

    def run(command, **_):
        assert command[0] == "sinfo"
        return subprocess.CompletedProcess(command, 0, said, "")

    monkeypatch.setattr(slurm.subprocess, "run", run)
    assert slurm.partitions() == THERE


def only_with_all(folder, program, line):
    """A program of SLURM that prints a line where it is asked for what is hidden, too."""
    path = folder / program
    path.write_text(f'#!/bin/sh\ncase " $* " in *" -a "*) echo "{line}";; esac\n')
    path.chmod(0o755)


def test_hidden_partitions_and_their_jobs_are_seen(tmp_path, monkeypatch):
    only_with_all(tmp_path, "sinfo", "lab_gpu|up|2:00:00|gpu:4")
    only_with_all(tmp_path, "squeue", "7_0|RUNNING")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert slurm.partitions() == {"lab_gpu": {"up": True, "gpus": True, "minutes": 120}}
    assert slurm.states("a name") == {"7_0": "RUNNING"}


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [("infinite", math.inf), ("n/a", math.inf), ("45", 0.75), ("30:00", 30), ("7-00:00:00", 10080)],
)
def test_time_limits_are_read_as_sinfo_writes_them(limit, minutes):
    assert slurm._minutes(limit) == minutes


def test_no_sinfo_is_one_message(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfogeoError, match="SLURM does not answer"):
        slurm.partitions()


def test_jobs_that_fit_pass():
    fitting = [("a", "cpu", False, 10**6), ("b", "gpu", True, 120), ("c", "gpu,cpu", True, 121)]
    slurm.check(fitting, THERE)


def test_all_problems_stand_in_one_message():
    requests = [("dump", "gpus", True, 60)] * 2
    requests += [("twins", "cpu", True, 60), ("fit", "old", False, 60)]
    requests += [("gain", "gpu", True, minutes) for minutes in (60, 121, 200)]
    with pytest.raises(InfogeoError) as raised:
        slurm.check(requests, THERE)
    message = str(raised.value)
    assert "dump (2 jobs): slurm_partition 'gpus' does not exist. Did you mean 'gpu'?" in message
    assert "twins (1 job): slurm_partition 'cpu' has no GPU" in message
    assert "fit (1 job): slurm_partition 'old' is not up." in message
    assert "gain (3 jobs): slurm_partition 'gpu' allows 120 minutes, but 2 jobs of" in message
    assert "up to 200: set `runtime: 120` for gain." in message
    assert "cpu, gpu (GPUs), old (GPUs)" in message and slurm.BLOCK in message


@pytest.mark.parametrize(
    ("written", "asked", "hint"),
    [
        ("24:00:00", 86400, "Is 86400 a clock, 24:00:00?"),
        ("30:00", 1800, "Is 1800 a clock, 30:00?"),
        ("3000", 3000, "Is 3000 a clock, 50:00?"),
        ("2001", 2001, ""),
        ("240", 240, ""),
    ],
)
def test_a_clock_for_minutes_is_named_where_it_is_too_long(written, asked, hint):
    assert yaml.safe_load(written) == asked
    with pytest.raises(InfogeoError, match="allows 120 minutes") as raised:
        slurm.check([("dump", "gpu", True, asked)], THERE)
    assert ("a clock" in str(raised.value)) == bool(hint)
    assert hint in str(raised.value)


def test_one_unknown_partition_among_several_is_a_problem():
    with pytest.raises(InfogeoError, match="'none' does not exist"):
        slurm.check([("a", "gpu,none", True, 1)], THERE)


def read_by_a_shell(name):
    """A name after Snakemake has written it, and a shell has read it."""
    written = format_cli_arg("--wait-for-files", [name])
    script = f'set -- {written}\nshift; printf %s "$*"'
    return subprocess.run(["sh"], input=script, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    "name",
    ["price in $USER.txt", "$(echo no).txt", "`a`.txt", "it's.txt", 'a "word".txt', "été 数.txt",
     "it's $USER.txt", "it's `a`.txt", 'it\'s "a".txt', "a\nb.txt", "a\\b.txt", '"a" $USER"'],
)  # fmt: skip
def test_a_name_passes_where_a_shell_reads_it_as_it_is(name):
    if read_by_a_shell(name) == name:
        slurm.check_names([["corpus.txt", name]])
    else:
        with pytest.raises(InfogeoError, match="a shell changes their names") as raised:
            slurm.check_names([["corpus.txt", name]])
        assert repr(name) in str(raised.value) and "corpus.txt" not in str(raised.value)
        slurm.check_names([[name] * 20])  # these travel in a file


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


def test_states_of_jobs_come_from_squeue_by_id(tmp_path, monkeypatch):
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\nprintf '12_0|RUNNING\\n12_1|COMPLETING\\n'\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert slurm.states("a name") == {"12_0": "RUNNING", "12_1": "COMPLETING"}
    squeue.write_text("#!/bin/sh\necho 'Unable to contact slurm controller' >&2; exit 1\n")
    with pytest.raises(InfogeoError, match=r"does not answer (.|\n)*Unable to contact"):
        slurm.states("a name")


@pytest.mark.parametrize(
    ("state", "alive"),
    [("PENDING", True), ("RUNNING", True), ("REQUEUED", True), ("SUSPENDED", True),
     ("COMPLETED", False), ("COMPLETING", False), ("OUT_OF_MEMORY", False), ("TIMEOUT", False)],
)  # fmt: skip
def test_a_job_lives_until_its_state_is_final(state, alive):
    assert slurm.is_alive(state) is alive


def test_programs_that_are_started_see_jobs_in_hidden_partitions(monkeypatch):
    monkeypatch.delenv("SQUEUE_ALL", raising=False)
    slurm.show_hidden_partitions()
    command = [sys.executable, "-c", "import os; print(os.environ['SQUEUE_ALL'])"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == "1\n"
    monkeypatch.delenv("SQUEUE_ALL")
