"""Distributions over the actions of Box spaces, independent in each of the A dimensions.

Actions are on the scale [−1, 1] of each dimension; the world clips what lies outside and scales to the bounds.
"""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from slm.algorithms.distributions.distribution import Distribution, Outputs, action_count

LOG_STD_RANGE = (-5.0, 2.0)
EULER_GAMMA = 0.5772156649015329
NODES, WEIGHTS = np.polynomial.hermite.hermgauss(20)
"""Gauss-Hermite quadrature: ∫ f(x) exp(−x²) dx ≈ Σ wᵢ f(xᵢ)."""
ATTEMPTS = 8
"""Proposals for each gamma variable: at a concentration above 1 each fails with probability below 0.05, so that all
fail once in 10¹⁰ draws; the last one then counts."""


class Normal(Distribution):
    """Normals with outputs mean (B, A) and log σ (B, A)."""

    def __init__(self, space: gym.spaces.Box) -> None:
        size = action_count(space)
        self.heads = [size, size]
        self.log_std_size = size

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
        """Location and log-scale, (B, A) each."""
        return outputs[0], outputs[1].clamp(*LOG_STD_RANGE)


class MultivariateNormal(Normal):
    """A Normal with diagonal covariance, whose second output is the logarithm of the variances."""

    @staticmethod
    def _parameters(outputs: Outputs) -> tuple[Tensor, Tensor]:
        return outputs[0], 0.5 * outputs[1].clamp(*LOG_STD_RANGE)


class LogNormal(Normal):
    """Positive actions whose logarithm is Normal."""

    def sample(self, outputs: Outputs, noise: Tensor) -> Tensor:
        return super().sample(outputs, noise).exp()

    def log_prob(self, outputs: Outputs, actions: Tensor) -> Tensor:
        logs = actions.clamp(min=torch.finfo(actions.dtype).tiny).log()
        return super().log_prob(outputs, logs) - logs.sum(dim=-1)

    def entropy(self, outputs: Outputs) -> Tensor:
        return super().entropy(outputs) + outputs[0].sum(dim=-1)


class NormalTanh(Normal):
    """A Normal squashed by tanh (Haarnoja et al. 2018, arXiv:1801.01290, appendix C).

    Samples are kept before the squashing, u, because atanh can't recover them where tanh u rounds to 1; `to_env`
    squashes them. Probabilities are those of tanh u.
    """

    def log_prob(self, outputs: Outputs, actions: Tensor) -> Tensor:
        return super().log_prob(outputs, actions) - log_tanh_slope(actions).sum(dim=-1)

    def entropy(self, outputs: Outputs) -> Tensor:
        """Entropy of the Normal plus E[log (1 − tanh² u)], the latter by quadrature since it has no closed form."""
        mean, log_std = self._parameters(outputs)
        nodes, weights = (torch.from_numpy(values).to(mean) for values in (NODES, WEIGHTS))
        u = mean[..., None] + math.sqrt(2) * log_std.exp()[..., None] * nodes
        slope = (log_tanh_slope(u) * weights).sum(dim=-1) / math.sqrt(math.pi)
        return super().entropy(outputs) + slope.sum(dim=-1)

    def to_env(self, actions: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.tanh(actions)


def log_tanh_slope(u: Tensor) -> Tensor:
    """log (1 − tanh² u) in the form 2 (log 2 − u − softplus(−2u)), which stays exact where tanh u rounds to ±1."""
    return 2 * (math.log(2) - u - softplus(-2 * u))


class Gumbel(Normal):
    """Gumbel distributions with outputs location and log-scale."""

    def noise(self, rng: np.random.Generator, batch: int) -> NDArray[np.float32]:
        return rng.gumbel(size=(batch, self.heads[0])).astype(np.float32)

    def log_prob(self, outputs: Outputs, actions: Tensor) -> Tensor:
        location, log_scale = self._parameters(outputs)
        z = (actions - location) * (-log_scale).exp()
        return (-z - (-z).exp() - log_scale).sum(dim=-1)

    def entropy(self, outputs: Outputs) -> Tensor:
        _, log_scale = self._parameters(outputs)
        return (log_scale + EULER_GAMMA + 1).sum(dim=-1)


class Beta(Distribution):
    """Beta distributions on [−1, 1] with outputs for both concentrations, 1 + softplus(output) (Chou et al. 2017,
    PMLR 70: above 1 the density has one peak and vanishes at the bounds)."""

    def __init__(self, space: gym.spaces.Box) -> None:
        size = action_count(space)
        self.heads = [size, size]

    def noise(self, rng: np.random.Generator, batch: int) -> NDArray[np.float32]:
        """A normal and a uniform number for each attempt at each of the two gamma variables: (B, A, 2, attempts, 2)."""
        shape = (batch, self.heads[0], 2, ATTEMPTS)
        return np.stack([rng.standard_normal(shape, np.float32), rng.random(shape, np.float32)], axis=-1)

    def sample(self, outputs: Outputs, noise: Tensor) -> Tensor:
        """x/(x + y) for x ~ Gamma(α), y ~ Gamma(β), on the scale [−1, 1]."""
        x, y = gamma_sample(torch.stack(self._concentrations(outputs), dim=-1), noise).unbind(dim=-1)
        return 2 * x / (x + y) - 1

    def log_prob(self, outputs: Outputs, actions: Tensor) -> Tensor:
        a, b = self._concentrations(outputs)
        eps = torch.finfo(actions.dtype).eps
        x = ((actions + 1) / 2).clamp(eps, 1 - eps)
        log_density = (a - 1) * x.log() + (b - 1) * (-x).log1p() - _log_beta(a, b)
        return (log_density - math.log(2)).sum(dim=-1)

    def entropy(self, outputs: Outputs) -> Tensor:
        a, b = self._concentrations(outputs)
        means = (a - 1) * a.digamma() + (b - 1) * b.digamma() - (a + b - 2) * (a + b).digamma()
        return (_log_beta(a, b) - means + math.log(2)).sum(dim=-1)

    @staticmethod
    def _concentrations(outputs: Outputs) -> tuple[Tensor, Tensor]:
        return 1 + softplus(outputs[0]), 1 + softplus(outputs[1])


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    """Logarithm of the Beta function."""
    return a.lgamma() + b.lgamma() - (a + b).lgamma()


def gamma_sample(concentration: Tensor, noise: Tensor) -> Tensor:
    """Gamma variables with concentrations (…) above 1 as a function of noise (…, attempts, 2).

    Marsaglia & Tsang 2000 (ACM TOMS 26): d v with v = (1 + c x)³ for normal x, accepted if
    log u < x²/2 + d − d v + d log v. The first accepted attempt counts.
    """
    x, u = noise.unbind(dim=-1)
    d = (concentration - 1 / 3)[..., None]
    v = (1 + x / (9 * d).sqrt()) ** 3
    log_v = v.clamp(min=torch.finfo(v.dtype).tiny).log()
    accepted = (v > 0) & (u.log() < 0.5 * x * x + d - d * v + d * log_v)
    first = accepted.long().argmax(dim=-1, keepdim=True)
    # Where no attempt was accepted v may be negative.
    return (d * v.clamp(min=torch.finfo(v.dtype).eps)).gather(-1, first).squeeze(-1)
