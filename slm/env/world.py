"""N environments stepped together, from the agent's actions to what it observes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from slm.env.replayable import ReplayableEpisode
from slm.env.statistics import EpisodeStatistics, RewardScale, RunningMoments

Observations = NDArray[Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Step:
    """What one step of all N environments gave."""

    observations: Observations
    """To act on next, (N, …): the first of a new episode where one ended."""
    rewards: NDArray[np.float32]
    """As the agent learns from them (normalised, clipped), (N,)."""
    raw_rewards: NDArray[Any]
    """As the environments gave them, (N,)."""
    terminated: Mask
    truncated: Mask
    done: Mask
    """terminated | truncated, (N,)."""
    next_observations: Observations
    """The true successors, (N, …): the final observation where an episode ended."""


@dataclass(frozen=True)
class Transforms:
    """What lies between the environments and the agent; None where nothing is changed."""

    moments: RunningMoments | None = None
    clip_observations: float | None = None
    reward_scale: RewardScale | None = None
    clip_rewards: tuple[float, float] | None = None


class World:
    """A synchronous vector of environments with same-step autoreset, episode scores and normalisation.

    A step whose episode ended is a transition like any other: its successor is the final observation, and the
    observation to act on comes from the reset in the same step. So there are no rows that are not transitions.
    """

    def __init__(self, envs: gym.vector.SyncVectorEnv, transforms: Transforms) -> None:
        self._envs = envs
        self._transforms = transforms
        self.num_envs: int = envs.num_envs
        self.observation_space = cast(gym.spaces.Box, envs.single_observation_space)
        self.action_space = envs.single_action_space
        self.statistics = EpisodeStatistics(self.num_envs)
        self._frozen = False
        self._box = cast(gym.spaces.Box, self.action_space) if isinstance(self.action_space, gym.spaces.Box) else None

    def reset(self, seeds: list[int]) -> Observations:
        """Start all environments with the given seeds; returns the first observations (N, …)."""
        observations, _ = self._envs.reset(seed=list(seeds))
        return self._observe(observations)

    def step(self, actions: NDArray[Any]) -> Step:
        """Take the agent's actions (N,) or (N, A)."""
        raw, rewards, terminated, truncated, info = self._envs.step(self._to_env(actions))
        done = terminated | truncated
        self.statistics.add(rewards, done)
        observations = self._observe(raw)
        successors = observations
        if done.any():
            successors = observations.copy()
            final = np.stack([info["final_obs"][n] for n in np.flatnonzero(done)])
            successors[done] = self._normalize(final)
        learned = self._reward(rewards, terminated)
        return Step(observations, learned, rewards, terminated, truncated, done, successors)

    def freeze_normalisation(self, other: World) -> None:
        """Normalise observations by another world's statistics as they stand, and stop updating."""
        moments = other._transforms.moments
        self._frozen = moments is not None
        if moments is not None and self._transforms.moments is not None:
            self._transforms.moments.restore(moments.state())

    def close(self) -> None:
        self._envs.close()

    def _to_env(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Continuous actions: clip to [−1, 1], then scale to the bounds of the action space."""
        box = self._box
        if box is None:
            return actions
        middle, half = (box.high + box.low) / 2, (box.high - box.low) / 2
        return (middle + half * np.clip(actions.reshape(-1, *box.shape), -1.0, 1.0)).astype(box.dtype)

    def _observe(self, raw: Observations) -> Observations:
        """Account for new observations, and show them as the agent sees them."""
        if self._transforms.moments is not None and not self._frozen:
            self._transforms.moments.update(raw)
        return self._normalize(raw)

    def _normalize(self, raw: Observations) -> Observations:
        moments, bound = self._transforms.moments, self._transforms.clip_observations
        if moments is not None:
            raw = ((raw - moments.mean) / moments.deviation).astype(np.float32)
        if bound is not None:
            raw = np.clip(raw, -bound, bound)
        return raw if raw.dtype in (np.float32, np.uint8) else raw.astype(np.float32)

    def _reward(self, rewards: NDArray[Any], terminated: Mask) -> NDArray[np.float32]:
        if self._transforms.reward_scale is not None:
            rewards = self._transforms.reward_scale(rewards, terminated)
        if self._transforms.clip_rewards is not None:
            rewards = np.clip(rewards, *self._transforms.clip_rewards)
        return rewards.astype(np.float32)

    def _episodes(self) -> list[ReplayableEpisode]:
        """The outermost wrapper of each environment."""
        return cast(list[ReplayableEpisode], list(self._envs.envs))

    def normaliser(self) -> dict[str, Any] | None:
        """Statistics of the observations as plain data; None where they aren't normalised."""
        return None if self._transforms.moments is None else self._transforms.moments.state()

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, as plain data."""
        scale = self._transforms.reward_scale
        return {
            "episodes": [env.episode() for env in self._episodes()],
            "statistics": self.statistics.state(),
            "moments": self.normaliser(),
            "reward_scale": None if scale is None else scale.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Bring the world to a state taken by `state`; the environments must be the same."""
        for env, episode in zip(self._episodes(), state["episodes"], strict=True):
            env.restore(episode)
        self.statistics.restore(state["statistics"])
        if self._transforms.moments is not None:
            self._transforms.moments.restore(state["moments"])
        if self._transforms.reward_scale is not None:
            self._transforms.reward_scale.restore(state["reward_scale"])
