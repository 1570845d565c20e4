"""Returns and advantages of rollouts, as pure functions of arrays of shape (T, N): T steps of N environments.

``terminated`` marks steps that ended in a terminal state, ``done`` those that ended an episode in any way. A truncated
episode goes on in the world that the agent can't see any more, so its last step bootstraps from the value of the true
final observation; no trace runs from one episode into the next.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]


def td_errors(rewards: Array, values: Array, next_values: Array, terminated: Mask, gamma: float) -> Array:
    """δ_t = r_t + γ V(s_{t+1}) − V(s_t), with V = 0 after a terminal state."""
    return rewards + gamma * np.where(terminated, 0, next_values).astype(np.float32) - values


def gae(
    rewards: Array, values: Array, next_values: Array, terminated: Mask, done: Mask, gamma: float, lam: float
) -> Array:
    """Generalised advantage estimates (Schulman et al. 2016, arXiv:1506.02438, eq. 16).

    A_t = δ_t + γλ A_{t+1} within an episode. ``next_values[t]`` is the value of the true successor of step t: of the
    final observation where the episode ended there.
    """
    advantages = td_errors(rewards, values, next_values, terminated, gamma)
    decay = np.where(done, 0, gamma * lam).astype(np.float32)
    # Lists of their rows, (N,) each: indexing the arrays at every step made this half as long again.
    A, factors = list(advantages), list(decay)
    for t in range(len(rewards) - 2, -1, -1):
        A[t] += factors[t] * A[t + 1]
    return advantages


def bootstrapped_returns(rewards: Array, next_values: Array, terminated: Mask, done: Mask, gamma: float) -> Array:
    """Returns to the end of the rollout: R_t = r_t + γ R_{t+1} within an episode.

    The last step of the rollout, and of a truncated episode, continues with the value of its true successor (Mnih et
    al. 2016, arXiv:1602.01783, algorithm S3: n-step returns with a horizon of n − t).
    """
    returns = rewards + gamma * np.where(terminated, 0, next_values).astype(np.float32)
    for t in range(len(rewards) - 2, -1, -1):
        returns[t] = np.where(done[t], returns[t], rewards[t] + np.float32(gamma) * returns[t + 1])
    return returns


def monte_carlo_returns(rewards: Array, done: Mask, gamma: float) -> Array:
    """Discounted sums of the rewards to the end of each episode or of the rollout, without bootstrapping."""
    return bootstrapped_returns(rewards, np.zeros_like(rewards), np.zeros_like(done), done, gamma)


def continued_returns(rewards: Array, terminated: Mask, done: Mask, counted: Mask, gamma: float) -> Array:
    """Returns of whole episodes, in which what follows a time limit is worth as much as an average step.

    G_t = Σ_k γ^k r_{t+k} + γ^(T−t) Ḡ in a truncated episode of T steps: no critic knows the value of its end, so Ḡ, the
    mean of these very G_t over the ``counted`` steps (T, N), stands for it. Ended at its last reward, an episode that
    reached the time limit would look bad where it had gone best. With γ = 1 and nothing but truncated episodes there is
    no such mean, and returns end with the last reward.
    """
    returns = monte_carlo_returns(rewards, done, gamma)
    # γ^(T−t) in truncated episodes, 0 in others.
    weights = bootstrapped_returns(np.zeros_like(rewards), np.ones_like(rewards), terminated, done, gamma)
    rest = 1 - weights[counted].mean(dtype=np.float64)
    average = returns[counted].mean(dtype=np.float64) / rest if rest > 0 else 0.0
    return returns + weights * np.float32(average)
