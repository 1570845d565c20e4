"""Replay memory: the last transitions in preallocated rings, sampled uniformly (Lin 1992; Mnih et al. 2015)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slm.env import Step

RINGS = ("observations", "next_observations", "actions", "rewards", "terminated")


class Replay:
    """Single transitions in arrays of shape (max_size, …); the newest overwrite the oldest.

    ``combined`` is combined experience replay (Zhang & Sutton 2017, arXiv:1712.01275): the transitions that came
    since the last sample take the last places of the batch.
    """

    def __init__(
        self,
        max_size: int,
        batch_size: int,
        observation: tuple[tuple[int, ...], Any],
        action: tuple[tuple[int, ...], Any],
        combined: bool = False,
    ) -> None:
        self.max_size, self.batch_size, self.combined = max_size, batch_size, combined
        self.observations = np.zeros((max_size, *observation[0]), observation[1])
        self.next_observations = np.zeros_like(self.observations)
        self.actions = np.zeros((max_size, *action[0]), action[1])
        self.rewards = np.zeros(max_size, np.float32)
        self.terminated = np.zeros(max_size, bool)
        self.seen = 0
        """Transitions added so far; the next goes to ``seen % max_size``."""
        self._new = 0

    @property
    def size(self) -> int:
        """Transitions held."""
        return min(self.seen, self.max_size)

    def add(self, observations: NDArray[Any], actions: NDArray[Any], step: Step) -> None:
        """Remember one step of N environments as N transitions."""
        count = len(actions)
        places = np.arange(self.seen, self.seen + count) % self.max_size
        self.observations[places] = observations
        self.next_observations[places] = step.next_observations
        self.actions[places] = actions
        self.rewards[places] = step.rewards
        self.terminated[places] = step.terminated
        self.seen += count
        self._new += count

    def sample(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Places (batch_size,) of transitions drawn with replacement."""
        return self._with_newest(rng.integers(self.size, size=self.batch_size))

    def _with_newest(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Put the transitions that came since the last sample in the last places, oldest first."""
        if self.combined:
            count = min(self._new, self.batch_size)
            if count:
                places[-count:] = np.arange(self.seen - count, self.seen) % self.max_size
        self._new = 0
        return places

    def state(self) -> dict[str, Any]:
        rings = {name: getattr(self, name)[: self.size].copy() for name in RINGS}
        return {"rings": rings, "seen": self.seen, "new": self._new}

    def restore(self, state: dict[str, Any]) -> None:
        self.seen, self._new = state["seen"], state["new"]
        for name in RINGS:
            getattr(self, name)[: self.size] = state["rings"][name]
