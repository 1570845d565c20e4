"""Statistics of a trial's sessions, and the judgement of its score against the target and the published score.

scipy is imported inside the functions that need it: its import takes most of a second, and tables don't need it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
RESAMPLES = 9_999
# A curve has hundreds of rows: fewer resamples are enough for a band that is only looked at.
BAND_RESAMPLES = 1_999
# An interval whose half-width is above this fraction of the distance from the random to the published score is too
# wide to call the score reproduced, even if the published one lies in it.
WIDEST_HALF_WIDTH = 0.2
# How much of the way from random to target counts as nearly there.
NEARLY = 0.8

Verdict = Literal["reproduced", "above", "below", "undecided", "not run"]
Status = Literal["✅", "⚠️", "❌", ""]


@dataclass(frozen=True)
class Summary:
    """Statistics of one score a session; every number is NaN if no session has a score."""

    mean: float
    ci_low: float
    ci_high: float
    iqm: float
    min: float
    max: float
    sessions: int
    """Sessions with a score: those that the numbers rest on."""
    nan_sessions: int
    """Sessions without a score (no episode finished): left out, never counted as zero."""


def summarise(scores: ArrayLike, seed: int = 0) -> Summary:
    """Mean, 95% bootstrap interval, interquartile mean and range of `scores` (sessions,), NaN ones left out."""
    values = np.asarray(scores, dtype=np.float64)
    scored = values[~np.isnan(values)]
    if scored.size == 0:
        nan = float("nan")
        return Summary(nan, nan, nan, nan, nan, nan, sessions=0, nan_sessions=values.size)
    low, high = mean_interval(scored[np.newaxis], seed, RESAMPLES)
    return Summary(
        mean=float(scored.mean()),
        ci_low=float(low[0]),
        ci_high=float(high[0]),
        iqm=interquartile_mean(scored),
        min=float(scored.min()),
        max=float(scored.max()),
        sessions=scored.size,
        nan_sessions=values.size - scored.size,
    )


def interquartile_mean(scores: ArrayLike) -> float:
    """Mean of the middle half of `scores` (sessions,) as in Agarwal et al. 2021; with fewer than 4, the mean."""
    from scipy import stats

    return float(stats.trim_mean(np.asarray(scores, dtype=np.float64), proportiontocut=0.25))


def mean_interval(
    values: NDArray[np.float64], seed: int = 0, resamples: int = BAND_RESAMPLES
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper bounds (rows,) of the 95% bootstrap interval of each row's mean; `values` is (rows, sessions).

    Sessions are resampled. A row's NaN values are left out: with one value left the bounds are NaN, with equal values
    they are that value. The method is BCa (Efron 1987), and the percentile method in rows where BCa has no answer.
    The same seed gives the same bounds.
    """
    low = np.full(len(values), np.nan)
    high = np.full(len(values), np.nan)
    present = ~np.isnan(values)
    # Rows that lack the same sessions form one block, so that each block is one vectorised bootstrap.
    for pattern in np.unique(present, axis=0):
        if pattern.sum() < 2:
            continue
        rows = np.flatnonzero((present == pattern).all(axis=1))
        block = values[np.ix_(rows, np.flatnonzero(pattern))]
        low[rows], high[rows] = _bootstrap(block, seed, resamples)
    return low, high


def _bootstrap(
    block: NDArray[np.float64], seed: int, resamples: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """mean_interval for a block (rows, sessions) without NaN and with at least 2 sessions."""
    low, high = block[:, 0].copy(), block[:, 0].copy()
    open_rows = np.flatnonzero(np.ptp(block, axis=1) > 0)
    methods: tuple[Literal["BCa", "percentile"], ...] = ("BCa", "percentile")
    for method in methods:
        if open_rows.size == 0:
            break
        low[open_rows], high[open_rows] = _scipy_interval(block[open_rows], method, seed, resamples)
        open_rows = open_rows[np.isnan(low[open_rows]) | np.isnan(high[open_rows])]
    return low, high


def _scipy_interval(
    block: NDArray[np.float64], method: Literal["BCa", "percentile"], seed: int, resamples: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy import stats

    with warnings.catch_warnings():
        # A degenerate BCa row comes back as NaN, which the caller answers with the percentile method.
        warnings.filterwarnings("ignore", category=stats.DegenerateDataWarning)
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        interval = stats.bootstrap(
            (block,),
            np.mean,
            axis=-1,
            vectorized=True,
            n_resamples=resamples,
            batch=500,
            confidence_level=CONFIDENCE,
            method=method,
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return np.asarray(interval.low), np.asarray(interval.high)


def verdict(
    score: float | None, ci_low: float, ci_high: float, published: float | None, random: float | None = None
) -> Verdict:
    """Whether a score, with the interval of its mean, reproduces the published one.

    - `not run`: the score is None (no session).
    - `below`, `above`: the whole interval lies below, or above, the published score.
    - `reproduced`: the interval contains the published score, and its half-width is at most 20% of the distance from
      the random to the published score (of the published score's magnitude where `random` is None).
    - `undecided`: everything else: no interval (NaN: one session, or none with a score), nothing published, or an
      interval that contains the published score only because it is wide.
    """
    if score is None:
        return "not run"
    if published is None or np.isnan(score) or np.isnan(ci_low) or np.isnan(ci_high):
        return "undecided"
    if ci_high < published:
        return "below"
    if ci_low > published:
        return "above"
    distance = abs(published if random is None else published - random)
    return "reproduced" if (ci_high - ci_low) / 2 <= WIDEST_HALF_WIDTH * distance else "undecided"


def status(score: float | None, target: float | None, random: float | None = None) -> Status:
    """✅ target reached, ⚠️ over 80% of the way from random to target, ❌ not; empty without a score or a target.

    Where `random` is None (or isn't below the target), ⚠️ means that the score falls short of the target by less than
    20% of the target's magnitude: above 320 for a target of 400, above -120 for one of -100.
    """
    if score is None or target is None or np.isnan(score):
        return ""
    if score >= target:
        return "✅"
    distance = abs(target) if random is None or random >= target else target - random
    return "⚠️" if score > target - (1 - NEARLY) * distance else "❌"
