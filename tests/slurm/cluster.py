"""A private SLURM in a temporary folder: its own munge, database, controller and nodes.

Everything runs as the user who starts it, listens on free ports of 127.0.0.1, is found through
SLURM_CONF alone, and is stopped by the process that started it. /etc/slurm is never read.
"""

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

NODES = {"node1": 2, "node2": 1, "node3": 0}  # name -> GPUs
# What SLURM hands out as GPUs: only of a device does it set CUDA_VISIBLE_DEVICES. None is touched.
DEVICES = ("/dev/null", "/dev/zero", "/dev/full")
CLIENTS = ("sacct", "sacctmgr", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
PROGRAMS = (*CLIENTS, "slurmctld", "slurmd", "slurmdbd", "munged")
PROGRAMS += ("mariadbd", "mariadb-install-db", "mariadb")

SLURM_CONF = """\
ClusterName=private
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[ctld]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
CredType=cred/munge
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmdSpoolDir={root}/spool/%n
StateSaveLocation={root}/state
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
# These nodes are not what this machine is.
SlurmdParameters=config_overrides
SlurmdTimeout=10
MinJobAge=300
KillWait=5
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
{accounting}
{nodes}
PartitionName=cpu Nodes=node3 Default=YES MaxTime=2:00:00 State=UP
PartitionName=gpu Nodes=node[1-2] MaxTime=2:00:00 State=UP PriorityTier=1
PartitionName=urgent Nodes=node[1-2] MaxTime=2:00:00 State=UP PriorityTier=100 PreemptMode=OFF
"""

ACCOUNTING = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports[dbd]}
AccountingStoragePass={root}/munge.socket
AccountingStoreFlags=job_comment
AccountingStorageTRES=gres/gpu"""

NO_ACCOUNTING = "AccountingStorageType=accounting_storage/none"

SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={ports[dbd]}
SlurmUser={user}
PidFile={root}/slurmdbd.pid
LogFile={root}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={ports[mysql]}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct
"""

DATABASE = """\
create database slurm_acct;
create user slurm@'127.0.0.1' identified by 'slurm';
create user slurm@localhost identified by 'slurm';
grant all on slurm_acct.* to slurm@'127.0.0.1';
grant all on slurm_acct.* to slurm@localhost;
"""


def missing() -> list[str]:
    """The programs that a private SLURM would need and this machine lacks."""
    return [name for name in PROGRAMS if shutil.which(name, path=search_path()) is None]


def search_path() -> str:
    """PATH with the folders of daemons, which a user's often lacks."""
    return os.environ["PATH"] + ":/usr/sbin:/sbin"


