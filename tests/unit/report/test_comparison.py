"""The comparison of a suite's algorithms: which scores it takes, its tables, and what its figures draw."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from slm.report.comparison import (
    aggregate_figure,
    efficiency_figure,
    improvement_figure,
    profile_figure,
    score_figure,
)
from slm.report.curves import LearningCurve
from slm.report.figure import figure_files
from slm.report.scores import efficiency_curve, improvement_table, read_scores, statistics_table
from slm.report.style import ALGORITHM_COLOURS


@pytest.fixture
def rows(make_row):
    """PPO on two environments, A2C on one of them; the scale of CartPole-v1 is from 20 to 520."""
    return [
        make_row("a", trial={"session_scores": [270.0, None, 520.0, 520.0]}, best_published=520.0),
        make_row("b", trial={"session_scores": [20.0, 270.0]}, algorithm="A2C", best_published=520.0),
        make_row(
            "c", trial={"session_scores": [-90.0, -80.0], "random_mean": -500.0}, env="Acrobot-v1", published=-80.0
        ),
        make_row("d", trial=None, algorithm="SAC"),
    ]


def test_all_algorithms_of_an_environment_have_one_scale(rows):
    scores = read_scores(rows)
    assert scores.scales == {"CartPole-v1": (20.0, 520.0), "Acrobot-v1": (-500.0, -80.0)}
    assert scores.normalised["PPO"]["CartPole-v1"].tolist() == [0.5, 1.0, 1.0]
    assert scores.normalised["A2C"]["CartPole-v1"].tolist() == [0.0, 0.5]
    assert scores.raw["A2C"]["CartPole-v1"].tolist() == [20.0, 270.0]
    assert "SAC" not in scores.raw


def test_environments_without_a_scale_have_raw_scores_alone(make_row):
    rows = [make_row("a", published=None), make_row("b", published=10.0, env="Low-v1", algorithm="A2C")]
    scores = read_scores(rows)
    assert scores.scales == {}, "nothing published; published below random play"
    assert set(scores.raw) == {"PPO", "A2C"}
    assert scores.normalised == {}


def test_a_second_experiment_of_an_algorithm_is_told_apart(make_row):
    scores = read_scores([make_row("first"), make_row("tuned")])
    assert list(scores.raw) == ["PPO", "PPO (tuned)"]


def test_statistics_of_each_algorithm(rows):
    table = statistics_table(read_scores(rows)).set_index("algorithm")
    assert table.index.tolist() == ["PPO", "A2C"]
    assert table.loc["PPO", ["environments", "sessions", "ranked", "firsts"]].tolist() == [2, 5, 1, 1]
    # A session of CartPole weighs 1/6, one of Acrobot 1/4: the middle half is 1/6 of 410/420 and 1/3 of 1.
    assert table.loc["PPO", "iqm"] == pytest.approx((410 / 420 + 2) / 3)
    assert table.loc["PPO", "iqm_low"] < table.loc["PPO", "iqm"] <= table.loc["PPO", "iqm_high"]
    assert table.loc["A2C", "mean_rank"] == 2


def test_improvement_is_over_common_environments(rows):
    table = improvement_table(read_scores(rows)).set_index(["x", "y"])
    # 270 ties with 270 and beats 20; 520 beats both, twice.
    assert table.loc[("PPO", "A2C"), "probability"] == pytest.approx((1 + 0.5 + 2 + 2) / 6)
    assert table.loc[("A2C", "PPO"), "probability"] == pytest.approx(0.5 / 6)
    assert table.loc[("PPO", "A2C"), "environments"] == 1


def test_nothing_run_is_an_empty_table_and_a_note(make_row):
    scores = read_scores([make_row(trial=None)])
    assert statistics_table(scores).empty
    assert improvement_table(scores).empty
    for figure in (score_figure(scores, {}), aggregate_figure(statistics_table(scores)), profile_figure(scores)):
        assert len(figure.texts) == 1
    assert len(improvement_figure(improvement_table(scores)).texts) == 1
    assert len(efficiency_figure([], scores).texts) == 1


def test_efficiency_is_interpolated_to_the_smallest_budget():
    long = pd.DataFrame({"frame": [100, 200], "return_session0": [0.0, 10.0], "return_session1": [np.nan, np.nan]})
    short = pd.DataFrame({"frame": [50, 100], "return_session0": [np.nan, 5.0]})
    frames, iqm = efficiency_curve({"a": long, "b": short, "c": long}, {"a": (0.0, 10.0), "b": (0.0, 10.0)})
    assert (frames[0], frames[-1]) == (1.0, 100.0)
    assert iqm.value[-1] == pytest.approx((0.0 + 0.5) / 2)
    assert iqm.value[0] == pytest.approx((0.0 + 0.5) / 2), "before its first return a session has that one"
    assert efficiency_curve({"c": long}, {}) is None


def curves(rows, points):
    run = [row for row in rows if row["curve_csv"]]
    return [LearningCurve(r["env"], r["algorithm"], r["experiment"], points, r["published"], r["target"]) for r in run]


def test_an_algorithm_has_its_colour_in_every_figure(rows, curve_points):
    scores = read_scores(rows)
    for figure in (
        profile_figure(scores),
        aggregate_figure(statistics_table(scores)),
        efficiency_figure(curves(rows, curve_points), scores),
    ):
        colours = {to_hex(line.get_color()) for line in figure.axes[0].lines}
        assert {ALGORITHM_COLOURS["PPO"], ALGORITHM_COLOURS["A2C"]} <= colours


def test_a_profile_falls_from_all_to_none(rows):
    line = profile_figure(read_scores(rows)).axes[0].lines[0]
    heights = line.get_ydata()
    assert heights[0] == 1.0
    assert heights[-1] == 0.0
    assert (np.diff(heights) <= 0).all()


def test_every_session_is_a_point_of_the_distribution(rows):
    figure = score_figure(read_scores(rows), {"CartPole-v1": (520.0, 400.0)})
    first = figure.axes[0]
    points = np.concatenate([collection.get_offsets() for collection in first.collections])
    assert sorted(points[:, 0]) == [20.0, 270.0, 270.0, 520.0, 520.0]
    assert {520.0, 400.0} <= {line.get_xdata()[0] for line in first.lines if len(set(line.get_xdata())) == 1}


def test_bytes_depend_on_what_is_drawn_alone(rows):
    table = improvement_table(read_scores(rows))
    first = figure_files("demo", lambda: improvement_figure(table))
    assert figure_files("demo", lambda: improvement_figure(table)) == first
    assert first[1][:4] == b"\x89PNG"
