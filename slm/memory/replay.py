"""Replay memory: the last transitions in preallocated rings, sampled uniformly (Lin 1992; Mnih et al. 2015)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slm.env import Step
from slm.errors import UserError

Layout = Mapping[str, tuple[tuple[int, ...], Any]]
"""Name → (shape, type) of one row."""


@contextmanager
def allocation(max_size: int) -> Iterator[None]:
    """Make a replay memory in here: raises UserError where it is larger than the machine allows."""
    try:
        yield
    except (MemoryError, OverflowError, ValueError) as error:  # NumPy raises one or another, by the size
        raise UserError(f"agent.memory.max_size: {max_size} transitions don't fit in memory: {error}") from error


class Ring:
    """Rows of several named values in arrays of shape (max_size, …); the newest overwrite the oldest.

    ``combined`` is combined experience replay (Zhang & Sutton 2017, arXiv:1712.01275): the rows that came since the
    last sample take the last places of the batch.
    """

    def __init__(self, max_size: int, batch_size: int, layout: Layout, combined: bool = False) -> None:
        self.max_size, self.batch_size, self.combined = max_size, batch_size, combined
        self.rings: dict[str, NDArray[Any]] = {
            name: np.zeros((max_size, *shape), kind) for name, (shape, kind) in layout.items()
        }
        self.seen = 0
        """Rows stored so far; the next goes to ``seen % max_size``."""
        self._new = 0

    @property
    def size(self) -> int:
        """Rows held."""
        return min(self.seen, self.max_size)

    def store(self, **rows: NDArray[Any]) -> NDArray[np.int64]:
        """Keep rows, given as one array (K, …) for each ring. Returns their places (K,)."""
        count = len(next(iter(rows.values())))
        places = np.arange(self.seen, self.seen + count) % self.max_size
        for name, values in rows.items():
            self.rings[name][places] = values
        self.seen += count
        self._new += count
        return places

    def sample(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Places (batch_size,) of rows drawn with replacement."""
        return self._with_newest(rng.integers(self.size, size=self.batch_size))

    def _with_newest(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Put the rows that came since the last sample in the last places, oldest first."""
        if self.combined:
            count = min(self._new, self.batch_size)
            if count:
                places[-count:] = np.arange(self.seen - count, self.seen) % self.max_size
        self._new = 0
        return places

    def state(self) -> dict[str, Any]:
        rings = {name: ring[: self.size].copy() for name, ring in self.rings.items()}
        return {"rings": rings, "seen": self.seen, "new": self._new}

    def restore(self, state: dict[str, Any]) -> None:
        self.seen, self._new = state["seen"], state["new"]
        for name, ring in self.rings.items():
            ring[: self.size] = state["rings"][name]


class Replay(Ring):
    """Single transitions."""

    def __init__(
        self,
        max_size: int,
        batch_size: int,
        observation: tuple[tuple[int, ...], Any],
        action: tuple[tuple[int, ...], Any],
        combined: bool = False,
        **kwargs: Any,
    ) -> None:
        """``observation`` and ``action`` are the (shape, type) of one environment's."""
        layout: Layout = {
            "observations": observation,
            "next_observations": observation,
            "actions": action,
            "rewards": ((), np.float32),
            "terminated": ((), np.bool_),
        }
        super().__init__(max_size, batch_size, layout, combined, **kwargs)
        self.observations, self.next_observations = self.rings["observations"], self.rings["next_observations"]
        self.actions, self.rewards, self.terminated = (self.rings[k] for k in ("actions", "rewards", "terminated"))

    def add(self, observations: NDArray[Any], actions: NDArray[Any], step: Step) -> None:
        """Remember one step of N environments as N transitions."""
        self.store(
            observations=observations, next_observations=step.next_observations, actions=actions,
            rewards=step.rewards, terminated=step.terminated,
        )  # fmt: skip
