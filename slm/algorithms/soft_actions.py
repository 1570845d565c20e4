"""How actions enter the soft (entropy-regularised) objectives: one sample of them, or the expectation over all.

Continuous actions are sampled, and the gradient passes through the sample (Haarnoja et al. 2018, arXiv:1812.05905).
With n discrete actions the critics give the values of all, and every expectation over the policy is a sum
(Christodoulou 2019, arXiv:1910.07207). Equation numbers are those of the two papers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slm.algorithms.distributions import Categorical, Outputs
from slm.algorithms.policies import Noise, Policy, Uniform
from slm.algorithms.squashed import squashed_sample
from slm.errors import UserError


@dataclass(frozen=True)
class Draw:
    """What the policy does in B states."""

    actions: Tensor
    """A sampled action each, (B, A); or the probabilities of all n, (B, n)."""
    log_probs: Tensor
    """log π of the sampled action, (B,); or of all n, (B, n)."""


class SoftActions(Protocol):
    """The actions of one action space, in the objectives of the soft actor-critic."""

    heads: list[int]
    """Sizes of the policy network's outputs."""
    log_std_size: int | None
    """Length of the input-independent log σ that can replace an output, None where there is none."""
    critic_outputs: int
    """Values that a critic gives: one, or one for each action."""

    def noise(self, rng: np.random.Generator, batch: int) -> NDArray[np.float32]:
        """Random numbers for `draw` and `act`, (B, …)."""

    def act(self, outputs: Outputs, noise: Tensor) -> Tensor:
        """Actions to take, (B, A) or (B,), for the policy network's outputs."""

    def draw(self, outputs: Outputs, noise: Tensor) -> Draw:
        """What the policy does, differentiably."""

    def critic_shape(self, observation: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of a critic's input for one observation of the given shape."""

    def critic_input(self, observations: Tensor, actions: Tensor) -> Tensor:
        """What a critic takes for observations (B, …) with taken or drawn actions."""

    def taken(self, values: Tensor, actions: Tensor) -> Tensor:
        """Q(s, a) of the actions taken, (B,), from a critic's output (B, critic_outputs)."""

    def soft_value(self, draw: Draw, q1: Tensor, q2: Tensor, alpha: Tensor) -> Tensor:
        """V(s) = E_π[Q(s, a) − α log π(a|s)], (B,), from both critics' outputs."""

    def entropy(self, draw: Draw) -> Tensor:
        """Entropy of the policy, or its estimate −log π of the sample, (B,)."""

    def target_entropy(self, ratio: float) -> float:
        """The automatic target entropy in nats; ``ratio`` is the share of the maximum for discrete actions."""


class SampledActions:
    """Actions in (−1, 1)^A from a Normal squashed by tanh; critics take them beside the observation.

    Of a sequence of observations, which a recurrent critic reads, the action stands beside each.
    """

    critic_outputs = 1

    def __init__(self, space: gym.spaces.Box) -> None:
        size = int(np.prod(space.shape))
        self.heads = [size, size]
        self.log_std_size: int | None = size

    def noise(self, rng: np.random.Generator, batch: int) -> NDArray[np.float32]:
        return rng.standard_normal((batch, self.heads[0]), dtype=np.float32)

    def act(self, outputs: Outputs, noise: Tensor) -> Tensor:
        return self.draw(outputs, noise).actions

    def draw(self, outputs: Outputs, noise: Tensor) -> Draw:
        mean, log_std = outputs
        return Draw(*squashed_sample(mean, log_std, noise))

    def critic_shape(self, observation: tuple[int, ...]) -> tuple[int, ...]:
        if len(observation) not in (1, 2):
            raise UserError(
                f"agent.algorithm.name: the critic of continuous actions takes flat observations or sequences of them, "
                f"not of shape {observation}; image observations need a Discrete action space"
            )
        return (*observation[:-1], observation[-1] + self.heads[0])

    def critic_input(self, observations: Tensor, actions: Tensor) -> Tensor:
        if observations.dim() == 3:
            actions = actions[:, None].expand(-1, observations.shape[1], -1)
        return torch.cat([observations, actions], dim=-1)

    def taken(self, values: Tensor, actions: Tensor) -> Tensor:
        return values.squeeze(-1)

    def soft_value(self, draw: Draw, q1: Tensor, q2: Tensor, alpha: Tensor) -> Tensor:
        """Eq. 3, with the smaller of the two critics against overestimation (section 5)."""
        return torch.minimum(q1, q2).squeeze(-1) - alpha * draw.log_probs

    def entropy(self, draw: Draw) -> Tensor:
        return -draw.log_probs

    def target_entropy(self, ratio: float) -> float:
        """−A (appendix D), whatever the ratio."""
        return -float(self.heads[0])


class ExpectedActions:
    """All n discrete actions at once; critics take the observation and value each action."""

    log_std_size: int | None = None

    def __init__(self, space: gym.spaces.Discrete) -> None:
        self._distribution = Categorical(space)
        self.heads = self._distribution.heads
        (self.critic_outputs,) = self.heads

    def noise(self, rng: np.random.Generator, batch: int) -> NDArray[np.float32]:
        return self._distribution.noise(rng, batch)

    def act(self, outputs: Outputs, noise: Tensor) -> Tensor:
        return self._distribution.sample(outputs, noise)

    def draw(self, outputs: Outputs, noise: Tensor) -> Draw:
        log_probs = torch.log_softmax(outputs[0], dim=-1)
        return Draw(log_probs.exp(), log_probs)

    def critic_shape(self, observation: tuple[int, ...]) -> tuple[int, ...]:
        return observation

    def critic_input(self, observations: Tensor, actions: Tensor) -> Tensor:
        return observations

    def taken(self, values: Tensor, actions: Tensor) -> Tensor:
        return values.gather(1, actions[:, None]).squeeze(1)

    def soft_value(self, draw: Draw, q1: Tensor, q2: Tensor, alpha: Tensor) -> Tensor:
        """Eq. 10, with the mean of the two critics: the smaller of them was measured to underestimate badly where
        actions are discrete (Zhou et al. 2022, arXiv:2209.10081)."""
        return (draw.actions * (0.5 * (q1 + q2) - alpha * draw.log_probs)).sum(dim=-1)

    def entropy(self, draw: Draw) -> Tensor:
        return -(draw.actions * draw.log_probs).sum(dim=-1)

    def target_entropy(self, ratio: float) -> float:
        """The given share of ln n."""
        return ratio * math.log(self.critic_outputs)


class RandomFirst:
    """Uniformly random actions while ``explore`` is 1, the policy's own when it is 0."""

    def __init__(self, actions: SoftActions, space: gym.Space) -> None:
        self._actions, self._uniform = actions, Uniform(space)

    def noise(self, rng: np.random.Generator, batch: int) -> Noise:
        return {**self._uniform.noise(rng, batch), "noise": self._actions.noise(rng, batch)}

    def choose(self, outputs: Outputs, explore: Tensor, noise: dict[str, Tensor]) -> Tensor:
        random = self._uniform.choose(outputs, explore, noise)
        return torch.where(explore > 0, random, self._actions.act(outputs, noise["noise"]))


def make_soft_actions(name: str, space: gym.Space) -> SoftActions:
    """The actions of a Box or Discrete space. Raises UserError for others, and for a distribution that doesn't fit."""
    actions: SoftActions
    if isinstance(space, gym.spaces.Box):
        actions, allowed = SampledActions(space), ("default", "Normal", "NormalTanh")
    elif isinstance(space, gym.spaces.Discrete):
        actions, allowed = ExpectedActions(space), ("default", "Categorical", "GumbelSoftmax")
    else:
        raise UserError(f"env: the soft actor-critic acts in Box and Discrete action spaces, not {space}")
    if name not in allowed:
        raise UserError(
            f"agent.algorithm.action_pdtype: '{name}' is not allowed for the action space {space}; "
            f"allowed: {', '.join(allowed)}"
        )
    return actions


def make_soft_policy(name: str, actions: SoftActions, space: gym.Space) -> Policy:
    """The policy that ``action_policy`` names: ``random``, or random first and then the learned one."""
    return Uniform(space) if name == "random" else RandomFirst(actions, space)
