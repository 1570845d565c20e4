"""N environments stepped together, from the agent's actions to what it observes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from slm.env.history import ObservationHistory
from slm.env.restorable import Restorable
from slm.env.statistics import EpisodeStatistics, RewardScale, RunningMoments
from slm.env.vector import EnvVector

Observations = NDArray[Any]
Mask = NDArray[np.bool_]


class Step(NamedTuple):
    """What one step of all N environments gave."""

    observations: Observations
    """To act on next, (N, …): the first of a new episode where one ended."""
    rewards: NDArray[np.float32]
    """As the agent learns from them (normalised, clipped), (N,)."""
    raw_rewards: NDArray[Any]
    """As the environments gave them, (N,)."""
    terminated: Mask
    """As the agent learns from it, (N,): also true at a life lost, where the environment reports that."""
    truncated: Mask
    done: Mask
    """terminated | truncated, (N,)."""
    next_observations: Observations
    """The true successors, (N, …): the final observation where an episode ended."""
    episode_over: Mask
    """Where the environment was reset, (N,): scores are over such episodes, which may contain several lives."""


@dataclass(frozen=True)
class Transforms:
    """What lies between the environments and the agent; None where nothing is changed."""

    moments: RunningMoments | None = None
    clip_observations: float | None = None
    reward_scale: RewardScale | None = None
    clip_rewards: tuple[float, float] | None = None
    history: ObservationHistory | None = None


class World:
    """A synchronous vector of environments with same-step autoreset, episode scores and normalisation.

    A step whose episode ended is a transition like any other: its successor is the final observation, and the
    observation to act on comes from the reset in the same step. So there are no rows that are not transitions.
    """

    def __init__(self, envs: EnvVector, transforms: Transforms) -> None:
        self._envs = envs
        self._transforms = transforms
        self.num_envs = envs.num_envs
        self.observation_space = _seen_space(envs.observation_space, transforms)
        self.action_space = envs.action_space
        self.stacked = _stacked(envs, transforms)
        """Frames in an observation that stacks them along its first dimension; None for one that doesn't."""
        self.statistics = EpisodeStatistics(self.num_envs)
        self._frozen = False
        self._range = _middle_and_half(self.action_space) if isinstance(self.action_space, gym.spaces.Box) else None
        self._start = getattr(self.action_space, "start", 0)  # MultiBinary spaces have none
        self._as_they_are = isinstance(self.action_space, gym.spaces.Discrete) and self._start == 0
        self._observation_type = np.uint8 if self.observation_space.dtype == np.uint8 else np.float32

    def reset(self, seeds: list[int]) -> Observations:
        """Start all environments with the given seeds; returns the first observations (N, …)."""
        first, history = self._observe(self._envs.reset(seeds)), self._transforms.history
        return first if history is None else history.reset(first)

    def step(self, actions: NDArray[Any]) -> Step:
        """Take the agent's actions (N,) or (N, A)."""
        raw, rewards, terminated, truncated, lives_lost, finals = self._envs.step(self._to_env(actions))
        episode_over = done = terminated | truncated
        self.statistics.add(rewards, episode_over)
        observations = self._observe(raw)
        successors = observations
        if finals:
            successors, final = observations.copy(), np.stack(finals)
            successors[episode_over] = self._normalize(final)
        if self._transforms.history is not None:
            observations, successors = self._transforms.history.step(observations, successors, episode_over)
        if lives_lost:
            terminated = terminated.copy()
            terminated[lives_lost] = True
            done = terminated | truncated
        learned = self._reward(rewards, terminated)
        return Step(observations, learned, rewards, terminated, truncated, done, successors, episode_over)

    def freeze_normalisation(self, other: World) -> None:
        """Normalise observations by another world's statistics as they stand, and stop updating."""
        self.freeze_normaliser(other.normaliser())

    def freeze_normaliser(self, statistics: dict[str, Any] | None) -> None:
        """Normalise observations by statistics taken by `normaliser`, and stop updating."""
        self._frozen = statistics is not None
        if statistics is not None and self._transforms.moments is not None:
            self._transforms.moments.restore(statistics)

    def close(self) -> None:
        self._envs.close()

    def _to_env(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Continuous actions: clip to [−1, 1], then scale to the bounds of the action space. Discrete ones: the place
        of each value among its component's values, which may start elsewhere than at 0, in the space's shape."""
        if self._as_they_are:  # at every step, where the arithmetic below would change nothing
            return actions
        space = self.action_space
        actions = actions.reshape(-1, *(space.shape or ()))
        if self._range is None:
            return (actions + self._start).astype(space.dtype)
        middle, half = self._range
        return (middle + half * np.clip(actions, -1.0, 1.0)).astype(space.dtype)

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
        return raw.astype(self._observation_type, copy=False)

    def _reward(self, rewards: NDArray[Any], terminated: Mask) -> NDArray[np.float32]:
        if self._transforms.reward_scale is not None:
            rewards = self._transforms.reward_scale(rewards, terminated)
        if self._transforms.clip_rewards is not None:
            rewards = np.clip(rewards, *self._transforms.clip_rewards)
        return rewards.astype(np.float32)

    def render(self) -> list[NDArray[np.uint8]]:
        """A picture (height, width, 3) of each environment; the world must have been made with a render mode."""
        return self._envs.render()

    def _episodes(self) -> list[Restorable]:
        """The outermost wrapper of each environment."""
        return cast(list[Restorable], list(self._envs.envs))

    def normaliser(self) -> dict[str, Any] | None:
        """Statistics of the observations as plain data; None where they aren't normalised."""
        return None if self._transforms.moments is None else self._transforms.moments.state()

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, as plain data."""
        scale, history = self._transforms.reward_scale, self._transforms.history
        return {
            "episodes": [env.episode() for env in self._episodes()],
            "statistics": self.statistics.state(),
            "moments": self.normaliser(),
            "reward_scale": None if scale is None else scale.state(),
            "history": None if history is None else history.state(),
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
        if self._transforms.history is not None:
            self._transforms.history.restore(state["history"])


def _stacked(envs: EnvVector, transforms: Transforms) -> int | None:
    if transforms.history is not None:
        return transforms.history.length
    return getattr(envs.envs[0], "stacked", None)


def _middle_and_half(box: gym.spaces.Box) -> tuple[NDArray[Any], NDArray[Any]]:
    """Middle and half the width of each action's range, each of the shape of one action."""
    return (box.high + box.low) / 2, (box.high - box.low) / 2


def _seen_space(space: gym.spaces.Box, transforms: Transforms) -> gym.spaces.Box:
    """The space of the observations that the agent sees: bytes stay bytes only where nothing is done to them."""
    if transforms.moments is not None or transforms.clip_observations is not None:
        space = gym.spaces.Box(-np.inf, np.inf, space.shape, np.float32)
    return space if transforms.history is None else transforms.history.space(space)
