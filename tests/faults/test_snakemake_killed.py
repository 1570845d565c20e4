"""Snakemake killed while sessions train, and sessions that fail: nothing finished is lost or trained again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake_project import HEADER, Project, make_project
from victims import PATIENCE, SAME, make_spec, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.workflow]

CONFIG = "suites: [demo]\nsheet: config/benchmarks.tsv\nbackend: eager\ncheckpoint_interval: 0.2\n"
ROW = "demo\t{name}\tCartPole-v1\tPPO\tspecs/{name}.json\t{name}\t\ttrain\t\t\t\n"
FRAMES = 12_000
SESSIONS = "results/experiments/victim/trial0/session"
OUTPUTS = ("train.csv", "eval.csv", "timing.csv", "model.pt", "best.pt", "session.json")


def project_of(path: Path, **rates: float) -> Project:
    """A project with an experiment of two sessions for each name, with the given learning rate."""
    project = make_project(path)
    (path / "config").mkdir()
    (path / "specs").mkdir()
    (path / "config/config.yaml").write_text(CONFIG)
    (path / "config/benchmarks.tsv").write_text(HEADER + "".join(ROW.format(name=name) for name in rates))
    for name, rate in rates.items():
        spec = make_spec("PPO", "on-policy", "CartPole-v1", FRAMES)
        spec["meta"]["max_session"] = 2
        spec["agent"]["net"]["optim_spec"] = {"name": "Adam", "lr": rate}
        (path / f"specs/{name}.json").write_text(json.dumps({name: spec}))
    return project


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after a run that nothing disturbed."""
    project = project_of(tmp_path_factory.mktemp("undisturbed") / "project", victim=0.001)
    project.finish()
    return project


@pytest.fixture
def project(undisturbed: Project, tmp_path: Path) -> Project:
    return project_of(tmp_path / "project", victim=0.001)


def start(project: Project, cores: int) -> subprocess.Popen[bytes]:
    """Snakemake in the background, as the first process of a group that has all of its jobs."""
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores)]
    with (project.path / "printed.txt").open("w") as printed:
        return subprocess.Popen(
            command, cwd=project.path, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True
        )


def log_of(project: Project, session: int) -> str:
    """The log of a session, empty before there is one; where two processes have written it, what came in between is
    cut out."""
    path = project.path / f"results/logs/train_session/victim/trial0-session{session}.log"
    try:
        return path.read_bytes().replace(b"\0", b"").decode()
    except FileNotFoundError:  # Snakemake removes it before it starts the session again
        return ""


def assert_as_undisturbed(project: Project, undisturbed: Project) -> None:
    for session in (0, 1):
        for name in SAME:
            file = f"{SESSIONS}{session}/{name}"
            assert (project.path / file).read_bytes() == (undisturbed.path / file).read_bytes(), file
    assert project.planned() == {}


def in_progress(project: Project, undisturbed: Project, session: int) -> Path:
    """The folder of a session in progress."""
    record = json.loads((undisturbed.path / f"{SESSIONS}{session}/session.json").read_text())
    return project.path / "results/.inprogress" / record["spec_hash"]


def trainings(project: Project) -> set[int]:
    """Process ids of the sessions that train in a project."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words, folder = (path / "cmdline").read_bytes().split(b"\0"), (path / "cwd").resolve()
        except OSError:  # it has just ended
            continue
        if folder == project.path and b"--session" in words and b"-c" not in words:
            found.add(int(path.name))
    return found


def test_orphans_of_a_killed_snakemake_and_its_restart_do_not_disturb_each_other(
    project: Project, undisturbed: Project
) -> None:
    process = start(project, cores=2)
    folders = [in_progress(project, undisturbed, session) for session in (0, 1)]
    wait_until(lambda: all((folder / "checkpoint.pt").exists() for folder in folders))
    orphans = trainings(project)
    for orphan in orphans:  # so that they are still at it when the restart comes to its sessions
        os.kill(orphan, signal.SIGSTOP)
    try:
        process.kill()
        process.wait(PATIENCE)
        assert len(orphans) == 2
        assert not list(project.path.glob(f"{SESSIONS}*/session.json"))
        project.finish("--unlock")
        again = start(project, cores=2)
        wait_until(lambda: all("another process is training" in log_of(project, session) for session in (0, 1)))
    finally:
        for orphan in orphans:
            os.kill(orphan, signal.SIGCONT)
    assert again.wait(PATIENCE) == 0, (project.path / "printed.txt").read_text()
    for session in (0, 1):
        assert "the session is finished already: publishing its artifacts again" in log_of(project, session)
        assert "resumed" not in log_of(project, session)
    assert_as_undisturbed(project, undisturbed)


def test_after_the_end_of_all_processes_only_what_is_not_finished_is_trained(
    project: Project, undisturbed: Project
) -> None:
    process = start(project, cores=1)

    def one_finished() -> tuple[int, int] | None:
        """A finished session and one that trains, when it is so."""
        for finished in (0, 1):
            other = 1 - finished
            if (project.path / f"{SESSIONS}{finished}/session.json").exists() and (
                in_progress(project, undisturbed, other) / "checkpoint.pt"
            ).exists():
                return finished, other
        return None

    found = wait_until(one_finished)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)
    wait_until(lambda: not trainings(project))
    finished, other = found
    assert not (project.path / f"{SESSIONS}{other}/session.json").exists(), "killed before its end"
    model = project.path / f"{SESSIONS}{finished}/model.pt"
    written, log = model.stat().st_mtime_ns, log_of(project, finished)

    project.finish("--unlock")
    project.finish()
    assert model.stat().st_mtime_ns == written
    assert log_of(project, finished) == log
    assert "resumed at frame " in log_of(project, other)
    assert "resumed at frame 0" not in log_of(project, other)
    assert_as_undisturbed(project, undisturbed)


def test_finished_sessions_that_lost_their_outputs_are_published_again(undisturbed: Project, tmp_path: Path) -> None:
    shutil.copytree(undisturbed.path, tmp_path / "project", symlinks=True)
    project = Project(tmp_path / "project")
    shutil.rmtree(project.path / f"{SESSIONS}0")
    project.finish(f"{SESSIONS}0/train.csv")  # by itself Snakemake makes nothing that only stands between
    assert "the session is finished already: publishing its artifacts again" in log_of(project, 0)
    assert_as_undisturbed(project, undisturbed)


def test_a_session_that_diverges_says_so_and_has_no_outputs(tmp_path: Path) -> None:
    project = project_of(tmp_path / "project", victim=0.001, diverging=1e38)
    done = project.run()
    assert done.returncode != 0
    experiments = project.path / "results/experiments"
    for session in (0, 1):
        assert (experiments / f"victim/trial0/session{session}/session.json").exists()
        assert not [name for name in OUTPUTS if (experiments / f"diverging/trial0/session{session}/{name}").exists()]
        log = (project.path / f"results/logs/train_session/diverging/trial0-session{session}.log").read_text()
        assert "slm: the loss is " in log
        assert "Traceback" not in log
    assert (experiments / "victim/experiment.csv").exists()
    assert not (experiments / "diverging/trial0/trial.json").exists()
    assert not (project.path / "results/reports/demo/table.csv").exists()
