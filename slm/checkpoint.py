"""What survives a crash: a session's state as bytes, and its last two checkpoints."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from slm.atomic import write_atomically
from slm.errors import UserError
from slm.journal import DamagedJournalError, Journal, Manifest
from slm.memory import Rows

FORMAT = 2
"""Version of the checkpoints' layout; another version is not resumed."""
DEVICE = "device"
"""Key of the identity: the kind of device that the session computes on."""


def to_bytes(tree: Any) -> bytes:
    """Nested plain data with arrays and tensors in torch's format; the same tree gives the same bytes.

    Tensors are written as those of the CPU, whatever device they are on.
    Through a buffer, because ``torch.save(path)`` writes the file's name into the bytes.
    """
    buffer = io.BytesIO()
    torch.save(_with_tensors(tree), buffer)
    return buffer.getvalue()


def from_bytes(data: bytes) -> Any:
    """Read what `to_bytes` made; arrays come back as arrays. Runs no code from the data.

    Raises an exception (of one of many types) where the data is not such a tree.
    """
    return _with_arrays(torch.load(io.BytesIO(data), weights_only=True))


def _with_tensors(tree: Any) -> Any:
    if isinstance(tree, np.ndarray):
        return {"__array__": torch.from_numpy(np.asarray(tree, order="C"))}
    if isinstance(tree, dict):
        return {key: _with_tensors(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_with_tensors(value) for value in tree]
    if isinstance(tree, torch.Tensor):
        return tree.detach().to("cpu", copy=True)
    return tree


def _with_arrays(tree: Any) -> Any:
    if isinstance(tree, dict):
        if set(tree) == {"__array__"}:
            return tree["__array__"].numpy()
        return {key: _with_arrays(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_with_arrays(value) for value in tree]
    return tree


class CorruptCheckpointError(Exception):
    """A checkpoint that can't be used, with the reason."""


class OtherDeviceError(UserError):
    """A sound checkpoint that was made on another kind of device: starting again would lose what it holds."""


def unreadable(error: OSError, folder: Path) -> OSError:
    """What to raise where a folder's checkpoints can't be read: they may be sound, and are not to be trained over."""
    reason = f"no checkpoint in {folder} can be read ({error.strerror or error}); to train from the start, delete it"
    return OSError(error.errno, reason)


class Checkpoints:
    """The last two checkpoints of a session, each sealed with a digest and with what it belongs to.

    What a replay memory holds lies beside them, in journals that both share.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        """``identity`` must be equal in the checkpoint for it to be used: session hash, code fingerprint, `DEVICE`."""
        self.latest, self.previous = folder / "checkpoint.pt", folder / "checkpoint.previous.pt"
        self._folder, self._identity = folder, {"format": FORMAT, **identity}
        self._journals: dict[str, Journal] = {}
        self._needed: dict[str, int] = {}
        """First row of each journal that the newest checkpoint needs."""

    def save(self, state: Any, rows: Mapping[str, Rows]) -> None:
        """Write a checkpoint; the one before it is kept."""
        manifests = {name: self._journal(name).append(new) for name, new in rows.items()}
        payload = to_bytes({"identity": self._identity, "state": state, "journals": manifests})
        write_atomically(self.latest, hashlib.sha256(payload).digest() + payload, keep=self.previous)
        for name, needed in self._needed.items():
            self._journals[name].forget(needed)
        self._needed = {name: new.first for name, new in rows.items()}

    def _journal(self, name: str) -> Journal:
        return self._journals.setdefault(name, Journal(self._folder, name))

    def load(self, path: Path) -> tuple[Any, dict[str, Manifest]]:
        """The state in a checkpoint, and what `restore_rows` needs.

        Raises CorruptCheckpointError where it is damaged or belongs to something else, and OtherDeviceError where it
        differs from this session in its device alone.
        """
        data = path.read_bytes()
        digest, payload = data[:32], data[32:]
        if hashlib.sha256(payload).digest() != digest:
            raise CorruptCheckpointError("it is damaged")
        content = from_bytes(payload)
        for key, value in self._identity.items():
            found = content["identity"].get(key)
            if found != value and key != DEVICE:
                raise CorruptCheckpointError(f"its {key} is {found}, this session's is {value}")
        device, here = content["identity"].get(DEVICE), self._identity.get(DEVICE)
        if device != here:
            raise OtherDeviceError(
                f"the checkpoint {path} was made on '{device}', and this process computes on '{here}': let the"
                f" session go on where it began, or delete {self._folder} to train it from the start"
            )
        return content["state"], content["journals"]

    def restore_rows(self, manifests: Mapping[str, Manifest], rows: Mapping[str, Rows]) -> None:
        """Bring back what the memory held. Raises CorruptCheckpointError where that is damaged."""
        try:
            for name, held in rows.items():
                self._journal(name).restore(manifests[name], held)
        except DamagedJournalError as error:
            raise CorruptCheckpointError(str(error)) from error
        self._needed = {name: held.first for name, held in rows.items()}

    def resumed(self, path: Path) -> None:
        """Make the checkpoint that a session goes on from the newest there is: a damaged one is given up."""
        if path != self.latest:
            os.replace(path, self.latest)

    def candidates(self) -> list[Path]:
        """The checkpoints there are, newest first."""
        return [path for path in (self.latest, self.previous) if path.exists()]

    def keep_latest(self) -> None:
        """Delete the older one, and what it alone needed."""
        self.previous.unlink(missing_ok=True)
        for name, needed in self._needed.items():
            self._journals[name].forget(needed)

    def remove(self) -> None:
        """Delete all of them."""
        self.latest.unlink(missing_ok=True)
        self.previous.unlink(missing_ok=True)
        for path in self._folder.glob("*.rows"):
            path.unlink()
        self._journals, self._needed = {}, {}
