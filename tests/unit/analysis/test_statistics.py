import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest

from slm.analysis.statistics import interquartile_mean, mean_interval, status, summarise, verdict

NAN = float("nan")


def exact_bca(values: list[float], confidence: float = 0.95) -> tuple[float, float]:
    """BCa bounds of the mean from all n^n resamples (Efron 1987), instead of from random ones."""
    normal = NormalDist()
    means = np.sort([np.mean(resample) for resample in itertools.product(values, repeat=len(values))])
    mean = np.mean(values)
    below = (np.mean(means < mean - 1e-12) + np.mean(means <= mean + 1e-12)) / 2
    bias = normal.inv_cdf(float(below))
    left_out = np.array([np.mean(np.delete(values, i)) for i in range(len(values))])
    deviation = left_out.mean() - left_out
    acceleration = (deviation**3).sum() / (6 * (deviation**2).sum() ** 1.5)
    bounds = []
    for tail in ((1 - confidence) / 2, (1 + confidence) / 2):
        z = bias + normal.inv_cdf(tail)
        level = normal.cdf(bias + z / (1 - acceleration * z))
        bounds.append(float(np.quantile(means, level)))
    return bounds[0], bounds[1]


@pytest.mark.parametrize("values", [[1.0, 2.0, 4.0, 8.0, 16.0, 17.0], [-90.0, -85.5, -81.2, -80.1, -79.9, -83.0]])
def test_interval_is_the_exact_bca_interval(values):
    low, high = exact_bca(values)
    summary = summarise(values)
    tolerance = 0.02 * np.ptp(values)
    assert summary.ci_low == pytest.approx(low, abs=tolerance)
    assert summary.ci_high == pytest.approx(high, abs=tolerance)
    # Skewed values: the interval isn't the symmetric one of a percentile or a t-test.
    assert abs((summary.ci_low + summary.ci_high) / 2 - summary.mean) > tolerance / 4


def test_same_seed_same_interval():
    values = [1.0, 2.0, 4.0, 8.0, 16.0, 17.3, 9.9, 3.3]
    assert summarise(values, seed=3) == summarise(values, seed=3)
    assert summarise(values, seed=3) != summarise(values, seed=4)


def test_one_session_has_no_interval():
    summary = summarise([42.0])
    assert (summary.mean, summary.iqm, summary.min, summary.max, summary.sessions) == (42.0, 42.0, 42.0, 42.0, 1)
    assert math.isnan(summary.ci_low)
    assert math.isnan(summary.ci_high)


def test_identical_sessions_have_an_interval_without_width():
    summary = summarise([500.0] * 4)
    assert (summary.ci_low, summary.ci_high) == (500.0, 500.0)


def test_sessions_that_differ_in_the_last_bit_fall_back_to_percentiles():
    # BCa has no answer here: the jackknife's deviations underflow.
    nearly = np.nextafter(500.0, 0.0)
    summary = summarise([500.0, 500.0, 500.0, nearly])
    assert nearly <= summary.ci_low <= summary.ci_high <= 500.0


def test_nan_sessions_are_counted_and_left_out():
    summary = summarise([10.0, NAN, 20.0, NAN])
    assert (summary.mean, summary.min, summary.max) == (15.0, 10.0, 20.0)
    assert (summary.sessions, summary.nan_sessions) == (2, 2)
    assert (summary.ci_low, summary.ci_high) == (10.0, 20.0)


def test_no_session_has_no_number():
    summary = summarise([NAN])
    assert (summary.sessions, summary.nan_sessions) == (0, 1)
    assert math.isnan(summary.mean)
    assert math.isnan(summary.iqm)


def test_interquartile_mean_drops_a_quarter_at_each_end():
    assert interquartile_mean([100.0, 1.0, 2.0, 4.0]) == 3.0
    assert interquartile_mean([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 1000.0]) == 3.5
    assert interquartile_mean([1.0, 2.0, 9.0]) == 4.0


def test_each_row_of_a_curve_has_the_interval_of_its_own_sessions():
    values = np.array([[NAN, NAN, 5.0], [1.0, 2.0, NAN], [3.0, 3.0, 3.0], [1.0, 5.0, 9.0], [2.0, 6.0, NAN]])
    low, high = mean_interval(values)
    alone = [mean_interval(row[~np.isnan(row)][np.newaxis]) for row in values]
    np.testing.assert_array_equal(low, [bounds[0][0] for bounds in alone])
    np.testing.assert_array_equal(high, [bounds[1][0] for bounds in alone])
    assert math.isnan(low[0])
    assert (low[2], high[2]) == (3.0, 3.0)
    assert low[3] < 5.0 < high[3]


@pytest.mark.parametrize(
    ("score", "ci_low", "ci_high", "published", "random", "expected"),
    [
        (None, NAN, NAN, 500.0, None, "not run"),
        (480.0, 470.0, 490.0, 500.0, None, "below"),
        (510.0, 505.0, 515.0, 500.0, None, "above"),
        (495.0, 480.0, 505.0, 500.0, None, "reproduced"),
        (500.0, 500.0, 500.0, 500.0, None, "reproduced"),
        # Contains the published score, but spans more than 20% of it to each side.
        (400.0, 250.0, 510.0, 500.0, None, "undecided"),
        # Wide as well, yet all of it is below.
        (200.0, 50.0, 400.0, 500.0, None, "below"),
        # From -500 to -80 is a distance of 420: a half-width of 60 is small, of 100 it isn't.
        (-100.0, -180.0, -60.0, -80.0, -500.0, "reproduced"),
        (-100.0, -260.0, -60.0, -80.0, -500.0, "undecided"),
        (42.0, NAN, NAN, 500.0, None, "undecided"),
        (NAN, NAN, NAN, 500.0, None, "undecided"),
        (480.0, 470.0, 490.0, None, None, "undecided"),
    ],
)
def test_verdict(score, ci_low, ci_high, published, random, expected):
    assert verdict(score, ci_low, ci_high, published, random) == expected


@pytest.mark.parametrize(
    ("score", "target", "random", "expected"),
    [
        (400.0, 400.0, 20.0, "✅"),
        (325.0, 400.0, 20.0, "⚠️"),
        (324.0, 400.0, 20.0, "❌"),
        (-99.0, -100.0, -500.0, "✅"),
        (-170.0, -100.0, -500.0, "⚠️"),
        (-190.0, -100.0, -500.0, "❌"),
        (321.0, 400.0, None, "⚠️"),
        (320.0, 400.0, None, "❌"),
        (-119.0, -100.0, None, "⚠️"),
        (-121.0, -100.0, None, "❌"),
        (9.0, 10.0, 50.0, "⚠️"),
        (NAN, 400.0, 20.0, ""),
        (None, 400.0, 20.0, ""),
        (10.0, None, 20.0, ""),
    ],
)
def test_status(score, target, random, expected):
    assert status(score, target, random) == expected
