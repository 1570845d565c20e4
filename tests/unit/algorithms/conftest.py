"""Small specs and bound algorithms on made-up spaces."""

import copy
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from slm.algorithms import Algorithm, Spaces, make_algorithm
from slm.backend import Backend, EagerBackend
from slm.spec import Spec, parse_spec

CONSTANT = {"name": "no_decay", "start_val": 0.1}
NET: dict[str, Any] = {
    "type": "MLPNet",
    "hid_layers": [5],
    "hid_layers_activation": "tanh",
    "shared": False,
    "use_same_optim": False,
    "clip_grad_val": 0.5,
    "optim_spec": {"name": "Adam", "lr": 0.05},
}
ON_POLICY = {"name": "OnPolicyBatchReplay"}
RAW: dict[str, dict[str, Any]] = {
    "ppo": {
        "algorithm": {
            "name": "PPO",
            "gamma": 0.9,
            "lam": 0.8,
            "clip_eps_spec": {"name": "no_decay", "start_val": 0.05},
            "entropy_coef_spec": CONSTANT,
            "val_loss_coef": 0.7,
            "time_horizon": 5,
            "minibatch_size": 100,
            "training_epoch": 4,
        },
        "memory": ON_POLICY,
        "net": NET,
    },
    "a2c": {
        "algorithm": {
            "name": "ActorCritic",
            "gamma": 0.9,
            "lam": 0.8,
            "training_frequency": 5,
            "entropy_coef_spec": CONSTANT,
            "policy_loss_coef": 1.3,
            "val_loss_coef": 0.7,
        },
        "memory": ON_POLICY,
        "net": NET,
    },
    "dqn": {
        "algorithm": {
            "name": "DQN",
            "gamma": 0.9,
            "training_frequency": 1,
            "training_iter": 1,
            "training_batch_iter": 2,
            "explore_var_spec": CONSTANT,
        },
        "memory": {"name": "Replay", "batch_size": 8, "max_size": 40},
        "net": {**NET, "loss_spec": {"name": "SmoothL1Loss"}, "update_frequency": 1000},
    },
}


@pytest.fixture
def spec_of() -> Callable[..., Spec]:
    """``spec_of("ppo", {"algorithm.lam": 0.5}, num_envs=2)``: a small spec.

    Keys of the agent are changed, or removed by `...`.
    """

    def make(name: str, changes: dict[str, Any] | None = None, num_envs: int = 2) -> Spec:
        agent = {"name": "label", **copy.deepcopy(RAW[name])}
        for key, value in (changes or {}).items():
            part, _, last = key.partition(".")
            if value is ...:
                del agent[part][last]
            else:
                agent[part][last] = value
        env = {"name": "CartPole-v1", "num_envs": num_envs, "max_frame": 1000}
        return parse_spec("x", {"agent": agent, "env": env, "meta": {"distributed": False, "max_session": 1}})

    return make


@pytest.fixture
def bound(spec_of: Callable[..., Spec]) -> Callable[..., Algorithm]:
    """An algorithm with new parameters, bound to a backend: ``bound("dqn", {"net.update_frequency": 5})``."""

    def make(
        name: str,
        changes: dict[str, Any] | None = None,
        *,
        num_envs: int = 2,
        continuous: bool = False,
        backend: Backend | None = None,
        seed: int = 0,
    ) -> Algorithm:
        action = gym.spaces.Box(-1.0, 1.0, (2,), np.float32) if continuous else gym.spaces.Discrete(3)
        spaces = Spaces(gym.spaces.Box(-10.0, 10.0, (3,), np.float32), action, num_envs)
        algorithm = make_algorithm(spec_of(name, changes, num_envs), spaces)
        algorithm.bind(algorithm.init(seed), backend or EagerBackend())
        return algorithm

    return make
