"""Action policies: from a network's outputs to actions, with exploration.

Like the distributions they are pure: noise is an argument, drawn separately for each environment.
"""

from __future__ import annotations

from typing import Protocol

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slm.algorithms.distributions import Categorical, Distribution, Outputs
from slm.errors import UserError

Noise = dict[str, NDArray[np.float32]]


class Policy(Protocol):
    """Chooses actions for a batch of B observations."""

    def noise(self, rng: np.random.Generator, batch: int) -> Noise:
        """The random numbers that `choose` needs, by name, each with leading axis B."""

    def choose(self, outputs: Outputs, explore: Tensor, noise: dict[str, Tensor]) -> Tensor:
        """Actions (B, …) for the network's outputs; ``explore`` is the scalar ε or τ."""


class Sampling:
    """Sample the action distribution."""

    def __init__(self, distribution: Distribution) -> None:
        self._distribution = distribution

    def noise(self, rng: np.random.Generator, batch: int) -> Noise:
        return {"noise": self._distribution.noise(rng, batch)}

    def choose(self, outputs: Outputs, explore: Tensor, noise: dict[str, Tensor]) -> Tensor:
        return self._distribution.sample(outputs, noise["noise"])


class Uniform:
    """Every action equally likely: of a Discrete space, or within [−1, 1] in each dimension of a Box."""

    def __init__(self, space: gym.Space) -> None:
        self._actions = int(space.n) if isinstance(space, gym.spaces.Discrete) else None
        self._shape = () if self._actions else (int(np.prod(space.shape or ())),)

    def noise(self, rng: np.random.Generator, batch: int) -> Noise:
        return {"uniform": rng.random((batch, *self._shape), dtype=np.float32)}

    def choose(self, outputs: Outputs, explore: Tensor, noise: dict[str, Tensor]) -> Tensor:
        if self._actions is None:
            return 2 * noise["uniform"] - 1
        return (noise["uniform"] * self._actions).long().clamp(max=self._actions - 1)


class EpsilonGreedy:
    """The largest output's action, or with probability ε a random one; one draw for each environment."""

    def __init__(self, space: gym.spaces.Discrete) -> None:
        self._random = Uniform(space)

    def noise(self, rng: np.random.Generator, batch: int) -> Noise:
        return {**self._random.noise(rng, batch), "coin": rng.random(batch, dtype=np.float32)}

    def choose(self, outputs: Outputs, explore: Tensor, noise: dict[str, Tensor]) -> Tensor:
        return torch.where(noise["coin"] < explore, self._random.choose(outputs, explore, noise), outputs[0].argmax(-1))


class Boltzmann:
    """Probabilities softmax(outputs / τ)."""

    def __init__(self, space: gym.spaces.Discrete) -> None:
        self._distribution = Categorical(space)

    def noise(self, rng: np.random.Generator, batch: int) -> Noise:
        return {"noise": self._distribution.noise(rng, batch)}

    def choose(self, outputs: Outputs, explore: Tensor, noise: dict[str, Tensor]) -> Tensor:
        return self._distribution.sample([outputs[0] / explore], noise["noise"])


def make_policy(name: str, distribution: Distribution, space: gym.Space) -> Policy:
    """The policy that ``action_policy`` names. Raises UserError for one that the action space has no meaning for."""
    if name == "default":
        return Sampling(distribution)
    if name == "random":
        return Uniform(space)
    if not isinstance(space, gym.spaces.Discrete):
        raise UserError(f"agent.algorithm.action_policy: '{name}' needs a Discrete action space, not {space}")
    return EpsilonGreedy(space) if name == "epsilon_greedy" else Boltzmann(space)
