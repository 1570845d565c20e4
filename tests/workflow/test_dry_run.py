"""What the workflow plans to do, without doing it."""

from __future__ import annotations

import csv
import os
import subprocess
import sys

import pytest
from snakemake_project import Project

pytestmark = pytest.mark.workflow


def count_rows(project: Project, suite: str) -> int:
    """The number of experiments that the sheet puts into a suite."""
    with (project.path / "config/benchmarks.tsv").open(newline="") as file:
        return sum(suite in row["suites"].split(",") for row in csv.DictReader(file, delimiter="\t"))


def test_a_bare_run_plans_the_default_suite_with_the_default_profile(shipped: Project) -> None:
    printed = shipped.finish("--dry-run", cores=16)
    assert "Using workflow specific profile profiles/default" in printed
    assert printed.count("Updates run ") == 1
    experiments = count_rows(shipped, "classic_control")
    assert shipped.planned() == {
        "plan_trial": experiments,
        "train_session": 4 * experiments,
        "random_baseline": 3,
        "aggregate_trial": experiments,
        "aggregate_experiment": experiments,
        "benchmark_table": 1,
        "environment_figure": 3,
        "record_episode": experiments,
    }
    assert not (shipped.path / "results").exists()


@pytest.mark.parametrize("suite", ["demo", "classic_control"])
def test_a_suite_is_a_target(shipped: Project, suite: str) -> None:
    planned = shipped.planned(suite)
    assert planned["train_session"] == 4 * count_rows(shipped, suite)
    assert planned["benchmark_table"] == 1


@pytest.mark.parametrize("suite", ["mujoco", "atari", "custom"])
def test_a_suite_without_rows_says_so(tiny: Project, suite: str) -> None:
    done = tiny.run("--dry-run", suite)
    assert done.returncode != 0
    assert f"suite '{suite}' has no experiments; suites with experiments: box2d, demo" in done.stdout


def test_the_workflow_folder_can_be_run_by_itself(shipped: Project) -> None:
    assert shipped.planned("--snakefile", "workflow/Snakefile", "demo")["train_session"] == 12


def test_a_target_of_no_experiment_says_so(shipped: Project) -> None:
    done = shipped.run("--dry-run", "results/experiments/absent/experiment.csv")
    assert done.returncode != 0
    assert "there is no experiment 'absent' in config/benchmarks.tsv" in done.stdout


def test_a_baseline_of_no_environment_says_so(tiny: Project) -> None:
    done = tiny.run("--dry-run", "results/baselines/Pendulum-v1.json")
    assert done.returncode != 0
    assert "no experiment is on an environment with the baseline 'Pendulum-v1'" in done.stdout


def test_a_job_command_is_the_command_line_of_the_interpreter_that_runs_snakemake(tiny: Project) -> None:
    printed = tiny.finish("--dry-run", "--printshellcmds", "--config", "checkpoint_interval=7")
    assert "SLM_CHECKPOINT_INTERVAL=7 slm train results/experiments/tiny_ppo/trial0/spec.json tiny_ppo" in printed
    assert "slm plan specs/tiny.yaml tiny_a2c --set env=CartPole-v1 --backend eager --trial 0 " in printed
    # Both experiments are on this environment.
    assert printed.count("slm baseline specs/tiny.yaml tiny_ppo  --expect CartPole-v1 --out results/baselines/") == 1


def test_without_a_compiler_auto_is_eager_and_says_why(tiny: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "absent++")
    printed = tiny.finish("--dry-run", "--printshellcmds", "--config", "backend=auto")
    assert printed.count("because there is no C++ compiler") == 1
    assert "--backend eager" in printed
    refused = tiny.run("--dry-run", "--config", "backend=compiled")
    assert refused.returncode != 0
    assert "backend: 'compiled' needs a C++ compiler" in refused.stdout


def test_lint_is_clean(shipped: Project) -> None:
    assert "in a good condition" in shipped.finish("--lint")


def test_parsing_imports_no_torch(shipped: Project) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "snakemake", "--dry-run", "--cores", "1", "demo"]
    done = subprocess.run(command, cwd=shipped.path, capture_output=True, text=True, check=True, env=os.environ)
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "slm.plan" in imported
    assert not imported & {"torch", "gymnasium"}
