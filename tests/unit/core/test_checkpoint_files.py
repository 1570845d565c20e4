"""Checkpoints that appear whole or not at all, and are refused with the reason where they can't be used."""

import hashlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slm.atomic import write_atomically
from slm.checkpoint import Checkpoints, CorruptCheckpointError, from_bytes, to_bytes

IDENTITY = {"session hash": "abc", "code fingerprint": "def"}
TREE = {
    "numbers": {"count": 3, "rate": 0.1, "name": "x", "none": None, "nan": float("inf"), "flag": True},
    "arrays": [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([True, False]), np.array(2.5), np.zeros((0, 4))],
    "strided": np.arange(10)[::3],
    "tensor": torch.linspace(0, 1, 5),
}


@pytest.fixture
def files(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path, IDENTITY)


def assert_equal(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list):
        for first, second in zip(one, other, strict=True):
            assert_equal(first, second)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other


def test_tree_comes_back_as_it_was() -> None:
    assert_equal(from_bytes(to_bytes(TREE)), TREE)


def test_same_tree_same_bytes() -> None:
    assert to_bytes(TREE) == to_bytes({**TREE, "strided": np.array([0, 3, 6, 9])})


def test_arrays_that_come_back_can_be_written() -> None:
    array = from_bytes(to_bytes({"a": np.zeros(3)}))["a"]
    array[0] = 1.0
    assert array[0] == 1.0


def test_state_is_taken_by_value(files: Checkpoints) -> None:
    tensor = torch.zeros(2)
    files.save({"t": tensor}, {})
    tensor.fill_(1.0)
    assert files.load(files.latest)[0]["t"].tolist() == [0.0, 0.0]


def test_last_two_are_kept(files: Checkpoints) -> None:
    for number in range(3):
        files.save({"number": number}, {})
    assert [files.load(path)[0]["number"] for path in files.candidates()] == [2, 1]
    files.remove()
    assert files.candidates() == []


def test_crash_while_writing_leaves_the_one_before(files: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    files.save({"number": 0}, {})

    def crash(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        files.save({"number": 1}, {})
    assert [files.load(path)[0]["number"] for path in files.candidates()] == [0]
    assert len(list(files.latest.parent.iterdir())) == 1, "nothing half-written is left"


def test_atomic_write_replaces_whole_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "file"
    write_atomically(path, b"old")
    assert path.read_bytes() == b"old"
    seen = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda source, target: (seen.append(path.read_bytes()), replace(source, target)))
    write_atomically(path, b"new")
    assert (seen, path.read_bytes()) == ([b"old"], b"new")
    assert os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("position", [0, 40, 500, -1])
def test_flipped_bit_is_noticed(files: Checkpoints, position: int) -> None:
    files.save({"number": 1}, {})
    data = bytearray(files.latest.read_bytes())
    data[position] ^= 1
    files.latest.write_bytes(data)
    with pytest.raises(CorruptCheckpointError, match="it is damaged"):
        files.load(files.latest)


@pytest.mark.parametrize("length", [0, 10, 32, 200])
def test_truncated_file_is_noticed(files: Checkpoints, length: int) -> None:
    files.save({"number": 1}, {})
    files.latest.write_bytes(files.latest.read_bytes()[:length])
    with pytest.raises(CorruptCheckpointError, match="it is damaged"):
        files.load(files.latest)


@pytest.mark.parametrize("key", IDENTITY)
def test_foreign_checkpoint_is_refused_with_the_reason(files: Checkpoints, tmp_path: Path, key: str) -> None:
    files.save({"number": 1}, {})
    other = Checkpoints(tmp_path, {**IDENTITY, key: "other"})
    with pytest.raises(CorruptCheckpointError, match=f"its {key} is {IDENTITY[key]}, this session's is other"):
        other.load(other.latest)


class Bomb:
    """Runs code when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self._target,)


@pytest.mark.parametrize("through", ["pickle", "torch"])
def test_loading_runs_no_code(files: Checkpoints, tmp_path: Path, through: str) -> None:
    target = tmp_path / "exploded"
    buffer = io.BytesIO()
    content = {"identity": {"format": 1, **IDENTITY}, "state": Bomb(target)}
    (pickle.dump if through == "pickle" else torch.save)(content, buffer)
    payload = buffer.getvalue()
    files.latest.write_bytes(hashlib.sha256(payload).digest() + payload)
    with pytest.raises(pickle.UnpicklingError):
        files.load(files.latest)
    assert not target.exists()
    assert pickle.loads(pickle.dumps({"a": Bomb(target)})) is not None
    assert target.exists(), "the bomb is a bomb"
