"""N environments stepped one after the other, each started again in the step in which its episode ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from slm.env.restorable import LIFE_LOST

Observations = NDArray[Any]


class EnvVector:
    """What gymnasium's SyncVectorEnv does in its same-step mode, for environments whose infos nobody reads.

    That one spent as long on infos, copies and checks as four CartPoles take to step.
    """

    def __init__(self, envs: Sequence[gym.Env]) -> None:
        """``envs`` are of one kind; their observations are Boxes."""
        self.envs = list(envs)
        self.num_envs = len(self.envs)
        self.observation_space = cast(gym.spaces.Box, envs[0].observation_space)
        self.action_space = envs[0].action_space
        self._shape = (self.num_envs, *self.observation_space.shape)
        self._discrete = isinstance(self.action_space, gym.spaces.Discrete)

    def reset(self, seeds: Sequence[int]) -> Observations:
        """Start all environments with the given seeds; returns the first observations (N, …)."""
        observations = np.empty(self._shape, self.observation_space.dtype)
        for n, (env, seed) in enumerate(zip(self.envs, seeds, strict=True)):
            observations[n] = env.reset(seed=seed)[0]
        return observations

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[Observations, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], list[int], list[Observations]]:
        """Take the actions (N, …), as the environments take them.

        Returns the observations to act on next (N, …), rewards, terminated, truncated (N,) each, the numbers of the
        environments in which a life was lost, and the final observations of the episodes that ended, in order.
        """
        observations = np.empty(self._shape, self.observation_space.dtype)
        rewards, (terminated, truncated) = np.empty(self.num_envs), np.zeros((2, self.num_envs), bool)
        lives_lost: list[int] = []
        final: list[Observations] = []
        # A Python number is what environments check fastest.
        for n, (env, action) in enumerate(zip(self.envs, actions.tolist() if self._discrete else actions, strict=True)):
            observation, rewards[n], ended, cut, info = env.step(action)
            if LIFE_LOST in info:
                lives_lost.append(n)
            if ended or cut:
                terminated[n], truncated[n] = ended, cut
                final.append(observation)
                observation = env.reset()[0]
            observations[n] = observation
        return observations, rewards, terminated, truncated, lives_lost, final

    def render(self) -> list[NDArray[np.uint8]]:
        """A picture (height, width, 3) of each environment; they must have been made with a render mode."""
        return [cast(NDArray[np.uint8], env.render()) for env in self.envs]

    def close(self) -> None:
        for env in self.envs:
            env.close()
