"""Rows that come in at one end and go at the other: what a checkpoint has to write of them are the new ones."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Rows(Protocol):
    """Rows numbered from 0, of which a window is held."""

    record: np.dtype[Any]
    """Type of a row."""

    @property
    def first(self) -> int:
        """Number of the oldest row held."""

    @property
    def end(self) -> int:
        """Number that the next row will have."""

    def read(self, first: int, end: int) -> NDArray[Any]:
        """Copies of the rows first … end − 1 as records (K,)."""

    def write(self, first: int, records: NDArray[Any]) -> None:
        """Put records (K,), which `read` made, in their places; ``first`` is the number of the first."""


def window(first: int, end: int, size: int) -> slice | NDArray[np.int64]:
    """Where the rows first … end − 1 lie in a ring of that size; a slice, which is faster, unless they wrap around."""
    start, stop = first % size, first % size + end - first
    return slice(start, stop) if stop <= size else np.arange(first, end) % size


def aligned(shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
    """Zeros at an address that is a multiple of 64, as torch's are: how a product of matrices adds may depend on it."""
    size = math.prod(shape) * np.dtype(kind).itemsize
    memory = np.zeros(size + 63, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(kind).reshape(shape)


class Queue:
    """Rows in an array that grows where it must: as long as the most rows that were ever held, rounded up."""

    def __init__(self, shape: tuple[int, ...], kind: Any) -> None:
        """``shape`` and ``kind`` are those of one row."""
        self.record = np.dtype([("row", kind, shape)])
        self.first = self.end = 0
        self._rows = np.zeros((1, *shape), kind)

    def __getitem__(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """Rows (K, …) of the given numbers (K,)."""
        return self._rows[numbers % len(self._rows)]

    def append(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        """Keep rows (K, …). Returns their numbers (K,)."""
        numbers = np.arange(self.end, self.end + len(rows))
        self._make_room(self.end + len(rows))
        self._rows[numbers % len(self._rows)] = rows
        self.end += len(rows)
        return numbers

    def drop(self, before: int) -> None:
        """Forget the rows with lower numbers."""
        self.first = max(self.first, before)

    def _make_room(self, end: int) -> None:
        size = len(self._rows)
        while end - self.first > size:
            size *= 2
        if size > len(self._rows):
            held = np.arange(self.first, self.end)
            rows = np.zeros((size, *self._rows.shape[1:]), self._rows.dtype)
            rows[held % size] = self._rows[held % len(self._rows)]
            self._rows = rows

    def read(self, first: int, end: int) -> NDArray[Any]:
        records = np.empty(end - first, self.record)
        records["row"] = self[np.arange(first, end)]
        return records

    def write(self, first: int, records: NDArray[Any]) -> None:
        self._rows[np.arange(first, first + len(records)) % len(self._rows)] = records["row"]

    def state(self) -> dict[str, int]:
        """Which rows are held; the rows themselves are for `read`."""
        return {"first": self.first, "end": self.end}

    def restore(self, state: dict[str, int]) -> None:
        """Hold rows of the same numbers; `write` brings what is in them."""
        self.first, self.end = state["first"], state["end"]
        self._make_room(self.end)
