"""Named tensors of fixed shapes as one flat vector, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

ALIGNMENT = 16
"""Each tensor starts at a multiple of this many float32 (64 bytes, a cache line), for aligned matrix products."""


@dataclass(frozen=True)
class Slot:
    """Where one tensor lies in the flat vector."""

    name: str
    start: int
    shape: torch.Size

    @property
    def size(self) -> int:
        return self.shape.numel()

    @property
    def padding(self) -> int:
        """Unused elements between this tensor and the next."""
        return -self.size % ALIGNMENT


class Layout:
    """Where each of a set of named tensors lies in one flat vector."""

    def __init__(self, tensors: Iterable[tuple[str, Tensor]]) -> None:
        self.slots: list[Slot] = []
        self.size = 0
        """Length of the flat vector."""
        for name, tensor in tensors:
            slot = Slot(name, self.size, tensor.shape)
            self.slots.append(slot)
            self.size += slot.size + slot.padding

    def __repr__(self) -> str:
        return repr([(slot.name, tuple(slot.shape)) for slot in self.slots])

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """The flat vector (size,) as named tensors; no copies."""
        return {slot.name: flat[slot.start : slot.start + slot.size].view(slot.shape) for slot in self.slots}

    def flatten(self, named: Mapping[str, Tensor]) -> Tensor:
        """Named tensors as one flat vector (size,), zeros between them."""
        pieces = []
        for slot in self.slots:
            pieces.append(named[slot.name].reshape(-1))
            if slot.padding:
                pieces.append(pieces[-1].new_zeros(slot.padding))
        return torch.cat(pieces)
