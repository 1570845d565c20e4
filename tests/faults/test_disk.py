"""Disks that fill up or can't be written, and checkpoints that are damaged or not the session's own."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from victims import Victim, make_spec, read_checkpoint, seal

pytestmark = [pytest.mark.slow, pytest.mark.faults]

SPECS = {
    "on-policy": make_spec("PPO", "on-policy", "CartPole-v1", 10_000),
    "prioritised": make_spec("DoubleDQN", "prioritised", "CartPole-v1", 3_000),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, bytes]]:
    """Artifacts of a session that nothing disturbed."""
    known: dict[str, dict[str, bytes]] = {}

    def find(name: str) -> dict[str, bytes]:
        if name not in known:
            known[name] = Victim(tmp_path_factory.mktemp("whole"), SPECS[name]).finish()
        return known[name]

    return find


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 4 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)], capture_output=True, text=True, check=False
    )
    if mounting.returncode:
        pytest.skip(f"mounting a file system takes root's rights: {mounting.stderr.strip()}")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def write_without_end(file: IO[bytes]) -> None:
    while True:
        file.write(bytes(4096))


def fill(path: Path) -> Path:
    """A file that takes all the space there is."""
    filler = path / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        write_without_end(file)
    return filler


def assert_stopped_by_the_full_disk(victim: Victim) -> None:
    assert victim.end() == 1, victim.log
    assert re.search("slm: training stopped: .*No space left on device", victim.log), victim.log
    assert "Traceback" not in victim.log


@pytest.mark.parametrize("name", [pytest.param("on-policy", marks=pytest.mark.exhaustive), "prioritised"])
def test_a_disk_that_fills_up_stops_the_session_and_loses_nothing(
    name: str, whole: Callable[[str], dict[str, bytes]], disk: Path, tmp_path: Path
) -> None:
    victim = Victim(tmp_path / "victim", SPECS[name], out=disk / "out")
    victim.start()
    victim.wait_for_checkpoint()
    filler = fill(disk)
    assert_stopped_by_the_full_disk(victim)
    assert not victim.has_outputs()
    filler.unlink()
    last = victim.frames()[0]
    assert victim.finish() == whole(name)
    assert victim.resumed_at() == last > 0


def test_a_disk_full_from_the_start(whole: Callable[[str], dict[str, bytes]], disk: Path, tmp_path: Path) -> None:
    filler = fill(disk)
    victim = Victim(tmp_path / "victim", SPECS["on-policy"], out=disk / "out")
    victim.start()
    assert_stopped_by_the_full_disk(victim)
    filler.unlink()
    assert victim.finish() == whole("on-policy")


def test_results_that_can_not_be_written(disk: Path, tmp_path: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    victim = Victim(tmp_path / "victim", SPECS["on-policy"], out=disk / "out")
    victim.start()
    assert victim.end() == 2
    assert f"slm: --out {disk / 'out'}: can't be written to: Read-only file system" in victim.log
    assert "Traceback" not in victim.log


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Victim]:
    """A session that was stopped after its second checkpoint at least. Not to be changed."""
    known: dict[str, Victim] = {}

    def find(name: str) -> Victim:
        if name not in known:
            known[name] = Victim(tmp_path_factory.mktemp("interrupted"), SPECS[name])
            known[name].start()
            known[name].kill(signal.SIGTERM, delay=0.1)
            assert len(known[name].frames()) == 2
        return known[name]

    return find


def copy_of(victim: Victim, name: str, folder: Path) -> Victim:
    """The same session at the same point, to go on with."""
    shutil.copytree(victim.out, folder / "out")
    return Victim(folder, SPECS[name])


def truncated(path: Path) -> bytes:
    return path.read_bytes()[:-100]


def flipped(path: Path, position: float = 0.5) -> bytes:
    """The file's bytes with one bit changed, at a position between 0 and 1."""
    data = bytearray(path.read_bytes())
    data[int(position * (len(data) - 1))] ^= 1
    return bytes(data)


def empty(path: Path) -> bytes:
    return b""


