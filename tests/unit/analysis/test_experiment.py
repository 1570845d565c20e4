import json

import pandas as pd
import pytest

from slm.analysis.experiment import METRICS, STATISTICS, aggregate_experiment, write_experiment
from slm.errors import UserError


@pytest.fixture
def write_trial_json(tmp_path):
    def write(number, score, settings=None, state="finished", frames=None):
        values = dict.fromkeys(STATISTICS, score) | {"sessions": 4, "sessions_asked": 4}
        values["frames"] = frames
        document = values | {"trial": number, "state": state, "metrics": dict.fromkeys(METRICS, 1.0)}
        path = tmp_path / f"trial{number}.json"
        path.write_text(json.dumps(document if settings is None else document | {"settings": settings}))
        return path

    return write


def test_trials_are_ranked_by_score(write_trial_json):
    paths = [write_trial_json(0, 10.0), write_trial_json(1, None), write_trial_json(2, 30.0), write_trial_json(3, 10.0)]
    table = aggregate_experiment(paths)
    assert table["trial"].tolist() == [2, 0, 3, 1]
    assert table.columns.tolist() == ["trial", "state", *STATISTICS, *METRICS]


def test_pruned_trials_rank_below_finished_ones_by_how_far_they_came(write_trial_json):
    pruned = {"state": "pruned"}
    paths = [
        write_trial_json(1, 90.0, frames=100, **pruned),
        write_trial_json(2, 40.0, frames=900),
        write_trial_json(3, 50.0, frames=300, **pruned),
        write_trial_json(4, 60.0, frames=300, **pruned),
        write_trial_json(5, None, frames=900),
        write_trial_json(6, 45.0, frames=900),
    ]
    assert aggregate_experiment(paths)["trial"].tolist() == [6, 2, 4, 3, 1, 5]


def test_varied_hyperparameters_are_columns(write_trial_json, tmp_path):
    paths = [
        write_trial_json(0, 1.0, {"agent.net.lr": 0.1, "agent.algorithm.gamma": 0.9}),
        write_trial_json(1, 2.0, {"agent.net.lr": 0.2, "agent.algorithm.gamma": 0.99}),
    ]
    write_experiment(paths, tmp_path / "experiment.csv")
    table = pd.read_csv(tmp_path / "experiment.csv")
    assert table.columns[:4].tolist() == ["trial", "agent.algorithm.gamma", "agent.net.lr", "state"]
    assert table["agent.algorithm.gamma"].tolist() == [0.99, 0.9]


def test_a_single_trial_without_a_score_is_a_row(write_trial_json):
    table = aggregate_experiment([write_trial_json(0, None)])
    assert table["trial"].tolist() == [0]
    assert table["score"].isna().all()


def test_an_unreadable_trial_is_named(tmp_path):
    with pytest.raises(UserError, match=r"trial .*absent\.json is missing or unreadable"):
        aggregate_experiment([tmp_path / "absent.json"])
