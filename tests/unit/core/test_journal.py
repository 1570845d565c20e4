"""Journals of rows: what checkpoints share, what a crash leaves, and that no damage goes unnoticed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import slm.journal
from slm.checkpoint import Checkpoints, CorruptCheckpointError
from slm.journal import DamagedJournalError, Journal
from slm.memory import Ring

LAYOUT = {"number": ((), np.int64), "picture": ((2, 2), np.uint8)}


def ring(max_size: int = 20) -> Ring:
    return Ring(max_size, 4, LAYOUT)


def add(memory: Ring, count: int) -> None:
    for _ in range(count):
        memory.store(number=np.array([memory.seen]), picture=np.full((1, 2, 2), memory.seen % 256, np.uint8))


def assert_holds(memory: Ring, end: int) -> None:
    numbers = np.arange(max(end - memory.max_size, 0), end)
    assert (memory.first, memory.end) == (numbers[0], end)
    records = memory.read(memory.first, memory.end)
    np.testing.assert_array_equal(records["number"], numbers)
    np.testing.assert_array_equal(records["picture"][:, 1, 0], numbers % 256)


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slm.journal, "MIN_ROWS", 4)
    monkeypatch.setattr(slm.journal, "PIECE", 36)  # three rows


@pytest.mark.parametrize("counts", [[1], [7, 1, 1], [20, 20], [3, 50], [5] * 13, [19, 2, 30, 1]])
def test_rows_come_back(tmp_path: Path, counts: list[int]) -> None:
    journal, memory = Journal(tmp_path, "rows"), ring()
    for count in counts:
        add(memory, count)
        manifest = journal.append(memory)
        journal.forget(memory.first)
    other = ring()
    other.restore(memory.state())
    Journal(tmp_path, "rows").restore(manifest, other)
    assert_holds(other, sum(counts))


def test_only_new_rows_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, memory, written = Journal(tmp_path, "rows"), ring(), []
    read = Ring.read
    monkeypatch.setattr(Ring, "read", lambda self, a, b: (written.extend(range(a, b)), read(self, a, b))[1])
    for count in (8, 0, 3, 15, 1):
        add(memory, count)
        journal.append(memory)
    assert written == list(range(27))


def test_size_does_not_grow_with_the_run(tmp_path: Path) -> None:
    files, memory = Checkpoints(tmp_path, {}), ring()
    sizes = []
    for _ in range(60):
        add(memory, 5)
        files.save({}, {"rows": memory})
        sizes.append(sum(path.stat().st_size for path in tmp_path.glob("*.rows")))
    # What the older checkpoint needs (20 rows), what came since (5), and the rest of the oldest file.
    assert max(sizes) <= 12 * (20 + 5 + 5 + 4)
    assert len(list(tmp_path.glob("*.rows"))) < 12


@pytest.mark.parametrize("steps", [1, 5, 9, 40])
def test_both_checkpoints_restore_exactly(tmp_path: Path, steps: int) -> None:
    """Also when the ring has overwritten rows that the older one needs, and whatever a crash left behind them."""
    files, memory = Checkpoints(tmp_path, {}), ring()
    for _ in range(8):
        add(memory, steps)
        files.save(memory.state(), {"rows": memory})
    add(memory, 7)
    Journal.append(files._journals["rows"], memory)  # a crash before the checkpoint that these rows were for
    for path, end in ((files.latest, 8 * steps), (files.previous, 7 * steps)):
        other, again = ring(), Checkpoints(tmp_path, {})
        state, manifests = again.load(path)
        other.restore(state)
        again.restore_rows(manifests, {"rows": other})
        assert_holds(other, end)
    # It goes on from the older one.
    again.resumed(files.previous)
    for _ in range(5):
        add(other, 3)
        again.save(other.state(), {"rows": other})
    last, files = ring(), Checkpoints(tmp_path, {})
    state, manifests = files.load(files.latest)
    last.restore(state)
    files.restore_rows(manifests, {"rows": last})
    assert_holds(last, 7 * steps + 15)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is shorter than the checkpoint says"),
        (lambda path: path.write_bytes(b"\1" + path.read_bytes()[1:]), "is damaged"),
    ],
)
@pytest.mark.parametrize("place", [0, -1])
def test_damage_is_noticed(tmp_path: Path, damage: Callable[[Path], None], reason: str, place: int) -> None:
    files, memory = Checkpoints(tmp_path, {}), ring()
    for _ in range(4):
        add(memory, 5)
        files.save(memory.state(), {"rows": memory})
    damage(sorted(tmp_path.glob("*.rows"))[place])
    state, manifests = files.load(files.latest)
    other = ring()
    other.restore(state)
    with pytest.raises(CorruptCheckpointError, match=reason):
        Checkpoints(tmp_path, {}).restore_rows(manifests, {"rows": other})


def test_missing_rows_are_noticed(tmp_path: Path) -> None:
    journal, memory = Journal(tmp_path, "rows"), ring()
    for _ in range(3):
        add(memory, 5)
        manifest = journal.append(memory)
    for fewer in (manifest[1:], manifest[:-1], manifest[:1] + manifest[2:]):
        with pytest.raises(DamagedJournalError, match="rows of rows are missing"):
            Journal(tmp_path, "rows").restore(fewer, memory)
