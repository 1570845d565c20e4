"""A network architecture whose parameters live outside it, in one flat vector.

With all parameters of a network in one vector an optimizer step, a gradient norm, a target update and a checkpoint
are each one operation on one tensor, eagerly and compiled alike. `Network` knows where in the vector each parameter
of the `torch.nn.Module` lies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

ALIGNMENT = 16
"""Each parameter starts at a multiple of this many float32 (64 bytes, a cache line), for aligned matrix products."""

Parameters = Mapping[str, Tensor]


@dataclass(frozen=True)
class Slot:
    """Where one parameter lies in the flat vector."""

    name: str
    start: int
    shape: torch.Size

    @property
    def size(self) -> int:
        return self.shape.numel()

    @property
    def padding(self) -> int:
        """Unused elements between this parameter and the next."""
        return -self.size % ALIGNMENT


class Network:
    """The function of an ``nn.Module``, with its parameters as an argument.

    The module is kept for its architecture; its own parameters are only the initial values.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self.slots: list[Slot] = []
        start = 0
        for name, parameter in module.named_parameters():
            slot = Slot(name, start, parameter.shape)
            self.slots.append(slot)
            start += slot.size + slot.padding
        self.size = start
        """Length of the flat vector."""

    def __call__(self, parameters: Parameters, x: Tensor) -> tuple[Tensor, ...]:
        """Outputs of the heads, each (B, head size), for inputs x (B, …) and parameters by name (see `views`)."""
        return functional_call(self._module, dict(parameters), (x,))

    def __repr__(self) -> str:
        """The architecture in full: part of the key under which compiled graphs are kept."""
        return f"Network({self._module!r}, {[(slot.name, tuple(slot.shape)) for slot in self.slots]})"

    def initial_parameters(self) -> Tensor:
        """The initial values as a flat vector (size,)."""
        return self.flatten({name: parameter.detach() for name, parameter in self._module.named_parameters()})

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """The flat vector (size,) as named parameters; no copies."""
        return {slot.name: flat[slot.start : slot.start + slot.size].view(slot.shape) for slot in self.slots}

    def flatten(self, named: Parameters) -> Tensor:
        """Named tensors (parameters or their gradients) as one flat vector (size,), zeros between them."""
        pieces = []
        for slot in self.slots:
            pieces.append(named[slot.name].reshape(-1))
            if slot.padding:
                pieces.append(pieces[-1].new_zeros(slot.padding))
        return torch.cat(pieces)


def gradients(
    loss: Callable[[dict[str, Parameters]], tuple[Tensor, dict[str, Tensor]]],
    networks: Mapping[str, Network],
    agent: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Gradient of a scalar loss with respect to each network's flat parameters, and the loss function's metrics.

    ``loss`` takes the named parameters of each network and returns the loss and a dictionary of metrics; ``agent``
    holds each network's flat vector under the network's name.
    """
    named: dict[str, Parameters] = {name: network.views(agent[name]) for name, network in networks.items()}
    by_name, metrics = torch.func.grad(loss, has_aux=True)(named)
    return {name: network.flatten(by_name[name]) for name, network in networks.items()}, metrics
