"""What every action distribution offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Outputs = Sequence[Tensor]


class Distribution(ABC):
    """A family of distributions over the actions of one action space."""

    heads: list[int]
    """Sizes of the network outputs that parametrise it."""
    log_std_size: int | None = None
    """Length of the input-independent log σ that can replace the second output, None where there is none."""

    @abstractmethod
    def noise(self, rng: np.random.Generator, batch: int) -> NDArray[np.float32]:
        """Random numbers for `sample`, (B, …)."""

    @abstractmethod
    def sample(self, outputs: Outputs, noise: Tensor) -> Tensor:
        """Actions: (B,) for Discrete spaces, (B, A) for all others, in the form that `log_prob` takes."""

    @abstractmethod
    def log_prob(self, outputs: Outputs, actions: Tensor) -> Tensor:
        """Log-probability (density) of the actions, (B,)."""

    @abstractmethod
    def entropy(self, outputs: Outputs) -> Tensor:
        """Entropy in nats, (B,)."""

    def to_env(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Samples as the environments take them; the same unless the distribution keeps another form."""
        return actions


def action_count(space: gym.Space) -> int:
    """How many numbers one action of a space has."""
    return int(np.prod(space.shape or ()))
