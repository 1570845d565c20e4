"""Metrics of a session and of a trial: pure functions on one row per checkpoint.

Everywhere: `total_reward`, `frame` and `opt_step` have shape (rows,); rows whose total_reward is NaN (no episode has
finished yet) count nowhere; `random_mean` is the mean return of a random agent, 0 where it isn't known. The metrics
measure the gain s_i = total_reward_i - random_mean, with SLM Lab's definitions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOVING_AVERAGE_ROWS = 100
SESSION_METRICS = (
    "total_reward",
    "total_reward_ma",
    "strength",
    "max_strength",
    "final_strength",
    "sample_efficiency",
    "training_efficiency",
    "stability",
)


def total_reward_ma(total_reward: ArrayLike) -> float:
    """The headline score: mean over the last (at most) 100 rows, NaN rows among them skipped; NaN if all are."""
    rows = np.asarray(total_reward, dtype=np.float64)[-MOVING_AVERAGE_ROWS:]
    return _mean(rows[~np.isnan(rows)])


def strength(total_reward: ArrayLike, random_mean: float = 0.0) -> float:
    """Mean gain over the session; NaN without a row."""
    return _mean(_gain(total_reward, random_mean))


def max_strength(total_reward: ArrayLike, random_mean: float = 0.0) -> float:
    """Largest gain of the session; NaN without a row."""
    gain = _gain(total_reward, random_mean)
    return float(gain.max()) if gain.size else float("nan")


def final_strength(total_reward: ArrayLike, random_mean: float = 0.0) -> float:
    """Gain of the last row; NaN without a row."""
    gain = _gain(total_reward, random_mean)
    return float(gain[-1]) if gain.size else float("nan")


def sample_efficiency(total_reward: ArrayLike, frame: ArrayLike, random_mean: float = 0.0) -> float:
    """Sum of s_i / frame_i over the sum of s_i, per frame: large if gains come early. NaN where the sum of s_i is 0."""
    return _efficiency(total_reward, frame, random_mean)


def training_efficiency(total_reward: ArrayLike, opt_step: ArrayLike, random_mean: float = 0.0) -> float:
    """Like sample_efficiency per optimizer step. Rows before the first step drop out of the numerator alone."""
    return _efficiency(total_reward, opt_step, random_mean)


def stability(total_reward: ArrayLike, random_mean: float = 0.0) -> float:
    """1 - |sum of the drops min(s_{i+1} - s_i, 0) / sum of s_i, i < n|. NaN where that sum is 0 or has no term."""
    gain = _gain(total_reward, random_mean)
    return 1.0 - abs(_ratio(float(np.minimum(np.diff(gain), 0.0).sum()), float(gain[:-1].sum())))


def consistency(total_rewards: Sequence[ArrayLike], random_mean: float = 0.0) -> float:
    """Agreement of a trial's sessions: 1 - 2 sum_i std_j(s_ij) / sum_i mean_j(s_ij), std with n - 1.

    `total_rewards` holds one array (rows,) per session; they are cut to the shortest, and rows that are NaN in one
    session drop out. Sessions that are NaN throughout don't take part. 1 for a single session, NaN for none and where
    the denominator is 0.
    """
    arrays = [np.asarray(rewards, dtype=np.float64) for rewards in total_rewards]
    arrays = [rewards for rewards in arrays if not np.isnan(rewards).all()]
    if len(arrays) < 2:
        return 1.0 if arrays else float("nan")
    shortest = min(rewards.size for rewards in arrays)
    gain = np.stack([rewards[:shortest] for rewards in arrays]) - random_mean
    gain = gain[:, ~np.isnan(gain).any(axis=0)]
    return 1.0 - 2.0 * _ratio(float(gain.std(axis=0, ddof=1).sum()), float(gain.mean(axis=0).sum()))


def session_metrics(
    frame: ArrayLike, total_reward: ArrayLike, opt_step: ArrayLike, random_mean: float = 0.0
) -> dict[str, float]:
    """All scalars of a finished session by name (SESSION_METRICS); `total_reward` is that of the last row."""
    rewards = np.asarray(total_reward, dtype=np.float64)
    values = (
        float(rewards[-1]) if rewards.size else float("nan"),
        total_reward_ma(rewards),
        strength(rewards, random_mean),
        max_strength(rewards, random_mean),
        final_strength(rewards, random_mean),
        sample_efficiency(rewards, frame, random_mean),
        training_efficiency(rewards, opt_step, random_mean),
        stability(rewards, random_mean),
    )
    return dict(zip(SESSION_METRICS, values, strict=True))


def why_undefined(metrics: Mapping[str, float], total_reward: ArrayLike) -> dict[str, str]:
    """The reason for each of a session's metrics (as of `session_metrics`) that is NaN."""
    rewards = np.asarray(total_reward, dtype=np.float64)
    returns = int((~np.isnan(rewards)).sum())
    reasons = {
        "sample_efficiency": "the gains sum to 0",
        "training_efficiency": "the gains sum to 0",
        "stability": "only one checkpoint has a return" if returns == 1 else "the gains before the last one sum to 0",
    }
    undefined = [name for name, value in metrics.items() if np.isnan(value)]
    return {name: reasons[name] if returns else "no episode has finished" for name in undefined}


def why_consistency_undefined(total_rewards: Sequence[ArrayLike]) -> str:
    """The reason for a consistency that is NaN; sessions as in `consistency`."""
    if all(np.isnan(np.asarray(rewards, dtype=np.float64)).all() for rewards in total_rewards):
        return "no session has finished an episode"
    return "no checkpoint has a return in all sessions, or their mean gains sum to 0"


def _gain(total_reward: ArrayLike, random_mean: float) -> NDArray[np.float64]:
    rewards = np.asarray(total_reward, dtype=np.float64)
    return rewards[~np.isnan(rewards)] - random_mean


def _efficiency(total_reward: ArrayLike, effort: ArrayLike, random_mean: float) -> float:
    rewards = np.asarray(total_reward, dtype=np.float64)
    gain = _gain(rewards, random_mean)
    spent = np.asarray(effort, dtype=np.float64)[~np.isnan(rewards)]
    paid = np.isfinite(spent) & (spent != 0)
    return _ratio(float((gain[paid] / spent[paid]).sum()), float(gain.sum()))


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else float("nan")


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator != 0 else float("nan")
