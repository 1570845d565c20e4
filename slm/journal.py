"""The rows of a replay memory on disk, written as they come: what is written once is never changed.

A journal is a sequence of files, each with an unbroken run of rows. New rows are appended to the last one, or begin
the next when that has grown large. A checkpoint says which rows of which file it needs, with a digest; what lies beyond
is not its own. So checkpoints share the files, each restores exactly, and a crash while appending hurts none.
Files that no checkpoint needs any more are deleted.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from slm.memory import Rows

PIECE = 1 << 24
"""Bytes written or read at a time."""
FILES = 8
"""A file is full when it has this fraction of the rows held; so many files, and one or two more, are kept."""
MIN_ROWS = 4096
"""What a file has room for at least."""

Manifest = list[list[Any]]
"""What a checkpoint keeps of a journal: first row, number of rows and digest of each file."""


class DamagedJournalError(Exception):
    """Rows that a checkpoint needs are not there as they were written, with the reason."""


@dataclass
class _File:
    path: Path
    first: int
    """Number of its first row."""
    rows: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    @property
    def end(self) -> int:
        return self.first + self.rows


class Journal:
    """The files of one kind of rows in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._files: list[_File] = []

    def append(self, rows: Rows) -> Manifest:
        """Bring to disk what is new since the last call. Returns what a checkpoint needs to find the rows again."""
        first = max(self._files[-1].end if self._files else 0, rows.first)
        for start, end in _pieces(first, rows.end, rows.record.itemsize):
            file = self._file_for(start, room=max((rows.end - rows.first) // FILES, MIN_ROWS))
            data = rows.read(start, end).tobytes()
            with file.path.open("ab") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            file.digest.update(data)
            file.rows += end - start
        return [[file.first, file.rows, file.digest.hexdigest()] for file in self._files if file.end > rows.first]

    def _file_for(self, row: int, room: int) -> _File:
        """The file that the row is to be appended to: the last one, if the row is the next and there is room."""
        if not self._files or self._files[-1].end != row or self._files[-1].rows >= room:
            path = self._path(row)
            path.unlink(missing_ok=True)
            self._files.append(_File(path, row))
        return self._files[-1]

    def _path(self, row: int) -> Path:
        return self._folder / f"{self._name}.{row:012d}.rows"

    def restore(self, manifest: Manifest, rows: Rows) -> None:
        """Read back the rows of a checkpoint, and cut off what came after it.

        Raises DamagedJournalError where they are not all there, or not as they were.
        """
        self._files = []
        for first, count, digest in manifest:
            file = _File(self._path(first), first, count)
            for start, data in _read(file, rows.record.itemsize):
                file.digest.update(data)
                records = np.frombuffer(data, rows.record)
                rows.write(max(rows.first, start), records[max(rows.first - start, 0) :])
            if file.digest.hexdigest() != digest:
                raise DamagedJournalError(f"{file.path} is damaged")
            self._files.append(file)
        ends = [rows.first, *(file.end for file in self._files)]
        if ends[-1] != rows.end or any(file.first > end for file, end in zip(self._files, ends, strict=False)):
            raise DamagedJournalError(f"rows of {self._name} are missing")
        for file in self._files:
            os.truncate(file.path, file.rows * rows.record.itemsize)
        # Older files stay: the checkpoint before this one may need them.
        for path in self._on_disk():
            if path > self._path(rows.end - 1):
                path.unlink()

    def forget(self, before: int) -> None:
        """Delete the files whose rows all have lower numbers."""
        self._files = [file for file in self._files if file.end > before]
        kept = {file.path for file in self._files}
        for path in self._on_disk():
            if path not in kept:
                path.unlink()

    def _on_disk(self) -> list[Path]:
        return list(self._folder.glob(f"{self._name}.*.rows"))


def _pieces(first: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    """The rows first … end − 1, of ``size`` bytes each, in pieces of bounded size."""
    step = max(PIECE // size, 1)
    for start in range(first, end, step):
        yield start, min(start + step, end)


def _read(file: _File, size: int) -> Iterator[tuple[int, bytes]]:
    """Number of the first row, and the bytes, of each piece of a file whose rows have ``size`` bytes."""
    try:
        with file.path.open("rb") as stream:
            for start, end in _pieces(file.first, file.end, size):
                data = stream.read((end - start) * size)
                if len(data) < (end - start) * size:
                    raise DamagedJournalError(f"{file.path} is shorter than the checkpoint says")
                yield start, data
    except FileNotFoundError as error:
        raise DamagedJournalError(f"{file.path} is missing") from error
