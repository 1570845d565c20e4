import math

import numpy as np
import pytest

from slm.analysis import metrics

NAN = float("nan")


def test_total_reward_ma_is_the_mean_of_the_last_hundred_rows():
    rewards = np.arange(150.0)
    assert metrics.total_reward_ma(rewards) == np.arange(50, 150).mean()
    assert metrics.total_reward_ma([1.0, 2.0, 6.0]) == 3.0


def test_total_reward_ma_skips_rows_without_an_episode():
    assert metrics.total_reward_ma([NAN, 2.0, 4.0]) == 3.0
    assert math.isnan(metrics.total_reward_ma([NAN, NAN]))
    # The window counts rows, the NaN ones too: the 7 is 101 rows back.
    assert metrics.total_reward_ma([7.0, *[NAN] * 99, 1.0]) == 1.0


def test_strengths_are_gains_over_the_random_agent():
    rewards = [NAN, 10.0, 40.0, 25.0]
    assert metrics.strength(rewards, random_mean=5.0) == pytest.approx((5 + 35 + 20) / 3)
    assert metrics.max_strength(rewards, random_mean=5.0) == 35.0
    assert metrics.final_strength(rewards, random_mean=5.0) == 20.0
    assert metrics.strength(rewards) == 25.0


def test_efficiency_weighs_gains_by_what_they_took():
    rewards, frame = [NAN, 10.0, 30.0], [50, 100, 200]
    assert metrics.sample_efficiency(rewards, frame) == pytest.approx((10 / 100 + 30 / 200) / 40)
    assert metrics.sample_efficiency(rewards, frame, random_mean=5.0) == pytest.approx((5 / 100 + 25 / 200) / 30)


def test_rows_before_the_first_step_leave_the_numerator_alone():
    assert metrics.training_efficiency([10.0, 30.0], opt_step=[0, 20]) == pytest.approx((30 / 20) / 40)


def test_stability_is_lost_by_drops():
    # Drops 10 and 5 over the gains before the last row, 20 + 10 + 30.
    assert metrics.stability([20.0, 10.0, 30.0, 25.0]) == pytest.approx(1 - 15 / 60)
    assert metrics.stability([1.0, 2.0, 3.0]) == 1.0
    # Below the random agent the sum is negative; the loss still counts by its size.
    assert metrics.stability([-10.0, -20.0, -5.0]) == pytest.approx(1 - 10 / 30)


def test_consistency_compares_sessions_row_by_row():
    # Standard deviations (n - 1) of (10, 30) and (20, 20): sqrt(200) and 0; means 20 and 20. The third row is cut.
    assert metrics.consistency([[10.0, 20.0], [30.0, 20.0, 99.0]]) == pytest.approx(1 - 2 * math.sqrt(200) / 40)
    assert metrics.consistency([[10.0, 20.0], [30.0, 20.0]], random_mean=10.0) == pytest.approx(
        1 - 2 * math.sqrt(200) / 20
    )


def test_consistency_leaves_out_rows_and_sessions_without_a_return():
    assert metrics.consistency([[NAN, 20.0], [10.0, 20.0]]) == 1.0
    assert metrics.consistency([[10.0, 20.0], [NAN, NAN], [30.0, 20.0]]) == metrics.consistency(
        [[10.0, 20.0], [30.0, 20.0]]
    )
    assert metrics.consistency([[10.0, 20.0]]) == 1.0
    assert math.isnan(metrics.consistency([[NAN]]))


def test_a_zero_denominator_gives_nan():
    assert math.isnan(metrics.sample_efficiency([-1.0, 1.0], [1, 2]))
    assert math.isnan(metrics.training_efficiency([5.0, 5.0], [1, 2], random_mean=5.0))
    assert math.isnan(metrics.stability([0.0, 1.0]))
    assert math.isnan(metrics.stability([3.0]))
    assert math.isnan(metrics.consistency([[1.0], [-1.0]]))


def test_a_session_without_an_episode_has_no_metric():
    values = metrics.session_metrics([100, 200], [NAN, NAN], [1, 2])
    assert tuple(values) == metrics.SESSION_METRICS
    assert all(math.isnan(value) for value in values.values())


def test_session_metrics_names_each_metric():
    values = metrics.session_metrics([100, 200], [10.0, 40.0], [0, 5], random_mean=10.0)
    assert values == {
        "total_reward": 40.0,
        "total_reward_ma": 25.0,
        "strength": 15.0,
        "max_strength": 30.0,
        "final_strength": 30.0,
        "sample_efficiency": (30 / 200) / 30,
        "training_efficiency": (30 / 5) / 30,
        "stability": pytest.approx(NAN, nan_ok=True),
    }
