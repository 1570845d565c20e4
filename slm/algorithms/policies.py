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

from slm.algorithms.distributions import (
    Bernoulli,
    Categorical,
    Distribution,
    MultiCategorical,
    NormalTanh,
    Outputs,
    action_count,
    make_distribution,
)
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
    """Every action equally likely: each value of a discrete component, or [−1, 1] in each dimension of a Box."""

    def __init__(self, space: gym.Space) -> None:
        self._values = value_counts(space)
        self._shape = () if isinstance(space, gym.spaces.Discrete) else (action_count(space),)

    def noise(self, rng: np.random.Generator, batch: int) -> Noise:
        return {"uniform": rng.random((batch, *self._shape), dtype=np.float32)}

    def choose(self, outputs: Outputs, explore: Tensor, noise: dict[str, Tensor]) -> Tensor:
        uniform = noise["uniform"]
        if self._values is None:
            return 2 * uniform - 1
        # The product may round up to the number of values.
        values = self._values.to(uniform.device)
        return torch.minimum((uniform * values).long(), values - 1)


def value_counts(space: gym.Space) -> Tensor | None:
    """Number of values of each discrete component: a scalar for Discrete, else (A,); None for a Box."""
    if isinstance(space, gym.spaces.Discrete):
        return torch.tensor(int(space.n))
    if isinstance(space, gym.spaces.MultiDiscrete):
        return torch.from_numpy(space.nvec.reshape(-1).astype(np.int64))
    return torch.full((action_count(space),), 2) if isinstance(space, gym.spaces.MultiBinary) else None


DiscreteDistribution = Categorical | MultiCategorical | Bernoulli


class EpsilonGreedy:
    """The action with the largest output, or with probability ε a random one; one draw for each environment."""

    def __init__(self, space: gym.Space, distribution: DiscreteDistribution) -> None:
        self._random, self._distribution = Uniform(space), distribution

    def noise(self, rng: np.random.Generator, batch: int) -> Noise:
        return {**self._random.noise(rng, batch), "coin": rng.random(batch, dtype=np.float32)}

    def choose(self, outputs: Outputs, explore: Tensor, noise: dict[str, Tensor]) -> Tensor:
        greedy = self._distribution.greedy(outputs)
        coin = noise["coin"].view(-1, *[1] * (greedy.dim() - 1))
        return torch.where(coin < explore, self._random.choose(outputs, explore, noise), greedy)


class Boltzmann:
    """Each discrete component by the probabilities softmax(outputs / τ)."""

    def __init__(self, distribution: DiscreteDistribution) -> None:
        self._distribution = distribution

    def noise(self, rng: np.random.Generator, batch: int) -> Noise:
        return {"noise": self._distribution.noise(rng, batch)}

    def choose(self, outputs: Outputs, explore: Tensor, noise: dict[str, Tensor]) -> Tensor:
        return self._distribution.sample([outputs[0] / explore], noise["noise"])


def make_policy(name: str, distribution: Distribution, space: gym.Space) -> Policy:
    """The policy that ``action_policy`` names. Raises UserError for one that the action space has no meaning for."""
    key = "agent.algorithm.action_policy"
    if name == "default":
        return Sampling(distribution)
    if name == "random":
        if isinstance(distribution, NormalTanh):
            raise UserError(f"{key}: 'random' draws actions as they are taken, but NormalTanh keeps them unsquashed")
        return Uniform(space)
    by_logits = make_distribution("default", space)
    if not isinstance(by_logits, DiscreteDistribution):
        raise UserError(f"{key}: '{name}' needs a discrete action space, not {space}")
    return EpsilonGreedy(space, by_logits) if name == "epsilon_greedy" else Boltzmann(by_logits)
