"""Which experiments share a random baseline, and the name of its file."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slm.errors import UserError
from slm.plan import baseline_key, make_plan, read_sheet
from slm.spec import EnvSpec


def env(name: str, **keys: Any) -> EnvSpec:
    return EnvSpec.model_validate({"name": name, "max_frame": 1, "clip_obs": None, "clip_reward": None, **keys})


def test_a_plain_environment_names_its_baseline() -> None:
    assert baseline_key(env("CartPole-v1")) == "CartPole-v1"


@pytest.mark.parametrize(
    ("name", "keys"),
    [("ALE/Pong-v5", {}), ("a-b/C:d-v0", {}), ("CartPole-v1", {"max_t": 10}), ("CartPole-v1", {"sutton": True})],
)
def test_a_hash_says_what_a_name_does_not(name: str, keys: dict[str, Any]) -> None:
    key = baseline_key(env(name, **keys))
    assert re.fullmatch(r"[A-Za-z0-9_.-]+-[0-9a-f]{8}", key)
    assert key.startswith(re.sub("[/:]", "-", name))


def test_environments_on_which_random_play_differs_have_different_keys() -> None:
    different = [
        *(env("LunarLander-v3"), env("LunarLander-v3", continuous=True), env("LunarLander-v3", continuous=False)),
        *(env("LunarLander-v3", max_t=100), env("LunarLander-v3", continuous=True, max_t=100)),
        *(env("ALE/Pong-v5"), env("ALE-Pong-v5"), env("ALE:Pong-v5")),
    ]
    assert len({baseline_key(spec) for spec in different}) == len(different)


def test_what_random_play_does_not_depend_on_is_not_in_the_key() -> None:
    one = env("LunarLander-v3", continuous=True, wind_power=5.0)
    same = env(
        "LunarLander-v3", wind_power=5, continuous=True, num_envs=8, max_frame=10**6, normalize_obs=True, clip_obs=10,
        normalize_reward=True, clip_reward=10,
    )  # fmt: skip
    assert baseline_key(one) == baseline_key(same)


def test_experiments_on_one_environment_share_a_baseline(
    write_sheet: Callable[..., Path], sheet_schema: dict[str, Any]
) -> None:
    a2c = {"spec_name": "tiny_a2c", "variables": "env=CartPole-v1"}
    acrobot = {"spec_name": "tiny_a2c", "variables": "env=Acrobot-v1"}
    sheet = write_sheet({"experiment": "a"}, {"experiment": "b", **a2c}, {"experiment": "c", **acrobot})
    plan = make_plan(read_sheet(sheet, sheet_schema), (), "eager", False)
    assert [str(experiment.baseline) for experiment in plan.experiments.values()] == [
        *["results/baselines/CartPole-v1.json"] * 2,
        "results/baselines/Acrobot-v1.json",
    ]
    assert plan.on_environment("CartPole-v1") is plan.experiments["a"]
    assert plan.on_environment("Acrobot-v1") is plan.experiments["c"]
    with pytest.raises(UserError, match="no experiment is on an environment with the baseline 'Pendulum-v1'"):
        plan.on_environment("Pendulum-v1")