def with_identity(key: str, value: Any) -> Callable[[Path], bytes]:
    """A sound checkpoint of something else."""

    def make(path: Path) -> bytes:
        content = read_checkpoint(path)
        assert key in content["identity"]
        content["identity"][key] = value
        buffer = io.BytesIO()
        torch.save(content, buffer)
        return seal(buffer.getvalue())

    return make


class Harmful:
    """What would make a folder, if it were unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("harm",)


def harmful(path: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save({"identity": Harmful()}, buffer)
    return seal(buffer.getvalue())


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        pytest.param(truncated, "it is damaged", id="truncated"),
        pytest.param(flipped, "it is damaged", id="one bit flipped", marks=pytest.mark.exhaustive),
        pytest.param(empty, "it is damaged", id="empty", marks=pytest.mark.exhaustive),
        pytest.param(
            with_identity("code fingerprint", "0" * 16), "its code fingerprint is 0000000000000000", id="other code"
        ),
        pytest.param(with_identity("format", 1), "its format is 1", id="other format", marks=pytest.mark.exhaustive),
        pytest.param(harmful, "UnpicklingError", id="code to run"),
    ],
)
def test_the_older_checkpoint_stands_in_for_one_that_can_not_be_used(
    damage: Callable[[Path], bytes], reason: str, tmp_path: Path,
    whole: Callable[[str], dict[str, bytes]], interrupted: Callable[[str], Victim],
) -> None:  # fmt: skip
    victim = copy_of(interrupted("on-policy"), "on-policy", tmp_path)
    latest, (newer, older) = victim.checkpoints()[0], victim.frames()
    assert newer > older > 0
    latest.write_bytes(damage(latest))
    assert victim.finish() == whole("on-policy")
    assert f"{latest} can't be used: {reason}" in victim.log
    assert victim.resumed_at() == older
    assert not (tmp_path / "harm").exists()


def test_a_session_starts_again_without_a_checkpoint_that_can_be_used(
    tmp_path: Path, whole: Callable[[str], dict[str, bytes]], interrupted: Callable[[str], Victim]
) -> None:
    victim = copy_of(interrupted("on-policy"), "on-policy", tmp_path)
    for path in victim.checkpoints():
        path.write_bytes(flipped(path))
    assert victim.finish() == whole("on-policy")
    assert victim.log.count("can't be used: it is damaged") == 2
    assert victim.resumed_at() is None


@pytest.mark.parametrize("position", [0.0, 1.0], ids=["first row", "last row"])
def test_a_replay_memory_that_is_damaged_on_disk(
    tmp_path: Path, whole: Callable[[str], dict[str, bytes]], interrupted: Callable[[str], Victim], position: float
) -> None:
    """Both checkpoints need the first row; the older one does without the last, and stands in."""
    victim = copy_of(interrupted("prioritised"), "prioritised", tmp_path)
    (newer, older), files = victim.frames(), sorted(victim.out.glob(".inprogress/*/*.rows"))
    assert newer > older > 0
    assert files
    for path in files:
        path.write_bytes(flipped(path, position))
    assert victim.finish() == whole("prioritised")
    assert ".rows is damaged" in victim.log
    assert victim.resumed_at() == (None if position == 0 else older)


def test_the_checkpoint_of_another_session_is_not_taken(
    tmp_path: Path, whole: Callable[[str], dict[str, bytes]], interrupted: Callable[[str], Victim]
) -> None:
    own = copy_of(interrupted("on-policy"), "on-policy", tmp_path / "own").checkpoints()[0].parent
    victim = Victim(tmp_path / "victim", SPECS["on-policy"])
    victim.start("--session", "1")
    victim.kill(signal.SIGTERM, 0)
    (other,) = {path.parent for path in victim.checkpoints()}
    assert other.name != own.name
    other.rename(other.parent / own.name)
    assert victim.finish() == whole("on-policy")
    assert f"its session hash is {other.name}, this session's is {own.name}" in victim.log
    assert victim.resumed_at() is None
