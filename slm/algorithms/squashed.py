"""The Normal distribution squashed to (−1, 1) by tanh (Haarnoja et al. 2018, arXiv:1801.01290, appendix C)."""

from __future__ import annotations

import math

from torch import Tensor

from slm.algorithms.distributions import LOG_STD_RANGE, log_tanh_slope


def squashed_sample(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Actions a = tanh(u), (B, A), and their log-probabilities log π(a|s), (B,), for standard normal noise (B, A).

    u = μ + σ ε is a smooth function of μ and σ, so the gradient passes through the sample (eq. 11); log σ is clamped
    to the range that all Normal policies keep.
    """
    log_std = log_std.clamp(*LOG_STD_RANGE)
    u = mean + log_std.exp() * noise
    return u.tanh(), squashed_log_prob(u, mean, log_std)


def squashed_log_prob(u: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log π(tanh u | s), (B,), of the Normal's samples u (B, A): log N(u; μ, σ) − Σ log (1 − tanh² u) (eq. 21)."""
    z = (u - mean) * (-log_std).exp()
    log_normal = -0.5 * z * z - log_std - 0.5 * math.log(2 * math.pi)
    return (log_normal - log_tanh_slope(u)).sum(dim=-1)
