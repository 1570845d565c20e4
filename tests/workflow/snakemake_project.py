"""A project in a temporary folder: the shipped workflow, run by Snakemake as a user runs it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEADER = "suites\texperiment\tenv\talgorithm\tspec_file\tspec_name\tvariables\tmode\ttarget\tpublished\tsource\n"
SHEET = HEADER + (
    "demo,box2d\ttiny_ppo\tCartPole-v1\tPPO\tspecs/tiny.yaml\ttiny_ppo\t\ttrain\t400\t498.94\tnowhere\n"
    "demo\ttiny_a2c\tCartPole-v1\tA2C\tspecs/tiny.yaml\ttiny_a2c\tenv=CartPole-v1\ttrain\t\t\t\n"
)
CONFIG = "suites: [demo]\nsheet: config/benchmarks.tsv\nbackend: eager\nrecord_episodes: false\n"


@dataclass(frozen=True)
class Project:
    """A folder with a Snakefile."""

    path: Path

    def run(self, *arguments: str, cores: int = 2) -> subprocess.CompletedProcess[str]:
        """Run Snakemake; its two streams are one text, ``stdout``."""
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores), *arguments]
        return subprocess.run(
            command, cwd=self.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )

    def finish(self, *arguments: str, cores: int = 2) -> str:
        """Run Snakemake to a good end and return what it printed."""
        done = self.run(*arguments, cores=cores)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def planned(self, *arguments: str) -> dict[str, int]:
        """The number of jobs of each rule that a dry run plans, besides targets; empty if there is nothing to do."""
        printed = self.finish("--dry-run", *arguments)
        if "Nothing to be done" in printed:
            return {}
        statistics = printed.split("Job stats:")[1].split("total")[0]
        jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", statistics, flags=re.MULTILINE)}
        return {rule: count for rule, count in jobs.items() if "_" in rule and rule != "classic_control"}

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace the one occurrence of a text in a file."""
        path = self.path / file
        text = path.read_text()
        assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new))

    def snapshot(self) -> set[Path]:
        """All files of the folder, besides Snakemake's own."""
        return {path for path in self.path.rglob("*") if ".snakemake" not in path.parts}


def make_project(path: Path) -> Project:
    """The shipped workflow in ``path``, with no configuration and no specs yet."""
    path.mkdir()
    shutil.copy(ROOT / "Snakefile", path)
    shutil.copytree(ROOT / "workflow", path / "workflow")
    (path / "profiles").symlink_to("workflow/profiles")
    return Project(path)


def make_tiny(path: Path) -> Project:
    """A project with two tiny experiments in ``path``."""
    project = make_project(path)
    (path / "config").mkdir()
    (path / "config/config.yaml").write_text(CONFIG)
    (path / "config/benchmarks.tsv").write_text(SHEET)
    shutil.copytree(ROOT / "tests/workflow/specs", path / "specs")
    return project
