import operator
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import submitit

from infogeo.jobs import launch
from infogeo.files.errors import InfogeoError

# Workers import what they run by name: functions of the standard library, of the package, or of
# this module, whose folder the tests below put on their path.


def refuse(task):
    raise InfogeoError(f"text {task!r}: first line\nsecond line")


def break_down(task):
    return 1 / task


def die(task):
    os._exit(9)


def device(task):
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def fail_or_linger(task):
    what, folder = task
    if what == "linger":
        write_pid_and_linger(folder)
    while not _pid_in(folder):
        time.sleep(0.05)
    raise InfogeoError("one failed")


def time_limit(task):
    return int(os.environ["SUBMITIT_LOCAL_TIMEOUT_S"])


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


@pytest.mark.parametrize("placement", ["debug", "local"])
def test_results_come_in_the_order_of_the_tasks(placement, tmp_path):
    results = launch.spread(operator.neg, [3, 1, 2], placement=placement, folder=tmp_path)
    assert results == [-3, -1, -2]


@pytest.mark.parametrize("placement", ["debug", "local"])
def test_a_users_error_surfaces_whole(placement, tmp_path):
    with pytest.raises(InfogeoError) as caught:
        launch.spread(refuse, ["a"], placement=placement, folder=tmp_path)
    assert str(caught.value) == "text 'a': first line\nsecond line"


def test_a_bug_surfaces_as_itself_here_and_with_its_traceback_from_a_worker(tmp_path):
    with pytest.raises(ZeroDivisionError):
        launch.spread(break_down, [0], placement="debug", folder=tmp_path)
    with pytest.raises(RuntimeError, match=r"return 1 / task(.|\n)*ZeroDivisionError"):
        launch.spread(break_down, [0], placement="local", folder=tmp_path)


def test_a_worker_that_dies_is_an_error(tmp_path, monkeypatch):
    # How long submitit waits for a result to appear on a slow file system.
    monkeypatch.setattr("submitit.core.core.Job._results_timeout_s", 1)
    with pytest.raises(InfogeoError, match="Worker 1 of 1 died without a result"):
        launch.spread(die, [0], placement="local", folder=tmp_path)


def test_local_workers_get_the_visible_gpus_in_turn(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    results = launch.spread(device, [0, 0, 0], placement="local", folder=tmp_path, gpus=2)
    assert results == ["GPU-a", "GPU-b", "GPU-a"]


def test_local_workers_share_out_more_gpus_than_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4")
    results = launch.spread(device, [0, 0], placement="local", folder=tmp_path, gpus=5)
    assert results == ["0,1", "2,3"]


@pytest.mark.parametrize(
    ("placement", "here", "asked", "device"),
    [("debug", True, 0, "cuda"), ("local", False, 1, "cpu"), ("slurm", False, 1, "cuda"),
     ("slurm", True, 0, "cpu")],
)  # fmt: skip
def test_jobs_of_an_array_run_where_they_ask_to(placement, here, asked, device):
    assert launch.device(placement, {"gpu": asked}, here) == device


def out_of_time(task):
    raise submitit.core.utils.UncompletedJobError("Job not requeued because: timed-out too often.")


def test_a_worker_that_never_has_time_enough_says_what_to_set():
    call = launch._Call(out_of_time, None, "slurm", None, None, None)
    outcome, error = launch._Worker()(call)
    assert outcome == "error" and isinstance(error, InfogeoError)
    assert "set `runtime`" in str(error) and "profiles/slurm/profile.yaml" in str(error)


def test_the_first_failure_ends_the_other_workers(tmp_path):
    tasks = [("fail", tmp_path), ("linger", tmp_path)]
    with pytest.raises(InfogeoError, match="one failed"):
        launch.spread(fail_or_linger, tasks, placement="local", folder=tmp_path / "launch")
    _wait_for_end(_pid_in(tmp_path))


def test_local_workers_have_no_time_limit_to_speak_of(tmp_path):
    (seconds,) = launch.spread(time_limit, [0], placement="local", folder=tmp_path)
    assert seconds > 100 * 24 * 3600


def test_workers_end_when_their_head_is_killed(tmp_path):
    head = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, os; from infogeo.jobs import launch; import test_launch;"
            "launch.spread(test_launch.write_pid_and_linger, [sys.argv[1]], placement='local',"
            " folder=sys.argv[1])",
            str(tmp_path),
        ],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path[:2], *sys.path])},
    )
    while not _pid_in(tmp_path):
        assert head.poll() is None
        time.sleep(0.05)
    head.kill()
    head.wait()
    _wait_for_end(_pid_in(tmp_path))


def write_pid_and_linger(folder):
    (Path(folder) / "pid").write_text(str(os.getpid()))
    time.sleep(600)


def _pid_in(folder):
    file = Path(folder) / "pid"
    return int(file.read_text() or 0) if file.exists() else 0


def _wait_for_end(pid):
    deadline = time.monotonic() + 60
    while _is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _is_alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]
    except FileNotFoundError:
        return False


def test_an_unknown_placement_names_those_there_are(tmp_path):
    with pytest.raises(InfogeoError, match="'cloud' is not one of debug, local, slurm"):
        launch.spread(operator.neg, [1], placement="cloud", folder=tmp_path)
