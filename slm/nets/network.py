"""A network architecture whose parameters and buffers live outside it, in flat vectors.

With all parameters of a network in one vector an optimizer step, a gradient norm, a target update and a checkpoint
are each one operation on one tensor, eagerly and compiled alike. Buffers (running statistics of batch normalisation,
the vectors of spectral normalisation) are state like parameters, in a second vector: they are changed by forward
passes in training mode instead of by the optimizer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy

from torch import Tensor, nn
from torch.func import functional_call, grad

from slm.errors import UserError
from slm.nets.layout import Layout

Parameters = Mapping[str, Tensor]
"""Parameters and buffers by name."""


class Network:
    """The functions of an ``nn.Module``, in evaluation and in training mode, with its tensors as an argument.

    The module is kept for its architecture; its own parameters and buffers are only the initial values.
    """

    def __init__(self, module: nn.Module) -> None:
        _drop_counters(module)
        self._training = module.train()
        self._evaluation = deepcopy(module).eval()
        self._parameters = Layout(module.named_parameters())
        self._buffers = Layout(module.named_buffers())
        self._needs_pairs = any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())

    @property
    def size(self) -> int:
        """Length of the flat vector of parameters."""
        return self._parameters.size

    @property
    def buffer_size(self) -> int:
        """Length of the flat vector of buffers; 0 for a network without any."""
        return self._buffers.size

    def __call__(self, named: Parameters, x: Tensor) -> tuple[Tensor, ...]:
        """Outputs of the heads in evaluation mode, each (B, head size), for inputs x (B, …).

        ``named`` holds the parameters, and the buffers where there are any (see `named`).
        """
        self._check_buffers(named)
        return functional_call(self._evaluation, dict(named), (x,))

    def train(self, named: Parameters, x: Tensor) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Outputs of the heads in training mode, and the buffers as this forward pass leaves them, by name.

        Raises UserError for a batch of one with batch normalisation.
        """
        self._check_buffers(named)
        self.check_batch(len(x))
        # The layers write into the buffers that they are given. Copies keep this a pure function.
        buffers = {slot.name: named[slot.name].clone() for slot in self._buffers.slots}
        return functional_call(self._training, {**named, **buffers}, (x,)), buffers

    def check_batch(self, rows: int) -> None:
        """Raise UserError where the network can't train on a batch of so many rows."""
        if self._needs_pairs and rows < 2:
            raise UserError("agent.net: batch normalisation can't train on a batch of one transition")

    def __repr__(self) -> str:
        """The architecture in full: part of the key under which compiled graphs are kept."""
        return f"Network({self._training!r}, {self._parameters!r}, {self._buffers!r})"

    def initial_parameters(self) -> Tensor:
        """The initial parameters as a flat vector (size,)."""
        return self.flatten({name: parameter.detach() for name, parameter in self._training.named_parameters()})

    def initial_buffers(self) -> Tensor:
        """The initial buffers as a flat vector (buffer_size,); for networks that have any."""
        return self.flatten_buffers(dict(self._training.named_buffers()))

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """The flat vector (size,) as named parameters; no copies."""
        return self._parameters.views(flat)

    def buffer_views(self, flat: Tensor) -> dict[str, Tensor]:
        """The flat vector (buffer_size,) as named buffers; no copies."""
        return self._buffers.views(flat)

    def named(self, agent: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
        """The agent's parameters under ``name`` and its buffers, if any, under ``name.buffers``, as views by name."""
        buffers = self.buffer_views(agent[f"{name}.buffers"]) if self.buffer_size else {}
        return {**self.views(agent[name]), **buffers}

    def flatten(self, named: Parameters) -> Tensor:
        """Named parameters or their gradients as one flat vector (size,)."""
        return self._parameters.flatten(named)

    def flatten_buffers(self, named: Parameters) -> Tensor:
        """Named buffers as one flat vector (buffer_size,)."""
        return self._buffers.flatten(named)

    def _check_buffers(self, named: Parameters) -> None:
        """functional_call would silently take the module's initial buffers for missing ones."""
        if self._buffers.slots and self._buffers.slots[0].name not in named:
            raise KeyError(f"the network's buffers are missing: {[slot.name for slot in self._buffers.slots]}")


def gradients(
    loss: Callable[[dict[str, Parameters]], tuple[Tensor, dict[str, Tensor]]],
    networks: Mapping[str, Network],
    agent: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Gradient of a scalar loss with respect to each network's flat parameters, and the loss function's metrics.

    ``loss`` takes the named parameters and buffers of each network and returns the loss and a dictionary of metrics;
    ``agent`` holds each network's flat vectors (see `Network.named`).
    """
    buffers = {name: network.buffer_views(agent[f"{name}.buffers"])
               for name, network in networks.items() if network.buffer_size}  # fmt: skip

    def loss_of_parameters(parameters: dict[str, Parameters]) -> tuple[Tensor, dict[str, Tensor]]:
        return loss({name: {**views, **buffers.get(name, {})} for name, views in parameters.items()})

    parameters: dict[str, Parameters] = {name: network.views(agent[name]) for name, network in networks.items()}
    by_name, metrics = grad(loss_of_parameters, has_aux=True)(parameters)
    return {name: network.flatten(by_name[name]) for name, network in networks.items()}, metrics


def _drop_counters(module: nn.Module) -> None:
    """Remove integer buffers: counts of batches, which only an averaging without momentum would read."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._NormBase) and part.num_batches_tracked is not None:
            if part.momentum is None:
                raise UserError(f"agent.net: {type(part).__name__}: momentum null is not supported; give a number")
            part.num_batches_tracked = None
