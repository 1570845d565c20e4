"""Replay memory: the last transitions in preallocated rings, sampled uniformly (Lin 1992; Mnih et al. 2015)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slm.env import Step
from slm.memory.observations import Observations
from slm.memory.ring import Layout, Ring
from slm.memory.rows import Rows, aligned, window


class Replay(Ring):
    """Single transitions."""

    def __init__(
        self,
        max_size: int,
        batch_size: int,
        num_envs: int,
        observation: tuple[tuple[int, ...], Any],
        action: tuple[tuple[int, ...], Any],
        combined: bool = False,
        stacked: int | None = None,
        **kwargs: Any,
    ) -> None:
        """``observation`` and ``action`` are the (shape, type) of one environment's; see `Observations`."""
        layout: Layout = {
            "actions": action,
            "rewards": ((), np.float32),
            "terminated": ((), np.bool_),
            "finals": ((), np.int64),
        }
        super().__init__(max_size, batch_size, layout, combined, **kwargs)
        self.observations = Observations(max_size, num_envs, observation, stacked)
        self._observation = observation
        self._batch: dict[str, NDArray[Any]] = {}

    def add(self, observations: NDArray[Any], actions: NDArray[Any], step: Step) -> None:
        """Remember one step of N environments as N transitions; its ``observations`` are what the last one led to."""
        count = len(observations)
        if self.seen >= self.max_size:
            gone = self.rings["finals"][window(self.seen, self.seen + count, self.max_size)]
            self.observations.finals.drop(int(gone.max()) + 1)
        finals = self.observations.add(observations, step)
        self.store(actions=actions, rewards=step.rewards, terminated=step.terminated, finals=finals)

    def transitions(self, places: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """The transitions at places (B,): ``observations``, ``actions``, ``rewards``, ``terminated`` and
        ``next_observations``, (B, …) each. The next call with as many places writes to the same arrays.
        """
        if len(places) != len(self._batch.get("rewards", ())):
            self._batch = self._arrays(len(places))
        batch, numbers, finals = self._batch, self.numbers(places), self.rings["finals"][places]
        self.observations.get(numbers, batch["observations"])
        self.observations.get_successors(numbers, finals, batch["observations"], batch["next_observations"])
        for name in ("actions", "rewards", "terminated"):
            self.rings[name].take(places, axis=0, out=batch[name], mode="clip")
        return batch

    def _arrays(self, count: int) -> dict[str, NDArray[Any]]:
        def like(ring: NDArray[Any]) -> NDArray[Any]:
            return aligned((count, *ring.shape[1:]), ring.dtype)

        shape, kind = self._observation
        return {
            "observations": aligned((count, *shape), kind),
            **{name: like(self.rings[name]) for name in ("actions", "rewards", "terminated")},
            "next_observations": aligned((count, *shape), kind),
        }

    def journaled(self) -> dict[str, Rows]:
        return {**super().journaled(), **self.observations.journaled()}

    def state(self) -> dict[str, Any]:
        return {**super().state(), "observations": self.observations.state()}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.observations.restore(state["observations"])
