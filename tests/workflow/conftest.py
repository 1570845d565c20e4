"""Projects in temporary folders: as shipped, with two tiny experiments, and after a run of those."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from snakemake_project import ROOT, Project, make_project, make_tiny


@pytest.fixture
def shipped(tmp_path: Path) -> Project:
    """The project as it is shipped, without results."""
    project = make_project(tmp_path / "project")
    for folder in ("config", "specs"):
        shutil.copytree(ROOT / folder, project.path / folder)
    return project


@pytest.fixture
def tiny(tmp_path: Path) -> Project:
    """A project with two tiny experiments, without results."""
    return make_tiny(tmp_path / "project")


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> tuple[Project, str]:
    """The tiny project after its first run, and what was printed; one for all test processes. Not to be changed."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    path, printed = shared / "first_run", shared / "first_run.txt"
    with FileLock(shared / "first_run.lock"):
        if not printed.exists():
            shutil.rmtree(path, ignore_errors=True)
            printed.write_text(make_tiny(path).finish())
    return Project(path), printed.read_text()


@pytest.fixture
def finished(first_run: tuple[Project, str], tmp_path: Path) -> Project:
    """A copy of the tiny project after its first run."""
    path = tmp_path / "project"
    shutil.copytree(first_run[0].path, path, symlinks=True)
    return Project(path)
