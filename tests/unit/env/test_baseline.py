"""The random baseline."""

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from slm.baseline import random_baseline, write_baseline
from slm.spec import EnvSpec


def spec(name: str, **keys: object) -> EnvSpec:
    return EnvSpec.model_validate({"name": name, "max_frame": 1, "clip_obs": None, "clip_reward": None, **keys})


def test_mean_and_deviation_of_whole_episodes() -> None:
    """Counter-v0 gives 1 + 2 + … + 5 whatever the actions are."""
    assert random_baseline(spec("test/Counter-v0", length=5), 7) == {"mean": 15.0, "std": 0.0, "episodes": 7}


def test_baseline_by_hand() -> None:
    env, returns = gym.make("Pendulum-v1"), []
    for seed in range(4):
        env.reset(seed=seed)
        env.action_space.seed(seed)
        returns.append(sum(float(env.step(env.action_space.sample())[1]) for _ in range(200)))
    baseline = random_baseline(spec("Pendulum-v1", clip_reward=0.1, normalize_reward=True), 4)
    assert baseline == {"mean": np.mean(returns), "std": np.std(returns), "episodes": 4}


def test_baseline_of_random_cartpole_is_the_known_one() -> None:
    assert 20 < random_baseline(spec("CartPole-v1"))["mean"] < 25


@pytest.mark.parametrize("name", ["LunarLander-v3", "ALE/Breakout-v5"])
def test_baseline_is_deterministic(name: str) -> None:
    assert random_baseline(spec(name), 3) == random_baseline(spec(name), 3)


def test_atari_baseline_is_of_raw_rewards_over_all_lives() -> None:
    keys = {"life_loss_info": True, "clip_reward": 1}
    assert random_baseline(spec("ALE/MsPacman-v5", **keys), 1) == random_baseline(spec("ALE/MsPacman-v5"), 1)
    assert random_baseline(spec("ALE/MsPacman-v5", **keys), 1)["mean"] >= 100


def test_arguments_count() -> None:
    discrete, continuous = (random_baseline(spec("LunarLander-v3", continuous=on), 5) for on in (False, True))
    assert discrete["mean"] != continuous["mean"]
    assert random_baseline(spec("Pendulum-v1", max_t=10), 5)["mean"] > random_baseline(spec("Pendulum-v1"), 5)["mean"]


def test_file_says_what_it_belongs_to(tmp_path: Path) -> None:
    out = tmp_path / "baselines" / "counter.json"
    write_baseline(spec("test/Counter-v0", length=2), out)
    first = out.read_bytes()
    assert json.loads(first) == {
        "name": "test/Counter-v0", "kwargs": {"length": 2}, "max_t": None, "mean": 3.0, "std": 0.0, "episodes": 100
    }  # fmt: skip
    write_baseline(spec("test/Counter-v0", length=2), out)
    assert out.read_bytes() == first
