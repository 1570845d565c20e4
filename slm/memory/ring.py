"""Rows of several named values in preallocated arrays, of which a fixed number is held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slm.errors import UserError
from slm.memory.rows import Rows, window

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
        self.record = np.dtype([(name, kind, shape) for name, (shape, kind) in layout.items()])
        self.seen = 0
        """Rows stored so far; the next goes to ``seen % max_size``."""
        self._new = 0

    @property
    def size(self) -> int:
        """Rows held."""
        return min(self.seen, self.max_size)

    @property
    def first(self) -> int:
        """Number of the oldest row held, counted from the first that was stored."""
        return self.seen - self.size

    @property
    def end(self) -> int:
        """Number of the row that is stored next."""
        return self.seen

    def numbers(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers (B,) of the rows at places (B,)."""
        return self.seen - 1 - (self.seen - 1 - places) % self.max_size

    def store(self, **rows: NDArray[Any]) -> None:
        """Keep rows, given as one array (K, …) for each ring."""
        count = len(next(iter(rows.values())))
        taken = window(self.seen, self.seen + count, self.max_size)
        for name, values in rows.items():
            self.rings[name][taken] = values
        self.seen += count
        self._new += count

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

    def journaled(self) -> dict[str, Rows]:
        """What `state` leaves out, by name."""
        return {"transitions": self}

    def read(self, first: int, end: int) -> NDArray[Any]:
        """Copies of the rows first … end − 1 as records (K,)."""
        held, records = window(first, end, self.max_size), np.empty(end - first, self.record)
        for name, ring in self.rings.items():
            records[name] = ring[held]
        return records

    def write(self, first: int, records: NDArray[Any]) -> None:
        """Put records (K,), which `read` made, in their places; ``first`` is the number of the first."""
        held = window(first, first + len(records), self.max_size)
        for name, ring in self.rings.items():
            ring[held] = records[name]

    def state(self) -> dict[str, Any]:
        return {"seen": self.seen, "new": self._new}

    def restore(self, state: dict[str, Any]) -> None:
        self.seen, self._new = state["seen"], state["new"]
