"""Limits on the memory of a job."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infogeo.jobs import memory
from infogeo.jobs.memory import limit_bytes

MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def root(tmp_path):
    """A function that writes files, by their paths, below a folder that it returns."""

    def make(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path

    return make


def test_without_limits_it_is_the_memory_of_the_machine(root):
    assert limit_bytes({}, root({})) == MACHINE
    unlimited = {"proc/self/cgroup": "0::/job\n", "sys/fs/cgroup/job/memory.max": "max\n"}
    assert limit_bytes({"SLURM_MEM_PER_NODE": "0"}, root(unlimited)) == MACHINE


@pytest.mark.parametrize("folder", ["job/step", "job", ""])
def test_a_cgroup_limits_all_below_it(root, folder):
    files = {"proc/self/cgroup": "0::/job/step\n", f"sys/fs/cgroup/{folder}/memory.max": "5000\n"}
    assert limit_bytes({}, root(files)) == 5000


def test_cgroups_of_version_1_have_a_file_of_another_name(root):
    files = {
        "proc/self/cgroup": "5:cpu:/job\n4:memory,hugetlb:/slurm/job\n0::/\n",
        "sys/fs/cgroup/memory/slurm/memory.limit_in_bytes": "7000\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2**63 - 4096}\n",  # no limit
    }
    assert limit_bytes({}, root(files)) == 7000


def test_slurm_announces_megabytes_of_a_node_or_of_each_cpu(root):
    assert limit_bytes({"SLURM_MEM_PER_NODE": "3"}, root({})) == 3 * 2**20
    of_cpus = {"SLURM_MEM_PER_CPU": "2", "SLURM_CPUS_ON_NODE": "4", "SLURM_CPUS_PER_TASK": "1"}
    assert limit_bytes(of_cpus, root({})) == 8 * 2**20


PROGRAM = """
import resource, sys
import numpy as np
from infogeo.jobs import memory
if sys.argv[1] == "keep":
    memory.keep_freed()
for round in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(2**17) for _ in range(40)]  # of 1 MiB each
    del arrays
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's settings")
def test_memory_that_is_kept_is_not_fetched_from_the_system_again():
    env = os.environ | {"PYTHONPATH": str(Path(memory.__file__).parents[2])}
    kept, given_back = (
        int(subprocess.check_output([sys.executable, "-c", PROGRAM, how], env=env))
        for how in ("keep", "default")
    )
    assert given_back > 5000  # pages of 4 KiB
    assert kept < 100
