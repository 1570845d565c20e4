"""The score of random play, from which strength and normalised scores are measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from slm.analysis.files import write_json
from slm.env.make import make_env
from slm.spec import EnvSpec

EPISODES = 100


def random_baseline(spec: EnvSpec, episodes: int = EPISODES) -> dict[str, float | int]:
    """Mean and standard deviation (over episodes, not of the mean) of the return of uniformly random actions.

    Returns are of raw rewards over whole episodes. Episode k starts from seed k and draws its actions with seed k: a
    pure function of the environment, its arguments and ``episodes``.
    """
    env = make_env(spec)
    returns = np.array([_random_return(env, seed) for seed in range(episodes)])
    env.close()
    return {"mean": float(returns.mean()), "std": float(returns.std()), "episodes": episodes}


def write_baseline(spec: EnvSpec, out: Path) -> None:
    """Write the random baseline as JSON, with what it belongs to: the environment's name, arguments and step limit."""
    baseline: dict[str, Any] = {"name": spec.name, "kwargs": spec.kwargs, "max_t": spec.max_t, **random_baseline(spec)}
    write_json(out, baseline)


def _random_return(env: gym.Env, seed: int) -> float:
    env.reset(seed=seed)
    env.action_space.seed(seed)
    total, over = 0.0, False
    while not over:
        _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        total += float(reward)
        over = terminated or truncated
    return total
