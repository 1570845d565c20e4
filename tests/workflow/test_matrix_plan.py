"""The whole benchmark matrix, planned at once."""

from __future__ import annotations

import json

import pytest
from snakemake_project import Project

from slm.spec import load_spec

pytestmark = pytest.mark.workflow


def test_four_sessions_of_each_of_238_experiments_are_planned(shipped: Project) -> None:
    planned = shipped.planned("--config", "suites=[classic_control,box2d,mujoco,atari]")
    assert planned == {
        "plan_trial": 238,
        "train_session": 4 * 238,
        "random_baseline": 73,
        "aggregate_trial": 238,
        "aggregate_experiment": 238,
        "benchmark_table": 4,
        "environment_figure": 73,
        "record_episode": 238,
    }


@pytest.mark.parametrize(("suite", "experiments"), [("box2d", 10), ("mujoco", 33), ("atari", 177)])
def test_a_suite_of_the_matrix_is_a_target(shipped: Project, suite: str, experiments: int) -> None:
    planned = shipped.planned(suite)
    assert planned["train_session"] == 4 * experiments
    assert planned["benchmark_table"] == 1


def test_the_variables_of_a_row_reach_the_spec_of_its_trial(shipped: Project) -> None:
    target = "results/experiments/ppo_pong/trial0/spec.json"
    shipped.finish(target)
    path = shipped.path / target
    spec = load_spec(path, "ppo_atari_lam85")
    assert (spec.env.name, spec.env.max_frame) == ("ALE/Pong-v5", 10_000_000)
    assert json.loads(path.read_text())["_trial"]["experiment"] == "ppo_pong"
