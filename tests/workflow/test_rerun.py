"""What runs again after a change, and what does not."""

from __future__ import annotations

import json
import shutil

import pytest
from snakemake_project import Project

pytestmark = pytest.mark.workflow

AGGREGATION = {"aggregate_trial": 1, "aggregate_experiment": 1, "benchmark_table": 1, "environment_figure": 1}


def test_a_second_run_has_nothing_to_do(finished: Project) -> None:
    assert "Nothing to be done" in finished.finish()
    assert finished.planned("demo") == {}


def test_changing_one_spec_of_a_file_trains_that_experiment_alone(finished: Project) -> None:
    finished.edit("specs/tiny.yaml", "gamma: 0.99", "gamma: 0.97")
    assert finished.planned() == {"plan_trial": 1, "train_session": 2, **AGGREGATION}
    before = {
        path: path.read_bytes() for path in (finished.path / "results/experiments").glob("*/trial0/session0/*.csv")
    }
    finished.finish()
    changed = {path.parts[-4] for path, content in before.items() if path.read_bytes() != content}
    assert changed == {"tiny_ppo"}
    assert finished.planned() == {}


def test_a_baseline_is_measured_once_for_all_that_train_on_its_environment(finished: Project) -> None:
    baseline = finished.path / "results/baselines/CartPole-v1.json"
    before = baseline.stat().st_mtime_ns
    # Everything of a spec but its environment, and even another spec's turn to name the environment.
    finished.edit("specs/tiny.yaml", "time_horizon: 32", "time_horizon: 16")
    assert "random_baseline" not in finished.planned("--forcerun", "plan_trial")
    finished.edit("config/benchmarks.tsv", "\ttiny_a2c\tCart", "\ta2c\tCart")
    assert finished.planned()["train_session"] == 4
    finished.finish("demo")
    assert baseline.stat().st_mtime_ns == before
    finished.edit("specs/tiny.yaml", "{name: CartPole-v1, num_envs: 2,", "{name: CartPole-v1, num_envs: 2, max_t: 9,")
    assert finished.planned()["random_baseline"] == 1


def test_a_lost_baseline_is_measured_again_and_trains_nothing(finished: Project) -> None:
    trial = finished.path / "results/experiments/tiny_ppo/trial0/trial.json"
    before = trial.read_bytes()
    (finished.path / "results/baselines/CartPole-v1.json").unlink()
    assert finished.planned("results/baselines/CartPole-v1.json") == {"random_baseline": 1}
    finished.finish("results/baselines/CartPole-v1.json")
    assert "train_session" not in finished.planned()
    finished.finish()
    assert trial.read_bytes() == before


def test_one_more_session_is_one_more_job(finished: Project) -> None:
    finished.edit("specs/tiny.yaml", "max_session: 2", "max_session: 3")
    # Both specs share the block.
    planned = finished.planned("box2d")
    assert planned == {"train_session": 1, **AGGREGATION}
    finished.finish("box2d")
    table = (finished.path / "results/reports/box2d/table.csv").read_text()
    assert ",3,3,400," in table
    assert finished.planned("box2d") == {}


def test_more_sessions_by_a_setting(finished: Project) -> None:
    more = ["--config", "sessions=3", "--", "box2d"]
    assert finished.planned(*more) == {"train_session": 1, **AGGREGATION}
    finished.finish(*more)
    assert ",3,3,400," in (finished.path / "results/reports/box2d/table.csv").read_text()
    assert finished.planned(*more) == {}


def test_any_number_of_sessions_can_be_asked_for(finished: Project) -> None:
    spec = "results/experiments/tiny_ppo/trial0/spec.json"
    finished.finish("--config", "sessions=65", "--", spec)
    hashes = json.loads((finished.path / spec).read_text())["_trial"]["session_hashes"]
    assert list(hashes) == [str(session) for session in range(65)]


def test_one_session_less_is_no_training(finished: Project) -> None:
    finished.edit("specs/tiny.yaml", "max_session: 2", "max_session: 1")
    assert finished.planned("box2d") == AGGREGATION


@pytest.mark.parametrize(
    ("file", "addition"),
    [
        ("specs/tiny.yaml", "# a comment\n"),
        ("specs/tiny.yaml", "_note: an anchor's home\n"),
        ("workflow/report/table.rst", "More words.\n"),
        ("workflow/rules/train.smk", "# a comment\n"),
        ("workflow/rules/report.smk", "# a comment\n"),
        ("workflow/rules/episode.smk", "# a comment\n"),
        ("workflow/rules/baseline.smk", "# a comment\n"),
        ("workflow/envs/slm.yaml", "      - pytest==9.2.0\n"),
        ("workflow/profiles/default/config.yaml", "# a comment\n"),
    ],
)
def test_words_rules_and_environments_run_nothing(finished: Project, file: str, addition: str) -> None:
    with (finished.path / file).open("a") as open_file:
        open_file.write(addition)
    assert finished.planned() == {}


def test_the_command_of_a_rule_runs_nothing(finished: Project) -> None:
    finished.edit(
        "workflow/rules/train.smk", "--trial {wildcards.trial} --session", "--trial  {wildcards.trial} --session"
    )
    finished.edit("workflow/rules/report.smk", "slm report --tables", "slm report  --tables")
    assert finished.planned() == {}


def test_settings_that_decide_no_result_train_nothing(finished: Project) -> None:
    assert finished.planned("--config", "checkpoint_interval=5") == {}
    assert finished.planned("--config", "allow_incomplete=true") == {}


def test_a_new_published_score_renders_the_table_alone(finished: Project) -> None:
    finished.edit("config/benchmarks.tsv", "498.94", "498.95")
    assert finished.planned("demo") == {"benchmark_table": 1, "environment_figure": 1}


def test_a_renamed_spec_trains_nothing(finished: Project) -> None:
    finished.edit("specs/tiny.yaml", "tiny_ppo:", "renamed:")
    finished.edit("config/benchmarks.tsv", "\ttiny_ppo\t\t", "\trenamed\t\t")
    assert finished.planned() == {}


def test_the_other_backend_trains_everything(finished: Project) -> None:
    assert finished.planned("--config", "backend=compiled")["train_session"] == 4


def test_statistics_and_reports_are_made_again_without_training(finished: Project) -> None:
    sessions = {path: path.stat().st_mtime_ns for path in finished.path.glob("results/experiments/*/trial0/session*/*")}
    shutil.rmtree(finished.path / "results/reports")
    for name in ("trial.json", "curve.csv", "timing.csv"):
        for path in finished.path.glob(f"results/experiments/*/trial0/{name}"):
            path.unlink()
    planned = {"aggregate_trial": 2, "aggregate_experiment": 2, "benchmark_table": 1, "environment_figure": 1}
    assert finished.planned() == planned
    finished.finish()
    assert {path: path.stat().st_mtime_ns for path in sessions} == sessions
