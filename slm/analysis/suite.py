"""Statistics of a suite: algorithms compared over environments by normalised scores (Agarwal et al. 2021).

Everywhere: the scores of an algorithm are a mapping environment -> normalised scores (sessions,), without NaN; the
number of sessions may differ between environments. 0 is random play, 1 the published score of the algorithm on the
environment, unless `normalise` is given another top. Intervals are 95% percentile intervals of a stratified bootstrap:
sessions are resampled within each environment. The same seed gives the same bounds.

scipy is imported inside the functions that need it, as in `slm.analysis.statistics`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slm.analysis.statistics import CONFIDENCE

RESAMPLES = 1_999

Scores = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Estimate:
    """A number, or one a threshold, with the bounds of its interval; the bounds are NaN where sessions don't vary."""

    value: Any
    low: Any
    high: Any


def normalise(scores: ArrayLike, random: float, top: float) -> NDArray[np.float64]:
    """Scores (sessions,) on the scale from `random`, 0, to `top`, 1, NaN ones left out.

    Raises ValueError where the two are the same.
    """
    if random == top:
        raise ValueError(f"no scale from {random} to {top}")
    values = np.asarray(scores, dtype=np.float64)
    return (values[~np.isnan(values)] - random) / (top - random)


def aggregate_iqm(scores: Scores) -> Estimate:
    """Interquartile mean over all sessions on all environments, each environment with the same weight."""
    values = list(scores.values())
    return _estimate(float(_pooled_iqm(*values)), values, _pooled_iqm)


def aggregate_mean(scores: Scores) -> Estimate:
    """Mean over environments of the means over sessions."""

    def mean(*samples: NDArray[np.float64], axis: int = -1) -> Any:
        return np.mean([sample.mean(axis=axis) for sample in samples], axis=0)

    values = list(scores.values())
    return _estimate(float(mean(*values)), values, mean)


def performance_profile(scores: Scores, thresholds: NDArray[np.float64]) -> Estimate:
    """Fraction of sessions with a score above each threshold, averaged over environments: arrays (thresholds,)."""

    def profile(*samples: NDArray[np.float64], axis: int = -1) -> Any:
        return np.stack(
            [
                np.mean([np.mean(sample > threshold, axis=axis) for sample in samples], axis=0)
                for threshold in thresholds
            ]
        )

    values = list(scores.values())
    return _estimate(profile(*values), values, profile)


def probability_of_improvement(x: Scores, y: Scores) -> Estimate | None:
    """How probable it is that a session of X beats one of Y on the same environment, averaged over those of both.

    A tie counts half (the Mann-Whitney statistic over the number of pairs). None without a common environment.
    """
    common = [env for env in x if env in y]
    if not common:
        return None

    def improvement(*samples: NDArray[np.float64], axis: int = -1) -> Any:
        ours, theirs = samples[: len(common)], samples[len(common) :]
        return np.mean([_beats(a, b) for a, b in zip(ours, theirs, strict=True)], axis=0)

    values = [x[env] for env in common] + [y[env] for env in common]
    return _estimate(float(improvement(*values)), values, improvement)


def ranks(scores: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Rank of each algorithm on each environment, 1 for the highest score, the mean rank at a tie.

    `scores`: algorithm -> environment -> score (not normalised: within an environment all have the same unit), NaN
    where there is none. An environment with a single algorithm ranks nobody.
    """
    from scipy import stats

    found: dict[str, dict[str, float]] = {algorithm: {} for algorithm in scores}
    for env in dict.fromkeys(env for by_env in scores.values() for env in by_env):
        present = {name: by_env[env] for name, by_env in scores.items() if not np.isnan(by_env.get(env, np.nan))}
        if len(present) < 2:
            continue
        for name, rank in zip(present, stats.rankdata([-score for score in present.values()]), strict=True):
            found[name][env] = float(rank)
    return found


def iqm_curve(curves: Mapping[str, NDArray[np.float64]]) -> Estimate:
    """`aggregate_iqm` at each point of a grid: arrays (points,).

    `curves`: environment -> normalised returns (sessions, points), without NaN.
    """
    # scipy resamples along the last axis: a point is a row, so that all points share their resamples.
    values = [curve.T for curve in curves.values()]
    return _estimate(_pooled_iqm(*values), values, _pooled_iqm)


def _pooled_iqm(*samples: NDArray[np.float64], axis: int = -1) -> Any:
    """Mean of the middle half of all samples (…, sessions), of whose weight each sample has an equal share.

    With as many sessions in each it is rliable's, which cuts off whole sessions; else a session may count in part.
    """
    from scipy import stats

    assert axis == -1, "scipy resamples along the last axis"
    pooled, sizes = np.concatenate(samples, axis=-1), [sample.shape[-1] for sample in samples]
    if len(set(sizes)) == 1:
        return stats.trim_mean(pooled, 0.25, axis=-1)
    order = np.argsort(pooled, axis=-1)
    weights = np.repeat([1 / (len(sizes) * size) for size in sizes], sizes)[order]
    ends = np.cumsum(weights, axis=-1)
    inside = np.clip(ends, 0.25, 0.75) - np.clip(ends - weights, 0.25, 0.75)
    return np.sum(np.take_along_axis(pooled, order, axis=-1) * inside, axis=-1) / np.sum(inside, axis=-1)


def _beats(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the pairs of x (…, n) and y (…, m) in which x is larger: (…)."""
    difference = x[..., :, np.newaxis] - y[..., np.newaxis, :]
    return np.asarray(((np.sign(difference) + 1) / 2).mean(axis=(-2, -1)))


def _estimate(value: Any, samples: Sequence[NDArray[np.float64]], statistic: Callable[..., Any]) -> Estimate:
    """The value with the interval of a statistic over independently resampled samples.

    A sample of one session can't be resampled: it stays as it is, and without another one there is no interval.
    """
    from scipy import stats

    varied = [i for i, sample in enumerate(samples) if sample.shape[-1] > 1]
    if not varied:
        nothing = np.full_like(np.asarray(value, dtype=np.float64), np.nan)
        return Estimate(value, nothing, nothing) if nothing.ndim else Estimate(value, np.nan, np.nan)

    def of_varied(*resampled: NDArray[np.float64], axis: int = -1) -> Any:
        shape = resampled[0].shape[:-1]
        # scipy puts the resamples before the last axis, also of those samples that stay as they are.
        parts = [sample[..., np.newaxis, :] if len(shape) == sample.ndim else sample for sample in samples]
        for i, part in zip(varied, resampled, strict=True):
            parts[i] = part
        return statistic(*(np.broadcast_to(part, (*shape, part.shape[-1])) for part in parts), axis=axis)

    interval = stats.bootstrap(
        [samples[i] for i in varied], of_varied, axis=-1, vectorized=True, n_resamples=RESAMPLES, batch=500,
        confidence_level=CONFIDENCE, method="percentile", rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return Estimate(value, interval.low, interval.high)
