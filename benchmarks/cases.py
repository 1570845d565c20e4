"""What the benchmarks measure: shipped specs, and stable-baselines3 with the same settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slm.spec import Spec, load_spec

SPECS = Path(__file__).parent.parent / "specs" / "benchmark"
NUM_ENVS = 4


@dataclass(frozen=True)
class Case:
    """One measurement: a shipped spec, how many frames of it to time, and its peer."""

    file: str
    spec_name: str
    frames: int
    peer: Callable[[str], Any]
    """From the environment's name to a stable-baselines3 model."""

    def spec(self, frames: int) -> Spec:
        """The spec, ending after that many frames."""
        spec = load_spec(SPECS / self.file, self.spec_name)
        return spec.model_copy(update={"env": spec.env.model_copy(update={"max_frame": frames})})


def vector(env: str) -> Any:
    """Four environments, stepped as stable-baselines3 does it by itself."""
    from stable_baselines3.common.env_util import make_vec_env

    return make_vec_env(env, n_envs=NUM_ENVS, seed=0)


def ppo(env: str) -> Any:
    """PPO with the settings of ``ppo_cartpole``."""
    from stable_baselines3 import PPO
    from torch import nn

    return PPO(
        "MlpPolicy", vector(env), learning_rate=6e-4, n_steps=256, batch_size=128, n_epochs=15, gamma=0.9769,
        gae_lambda=0.9112, clip_range=0.1312, ent_coef=0.0074, vf_coef=0.6049, max_grad_norm=0.5,
        policy_kwargs={"net_arch": [64, 64], "activation_fn": nn.Tanh}, device="cpu",
    )  # fmt: skip


def a2c(env: str) -> Any:
    """A2C with the settings of ``a2c_cartpole``."""
    from stable_baselines3 import A2C
    from torch import nn

    return A2C(
        "MlpPolicy", vector(env), learning_rate=1e-3, n_steps=32, gamma=0.99, gae_lambda=0.95, ent_coef=0.01,
        vf_coef=0.5, max_grad_norm=0.5, use_rms_prop=False, normalize_advantage=True,
        policy_kwargs={"net_arch": [64, 64], "activation_fn": nn.Tanh}, device="cpu",
    )  # fmt: skip


def dqn(env: str) -> Any:
    """DQN with the settings of ``dqn_cartpole``: four gradient steps for each step of four environments."""
    from stable_baselines3 import DQN
    from torch import nn

    return DQN(
        "MlpPolicy", vector(env), learning_rate=3e-4, buffer_size=50_000, learning_starts=32, batch_size=64,
        gamma=0.995, train_freq=1, gradient_steps=NUM_ENVS, target_update_interval=75, max_grad_norm=0.55,
        policy_kwargs={"net_arch": [256, 128], "activation_fn": nn.SELU}, device="cpu",
    )  # fmt: skip


def sac(env: str) -> Any:
    """SAC with the settings of ``sac_pendulum``: four gradient steps for each step of four environments."""
    from stable_baselines3 import SAC

    return SAC(
        "MlpPolicy", vector(env), learning_rate=3e-4, buffer_size=100_000, learning_starts=256, batch_size=256,
        gamma=0.99, tau=0.005, train_freq=1, gradient_steps=NUM_ENVS, ent_coef="auto",
        policy_kwargs={"net_arch": [256, 256]}, device="cpu",
    )  # fmt: skip


CASES = {
    "ppo": Case("ppo/ppo_classic.yaml", "ppo_cartpole", 20480, ppo),
    "a2c": Case("a2c/a2c_classic.yaml", "a2c_cartpole", 40960, a2c),
    "dqn": Case("dqn/dqn_classic.yaml", "dqn_cartpole", 4000, dqn),
    # Prioritised Double DQN has no peer there: it is held against plain DQN.
    "ddqn_per": Case("ddqn_per/ddqn_per_classic.yaml", "ddqn_per_cartpole", 4000, dqn),
    # The first 256 frames are without updates, on both sides.
    "sac": Case("sac/sac_classic.yaml", "sac_pendulum", 4000, sac),
}


def chosen(names: list[str]) -> dict[str, Case]:
    """The named cases, all without a name. Raises SystemExit for a name that isn't one."""
    if unknown := [name for name in names if name not in CASES]:
        raise SystemExit(f"unknown case {unknown[0]}; cases: {', '.join(CASES)}")
    return {name: CASES[name] for name in names or CASES}


class NoTable:
    """Takes rows and keeps none: the loop is timed, not the disk."""

    def append(self, row: object) -> None:
        """Drop a row."""
