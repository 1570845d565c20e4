"""Whole sessions of a few hundred frames: the random agent, and every kind of action space and distribution."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from scipy.stats import chisquare

from slm.backend import EagerBackend
from slm.records import Table
from slm.session import Session, Tables
from slm.spec import parse_spec

SPACES: dict[str, gym.Space] = {
    "discrete": gym.spaces.Discrete(3, start=5),
    "box": gym.spaces.Box(np.array([[-1.0, 0.0], [2.0, -3.0]], np.float32), np.array([[1, 2], [4, 3]], np.float32)),
    "multi": gym.spaces.MultiDiscrete(np.array([[3, 2], [2, 4]]), start=np.array([[0, 1], [-2, 0]])),
    "bits": gym.spaces.MultiBinary([2, 2]),
}
LOGITS = {"type": "MLPNet", "hid_layers": [4], "hid_layers_activation": "tanh"}
SEEN: list[np.ndarray] = []
"""Actions that the environments were given."""


class CheckedEnv(gym.Env):
    """Checks each action against its space; an episode ends after 7 steps, every second one by truncation."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self, space: str) -> None:
        self.action_space = SPACES[space]
        self.steps = self.episodes = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps, self.episodes = 0, self.episodes + 1
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        SEEN.append(np.array(action))
        self.steps += 1
        over, odd = self.steps >= 7, self.episodes % 2 == 1
        return self._observation(), float(np.mean(action)), over and odd, over and not odd, {}

    def _observation(self) -> np.ndarray:
        return self.np_random.uniform(-1, 1, 2).astype(np.float32)


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    gym.register("test/Checked-v0", CheckedEnv)
    SEEN.clear()
    yield
    del gym.registry["test/Checked-v0"]


def run(
    folder: Path, space: str, algorithm: dict[str, Any], memory: str, net: dict[str, Any], frames: int = 240
) -> list:
    """Run a session; returns the rows of its train.csv."""
    raw = {
        "agent": {"name": "x", "algorithm": algorithm, "memory": {"name": memory}, "net": net},
        "env": {"name": "test/Checked-v0", "num_envs": 3, "max_frame": frames, "space": space},
        "meta": {
            "distributed": False,
            "max_session": 1,
            "log_frequency": 60,
            "eval_frequency": 120,
            "rigorous_eval": 2,
        },
    }
    session = Session(parse_spec("x", raw), 0, 0, EagerBackend())
    tables = Tables(
        Table(folder / "train.csv", session.columns),
        Table(folder / "eval.csv", [*session.columns, "source"]),
        Table(folder / "timing.csv", ("frame", "fps", "wall_t")),
    )
    for table in tables.all():
        table.start()
    session.run(tables, lambda: None)
    for table in tables.all():
        table.close()
    with (folder / "train.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("space", SPACES)
def test_random_agent_acts_uniformly_and_learns_nothing(tmp_path: Path, space: str) -> None:
    rows = run(tmp_path, space, {"name": "Random"}, "OnPolicyReplay", {}, frames=3000)
    assert len(rows) == 50
    assert {row["loss"] for row in rows} == {row["lr"] for row in rows} == {"nan"}
    assert {row["opt_step"] for row in rows} == {"0"}
    assert rows[-1]["episodes"] == "426"
    assert np.isfinite(float(rows[-1]["total_reward"]))
    values = np.array([action.reshape(-1)[0] for action in SEEN])
    counts = np.histogram(values, 10)[0] if space == "box" else np.unique(values, return_counts=True)[1]
    assert chisquare(counts).pvalue > 0.01


A2C = {"name": "ActorCritic", "gamma": 0.9, "lam": 0.9, "training_frequency": 8,
       "entropy_coef_spec": {"name": "no_decay", "start_val": 0.01}}  # fmt: skip
A2C_NET = {**LOGITS, "shared": False, "use_same_optim": True}
REINFORCE = {"name": "Reinforce", "gamma": 0.9, "training_frequency": 4, "center_return": True}
DISTRIBUTIONS = [
    ("discrete", "Categorical"),
    ("discrete", "GumbelSoftmax"),
    ("box", "Normal"),
    ("box", "NormalTanh"),
    ("box", "MultivariateNormal"),
    ("box", "Beta"),
    ("box", "Gumbel"),
    ("box", "LogNormal"),
    ("multi", "MultiCategorical"),
    ("bits", "Bernoulli"),
]


@pytest.mark.parametrize("memory", ["OnPolicyReplay", "OnPolicyBatchReplay"])
@pytest.mark.parametrize(("space", "pdtype"), DISTRIBUTIONS)
def test_every_distribution_trains(tmp_path: Path, space: str, pdtype: str, memory: str) -> None:
    for name, algorithm, net in (("a2c", A2C, A2C_NET), ("reinforce", REINFORCE, LOGITS)):
        folder = tmp_path / name
        folder.mkdir()
        rows = run(folder, space, {**algorithm, "action_pdtype": pdtype}, memory, net)
        assert int(rows[-1]["opt_step"]) >= 5
        assert np.isfinite(float(rows[-1]["loss"]))


@pytest.mark.parametrize("pdtype", ["Normal", "NormalTanh", "Gumbel"])
def test_learned_deviation_apart_from_the_state(tmp_path: Path, pdtype: str) -> None:
    rows = run(
        tmp_path, "box", {**REINFORCE, "action_pdtype": pdtype}, "OnPolicyReplay", {**LOGITS, "log_std_init": -1.0}
    )
    assert np.isfinite(float(rows[-1]["loss"]))


@pytest.mark.parametrize(("space", "pdtype"), [("discrete", "Categorical"), ("box", "Beta"), ("bits", "Bernoulli")])
def test_a_learned_deviation_that_nothing_has_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, space: str, pdtype: str
) -> None:
    run(tmp_path, space, REINFORCE, "OnPolicyReplay", LOGITS, frames=60)
    assert "log_std_init" not in caplog.text
    net = {**LOGITS, "log_std_init": -1.0}
    run(tmp_path, space, {**REINFORCE, "action_pdtype": pdtype}, "OnPolicyReplay", net, frames=60)
    assert f"agent.net.log_std_init has no effect: {pdtype} has no standard deviation" in caplog.text


@pytest.mark.parametrize("space", ["discrete", "multi", "bits"])
@pytest.mark.parametrize("policy", ["epsilon_greedy", "boltzmann", "random"])
def test_every_policy_acts(tmp_path: Path, space: str, policy: str) -> None:
    explore = {"name": "linear_decay", "start_val": 1.0, "end_val": 0.1, "start_step": 0, "end_step": 200}
    algorithm = {**REINFORCE, "action_policy": policy, "explore_var_spec": explore}
    rows = run(tmp_path, space, algorithm, "OnPolicyReplay", LOGITS)
    assert int(rows[-1]["opt_step"]) >= 5
