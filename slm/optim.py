"""Optimizers as pure functions on flat parameter vectors.

Each has the form ``step(θ, g, state, lr) -> (θ, state)`` on tensors, so that a whole update (loss, gradient, clipping,
optimizer) is one function that can be compiled as one graph. The arithmetic is that of the torch.optim classes of
the same names, which the tests compare them with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from slm.errors import UserError

State = dict[str, Tensor]


@dataclass(frozen=True)
class Optimizer:
    """A rule for moving a flat parameter vector θ (P,) along its gradient g (P,)."""

    vectors: tuple[str, ...]
    """Names of the state's vectors (P,), zeros before the first step."""
    rule: Callable[[Tensor, Tensor, State, Tensor], tuple[Tensor, State]]
    scalars: Mapping[str, float] = field(default_factory=dict)
    """Further state: scalars, with their values before the first step."""

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the state beside the step count ``t``."""
        return (*self.vectors, *self.scalars)

    def init(self, theta: Tensor) -> State:
        """The state before the first step."""
        vectors = {slot: torch.zeros_like(theta) for slot in self.vectors}
        return {"t": torch.zeros(()), **vectors, **{slot: torch.tensor(x) for slot, x in self.scalars.items()}}

    def step(self, theta: Tensor, gradient: Tensor, state: State, lr: Tensor) -> tuple[Tensor, State]:
        """One step with learning rate ``lr`` (a scalar tensor). Returns the new θ and state."""
        theta, moved = self.rule(theta, gradient, {**state, "t": state["t"] + 1}, lr)
        return theta, {**state, "t": state["t"] + 1, **moved}


def adam(
    betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0, decoupled: bool = False
) -> Optimizer:
    """Adam (Kingma & Ba 2015, algorithm 1); ``decoupled`` weight decay makes it AdamW (Loshchilov & Hutter 2019).

    The bias corrections √(1 − β₂ᵗ) and √(1 − β₂ᵗ) / (1 − β₁ᵗ) are taken out of the division, as at the end of the
    paper's section 2, and are made one step ahead: a compiled step would raise the powers again for every few
    parameters, a tenth of the update of a DQN.
    """
    beta1, beta2 = betas
    first = {"root": (1 - beta2) ** 0.5, "rate": (1 - beta2) ** 0.5 / (1 - beta1)}

    def rule(theta: Tensor, g: Tensor, state: State, lr: Tensor) -> tuple[Tensor, State]:
        if weight_decay and decoupled:
            theta = theta * (1 - lr * weight_decay)
        elif weight_decay:
            g = g + weight_decay * theta
        m = beta1 * state["m"] + (1 - beta1) * g
        v = beta2 * state["v"] + (1 - beta2) * g * g
        theta = theta - lr * state["rate"] * (m / (v.sqrt() + eps * state["root"]))
        root = (1 - beta2 ** (state["t"] + 1)).sqrt()
        return theta, {"m": m, "v": v, "root": root, "rate": root / (1 - beta1 ** (state["t"] + 1))}

    return Optimizer(("m", "v"), rule, first)


def rmsprop(alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0, momentum: float = 0.0,
            centered: bool = False) -> Optimizer:  # fmt: skip
    """RMSprop (Hinton, lecture 6e) as in torch: the square root of the average, then eps."""

    def rule(theta: Tensor, g: Tensor, state: State, lr: Tensor) -> tuple[Tensor, State]:
        if weight_decay:
            g = g + weight_decay * theta
        moved = {"v": alpha * state["v"] + (1 - alpha) * g * g}
        scale = moved["v"]
        if centered:
            moved["mean"] = alpha * state["mean"] + (1 - alpha) * g
            scale = scale - moved["mean"] ** 2
        step = g / (scale.sqrt() + eps)
        if momentum:
            moved["momentum"] = step = momentum * state["momentum"] + step
        return theta - lr * step, moved

    slots = ("v", *(["mean"] if centered else []), *(["momentum"] if momentum else []))
    return Optimizer(slots, rule)


def sgd(momentum: float = 0.0, weight_decay: float = 0.0, dampening: float = 0.0, nesterov: bool = False) -> Optimizer:
    """Stochastic gradient descent with optional (Nesterov) momentum, as in torch."""

    def rule(theta: Tensor, g: Tensor, state: State, lr: Tensor) -> tuple[Tensor, State]:
        if weight_decay:
            g = g + weight_decay * theta
        if not momentum:
            return theta - lr * g, {}
        first = state["t"] == 1
        buffer = torch.where(first, g, momentum * state["momentum"] + (1 - dampening) * g)
        return theta - lr * (g + momentum * buffer if nesterov else buffer), {"momentum": buffer}

    return Optimizer(("momentum",) if momentum else (), rule)


def adamw(**kwargs: Any) -> Optimizer:
    """AdamW with torch's default weight decay of 0.01."""
    return adam(**{"weight_decay": 0.01, **kwargs}, decoupled=True)


OPTIMIZERS: dict[str, tuple[float, Callable[..., Optimizer]]] = {
    "Adam": (1e-3, adam),
    "AdamW": (1e-3, adamw),
    "RMSprop": (1e-2, rmsprop),
    "SGD": (1e-3, sgd),
    "GlobalAdam": (1e-3, adam),
    "GlobalAdamW": (1e-3, adamw),
    "GlobalRMSprop": (1e-2, rmsprop),
    "GlobalSGD": (1e-3, sgd),
}
"""Spec name → (default learning rate, constructor). The Global forms differ only in where their state lives."""


def shares_state(spec: Mapping[str, Any]) -> bool:
    """Whether the workers of a Hogwild trial share the state of the optimizer of an ``optim_spec``."""
    return str(spec["name"]).startswith("Global")


def make_optimizer(spec: Mapping[str, Any]) -> tuple[Optimizer, float]:
    """The optimizer of an ``optim_spec`` and its base learning rate. Raises UserError for an argument without support.

    An argument that only switches off what isn't here (``amsgrad: false``) is no mistake.
    """
    kwargs = {key: value for key, value in spec.items() if key not in ("name", "lr")}
    if "betas" in kwargs:
        kwargs["betas"] = tuple(kwargs["betas"])
    default_lr, constructor = OPTIMIZERS[spec["name"]]
    if not kwargs.pop("amsgrad", False):
        return constructor(**kwargs), float(spec.get("lr", default_lr))
    raise UserError(f"agent.net.optim_spec.amsgrad: true is not supported by {spec['name']}; allowed: false")


def clip_by_global_norm(gradient: Tensor, max_norm: Tensor) -> Tensor:
    """Scale g (P,) so that its Euclidean norm is at most ``max_norm`` (a scalar), as torch's clip_grad_norm_ does."""
    norm = gradient.square().sum().sqrt()
    return gradient * torch.clamp(max_norm / (norm + 1e-6), max=1.0)
