"""Snakemake on a cluster, and the sessions that it trains there, seen from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cluster import Cluster, Process, wait_for
from snakemake_project import Project

PATIENCE = 600.0
"""Seconds after which what a run should do by itself counts as not done."""
PROFILE = (
    *("--profile", "workflow/profiles/slurm"),
    # This cluster keeps no accounts; its users don't wait for a minute to see a file or a job's state.
    *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1"),
    *("--latency-wait", "5"),
)


@dataclass(frozen=True)
class Running:
    """A session that trains on a node."""

    job: str
    """Slurm's number of its job."""
    node: str
    process: Process


class ClusterRun:
    """One call of Snakemake with the profile for Slurm."""

    def __init__(self, project: Project, cluster: Cluster, *arguments: str, hidden: Path | None = None) -> None:
        """``hidden`` is a folder that this process, and not the nodes, sees as an empty one; see `show`."""
        self._project, self._cluster, self._hidden = project, cluster, hidden
        command = [sys.executable, "-m", "snakemake", *PROFILE, *arguments]
        if hidden is not None:
            # A mount that only the processes of this run see, as a file system's cache on one machine would have it.
            mount = ("sh", "-c", 'mount -t tmpfs tmpfs "$0" && exec "$@"', str(hidden))
            command = ["unshare", "--mount", *mount, *command]
        self._printed = (project.path / "printed.txt").open("w")
        self._snakemake = subprocess.Popen(
            command, cwd=project.path, env=cluster.environment, stdout=self._printed, stderr=subprocess.STDOUT
        )

    def printed(self) -> str:
        """What Snakemake has printed so far."""
        return Path(self._printed.name).read_text()

    def finish(self, seconds: float = PATIENCE) -> None:
        """Wait for a good end."""
        self.wait_for(lambda: self._snakemake.poll() is not None, "the end of Snakemake", seconds)
        assert self._snakemake.returncode == 0, self.printed()

    def stop(self) -> None:
        """End Snakemake, if it still runs."""
        if self._snakemake.poll() is None:
            self._snakemake.kill()
            self._snakemake.wait()
        self._printed.close()

    def wait_for(self, done: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
        """Wait until ``done``; what Snakemake and the cluster said is the message if that takes too long."""
        try:
            wait_for(done, seconds, what)
        except TimeoutError as error:
            jobs = "\n".join(map(" ".join, self._cluster.jobs("%i %T %N %k")))
            raise TimeoutError(f"{error}\n{self.printed()}\n{jobs}\n{self._cluster.logs()}") from None

    def work_off(self, faults: list[Iterator[None]], seconds: float) -> None:
        """Take each of the faults on at every look, while Snakemake runs, until all of them are over."""

        def all_over() -> bool:
            assert self._snakemake.poll() is None, self.printed()
            faults[:] = [fault for fault in faults if next(fault, self) is not self]
            return not faults

        self.wait_for(all_over, "the end of the faults", seconds)

    def catch(self, *sessions: tuple[str, int]) -> list[Running]:
        """Freeze these sessions, each when it has saved its first checkpoint, so that they are there for what comes."""
        caught: dict[tuple[str, int], Running] = {}

        def all_caught() -> bool:
            assert self._snakemake.poll() is None, self.printed()
            for experiment, session in set(sessions) - set(caught):
                for running in self._training(f"results/experiments/{experiment}/trial0/session{session}"):
                    with suppress(ProcessLookupError):  # it has just ended
                        os.kill(running.process.number, signal.SIGSTOP)
                        caught[experiment, session] = running
            return len(caught) == len(sessions)

        self.wait_for(all_caught, f"checkpoints of {sessions}")
        return [caught[session] for session in sessions]

    def show(self) -> None:
        """Let Snakemake see what is in the hidden folder."""
        inside = ("nsenter", "--mount", f"--target={self._snakemake.pid}")
        subprocess.run([*inside, "umount", "--lazy", str(self._hidden)], check=True)

    def thaw_when_asked_to_end(self, running: Running) -> None:
        """Let a frozen session go on when Slurm has sent it the signal that its profile asks for.

        Slurm may let it go on itself, by the signal that it sends along.
        """
        process = running.process
        self.wait_for(
            lambda: process.has_pending(signal.SIGTERM) or process.has_ended(), "the signal before the time limit"
        )
        process.thaw()

    def _training(self, folder: str) -> Iterator[Running]:
        """The session with its results in ``folder``, if it runs and has saved a checkpoint."""
        for process in self._cluster.processes():
            arguments = process.arguments()
            if "train" in arguments and folder in arguments:
                identity = arguments[arguments.index("--expect") + 1]
                if any((self._project.path / "results/.inprogress" / identity).glob("checkpoint*.pt")):
                    variables = process.variables()
                    if "SLURMD_NODENAME" in variables:  # it may have ended since
                        yield Running(variables["SLURM_JOB_ID"], variables["SLURMD_NODENAME"], process)

    def _submitted(self) -> list[tuple[str, str, str]]:
        """Number, name and memory of each job of Slurm, in order; a name holds the rule and its wildcards."""
        jobs = sorted(self._cluster.jobs("%i %m %k"), key=lambda job: int(job[0]))
        return [(number, comment.removeprefix("rule_"), memory) for number, memory, comment in jobs]

    def sessions(self) -> dict[str, tuple[str, int]]:
        """Number of each job of Slurm that trains → its session."""
        names = {
            job: name.removeprefix("train_session_wildcards_").rsplit("_", 2)
            for job, name, _ in self._submitted() if name.startswith("train_session_wildcards_")
        }  # fmt: skip
        return {job: (experiment, int(session)) for job, (experiment, _, session) in names.items()}

    def rules(self) -> set[str]:
        """The rules that were submitted."""
        return {name.partition("_wildcards_")[0] for _, name, _ in self._submitted()}

    def memory(self) -> dict[tuple[str, int], list[int]]:
        """Megabytes that each session's jobs asked for, in order."""
        sessions, asked = self.sessions(), defaultdict(list)
        for job, _, memory in self._submitted():
            if job in sessions:
                asked[sessions[job]].append(int(memory.removesuffix("M")))
        return asked

    def train_jobs(self) -> Counter[tuple[str, int]]:
        """How many jobs of Slurm each session took; one that was put back into the queue is the same job."""
        return Counter(self.sessions().values())
