"""The last few observations of each environment, for networks that read sequences."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

Observations = NDArray[Any]


class ObservationHistory:
    """The last ``length`` observations of N environments (N, length, …), oldest first; zeros before an episode's start.

    What a recurrent network would carry from step to step is so part of the observation: a replayed transition is
    complete, and the network stays a function of its input.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self._last: Observations = np.zeros(0)

    def space(self, space: gym.spaces.Box) -> gym.spaces.Box:
        """The space of sequences of observations."""
        low, high = (np.stack([bound] * self.length) for bound in (space.low, space.high))
        return gym.spaces.Box(np.minimum(low, 0), np.maximum(high, 0), dtype=space.dtype.type)

    def reset(self, first: Observations) -> Observations:
        """Begin new episodes with the observations (N, …); returns the sequences (N, length, …)."""
        self._last = np.zeros((len(first), self.length, *first.shape[1:]), first.dtype)
        self._last[:, -1] = first
        return self._last

    def step(
        self, observations: Observations, successors: Observations, done: NDArray[np.bool_]
    ) -> tuple[Observations, Observations]:
        """Go on by one step; returns the sequences to act on, and those of the true successors.

        Where an episode ended (``done``, (N,)) the former begin with the new episode's first observation, the latter
        end with the old one's last.
        """
        ended = np.concatenate([self._last[:, 1:], successors[:, None]], axis=1)
        self._last = ended
        if done.any():
            self._last = ended.copy()
            self._last[done] = 0
            self._last[done, -1] = observations[done]
        return self._last, ended

    def state(self) -> Observations:
        return self._last.copy()

    def restore(self, state: Observations) -> None:
        self._last = np.array(state)
