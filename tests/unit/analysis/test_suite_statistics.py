"""Suite statistics against hand-computed numbers, against rliable, and against a bootstrap written out as a loop."""

import numpy as np
import pytest
from rliable import metrics

from slm.analysis.suite import (
    aggregate_iqm,
    aggregate_mean,
    iqm_curve,
    normalise,
    performance_profile,
    probability_of_improvement,
    ranks,
)


def random_scores(seed, sessions=4, environments=6, shift=0.0):
    rng = np.random.default_rng(seed)
    return {f"env{i}": rng.normal(0.3 + 0.1 * i + shift, 0.2, sessions) for i in range(environments)}


def matrix(scores):
    """As rliable wants them: (sessions, environments)."""
    return np.stack(list(scores.values()), axis=1)


def bootstrap_interval(scores, statistic, resamples=4000):
    """The percentile interval of a statistic of the (sessions, environments) matrix, sessions resampled by column."""
    rng = np.random.default_rng(1)
    values = matrix(scores)
    sessions, environments = values.shape
    drawn = []
    for _ in range(resamples):
        rows = rng.integers(sessions, size=(sessions, environments))
        drawn.append(statistic(np.take_along_axis(values, rows, axis=0)))
    return np.quantile(drawn, [0.025, 0.975])


def test_random_play_is_0_and_the_published_score_1():
    assert normalise([-500.0, -80.0, np.nan, -290.0], random=-500.0, top=-80.0).tolist() == [0.0, 1.0, 0.5]
    with pytest.raises(ValueError, match="no scale"):
        normalise([1.0], random=2.0, top=2.0)


def test_interquartile_mean_over_sessions_and_environments():
    # Eight scores: the two lowest and the two highest fall away.
    scores = {"a": np.array([0.0, 1.0, 2.0, 3.0]), "b": np.array([4.0, 5.0, 6.0, 100.0])}
    assert aggregate_iqm(scores).value == (2 + 3 + 4 + 5) / 4
    assert aggregate_mean(scores).value == (1.5 + 28.75) / 2


