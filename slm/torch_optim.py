"""The optimizers of torch.optim that `slm.optim` has no form of its own for, as functions on flat vectors.

The torch object is made anew for each step and takes its state from the agent, so that here too the state is a value.
It can't be traced: algorithms with such an optimizer run eagerly.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from slm.optim import OPTIMIZERS, Optimizer, make_optimizer

State = dict[str, Tensor]
Named = Mapping[str, Tensor]


class TorchOptimizer:
    """A torch.optim class with the interface of `slm.optim.Optimizer`; the meaning of its state is torch's own."""

    traceable: ClassVar = False

    def __init__(
        self,
        name: str,
        arguments: Mapping[str, Any],
        split: Callable[[Tensor], Named],
        join: Callable[[Named], Tensor],
        shape: tuple[int, ...],
    ) -> None:
        """``split`` and ``join`` convert between the flat vector (of that shape) and the parameters by name."""
        self._class: type[torch.optim.Optimizer] = getattr(torch.optim, name)
        self._arguments, self._split, self._join = dict(arguments), split, join
        _, state = self._torch_step(torch.zeros(shape), torch.zeros(shape), {}, self.default_lr)
        self._empty = {slot: torch.zeros_like(value) for slot, value in state.items()}
        self.slots = tuple(state)
        """Names of the state beside the step count ``t``: torch's, after the number of the parameter."""

    @property
    def default_lr(self) -> float:
        """Learning rate where the spec names none."""
        return float(inspect.signature(self._class).parameters["lr"].default)

    def init(self, theta: Tensor) -> State:
        """The state before the first step. Its zeros are never read: torch makes its own at the first step."""
        return {"t": torch.zeros(()), **{slot: value.clone() for slot, value in self._empty.items()}}

    def step(self, theta: Tensor, gradient: Tensor, state: State, lr: Tensor) -> tuple[Tensor, State]:
        """One step with learning rate ``lr`` (a scalar tensor). Returns the new θ and state."""
        known = {slot: state[slot] for slot in self.slots} if state["t"] else {}
        theta, moved = self._torch_step(theta, gradient, known, float(lr))
        return theta, {"t": state["t"] + 1, **moved}

    def _torch_step(self, theta: Tensor, gradient: Tensor, state: State, lr: float) -> tuple[Tensor, State]:
        parameters = {name: value.detach().clone() for name, value in self._split(theta).items()}
        optimizer = self._class(list(parameters.values()), **self._arguments, lr=lr)  # type: ignore[call-arg]
        for number, (name, slope) in enumerate(self._split(gradient).items()):
            parameters[name].grad = slope.detach().clone()
            own = {slot.partition(".")[2]: value.clone() for slot, value in state.items()
                   if slot.startswith(f"{number}.")}  # fmt: skip
            if own:
                optimizer.state[parameters[name]] = own
        optimizer.step()
        moved = {
            f"{number}.{slot}": value
            for number, parameter in enumerate(parameters.values())
            for slot, value in optimizer.state[parameter].items()
            if isinstance(value, Tensor)
        }
        return self._join(parameters), moved


def optimizer_for(
    spec: Mapping[str, Any], split: Callable[[Tensor], Named], join: Callable[[Named], Tensor], shape: tuple[int, ...]
) -> tuple[Optimizer | TorchOptimizer, float]:
    """The optimizer of an ``optim_spec`` for a flat vector of that shape, and its base learning rate.

    ``split`` and ``join`` are those of `TorchOptimizer`.
    """
    if spec["name"] in OPTIMIZERS:
        return make_optimizer(spec)
    arguments = {key: value for key, value in spec.items() if key not in ("name", "lr")}
    optimizer = TorchOptimizer(spec["name"], arguments, split, join, shape)
    return optimizer, float(spec.get("lr", optimizer.default_lr))
