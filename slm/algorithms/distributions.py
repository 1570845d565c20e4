"""Action distributions as pure functions of a network's outputs.

Randomness enters as an argument: `noise` draws it from a NumPy generator, and `sample` maps it to actions, so that
sampling is part of the compiled graph and exactly repeatable. Outputs have a leading batch axis B.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slm.errors import UserError

LOG_STD_RANGE = (-5.0, 2.0)

Outputs = Sequence[Tensor]


class Distribution(Protocol):
    """A family of distributions over the actions of one action space."""

    heads: list[int]
    """Sizes of the network outputs that parametrise it."""
    log_std_size: int | None
    """Length of the input-independent log σ that can replace an output, None where there is none."""

    def noise(self, rng: np.random.Generator, batch: int) -> NDArray[np.float32]:
        """Random numbers for `sample`, (B, …)."""

    def sample(self, outputs: Outputs, noise: Tensor) -> Tensor:
        """Actions, (B,) for discrete and (B, A) for continuous spaces."""

    def log_prob(self, outputs: Outputs, actions: Tensor) -> Tensor:
        """Log-probability (density) of the actions, (B,)."""

    def entropy(self, outputs: Outputs) -> Tensor:
        """Entropy in nats, (B,)."""


class Categorical:
    """Probabilities softmax(logits) over n actions."""

    log_std_size = None

    def __init__(self, space: gym.spaces.Discrete) -> None:
        self.heads = [int(space.n)]

    def noise(self, rng: np.random.Generator, batch: int) -> NDArray[np.float32]:
        return rng.random((batch, 1), dtype=np.float32)

    def sample(self, outputs: Outputs, noise: Tensor) -> Tensor:
        # Inverse of the cumulative distribution; the last action takes what rounding leaves over.
        cumulative = torch.softmax(outputs[0], dim=-1).cumsum(dim=-1)
        return (noise >= cumulative[:, :-1]).sum(dim=-1)

    def log_prob(self, outputs: Outputs, actions: Tensor) -> Tensor:
        return torch.log_softmax(outputs[0], dim=-1).gather(-1, actions[:, None]).squeeze(-1)

    def entropy(self, outputs: Outputs) -> Tensor:
        log_p = torch.log_softmax(outputs[0], dim=-1)
        return -(log_p.exp() * log_p).sum(dim=-1)


class Argmax(Categorical):
    """All mass on the largest output."""

    def sample(self, outputs: Outputs, noise: Tensor) -> Tensor:
        return outputs[0].argmax(dim=-1)


class Normal:
    """Independent Normals, one per action dimension, with outputs mean (B, A) and log σ (B, A)."""

    def __init__(self, space: gym.spaces.Box) -> None:
        size = int(np.prod(space.shape))
        self.heads = [size, size]
        self.log_std_size: int | None = size

    def noise(self, rng: np.random.Generator, batch: int) -> NDArray[np.float32]:
        return rng.standard_normal((batch, self.heads[0]), dtype=np.float32)

    def sample(self, outputs: Outputs, noise: Tensor) -> Tensor:
        mean, log_std = self._parameters(outputs)
        return mean + log_std.exp() * noise

    def log_prob(self, outputs: Outputs, actions: Tensor) -> Tensor:
        mean, log_std = self._parameters(outputs)
        z = (actions - mean) * (-log_std).exp()
        return (-0.5 * z * z - log_std - 0.5 * math.log(2 * math.pi)).sum(dim=-1)

    def entropy(self, outputs: Outputs) -> Tensor:
        _, log_std = self._parameters(outputs)
        return (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum(dim=-1)

    @staticmethod
    def _parameters(outputs: Outputs) -> tuple[Tensor, Tensor]:
        mean, log_std = outputs[0], outputs[1]
        return mean, log_std.clamp(*LOG_STD_RANGE)


def make_distribution(name: str, space: gym.Space) -> Distribution:
    """The distribution that ``action_pdtype`` names for an action space; ``default`` is the space's first.

    Raises UserError for a combination that has no meaning.
    """
    families: dict[str, type] = {}
    if isinstance(space, gym.spaces.Discrete):
        families = {"Categorical": Categorical, "Argmax": Argmax}
    elif isinstance(space, gym.spaces.Box):
        families = {"Normal": Normal}
    if not families:
        raise UserError(f"env: action space {space} is not supported; supported: Discrete, Box")
    if name == "default":
        name = next(iter(families))
    if name not in families:
        raise UserError(
            f"agent.algorithm.action_pdtype: '{name}' is not allowed for the action space {space}; "
            f"allowed: default, {', '.join(families)}"
        )
    return families[name](space)