def test_environments_weigh_the_same_however_many_sessions_they_have():
    rng = np.random.default_rng(7)
    scores = {"a": rng.normal(0.0, 1.0, 4), "b": rng.normal(2.0, 1.0, 16), "c": rng.normal(1.0, 1.0, 8)}
    # As many copies of each session as make sixteen of each environment.
    equal = {env: np.repeat(values, 16 // values.size) for env, values in scores.items()}
    thresholds = np.linspace(-1, 3, 5)
    assert aggregate_iqm(scores).value == pytest.approx(metrics.aggregate_iqm(matrix(equal)), rel=1e-12)
    profile = performance_profile(scores, thresholds).value
    assert profile == pytest.approx([(matrix(equal) > threshold).mean() for threshold in thresholds])
    found = aggregate_iqm(scores)
    assert found.low < found.value < found.high
    # A session counts in part: of weights 1/6, 1/6, 1/6 and 1/2, from 1/4 to 3/4 there are half a 2, a 3 and half a 9.
    assert aggregate_iqm({"a": np.array([1.0, 2.0, 3.0]), "b": np.array([9.0])}).value == pytest.approx(
        (2 / 12 + 3 / 6 + 9 / 4) / 0.5
    )


@pytest.mark.parametrize("sessions", [4, 5, 10])
def test_the_interquartile_mean_is_rliables(sessions):
    scores = random_scores(0, sessions)
    assert aggregate_iqm(scores).value == pytest.approx(metrics.aggregate_iqm(matrix(scores)), rel=1e-12)
    assert aggregate_mean(scores).value == pytest.approx(metrics.aggregate_mean(matrix(scores)), rel=1e-12)


@pytest.mark.parametrize(("ours", "rliables"), [(aggregate_iqm, "aggregate_iqm"), (aggregate_mean, "aggregate_mean")])
def test_intervals_are_those_of_a_stratified_bootstrap(ours, rliables):
    scores = random_scores(2)
    found = ours(scores)
    low, high = bootstrap_interval(scores, getattr(metrics, rliables))
    width = high - low
    assert found.low == pytest.approx(low, abs=0.1 * width)
    assert found.high == pytest.approx(high, abs=0.1 * width)
    # Environments differ by half a unit: resampling across them would give an interval several times as wide.
    assert width < 0.3


def test_the_probability_of_improvement_is_rliables():
    x, y = random_scores(3), random_scores(4, sessions=5, shift=0.1)
    x["env0"][0] = y["env0"][0]  # a tie
    found = probability_of_improvement(x, y)
    assert found.value == pytest.approx(metrics.probability_of_improvement(matrix(x), matrix(y)), rel=1e-12)
    assert found.low < found.value < found.high
    opposite = probability_of_improvement(y, x)
    assert found.value + opposite.value == pytest.approx(1.0)


def test_improvement_is_over_the_environments_of_both():
    x, y = {"a": np.array([1.0, 2.0]), "b": np.array([9.0])}, {"a": np.array([0.0, 1.0])}
    assert probability_of_improvement(x, y).value == (1 + 0.5 + 1 + 1) / 4
    assert probability_of_improvement({"b": np.array([9.0])}, y) is None


def test_a_profile_is_the_share_of_sessions_above_each_threshold():
    scores = {"a": np.array([0.0, 0.5]), "b": np.array([0.5, 1.0])}
    found = performance_profile(scores, np.array([-0.1, 0.0, 0.5, 1.0]))
    assert found.value.tolist() == [1.0, 0.75, 0.25, 0.0]
    assert found.low.tolist() == [1.0, 0.5, 0.0, 0.0]
    assert found.high.shape == (4,)


def test_a_curve_is_the_interquartile_mean_at_each_point():
    rng = np.random.default_rng(5)
    curves = {"a": rng.normal(size=(4, 3)), "b": rng.normal(size=(4, 3))}
    found = iqm_curve(curves)
    runs = np.concatenate(list(curves.values()))
    assert found.value == pytest.approx([metrics.aggregate_iqm(runs[:, [i]]) for i in range(3)])
    assert (found.low <= found.value).all()
    assert (found.value <= found.high).all()


@pytest.mark.parametrize("sizes", [(1, 4), (4, 1, 8), (4, 16), (1, 1)])
def test_environments_of_a_curve_may_differ_in_their_sessions(sizes):
    rng = np.random.default_rng(8)
    curves = {f"env{i}": rng.normal(size=(size, 3)) for i, size in enumerate(sizes)}
    found = iqm_curve(curves)
    points = [aggregate_iqm({env: curve[:, i] for env, curve in curves.items()}) for i in range(3)]
    assert found.value == pytest.approx([point.value for point in points])
    assert found.low == pytest.approx([point.low for point in points], nan_ok=True)


def test_one_session_has_no_interval_and_stays_as_it_is_beside_others():
    alone = aggregate_iqm({"a": np.array([1.0])})
    assert alone.value == 1.0
    assert np.isnan([alone.low, alone.high]).all()
    beside = aggregate_mean({"a": np.array([1.0]), "b": np.array([2.0, 4.0])})
    assert (beside.low, beside.value, beside.high) == (1.5, 2.0, 2.5)


def test_ranks_within_each_environment():
    scores = {"A": {"x": 1.0, "y": 5.0, "z": 1.0}, "B": {"x": 2.0, "y": 5.0}, "C": {"x": 0.0, "y": np.nan}}
    assert ranks(scores) == {"A": {"x": 2.0, "y": 1.5}, "B": {"x": 1.0, "y": 1.5}, "C": {"x": 3.0}}


def test_the_same_scores_give_the_same_bounds():
    assert aggregate_iqm(random_scores(6)) == aggregate_iqm(random_scores(6))
