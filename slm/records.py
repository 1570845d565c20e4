"""The tables that a session writes as it goes: train.csv, eval.csv, timing.csv."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

WINDOW = 100
"""How many of the last rows `MovingAverage` takes."""


class Table:
    """A CSV file that grows by whole rows; numbers are written so that they read back to the same value."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.columns = path, list(columns)
        self._file: IO[str] | None = None

    def start(self) -> None:
        """Begin with the header alone."""
        self._file = self.path.open("w", newline="")
        self._file.write(",".join(self.columns) + "\n")

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row with a value for each column."""
        assert self._file is not None
        self._file.write(",".join(_text(row[column]) for column in self.columns) + "\n")

    def sync(self) -> int:
        """Bring all rows to disk. Returns the file's length in bytes."""
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def resume(self, length: int) -> None:
        """Go on after the first ``length`` bytes. Raises OSError or ValueError where the file has fewer."""
        self._file = self.path.open("r+", newline="")
        if self.path.stat().st_size < length:
            raise ValueError(f"{self.path} is shorter than the checkpoint says")
        self._file.truncate(length)
        self._file.seek(length)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class MovingAverage:
    """Mean of the last 100 values, without those that are NaN; NaN where there is none."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=WINDOW)

    def add(self, value: float) -> float:
        """Add a value; returns the mean that includes it."""
        self._last.append(value)
        known = [value for value in self._last if value == value]
        return float(np.mean(known)) if known else float("nan")

    def state(self) -> list[float]:
        return list(self._last)

    def restore(self, state: Sequence[float]) -> None:
        self._last = deque(state, maxlen=WINDOW)


def _text(value: Any) -> str:
    return repr(float(value)) if isinstance(value, float) else str(value)
