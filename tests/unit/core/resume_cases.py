"""Interrupted sessions of other algorithms, nets, optimizers and worlds: what each keeps must be in a checkpoint."""

from typing import Any

import pytest

NET = {"type": "MLPNet", "hid_layers": [8, 8], "hid_layers_activation": "tanh"}
SAC_NET = {**NET, "update_type": "replace", "update_frequency": 50}
SOFT = {"gamma": 0.99, "training_frequency": 4, "training_iter": 2, "training_start_step": 60, "policy_delay": 3}
SAC = {"name": "SoftActorCritic", **SOFT}
REPLAY = {"name": "Replay", "batch_size": 8, "max_size": 100}
PRIORITIZED = {"name": "PrioritizedReplay", "batch_size": 8, "max_size": 100, "alpha": 0.6, "epsilon": 1e-4,
               "use_cer": True}  # fmt: skip
BETA = {"name": "linear_decay", "start_val": 0.4, "end_val": 1, "start_step": 0, "end_step": 400}
RENORM = {
    "modules": {
        "body": {
            "Sequential": [
                {"LazyLinear": {"out_features": 8}},
                {"LazyBatchRenorm1d": {"momentum": 0.01, "eps": 0.001, "warmup_steps": 20}},
                {"ReLU": None},
            ]
        }
    },
    "graph": {"input": "x", "modules": {"body": ["x"]}, "output": "body"},
}
SIL = {"name": "SIL", "gamma": 0.9, "lam": 0.8, "training_frequency": 8, "sil_policy_loss_coef": 0.5,
       "sil_val_loss_coef": 0.1, "training_iter": 2, "training_batch_iter": 2}  # fmt: skip
SIL_MEMORY = {"name": "OnPolicyBatchReplay", "sil_replay_name": "PrioritizedReplay", "batch_size": 16, "max_size": 200,
              "alpha": 0.6, "epsilon": 1e-3}  # fmt: skip
REINFORCE = {"name": "Reinforce", "gamma": 0.9, "training_frequency": 3, "center_return": True}
GRU = {"type": "RecurrentNet", "cell_type": "GRU", "fc_hid_layers": [4], "rnn_hidden_size": 4, "seq_len": 3,
       "hid_layers_activation": "tanh"}  # fmt: skip
CONV = {"type": "ConvNet", "conv_hid_layers": [[2, 8, 8, 0, 1]], "fc_hid_layers": [4], "hid_layers_activation": "relu",
        "normalize": True}  # fmt: skip


def world(name: str, frames: int, **keys: Any) -> dict[str, Any]:
    return {"name": name, "num_envs": 2, "max_frame": frames, **keys}


def soft(env: dict[str, Any], net: dict[str, Any] = SAC_NET, **algorithm: Any) -> dict[str, Any]:
    """A soft actor-critic."""
    return {"agent.algorithm": {**SAC, **algorithm}, "agent.memory": REPLAY, "agent.net": net, "env": env}


PENDULUM = world("Pendulum-v1", 500, normalize_obs=True, normalize_reward=True)

# (spec to change, its changes, frames to save at, frame to crash at)
CASES = [
    pytest.param("ddqn", soft(PENDULUM), [222], 300, id="sac"),
    pytest.param(
        "ddqn",
        {**soft(world("CartPole-v1", 500)), "agent.memory": {**PRIORITIZED, "beta_spec": BETA}},
        [222], 300, id="discrete sac, prioritised",
    ),
    pytest.param(
        "ddqn",
        {**soft(PENDULUM, NET, name="CrossQ"), "agent.critic_net": {"type": "TorchArcNet", "arc": RENORM}},
        [82], 300, id="crossq, within the warm-up of batch renorm",
    ),
    pytest.param(
        "ppo",
        {"agent.algorithm": SIL, "agent.memory": SIL_MEMORY, "agent.net.shared": False,
         "agent.net.use_same_optim": False},
        [420], 600, id="sil",
    ),
    pytest.param(
        "ppo",
        {"agent.algorithm": REINFORCE, "agent.memory": {"name": "OnPolicyCrossEntropy", "cross_entropy": 0.5}},
        [420], 600, id="reinforce, cross-entropy",
    ),
    pytest.param("ddqn", {"agent.net": {**GRU, "update_frequency": 50}}, [250], 330, id="gru"),
    pytest.param(
        "ppo",
        {"agent.net.optim_spec": {"name": "NAdam"},
         "agent.net.lr_scheduler_spec": {"name": "CosineAnnealingLR", "T_max": 10}},
        [412], 540, id="torch optimizer and scheduler",
    ),
    pytest.param("ddqn", soft(world("BipedalWalker-v3", 300)), [162], 220, id="box2d"),
    pytest.param("ddqn", soft(world("Hopper-v5", 400, normalize_obs=True)), [222], 300, id="mujoco"),
    pytest.param(
        "ddqn",
        {"agent.net": {**CONV, "update_frequency": 50}, "agent.memory": REPLAY, "env": world("ALE/Breakout-v5", 300)},
        [162], 220, id="atari",
    ),
]  # fmt: skip
