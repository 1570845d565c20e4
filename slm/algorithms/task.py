"""The task that an algorithm is given: what it sees and does, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from slm.algorithms.distributions import action_count


@dataclass
class Clock:
    """What has been counted since the session began."""

    frame: int = 0
    """Environment steps, over all environments of the vector."""
    opt_step: int = 0
    """Gradient steps."""
    train_calls: int = 0
    """Times that the algorithm trained (a whole rollout, or a set of sampled batches)."""


@dataclass(frozen=True)
class Spaces:
    """What the agent sees and does in one environment."""

    observation: gym.spaces.Box
    action: gym.Space
    num_envs: int
    stacked: int | None = None
    """Frames in an observation that stacks the last ones along its first dimension, oldest first, with zeros from
    before the episode's start; None for one that doesn't."""

    @property
    def observation_type(self) -> tuple[tuple[int, ...], Any]:
        """Shape and NumPy type of one observation in memory."""
        return self.observation.shape, np.uint8 if self.observation.dtype == np.uint8 else np.float32

    @property
    def action_type(self) -> tuple[tuple[int, ...], Any]:
        """Shape and NumPy type of one action in memory."""
        if isinstance(self.action, gym.spaces.Box):
            return (action_count(self.action),), np.float32
        return () if isinstance(self.action, gym.spaces.Discrete) else (action_count(self.action),), np.int64
