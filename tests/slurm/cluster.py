"""A real Slurm on this machine: munged, slurmctld and two slurmd in one folder, on the loopback interface only.

There is no accounting database, so job states come from `squeue`. Every daemon runs in the foreground as a child of
this process, under the user who runs it.
"""

from __future__ import annotations

import getpass
import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

COMMANDS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
NODES = ("node1", "node2")
STARTING, STOPPING = 60.0, 30.0
"""Seconds after which a cluster that doesn't come up, or go down, is a failure."""
CONFIGURATION = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# A job that is put back into the queue waits for as long as credentials live.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=100000,batch_sched_delay=0
# So that a job is put back into the queue only where the profile asks for it.
JobRequeue=0
# All jobs are to be counted at the end, which hundreds of sessions may be hours away from.
MinJobAge=86400
# A node that doesn't answer is taken out after seconds; a killed job gets as long to end.
SlurmdTimeout=10
KillWait=10
# The executor gives up a job for ever when a query about it fails: on a busy machine an answer takes its time.
MessageTimeout=30
ReturnToService=2
InactiveLimit=0
# Loopback traffic only.
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
{nodes}
PartitionName=tests Nodes={names} Default=YES MaxTime=INFINITE State=UP
"""
MARK, NODE_MARK = "SLM_TESTS_CLUSTER", "SLURMD_NODENAME"
"""Variables by which the processes of a cluster, and of one of its nodes, are known."""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory=16000 State=UNKNOWN"


def missing_commands() -> list[str]:
    """Names of Slurm's and MUNGE's commands that this machine lacks."""
    return [command for command in COMMANDS if shutil.which(command, path=_search_path()) is None]


def _search_path() -> str:
    """The search path with the folders of daemons, which ordinary users often lack."""
    return os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])


def wait_for(done: Callable[[], bool], seconds: float, what: str) -> None:
    """Look every quarter of a second until ``done``; raises TimeoutError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.25)


