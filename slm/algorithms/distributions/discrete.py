"""Distributions over the actions of Discrete, MultiDiscrete and MultiBinary spaces, with logits as outputs."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import logsigmoid

from slm.algorithms.distributions.distribution import Distribution, Outputs, action_count

LOG_IMPOSSIBLE = float(np.log(np.finfo(np.float32).eps))
"""Log-probability of an action that can't be: finite, so that losses stay so."""


class Categorical(Distribution):
    """Probabilities softmax(logits) over n actions."""

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

    def greedy(self, outputs: Outputs) -> Tensor:
        """The actions with the largest outputs, (B,)."""
        return outputs[0].argmax(dim=-1)


class Argmax(Categorical):
    """All mass on the largest output. No gradient passes through it: it is for values, not for learned policies."""

    def sample(self, outputs: Outputs, noise: Tensor) -> Tensor:
        return self.greedy(outputs)

    def log_prob(self, outputs: Outputs, actions: Tensor) -> Tensor:
        certain = torch.zeros_like(outputs[0][:, 0])
        return certain.masked_fill(actions != self.greedy(outputs), LOG_IMPOSSIBLE)

    def entropy(self, outputs: Outputs) -> Tensor:
        return torch.zeros_like(outputs[0][:, 0])


class GumbelSoftmax(Categorical):
    """The Categorical distribution, sampled as the largest logit after adding Gumbel noise (Jang et al. 2017,
    arXiv:1611.01144, eq. 1). Nothing here differentiates samples, so they need no softening by a temperature."""

    def noise(self, rng: np.random.Generator, batch: int) -> NDArray[np.float32]:
        return rng.gumbel(size=(batch, self.heads[0])).astype(np.float32)

    def sample(self, outputs: Outputs, noise: Tensor) -> Tensor:
        return (outputs[0] + noise).argmax(dim=-1)


class MultiCategorical(Distribution):
    """Independent Categoricals, one for each of the A components, with all their logits in one output."""

    def __init__(self, space: gym.spaces.MultiDiscrete) -> None:
        self._parts = [Categorical(gym.spaces.Discrete(int(n))) for n in space.nvec.reshape(-1)]
        self._sizes = [part.heads[0] for part in self._parts]
        self.heads = [sum(self._sizes)]

    def _split(self, outputs: Outputs) -> list[list[Tensor]]:
        """The outputs of each component."""
        return [[logits] for logits in outputs[0].split(self._sizes, dim=-1)]

    def noise(self, rng: np.random.Generator, batch: int) -> NDArray[np.float32]:
        return rng.random((batch, len(self._parts)), dtype=np.float32)

    def sample(self, outputs: Outputs, noise: Tensor) -> Tensor:
        parts = zip(self._parts, self._split(outputs), noise.split(1, dim=-1), strict=True)
        return torch.stack([part.sample(logits, column) for part, logits, column in parts], dim=-1)

    def log_prob(self, outputs: Outputs, actions: Tensor) -> Tensor:
        parts = zip(self._parts, self._split(outputs), actions.unbind(dim=-1), strict=True)
        return torch.stack([part.log_prob(logits, column) for part, logits, column in parts], dim=-1).sum(dim=-1)

    def entropy(self, outputs: Outputs) -> Tensor:
        parts = zip(self._parts, self._split(outputs), strict=True)
        return torch.stack([part.entropy(logits) for part, logits in parts], dim=-1).sum(dim=-1)

    def greedy(self, outputs: Outputs) -> Tensor:
        """Each component's action with the largest output, (B, A)."""
        return torch.stack([part.greedy(x) for part, x in zip(self._parts, self._split(outputs), strict=True)], dim=-1)


class Bernoulli(Distribution):
    """A independent bits, each 1 with probability sigmoid(logit)."""

    def __init__(self, space: gym.spaces.MultiBinary) -> None:
        self.heads = [action_count(space)]

    def noise(self, rng: np.random.Generator, batch: int) -> NDArray[np.float32]:
        return rng.random((batch, self.heads[0]), dtype=np.float32)

    def sample(self, outputs: Outputs, noise: Tensor) -> Tensor:
        return (noise < outputs[0].sigmoid()).long()

    def log_prob(self, outputs: Outputs, actions: Tensor) -> Tensor:
        # 1 − sigmoid(x) = sigmoid(−x).
        return logsigmoid(outputs[0] * (2 * actions - 1)).sum(dim=-1)

    def entropy(self, outputs: Outputs) -> Tensor:
        logits = outputs[0]
        p = logits.sigmoid()
        return -(p * logsigmoid(logits) + (1 - p) * logsigmoid(-logits)).sum(dim=-1)

    def greedy(self, outputs: Outputs) -> Tensor:
        """The likelier value of each bit, (B, A)."""
        return (outputs[0] > 0).long()
