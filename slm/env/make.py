"""From an env spec to a world."""

from __future__ import annotations

import difflib
from typing import Any

import gymnasium as gym
import numpy as np

from slm.env.replayable import ReplayableEpisode
from slm.env.statistics import RewardScale, RunningMoments
from slm.env.world import Transforms, World
from slm.errors import UserError
from slm.spec import EnvSpec


def make_world(spec: EnvSpec, gamma: float) -> World:
    """The world of a spec; ``gamma`` discounts the returns that reward normalisation is based on.

    Raises UserError for an unknown environment, for arguments that it refuses, and for a missing extra.
    """
    envs = gym.vector.SyncVectorEnv(
        [lambda: ReplayableEpisode(make_env(spec)) for _ in range(spec.num_envs)],
        autoreset_mode=gym.vector.AutoresetMode.SAME_STEP,
    )
    shape = envs.single_observation_space.shape
    if shape is None or not isinstance(envs.single_observation_space, gym.spaces.Box):
        raise UserError(f"env.name: '{spec.name}' has observations {envs.single_observation_space}; supported: Box")
    transforms = Transforms(
        moments=RunningMoments(shape) if spec.normalize_obs else None,
        clip_observations=spec.clip_obs,
        reward_scale=RewardScale(spec.num_envs, gamma) if spec.normalize_reward else None,
        clip_rewards=_range(spec.clip_reward),
    )
    return World(envs, transforms)


def make_env(spec: EnvSpec, **kwargs: Any) -> gym.Env:
    """One environment with its registered wrappers, or a UserError that says what to do."""
    if spec.name.startswith("playground/"):
        raise UserError(f"env.name: '{spec.name}' is a MuJoCo Playground environment (JAX), which is not supported")
    try:
        return gym.make(spec.name, max_episode_steps=spec.max_t, **spec.kwargs, **kwargs)
    except gym.error.DependencyNotInstalled as error:
        raise UserError(f"env.name: '{spec.name}' needs a package that is not installed: {error}") from error
    except gym.error.UnregisteredEnv as error:
        raise UserError(_unknown(spec.name)) from error
    except TypeError as error:
        raise UserError(f"env: '{spec.name}' does not accept {spec.kwargs}: {error}") from error


def _unknown(name: str) -> str:
    nearest = difflib.get_close_matches(name, list(gym.registry), n=3, cutoff=0.4)
    return f"env.name: '{name}' is not a registered environment; nearest: {', '.join(nearest) or 'none'}"


def _range(bounds: float | tuple[float, float] | None) -> tuple[float, float] | None:
    """A bound b as the interval [−b, b]."""
    if bounds is None or isinstance(bounds, tuple):
        return bounds
    return (-float(np.abs(bounds)), float(np.abs(bounds)))