@dataclass(frozen=True)
class Process:
    """A process as /proc shows it; one that has ended has neither arguments nor variables."""

    number: int

    def arguments(self) -> list[str]:
        return self._read("cmdline")

    def variables(self) -> dict[str, str]:
        """Its environment when it started."""
        return dict(entry.split("=", 1) for entry in self._read("environ") if "=" in entry)

    def _read(self, file: str) -> list[str]:
        try:
            return Path(f"/proc/{self.number}/{file}").read_text(errors="replace").split("\0")
        except OSError:
            return []

    def has_pending(self, number: signal.Signals) -> bool:
        """Whether the signal was sent to it and waits, because it is frozen."""
        status = dict(line.split(":\t", 1) for line in "".join(self._read("status")).splitlines())
        return bool(int(status.get("ShdPnd", "0"), 16) & 1 << number - 1)

    def has_ended(self) -> bool:
        """Whether it is gone, or only its exit code is left."""
        return not any(self.arguments())

    def thaw(self) -> None:
        """Let it go on after a stop, if it is still there."""
        with suppress(ProcessLookupError):
            os.kill(self.number, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, if it is still there."""
        with suppress(ProcessLookupError):
            os.kill(self.number, signal.SIGKILL)


class Cluster:
    """Two nodes of ``cpus`` processors each, in ``folder``."""

    def __init__(self, folder: Path, cpus: int = 2) -> None:
        self.folder = folder
        self._configuration = folder / "slurm.conf"
        path = os.pathsep.join([str(folder / "bin"), _search_path()])
        self.environment = {**os.environ, "PATH": path, "SLURM_CONF": str(self._configuration), MARK: str(folder)}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("bin", "state", *(f"spool-{node}" for node in NODES)):
            (folder / name).mkdir(parents=True)
        host, ports = platform.node().split(".")[0], _free_ports(1 + len(NODES))
        nodes = [
            NODE.format(name=name, host=host, port=port, cpus=cpus) for name, port in zip(NODES, ports[1:], strict=True)
        ]
        configuration = CONFIGURATION.format(
            host=host, controller_port=ports[0], user=getpass.getuser(), folder=folder, nodes="\n".join(nodes),
            names=",".join(NODES),
        )  # fmt: skip
        self._configuration.write_text(configuration)
        # The executor takes all variables of Slurm out of the environment of srun, that of its configuration as well.
        srun = folder / "bin/srun"
        srun.write_text(
            f'#!/bin/sh\nSLURM_CONF={self._configuration} exec {shutil.which("srun", path=_search_path())} "$@"\n'
        )
        srun.chmod(0o755)

    def start(self) -> None:
        """Start the daemons and wait until both nodes are idle."""
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        files = {name: f"--{name}-file={self.folder}/munge.{name}" for name in ("key", "log", "pid", "seed")}
        # --force: the folders above this one belong to others.
        self._start("munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket", *files.values())
        wait_for((self.folder / "munge.socket").exists, STARTING, "munged")
        self._start("slurmctld", "-D", "-i")
        for node in NODES:
            self.start_node(node)
        wait_for(lambda: set(self.node_states().values()) == {"idle"}, STARTING, "idle nodes")

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self._start("slurmd", "-D", "-N", node, name=node, **{NODE_MARK: node})

    def kill_node(self, node: str) -> None:
        """What a power cut does: the node's daemon and all its jobs' processes end without notice."""
        self._daemons.pop(node).kill()
        for process in self.processes(**{NODE_MARK: node}):
            process.kill()

    def node_states(self) -> dict[str, str]:
        """State of each node, as sinfo says it; empty while the controller doesn't answer."""
        done = self._ask("sinfo", "--noheader", "--Node", "--format=%N %T")
        return dict(line.split() for line in done.splitlines())

    def jobs(self, format: str = "%i %T") -> list[list[str]]:
        """What squeue says of all jobs that the controller remembers."""
        lines = self._ask("squeue", "--states=all", "--noheader", f"--format={format}").splitlines()
        return [line.split() for line in lines]

    def state(self, job: str) -> str:
        """State of a job, as squeue says it."""
        return dict(self.jobs()).get(job, "")

    def restarted(self) -> set[str]:
        """The jobs that were put back into the queue."""
        lines = self._ask("squeue", "--states=all", "--noheader", "--Format=JobID,RestartCnt").splitlines()
        return {job for job, restarts in map(str.split, lines) if restarts != "0"}

    def limit(self, job: str, minutes: int) -> None:
        """Let a job's time run out in ``minutes``, or up to one earlier: Slurm counts whole ones."""
        elapsed = dict(self.jobs("%i %M"))[job].split(":")
        self.run("scontrol", "update", f"JobId={job}", f"TimeLimit={int(elapsed[-2]) + minutes}")

    def run(self, *command: str) -> str:
        """Run one of Slurm's commands and return what it prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout

    def _ask(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""

    def _start(self, *command: str, name: str = "", **variables: str) -> None:
        name, environment = name or command[0], {**self.environment, **variables}
        with (self.folder / f"{name}.log").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def stop(self) -> None:
        """Cancel all jobs and end every process."""
        self._ask("scancel", f"--user={getpass.getuser()}")
        with suppress(TimeoutError):  # what is left is killed below
            wait_for(lambda: not self._ask("squeue", "--noheader"), STOPPING, "cancelled jobs")
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
        for daemon in self._daemons.values():
            try:
                daemon.wait(STOPPING)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for process in self.processes():
            process.kill()

    def processes(self, **variables: str) -> Iterator[Process]:
        """This cluster's processes, jobs included, that have these variables in their environment."""
        wanted = {MARK: str(self.folder), **variables}.items()
        for process in (Process(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit()):
            if wanted <= process.variables().items():
                yield process

    def logs(self) -> str:
        """The ends of the daemons' logs."""
        return "\n".join(f"== {log.name}\n{log.read_text()[-3000:]}" for log in sorted(self.folder.glob("*.log")))


def _free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@contextmanager
def running_cluster(folder: Path, cpus: int = 2) -> Iterator[Cluster]:
    """A cluster that runs in the block; a failure to start shows the daemons' logs."""
    cluster = Cluster(folder, cpus)
    try:
        try:
            cluster.start()
        except TimeoutError as error:
            raise RuntimeError(f"Slurm doesn't start: {error}\n{cluster.logs()}") from error
        yield cluster
    finally:
        cluster.stop()
