"""From an env spec to a world."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from contextlib import suppress

import gymnasium as gym
import numpy as np

from slm.env.history import ObservationHistory
from slm.env.rendering import prepare_mujoco
from slm.env.replayable import ReplayableEpisode
from slm.env.spaces import quicken_checks
from slm.env.statistics import RewardScale, RunningMoments
from slm.env.vector import EnvVector
from slm.env.world import Transforms, World
from slm.errors import UserError
from slm.spec import EnvSpec

ATARI = "ale_py.env:AtariEnv"
"""Entry point of all Atari games."""
MIN_LIKENESS = 0.5
"""Of the names that the message for an unknown one offers, 1 being equal."""


def make_world(spec: EnvSpec, gamma: float, sequence: int | None = None, render_mode: str | None = None) -> World:
    """The world of a spec; ``gamma`` discounts the returns that reward normalisation is based on.

    With ``sequence`` the agent sees the last so many observations at a time, (sequence, …). With
    ``render_mode="rgb_array"`` the world can be rendered.
    Raises UserError for an unknown environment, for arguments that it refuses, and for a missing extra.
    """
    first = make_env(spec, render_mode)
    observations, actions = first.observation_space, first.action_space
    if not isinstance(observations, gym.spaces.Box):
        raise UserError(f"env.name: '{spec.name}' has observations {observations}; supported: Box")
    if isinstance(actions, gym.spaces.Box) and not actions.is_bounded():
        raise UserError(f"env.name: '{spec.name}' has actions {actions}, without bounds to scale to")
    envs = EnvVector([first, *(make_env(spec, render_mode) for _ in range(spec.num_envs - 1))])
    transforms = Transforms(
        moments=RunningMoments(observations.shape) if spec.normalize_obs else None,
        clip_observations=spec.clip_obs,
        reward_scale=RewardScale(spec.num_envs, gamma) if spec.normalize_reward else None,
        clip_rewards=_range(spec.clip_reward),
        history=None if sequence is None else ObservationHistory(sequence),
    )
    return World(envs, transforms)


def make_env(spec: EnvSpec, render_mode: str | None = None) -> gym.Env:
    """One environment with all its wrappers and a state that can be saved (see `Restorable`).

    With ``render_mode="rgb_array"`` its ``render()`` returns pictures, for which no display is needed.
    Raises UserError, which says what to do, where it can't be made.
    """
    if spec.name.startswith("playground/"):
        raise UserError(f"env.name: '{spec.name}' is a MuJoCo Playground environment (JAX), which is not supported")
    registered = _registration(spec.name)
    entry_point = str(getattr(registered, "entry_point", ""))
    if render_mode is not None and "mujoco" in entry_point:
        prepare_mujoco()
    try:
        if entry_point == ATARI:
            return _atari(spec, render_mode)
        rendering = {} if render_mode is None else {"render_mode": render_mode}
        keys = {"max_episode_steps": spec.max_t, "disable_env_checker": True, **rendering, **spec.kwargs}
        env = gym.make(spec.name, **keys)
        quicken_checks(env)
        return ReplayableEpisode(env)
    except gym.error.UnregisteredEnv as error:
        raise UserError(_unknown(spec.name)) from error
    except (gym.error.Error, ImportError) as error:  # an old version, a malformed id, a package that isn't installed
        raise UserError(f"env.name: '{spec.name}' can't be made: {error}") from error
    except (TypeError, ValueError, AssertionError, OSError, RuntimeError) as error:
        if not spec.kwargs:
            raise
        raise UserError(f"env: '{spec.name}' does not accept {spec.kwargs}: {_reason(registered, error)}") from error


def _registration(name: str) -> gym.envs.registration.EnvSpec | None:
    """What gymnasium knows of an environment; None for an unknown one."""
    if name not in gym.registry:
        with suppress(ImportError):
            importlib.import_module("ale_py")  # registers the Atari games
    return gym.registry.get(name)


def _atari(spec: EnvSpec, render_mode: str | None) -> gym.Env:
    # Imported where it is needed: other environments need no OpenCV.
    from slm.env.atari import make_atari

    return make_atari(spec.name, spec.kwargs, spec.max_t, render_mode)


def _unknown(name: str) -> str:
    """The message for an unknown id, with the nearest ones, whatever their namespace."""
    if name.startswith("ALE/") and not any(known.startswith("ALE/") for known in gym.registry):
        return f"env.name: '{name}' needs ale-py, which is not installed: pip install 'gymnasium[atari]'"

    newest: dict[str, str] = {}
    for registered in sorted(gym.registry.values(), key=lambda registered: registered.version or 0):
        newest[f"{registered.namespace or ''}/{registered.name}"] = registered.id
    wanted = re.sub(r"-v\d+$", "", name.split("/")[-1]).lower()

    def likeness(family: str) -> float:
        return difflib.SequenceMatcher(None, wanted, family.split("/")[-1].lower()).ratio()

    ranked = sorted((-likeness(family), newest[family]) for family in newest)
    nearest = [known for distance, known in ranked[:3] if distance <= -MIN_LIKENESS]
    return f"env.name: '{name}' is not a registered environment; nearest: {', '.join(nearest) or 'none'}"


def _reason(registered: gym.envs.registration.EnvSpec | None, error: Exception) -> str:
    """Why an environment refused its arguments; for an argument that it doesn't have, those that it has."""
    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if unknown is None or registered is None or registered.entry_point is None:
        return str(error)
    entry_point = registered.entry_point
    creator = gym.envs.registration.load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    names = sorted({*inspect.signature(creator).parameters, *registered.kwargs} - {"self", "args", "kwargs"})
    return f"it has no argument '{unknown[1]}'; it has {', '.join(names)}"


def _range(bounds: float | tuple[float, float] | None) -> tuple[float, float] | None:
    """A bound b as the interval [−b, b]."""
    if bounds is None or isinstance(bounds, tuple):
        return bounds
    return (-float(np.abs(bounds)), float(np.abs(bounds)))
