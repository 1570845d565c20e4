"""Every algorithm writes the same bytes on one core, on two with the jobs in another order, and without Snakemake."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake_project import HEADER, ROOT, Project, make_tiny

from slm.algorithms import ALGORITHMS
from slm.cli import main

pytestmark = pytest.mark.workflow

SPECS = "specs/algorithms.yaml"
ARTIFACTS = ("train.csv", "eval.csv", "model.pt", "best.pt")


def experiments() -> dict[str, dict[str, Any]]:
    """The specs of the file by name; its shared parts begin with an underscore."""
    specs = yaml.safe_load((ROOT / "tests/workflow" / SPECS).read_text())
    return {name: spec for name, spec in specs.items() if not name.startswith("_")}


def train_all(path: Path, names: list[str], cores: int) -> Project:
    """A project whose sheet has the experiments in that order, after their sessions have been trained."""
    project = make_tiny(path)
    rows = [f"demo\t{name}\t{experiments()[name]['env']['name']}\t{name}\t{SPECS}\t{name}\t\ttrain\t\t\t\n"
            for name in names]  # fmt: skip
    (path / "config/benchmarks.tsv").write_text(HEADER + "".join(rows))
    project.finish(*(f"{session(name)}/train.csv" for name in names), cores=cores)
    return project


def session(name: str) -> str:
    return f"results/experiments/{name}/trial0/session0"


def hashes(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ARTIFACTS}


def test_the_specs_are_of_all_algorithms() -> None:
    assert {spec["agent"]["algorithm"]["name"] for spec in experiments().values()} == set(ALGORITHMS)


def test_every_algorithm_gives_the_same_bytes_everywhere(tmp_path: Path) -> None:
    names = list(experiments())
    one = train_all(tmp_path / "one", names, cores=1)
    two = train_all(tmp_path / "two", names[::-1], cores=2)
    alone = tmp_path / "alone"
    for name in names:
        options = ["--out", str(alone / name), "--backend", "eager"]
        assert main(["train", str(one.path / SPECS), name, *options]) == 0
        expected = hashes(one.path / session(name))
        assert hashes(two.path / session(name)) == expected, f"{name} on two cores"
        assert hashes(alone / name) == expected, f"{name} without Snakemake"
    models = {name: hashes(alone / name)["model.pt"] for name in names}
    assert models.pop("dqn_base") == models["vanilla_dqn"], "two names of one algorithm"
    assert len(set(models.values())) == len(models)
