"""Running statistics over environments: episode returns, and normalisation of observations and rewards."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

EPISODES = 100
"""How many of the last finished episodes the score averages."""


class EpisodeStatistics:
    """Returns of episodes in unscaled reward, over all environments of a vector."""

    def __init__(self, num_envs: int) -> None:
        self._running = np.zeros(num_envs)
        self._finished: deque[float] = deque(maxlen=EPISODES)
        self.episodes = 0
        """Episodes finished so far."""

    def add(self, rewards: NDArray[Any], done: NDArray[np.bool_]) -> None:
        """Account for one step: rewards (N,) and which episodes it ended (N,)."""
        self._running += rewards
        if np.count_nonzero(done):
            self._finished.extend(self._running[done].tolist())
            self.episodes += int(done.sum())
            self._running[done] = 0.0

    @property
    def total_reward(self) -> float:
        """Mean return of the last 100 finished episodes; NaN before the first."""
        return float(np.mean(self._finished)) if self._finished else float("nan")

    def state(self) -> dict[str, Any]:
        return {"running": self._running.copy(), "finished": list(self._finished), "episodes": self.episodes}

    def restore(self, state: dict[str, Any]) -> None:
        self._running[:] = state["running"]
        self._finished = deque(state["finished"], maxlen=EPISODES)
        self.episodes = state["episodes"]


class RunningMoments:
    """Mean and variance of all rows seen, by the parallel algorithm of Chan, Golub & LeVeque (1979)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.mean = np.zeros(shape)
        self.variance = np.ones(shape)
        self.count = 0

    def update(self, rows: NDArray[Any]) -> None:
        """Account for a batch of rows (B, *shape)."""
        batch_mean, batch_variance, batch_count = rows.mean(axis=0), rows.var(axis=0), len(rows)
        total = self.count + batch_count
        delta = batch_mean - self.mean
        between = delta**2 * self.count * batch_count / total
        self.variance = (self.variance * self.count + batch_variance * batch_count + between) / total
        self.mean = self.mean + delta * batch_count / total
        self.count = total

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Standard deviation, never zero."""
        return np.sqrt(self.variance + 1e-8)

    def state(self) -> dict[str, Any]:
        # np.array: the moments of scalars are NumPy scalars by now, which checkpoints don't hold.
        return {"mean": np.array(self.mean), "variance": np.array(self.variance), "count": self.count}

    def restore(self, state: dict[str, Any]) -> None:
        self.mean, self.variance, self.count = np.array(state["mean"]), np.array(state["variance"]), state["count"]


class RewardScale:
    """Divides rewards by the standard deviation of the running discounted return (Engstrom et al. 2020, appendix A)."""

    def __init__(self, num_envs: int, gamma: float) -> None:
        self._gamma = gamma
        self._returns = np.zeros(num_envs)
        self._moments = RunningMoments(())

    def __call__(self, rewards: NDArray[Any], terminated: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Scaled rewards (N,) of one step."""
        self._returns = self._returns * self._gamma * (1.0 - terminated) + rewards
        self._moments.update(self._returns)
        return rewards / self._moments.deviation

    def state(self) -> dict[str, Any]:
        return {"returns": self._returns.copy(), "moments": self._moments.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self._returns = np.array(state["returns"])
        self._moments.restore(state["moments"])
