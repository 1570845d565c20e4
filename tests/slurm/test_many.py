"""Hundreds of tiny sessions on a real Slurm, with one fault each of a node, of the file system's delay and of a disk.

    make test-slurm-many [SESSIONS=500]

A session takes some five seconds of a processor here, nearly all of them for the start of programs.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster import NODES, Cluster
from cluster_run import ClusterRun
from snakemake_project import Project, make_tiny

from slm.spec import load_spec, session_hash

pytestmark = [pytest.mark.slurm, pytest.mark.many, pytest.mark.workflow, pytest.mark.slow]

EXPERIMENT = "tiny_ppo"
TRIAL = f"results/experiments/{EXPERIMENT}/trial0"
EXACT = ("train.csv", "eval.csv", "model.pt", "best.pt")
ARTIFACTS = {*EXACT, "timing.csv", "session.json"}
SECONDS = 20.0
"""That a session may take, the others' turns left out."""
DELAY = 5.0
"""Seconds after a job's end in which Snakemake doesn't see its files."""


def test_hundreds_of_sessions_lose_nothing_and_run_once_but_for_the_faults(cluster: Cluster, tmp_path: Path) -> None:
    count = int(os.environ.get("SESSIONS", "500"))
    project = make_many(tmp_path / "project", count)
    late, full = count // 3, count // 2
    hidden = project.path / TRIAL / f"session{late}"
    hidden.mkdir(parents=True)
    with small_disk(progress_folder(project, full)) as disk:
        run = ClusterRun(project, cluster, f"{TRIAL}/trial.json", "--latency-wait", "60", hidden=hidden)
        lost: set[int] = set()
        faults = [
            lose_a_node(run, cluster, project, count // 5, lost),
            fill_the_disk(project, full, disk),
            show_late(run, cluster, late),
        ]
        try:
            run.work_off(faults, count * SECONDS + 120)
            run.finish(count * SECONDS)
        finally:
            run.stop()

    folders = {session: project.path / TRIAL / f"session{session}" for session in range(count)}
    assert {path.name for path in (project.path / TRIAL).glob("session*")} == {path.name for path in folders.values()}
    for folder in folders.values():
        assert {path.name for path in folder.iterdir()} == ARTIFACTS
    assert json.loads((project.path / TRIAL / "trial.json").read_text())["sessions"] == count
    # One job each; what the lost node was training went on under its number, and the full disk's was submitted again.
    assert run.train_jobs() == {(EXPERIMENT, session): 1 + (session == full) for session in range(count)}
    sessions = run.sessions()  # of all jobs, the baseline's has none
    restarted = {sessions[job][1] for job in cluster.restarted() if job in sessions}
    # Until the controller had noticed, it may have started others there.
    assert lost
    assert lost <= restarted
    compare(project, make_many(tmp_path / "local", count), {late, full, min(lost), max(lost), 0, count - 1})


def make_many(path: Path, count: int) -> Project:
    """A project with an experiment of so many sessions."""
    project = make_tiny(path)
    project.edit("specs/tiny.yaml", "max_session: 2", f"max_session: {count}")
    return project


def progress_folder(project: Project, session: int) -> Path:
    """Where a session works."""
    spec = load_spec(project.path / "specs/tiny.yaml", EXPERIMENT, {"env": "CartPole-v1"})
    return project.path / "results/.inprogress" / session_hash(spec, trial=0, session=session, backend="eager")


@contextmanager
def small_disk(path: Path) -> Iterator[Path]:
    """A file system in which a session's tables have room, and its models have not."""
    path.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill_the_disk(project: Project, session: int, disk: Path) -> Iterator[None]:
    """Enlarge the small disk once a session has stopped because it is full."""
    log = project.path / f"results/logs/train_session/{EXPERIMENT}/trial0-session{session}.log"
    while not (log.exists() and "No space left on device" in log.read_text()):
        yield
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)


def show_late(run: ClusterRun, cluster: Cluster, session: int) -> Iterator[None]:
    """Let Snakemake see the files of a session some time after its job has ended."""
    job = None
    while job is None or cluster.state(job) != "COMPLETED":
        yield
        job = next((job for job, trained in run.sessions().items() if trained == (EXPERIMENT, session)), None)
    seen = time.monotonic() + DELAY
    while time.monotonic() < seen:
        yield
    run.show()


def lose_a_node(
    run: ClusterRun, cluster: Cluster, project: Project, after: int, lost: set[int]
) -> Iterator[None]:  # fmt: skip
    """End a node when so many sessions have finished, and start it again; ``lost`` gets what it trained."""
    while len(list((project.path / TRIAL).glob("session*/session.json"))) < after:
        yield
    node = NODES[0]
    cluster.kill_node(node)
    running, sessions = cluster.jobs("%i %T %N"), run.sessions()
    lost |= {sessions[job][1] for job, *rest in running if rest == ["RUNNING", node] and job in sessions}
    while not cluster.node_states().get(node, "").startswith("down"):
        yield
    cluster.start_node(node)


def compare(project: Project, local: Project, sample: set[int]) -> None:
    """Train some of the sessions here, and compare the bytes."""
    local.finish(*(f"{TRIAL}/session{session}/session.json" for session in sorted(sample)))
    for session in sample:
        for name in EXACT:
            path = f"{TRIAL}/session{session}/{name}"
            assert (project.path / path).read_bytes() == (local.path / path).read_bytes(), path
