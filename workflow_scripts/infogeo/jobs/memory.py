"""How much memory this job may use: the least of what machine, cgroups and SLURM allow."""

import contextlib
import ctypes
import gc
import os
from pathlib import Path

V2_LIMIT, V1_LIMIT = "memory.max", "memory.limit_in_bytes"
# glibc's M_MMAP_THRESHOLD and M_TRIM_THRESHOLD.
LARGEST_IN_HEAP, KEPT_AT_MOST = -3, -1


def limit_bytes(environment=os.environ, root="/") -> int:
    """Bytes of memory that this process and its children may use.

    Parameters
    ----------
    environment : mapping of str to str
        Read for the limits that SLURM announces.
    root : path
        Where /proc and /sys/fs/cgroup lie.
    """
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *_cgroup_limits(Path(root)), *_slurm_limits(environment)])


def give_back() -> None:
    """Return memory that nothing uses any more to the system.

    glibc keeps what threads have freed, for threads that may be gone. Nothing where there is none.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def keep_freed() -> None:
    """Use freed memory again, up to 128 MiB of it, instead of returning it to the system.

    Else each step of a loop over large arrays gets its pages from the system anew, zeroed: a sixth
    of the time of a training of width 128. Nothing where there is no glibc.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(LARGEST_IN_HEAP, 2**25)
        libc.mallopt(KEPT_AT_MOST, 2**27)


def _cgroup_limits(root: Path):
    """Limits of this process's cgroup and of those above it, in version 1 and 2."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not on Linux
        return
    mount = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, name = mount, V2_LIMIT
        elif "memory" in controllers.split(","):
            top, name = mount / "memory", V1_LIMIT
        else:
            continue
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            with contextlib.suppress(OSError, ValueError):  # no such file, or 'max'
                yield int((folder / name).read_text())
            if folder == top:
                break


def _slurm_limits(environment):
    """Limits of a SLURM job on this node, where it has any; 0 means the whole node."""
    megabytes = [int(environment.get("SLURM_MEM_PER_NODE", 0))]
    cpus = environment.get("SLURM_CPUS_ON_NODE", environment.get("SLURM_CPUS_PER_TASK", 1))
    megabytes.append(int(environment.get("SLURM_MEM_PER_CPU", 0)) * int(cpus))
    yield from (size * 2**20 for size in megabytes if size)
