"""Defaults that depend on other keys."""

from typing import Any

from slm.spec.algorithm import ActorCriticSpec, AlgorithmSpec, CrossQSpec, DQNSpec, SACSpec, SILSpec
from slm.spec.env import EnvSpec
from slm.spec.fields import ABSENT
from slm.spec.memory import MemorySpec
from slm.spec.spec import Spec

CLIP_WHERE_NORMALIZED = 10.0
ATARI, ATARI_REWARD_CLIP = "ALE/", 1.0
MIN_SOFT_START = 1000


def resolve_defaults(spec: Spec) -> Spec:
    """The spec with the real default in every key whose default depends on other keys."""
    algorithm = _algorithm(spec.agent.algorithm, spec.agent.memory, spec.env)
    return spec.model_copy(
        update={"agent": spec.agent.model_copy(update={"algorithm": algorithm}), "env": _env(spec.env)},
    )


def _env(env: EnvSpec) -> EnvSpec:
    clip_reward = CLIP_WHERE_NORMALIZED if env.normalize_reward else None
    defaults = {
        "clip_obs": CLIP_WHERE_NORMALIZED if env.normalize_obs else None,
        "clip_reward": ATARI_REWARD_CLIP if env.name.startswith(ATARI) else clip_reward,
    }
    return env.model_copy(update={key: value for key, value in defaults.items() if getattr(env, key) is ABSENT})


def _algorithm(algorithm: AlgorithmSpec, memory: MemorySpec, env: EnvSpec) -> AlgorithmSpec:
    defaults: dict[str, Any] = {}
    batch_size = memory.batch_size or 0
    if isinstance(algorithm, DQNSpec):
        defaults = {"training_start_step": batch_size}
    elif isinstance(algorithm, SACSpec | CrossQSpec):
        defaults = {"training_start_step": max(MIN_SOFT_START, batch_size), "training_iter": env.num_envs}
    elif isinstance(algorithm, ActorCriticSpec | SILSpec):
        if algorithm.lam is not None:
            defaults = {"num_step_returns": None}
        elif isinstance(algorithm.num_step_returns, int):
            defaults = {"training_frequency": algorithm.num_step_returns}
    missing = {key: value for key, value in defaults.items() if getattr(algorithm, key) is ABSENT}
    return algorithm.model_copy(update=missing)