class Cluster:
    """A running private SLURM; `environment` is what its users' processes need.

    Parameters
    ----------
    accounting : bool
        With slurmdbd and its database, so that sacct answers.
    """

    def __init__(self, accounting: bool = True):
        self.accounting = accounting
        # Not in pytest's folder: the path of a socket has at most 107 characters.
        self.root = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.root.chmod(0o755)  # munged wants its clients to reach its socket
        self.processes = {}
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLURM_", "SBATCH_", "SRUN_", "SNAKEMAKE_"))
        }
        self.environment |= {
            "PATH": f"{self.root}/bin:{search_path()}",
            "SLURM_CONF": f"{self.root}/slurm.conf",
        }

    # ------------------------------------------------------------ start and stop
    def __enter__(self):
        try:
            self._configure()
            self._start_munge()
            if self.accounting:
                self._start_database()
                self.start_accounting()
            self._start("slurmctld", "slurmctld", "-D")
            for node in NODES:
                self.start_node(node)
            self.wait_for(lambda: self.idle_nodes() == set(NODES), "all nodes to be idle")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self) -> None:
        """End the jobs, then every daemon in the opposite order of their start."""
        if "slurmctld" in self.processes:
            self.run("scancel", "--user", getpass.getuser(), check=False)
            with_jobs = time.monotonic() + 15
            while self.run("squeue", "-h", check=False).strip() and time.monotonic() < with_jobs:
                time.sleep(0.3)
        for name in reversed(list(self.processes)):
            self.end(name)
        shutil.rmtree(self.root, ignore_errors=True)

    def end(self, name: str, kill: bool = False) -> None:
        """Stop one daemon, by SIGKILL where asked for or where it does not go by itself."""
        process = self.processes.pop(name)
        process.kill() if kill else process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def start_node(self, node: str) -> None:
        """Start the slurmd of one node."""
        self._start(f"slurmd-{node}", "slurmd", "-D", "-N", node)

    def start_accounting(self) -> None:
        """Start slurmdbd; the first time, make the cluster and the user known to it."""
        self._start("slurmdbd", "slurmdbd", "-D")
        listed = ("sacctmgr", "-n", "list", "cluster")
        self.wait_for(lambda: self.answers(*listed), "slurmdbd to answer")
        if "private" not in self.run(*listed):
            self.run("sacctmgr", "-i", "add", "cluster", "private")
            self.run("sacctmgr", "-i", "add", "account", "lab", "cluster=private")
            self.run("sacctmgr", "-i", "add", "user", getpass.getuser(), "account=lab")

    def _configure(self):
        for folder in ("bin", "spool", "state", "log"):
            (self.root / folder).mkdir()
        names = ["ctld", "dbd", "mysql", *NODES]
        facts = {
            "root": self.root,
            "user": getpass.getuser(),
            "host": socket.gethostname().split(".")[0],
            "ports": dict(zip(names, _free_ports(len(names)), strict=True)),
        }
        self.ports = facts["ports"]
        accounting = ACCOUNTING if self.accounting else NO_ACCOUNTING
        nodes = [
            f"NodeName={node} NodeHostname={facts['host']} NodeAddr=127.0.0.1 "
            f"Port={self.ports[node]} CPUs=2 RealMemory=8000 State=UNKNOWN"
            + (f" Gres=gpu:{gpus}" if gpus else "")
            for node, gpus in NODES.items()
        ]
        self._write(
            "slurm.conf",
            SLURM_CONF.format(
                accounting=accounting.format(**facts), nodes="\n".join(nodes), **facts
            ),
        )
        gres = ["AutoDetect=off"]
        devices = iter(DEVICES)
        gres += [
            f"NodeName={node} Name=gpu File={next(devices)}"
            for node, gpus in NODES.items()
            for _ in range(gpus)
        ]
        self._write("gres.conf", "\n".join(gres) + "\n")
        self._write("cgroup.conf", "CgroupPlugin=cgroup/v1\n")
        self._write("slurmdbd.conf", SLURMDBD_CONF.format(**facts)).chmod(0o600)
        # Snakemake's job step, and a head in a job, drop SLURM_CONF from the environment.
        for client in CLIENTS:
            real = shutil.which(client, path=search_path())
            script = f'#!/bin/sh\nSLURM_CONF={self.root}/slurm.conf exec {real} "$@"\n'
            self._write(f"bin/{client}", script).chmod(0o755)

    def _write(self, name, text) -> Path:
        path = self.root / name
        path.write_text(text)
        return path

    def _start_munge(self):
        key = self.root / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        options = ("key-file=munge.key", "socket=munge.socket", "pid-file=munge.pid")
        options += ("seed-file=munge.seed", "log-file=munge.log")
        paths = [f"--{o.replace('=', f'={self.root}/')}" for o in options]
        self._start("munged", "munged", "--foreground", "--force", *paths)
        self.wait_for((self.root / "munge.socket").exists, "munged to listen")

    def _start_database(self):
        user, data, sock = getpass.getuser(), self.root / "db", self.root / "db.sock"
        self.run(
            "mariadb-install-db", "--no-defaults", f"--user={user}", f"--datadir={data}",
            f"--tmpdir={self.root}", "--auth-root-authentication-method=normal", "--skip-test-db",
        )  # fmt: skip
        self._start(
            "mariadbd", "mariadbd", "--no-defaults", f"--user={user}", f"--datadir={data}",
            f"--socket={sock}", f"--port={self.ports['mysql']}", "--bind-address=127.0.0.1",
            f"--tmpdir={self.root}", "--innodb-buffer-pool-size=64M",
            f"--pid-file={self.root}/mariadb.pid",
        )  # fmt: skip
        client = ("mariadb", "--no-defaults", "--user=root", f"--socket={sock}")
        self.wait_for(lambda: self.answers(*client, "-e", "select 1"), "the database to answer")
        self.run(*client, input=DATABASE)

    def _start(self, name, *command):
        with (self.root / "log" / f"{name}.out").open("ab") as out:
            self.processes[name] = subprocess.Popen(
                command, env=self.environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C ends pytest, which then ends this
            )  # fmt: skip

    # ------------------------------------------------------------ questions and orders
    def run(self, *command: str, check: bool = True, **options) -> str:
        """The output of a command in this cluster."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, **options
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def answers(self, *command: str) -> bool:
        """Whether a command succeeds."""
        return subprocess.run(command, env=self.environment, capture_output=True).returncode == 0

    def wait_for(self, condition, what: str, seconds: float = 60):
        """Wait until a condition holds and return its value; fail with the daemons' last words."""
        end = time.monotonic() + seconds
        while not (value := condition()):
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} has ended\n{self.last_words()}"
            assert time.monotonic() < end, f"Waited {seconds} s for {what}\n{self.last_words()}"
            time.sleep(0.2)
        return value

    def last_words(self) -> str:
        """The ends of all logs of daemons."""
        logs = sorted((self.root / "log").iterdir())
        return "\n".join(
            f"== {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs
        )

    def idle_nodes(self) -> set[str]:
        return set(self.run("sinfo", "-h", "-N", "-t", "idle", "-o", "%N", check=False).split())

    def jobs(self, *states: str) -> list[dict]:
        """Jobs that the controller knows, of some states or all: id, state, rule, node, GPUs."""
        output = self.run("squeue", "-h", "-t", ",".join(states) or "all", "-o", "%i|%T|%k|%N|%b")
        keys = ("id", "state", "rule", "node", "gres")
        return [dict(zip(keys, line.split("|"), strict=True)) for line in output.splitlines()]

    def start_now(self, job: str) -> None:
        """Spare a requeued job the two minutes that SLURM lets it wait."""
        # A node refuses a job in the second in which it has killed it (credential revoked), and
        # the controller then fails the job. With the two minutes this cannot happen.
        time.sleep(2)
        self.wait_for(
            lambda: self.answers("scontrol", "update", f"JobId={job}", "StartTime=now"),
            f"job {job} to be allowed to start",
        )

    def accounted(self) -> list[dict]:
        """What sacct says of every run of a job: id, state, rule, nodes, allocation, start, end."""
        fields = ("JobID", "State", "Comment", "NodeList", "AllocTRES", "Start", "End")
        output = self.run("sacct", "-n", "-X", "-P", "-D", "-S", "now-1day", "-o", ",".join(fields))
        keys = ("id", "state", "rule", "node", "tres", "start", "end")
        return [dict(zip(keys, line.split("|"), strict=True)) for line in output.splitlines()]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
