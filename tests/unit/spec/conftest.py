"""Small specs that tests change in one place."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Raw = dict[str, Any]
META = {"distributed": False, "max_session": 4}
NO_DECAY = {"name": "no_decay", "start_val": 0.2}
MLP = {"type": "MLPNet", "hid_layers": [64, 64], "hid_layers_activation": "tanh"}
ARC = {
    "modules": {"body": {"Sequential": [{"LazyLinear": {"out_features": 64}}, {"Tanh": None}]}},
    "graph": {"input": "x", "modules": {"body": ["x"]}, "output": "body"},
}
CARTPOLE = {"name": "CartPole-v1", "num_envs": 4, "max_frame": 2e5}
REPLAY = {"name": "Replay", "batch_size": 32, "max_size": 1e4}


def _spec(algorithm: Raw, memory: Raw, net: Raw, env: Raw = CARTPOLE, **agent: Raw) -> Raw:
    parts = {"name": "label", "algorithm": algorithm, "memory": memory, "net": net, **agent}
    return json.loads(json.dumps({"agent": parts, "env": env, "meta": META}))


EXAMPLES: dict[str, Raw] = {
    "random": _spec({"name": "Random"}, {"name": "OnPolicyReplay"}, {}),
    "reinforce": _spec({"name": "Reinforce", "gamma": 0.99, "training_frequency": 1}, {"name": "OnPolicyReplay"}, MLP),
    "a2c": _spec(
        {"name": "ActorCritic", "gamma": 0.99, "lam": None, "num_step_returns": 5},
        {"name": "OnPolicyBatchReplay"},
        {
            "type": "TorchArcNet",
            "shared": False,
            "use_same_optim": False,
            "actor_arc": ARC,
            "critic_arc": ARC,
            "actor_optim_spec": {"name": "AdamW", "lr": "7e-4", "betas": [0.5, "0.999"]},
            "critic_lr_scheduler_spec": {"name": "LinearToMin", "frame": 1e5, "min_factor": 0.1},
            "lr_scheduler_spec": {"name": "LinearToZero", "frame": 1e5},
            "actor_lr_scheduler_spec": None,
            "actor_init_std": 0.01,
        },
    ),
    "ppo": _spec(
        {
            "name": "PPO",
            "gamma": 0.99,
            "lam": 0.95,
            "clip_eps_spec": NO_DECAY,
            "time_horizon": 128,
            "training_epoch": 4,
            "entropy_coef_spec": {
                "name": "linear_decay",
                "start_val": 0.01,
                "end_val": 0,
                "start_step": 0,
                "end_step": 1e5,
            },
        },
        {"name": "OnPolicyBatchReplay"},
        MLP,
    ),
    "ppo_sil": _spec(
        {
            "name": "PPOSIL",
            "gamma": 0.99,
            "lam": 0.95,
            "clip_eps_spec": NO_DECAY,
            "time_horizon": 128,
            "training_epoch": 4,
            "sil_policy_loss_coef": 0.5,
            "sil_val_loss_coef": 0.01,
            "training_iter": 4,
            "training_batch_iter": 2,
        },
        {"name": "OnPolicyBatchReplay", "sil_replay_name": "Replay", "batch_size": 32, "max_size": 1000},
        MLP,
    ),
    "dqn": _spec(
        {
            "name": "DoubleDQN",
            "gamma": 0.99,
            "training_frequency": 4,
            "training_iter": 1,
            "training_batch_iter": 1,
            "explore_var_spec": {"name": "linear_decay", "start_val": 1, "end_val": 0.01, "end_step": 1000},
        },
        {"name": "PrioritizedReplay", "batch_size": 32, "max_size": 1e4, "alpha": 0.6, "epsilon": 1e-4},
        {**MLP, "update_type": "polyak", "polyak_coef": 0.005},
    ),
    "vanilla": _spec(
        {"name": "VanillaDQN", "gamma": 0.99, "training_frequency": 4, "training_iter": 1, "training_batch_iter": 1},
        REPLAY,
        MLP,
    ),
    "conv_dqn": _spec(
        {
            "name": "DQN",
            "gamma": 0.99,
            "training_frequency": 4,
            "training_iter": 1,
            "training_batch_iter": 1,
            "action_pdtype": "Categorical",
        },
        REPLAY,
        {
            "type": "DuelingConvNet",
            "conv_hid_layers": [[32, 8, 4, 0, 1], [64, [4, 4], 2, 0, 1]],
            "fc_hid_layers": [],
            "hid_layers_activation": "relu",
            "normalize": True,
        },
        {"name": "ALE/Pong-v5", "num_envs": 16, "max_frame": 1e7, "life_loss_info": True, "frameskip": 4},
    ),
    "sac": _spec(
        {"name": "SoftActorCritic", "gamma": 0.99, "training_frequency": 1, "entropy_anneal": {"frames": 1000}},
        {"name": "Replay", "batch_size": 256, "max_size": 1e6},
        {**MLP, "update_type": "polyak", "polyak_coef": 0.005},
        {"name": "Hopper-v5", "max_frame": 3e6, "normalize_obs": True, "clip_obs": None, "clip_reward": [-1, 5]},
    ),
    "crossq": _spec(
        {"name": "CrossQ", "gamma": 0.99, "training_frequency": 1},
        {"name": "Replay", "batch_size": 256, "max_size": 1e6},
        {"type": "TorchArcNet", "arc": ARC},
        critic_net={"type": "TorchArcNet", "arc": ARC, "optim_spec": {"name": "Adam", "betas": [0.5, 0.999]}},
    ),
    "search": {
        **_spec({"name": "SARSA", "gamma": 0.99, "training_frequency": 1}, {"name": "OnPolicyReplay"}, MLP),
        "meta": {**META, "max_trial": 8, "search_scheduler": {"grace_period": 1e4, "reduction_factor": 3}},
        "search": {
            "agent": {
                "algorithm": {"gamma__uniform": [0.9, 0.999]},
                "net.optim_spec.lr__loguniform": ["1e-4", 0.01],
                "net": {"hid_layers__choice": [[64], [64, 64]]},
            },
            "env.num_envs__choice": [1, 4],
        },
    },
}


def change(raw: Raw, key: str, value: Any) -> Raw:
    """The spec with one dotted key set, or removed with the value `...`."""
    changed = copy.deepcopy(raw)
    holder = changed
    *parents, last = key.split(".")
    for part in parents:
        holder = holder.setdefault(part, {})
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    return changed


@pytest.fixture
def examples() -> dict[str, Raw]:
    return copy.deepcopy(EXAMPLES)


@pytest.fixture
def ppo() -> Raw:
    return copy.deepcopy(EXAMPLES["ppo"])


@pytest.fixture
def with_change() -> Callable[[Raw, str, Any], Raw]:
    return change


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write specs, or text as it is, to a file and return its path."""

    def write_file(content: Raw | str, name: str = "specs.json") -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write_file
