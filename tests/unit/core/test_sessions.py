"""Sessions: what they write, when, and that it is a pure function of spec and seed."""

import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
import torch

from slm.checkpoint import to_bytes
from slm.compiled import CompiledBackend
from slm.env import make_world
from slm.evaluation import Evaluator
from slm.provenance import library_versions
from slm.session import Session, reaches
from slm.spec import Spec
from slm.streams import make_streams

DETERMINISTIC = ("train.csv", "eval.csv", "model.pt", "best.pt")
CONTRACT = ["frame", "total_reward", "total_reward_ma", "episodes", "opt_step", "loss", "lr"]
MakeSpec, Run = Callable[..., Spec], Callable[..., Path]


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in DETERMINISTIC}


@pytest.mark.parametrize("name", ["ppo", "ddqn"])
def test_same_seed_same_bytes(make_spec: MakeSpec, run: Run, name: str) -> None:
    spec = make_spec(name)
    first = contents(run(spec))
    assert contents(run(spec)) == first
    for other in (run(spec, session=1), run(spec, trial=1), run(make_spec(name, {"meta.random_seed": 1}))):
        for artifact, data in contents(other).items():
            assert data != first[artifact], artifact
    assert contents(run(make_spec(name, {"meta.random_seed": 0}))) == first


def test_tables(make_spec: MakeSpec, run: Run) -> None:
    out = run(make_spec("ppo"))
    train, evaluation, timing = (pd.read_csv(out / f"{name}.csv") for name in ("train", "eval", "timing"))
    assert list(train.columns[:7]) == CONTRACT
    assert list(train.columns[7:]) == ["policy_loss", "value_loss", "entropy", "entropy_coef", "clip_eps"]
    assert list(evaluation.columns) == [*train.columns, "source"]
    assert list(timing.columns) == ["frame", "fps", "wall_t"]
    assert train["frame"].tolist() == timing["frame"].tolist() == list(range(100, 900, 100))
    assert evaluation["frame"].tolist() == [200, 400, 600, 800]
    assert (evaluation["source"] == "train").all()
    # Scores are inferred from training: those of the same frames, averaged over the eval rows.
    at_evaluation = train[train["frame"].isin(evaluation["frame"])].reset_index(drop=True)
    for column in set(train.columns) - {"total_reward_ma"}:
        np.testing.assert_array_equal(evaluation[column], at_evaluation[column], err_msg=column)
    np.testing.assert_allclose(evaluation["total_reward_ma"], evaluation["total_reward"].expanding().mean())
    np.testing.assert_allclose(train["total_reward_ma"], train["total_reward"].expanding().mean())
    assert (train["clip_eps"] == 0.2).all()
    assert (train["opt_step"].diff().dropna() >= 0).all()
    assert train["opt_step"].iloc[-1] == 12 * 2 * 2 * 2, "12 rollouts, 2 epochs of 2 minibatches, 2 networks"
    assert timing["wall_t"].is_monotonic_increasing


def test_summary(make_spec: MakeSpec, run: Run) -> None:
    out = run(make_spec("ppo"), session=3)
    summary = json.loads((out / "session.json").read_text())
    train = pd.read_csv(out / "train.csv")
    last = train.iloc[-1]
    assert summary["state"] == "finished"
    assert summary["session"] == 3
    assert summary["backend"] == "eager"
    assert summary["frames"] == last["frame"] == 800
    assert summary["episodes"] == last["episodes"]
    assert summary["opt_step"] == last["opt_step"]
    assert summary["metrics"]["total_reward_ma"] == pytest.approx(last["total_reward_ma"])
    assert summary["gains_over"] == "0 (without baseline)"
    assert summary["versions"]["torch"] == torch.__version__.split("+")[0] or summary["versions"]["torch"]
    assert summary["wall_time_s"] > 0


def test_summary_names_the_backend_that_was_really_used(make_spec: MakeSpec, run: Run) -> None:
    """A torch optimizer can't be compiled, so its updates run eagerly."""
    out = run(make_spec("ppo", {"agent.net.optim_spec": {"name": "NAdam"}}), backend=CompiledBackend())
    assert json.loads((out / "session.json").read_text())["backend"] == "eager"


@pytest.mark.parametrize(
    ("num_envs", "max_frame", "log", "evaluate", "log_rows", "eval_rows"),
    [
        (3, 350, 100, 130, [102, 201, 300, 351], [132, 261, 351]),
        (4, 200, 100, 1000, [100, 200], [200]),
        (4, 202, 100, 50, [100, 200, 204], [52, 100, 152, 200, 204]),
        (8, 40, 3, 16, [8, 16, 24, 32, 40], [16, 32, 40]),
    ],
)
def test_checkpoints_are_at_the_first_frame_that_reaches_each_multiple(
    make_spec: MakeSpec,
    run: Run,
    num_envs: int,
    max_frame: int,
    log: int,
    evaluate: int,
    log_rows: list[int],
    eval_rows: list[int],
) -> None:
    changes = {"env.num_envs": num_envs, "env.max_frame": max_frame}
    out = run(make_spec("ppo", {**changes, "meta.log_frequency": log, "meta.eval_frequency": evaluate}))
    assert pd.read_csv(out / "train.csv")["frame"].tolist() == log_rows
    assert pd.read_csv(out / "timing.csv")["frame"].tolist() == log_rows
    assert pd.read_csv(out / "eval.csv")["frame"].tolist() == eval_rows


def test_reaches() -> None:
    assert [frame for frame in range(16, 200, 16) if reaches(50, frame - 16, frame)] == [64, 112, 160]
    assert not reaches(50, 50, 66)
    assert reaches(50, 34, 50)


class Payoff(gym.Env):
    """Episodes of 10 steps whose return is ``first`` and changes by ``change`` from one to the next."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, first: float = 5.0, change: float = 0.0) -> None:
        self.total, self.change, self.steps = first - change, change, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.total, self.steps = self.total + self.change, 0
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        over = self.steps == 10
        return np.full(2, 0.1, np.float32), self.total if over else 0.0, over, False, {}


@pytest.fixture
def payoff() -> Any:
    gym.register("test/Payoff-v0", Payoff)
    yield {"env.name": "test/Payoff-v0", "env.num_envs": 1, "env.max_frame": 60, "meta.log_frequency": 4}
    del gym.registry["test/Payoff-v0"]


@pytest.mark.parametrize(("change", "best"), [(0.0, 12), (-1.0, 12), (1.0, 60)])
def test_best_is_the_highest_score_and_the_earlier_at_a_tie(
    make_spec: MakeSpec, run: Run, payoff: dict[str, Any], change: float, best: int
) -> None:
    """The first episode ends at frame 10, so that the first score is at frame 12."""
    out = run(make_spec("ppo", {**payoff, "env.change": change, "agent.algorithm.time_horizon": 8}))
    train = pd.read_csv(out / "train.csv")
    assert train["total_reward"].isna().tolist() == [True, True, *[False] * 13]
    assert train["total_reward_ma"].isna().tolist() == train["total_reward"].isna().tolist()
    models = {name: torch.load(out / f"{name}.pt", weights_only=True) for name in ("best", "model")}
    assert models["model"]["frame"] == 60
    assert models["best"]["frame"] == best
    weights = [torch.cat([w.flatten() for w in models[name]["networks"]["actor"].values()]) for name in models]
    assert torch.equal(*weights) == (best == 60)


def test_without_an_episode_there_is_no_score(make_spec: MakeSpec, run: Run, payoff: dict[str, Any]) -> None:
    out = run(make_spec("ppo", {**payoff, "env.max_frame": 8}))
    train = pd.read_csv(out / "train.csv")
    assert train["total_reward"].isna().all()
    assert train["total_reward_ma"].isna().all()
    assert (out / "best.pt").read_bytes() == (out / "model.pt").read_bytes()
    assert json.loads((out / "session.json").read_text())["metrics"]["total_reward_ma"] is None


@pytest.mark.parametrize("changes", [{}, {"env.normalize_obs": True, "env.normalize_reward": True}])
@pytest.mark.parametrize("name", ["ppo", "ddqn"])
def test_rigorous_evaluation_leaves_training_alone(
    make_spec: MakeSpec, run: Run, name: str, changes: dict[str, Any]
) -> None:
    inferred = run(make_spec(name, changes))
    rigorous = run(make_spec(name, {**changes, "meta.rigorous_eval": 3}))
    for artifact in ("train.csv", "model.pt", "best.pt"):
        assert (inferred / artifact).read_bytes() == (rigorous / artifact).read_bytes(), artifact
    table = pd.read_csv(rigorous / "eval.csv")
    assert (table["source"] == "eval").all()
    scores = table["total_reward"].to_numpy()
    np.testing.assert_allclose(scores * 3, np.round(scores * 3), err_msg="means of three whole CartPole episodes")
    assert not np.array_equal(scores, pd.read_csv(inferred / "eval.csv")["total_reward"])
    assert (rigorous / "eval.csv").read_bytes() == (
        run(make_spec(name, {**changes, "meta.rigorous_eval": 3})) / "eval.csv"
    ).read_bytes()


def test_rigorous_evaluation_explores_at_the_end_value(make_spec: MakeSpec, run: Run, payoff: dict[str, Any]) -> None:
    """Each evaluation plays whole episodes of its own: from the first on, though training hasn't finished one."""
    changes = {"meta.rigorous_eval": 2, "meta.eval_frequency": 4, "env.max_frame": 8}
    table = pd.read_csv(run(make_spec("ppo", {**payoff, **changes})) / "eval.csv")
    assert table["total_reward"].tolist() == [5.0, 5.0]


def test_evaluation_sees_what_training_would_see(make_spec: MakeSpec) -> None:
    """Observations are normalised by the training's statistics as they stand, and exploration is at its end value."""
    spec = make_spec("ppo", {"env.normalize_obs": True})
    training, streams = make_world(spec.env, 0.9), make_streams(0, 0, 0, 4)
    training.reset(streams.env_seeds)
    for _ in range(20):
        training.step(np.ones(4, np.int64))
    statistics = training.normaliser()
    assert statistics is not None
    seen: list[np.ndarray] = []

    class Recorder:
        def act(self, observations: np.ndarray, frame: float, rng: np.random.Generator) -> np.ndarray:
            assert frame == math.inf
            seen.append(observations)
            return np.zeros(len(observations), np.int64)

        def to_env(self, actions: np.ndarray) -> np.ndarray:
            return actions

    recorder: Any = Recorder()
    score = Evaluator(spec.env, 3, 0.9, sequence=None).total_reward(recorder, training, streams, 700)
    plain = make_world(spec.env.model_copy(update={"num_envs": 3, "normalize_obs": False, "clip_obs": None}), 0.9)
    raw = plain.reset(streams.evaluation_at(700, 3)[0])
    returns, running = np.zeros(3), np.ones(3, bool)
    deviation = np.sqrt(statistics["variance"] + 1e-8)
    for observations in seen:
        shown = np.clip((raw - statistics["mean"]) / deviation, -10.0, 10.0)
        np.testing.assert_allclose(observations, shown, rtol=1e-4, atol=1e-4)
        step = plain.step(np.zeros(3, np.int64))
        returns += np.where(running, step.raw_rewards, 0.0)
        running &= ~step.done
        raw = step.observations
    assert not running.any()
    assert score == returns.mean(), "of the first episode of each environment, and of no second one"
    assert to_bytes(training.normaliser()) == to_bytes(statistics), "training's statistics stay as they stand"


def test_finished_session_is_published_again_without_training(
    make_spec: MakeSpec, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spec, inprogress = make_spec("ppo"), tmp_path / "progress"
    first = run(spec, inprogress=inprogress)
    everything = {path.name: path.read_bytes() for path in first.iterdir()}
    assert sorted(everything) == sorted([*DETERMINISTIC, "timing.csv", "session.json"])

    def refuse(*args: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(Session, "run", refuse)
    with caplog.at_level(logging.INFO):
        second = run(spec, inprogress=inprogress)
    assert {path.name: path.read_bytes() for path in second.iterdir()} == everything
    assert "the session is finished already" in caplog.text
    (folder,) = inprogress.iterdir()
    assert [path.name for path in folder.glob("*checkpoint*")] == ["checkpoint.pt"], "what extends it, and no more"


def test_finished_session_of_other_code_is_trained_again(
    make_spec: MakeSpec, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spec, inprogress = make_spec("ppo"), tmp_path / "progress"
    first = contents(run(spec, inprogress=inprogress))
    for module in ("train", "artifacts"):
        monkeypatch.setattr(f"slm.{module}.code_fingerprint", lambda: "other")
    with caplog.at_level(logging.INFO):
        out = run(spec, inprogress=inprogress)
    assert "made by other code" in caplog.text
    assert contents(out) == first
    assert json.loads((out / "session.json").read_text())["code_fingerprint"] == "other"


def test_finished_session_of_another_library_is_trained_again(
    make_spec: MakeSpec, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spec, inprogress = make_spec("ppo"), tmp_path / "progress"
    run(spec, inprogress=inprogress)
    for module in ("train", "artifacts"):
        monkeypatch.setattr(f"slm.{module}.library_versions", lambda: {**library_versions(), "torch": "0.1"})
    with caplog.at_level(logging.INFO):
        run(spec, inprogress=inprogress)
    assert "made with other versions of torch: training it again" in caplog.text


def test_infinite_loss_is_an_error(make_spec: MakeSpec, run: Run) -> None:
    from slm.algorithms import DivergedError

    with pytest.raises(DivergedError, match="the loss is"):
        run(make_spec("ppo", {"agent.net.optim_spec": {"name": "SGD", "lr": 1e30}}))


def test_progress_says_frames_speed_score_and_time_left(caplog: pytest.LogCaptureFixture) -> None:
    from slm.session import Progress, duration

    with caplog.at_level(logging.INFO):
        Progress(0, 1000).report(500, 12.345)
        assert caplog.text == "", "not more often than every ten seconds"
        Progress(0, 1000).report(1000, math.nan)
    assert "frame 1000 of 1000 (100%)" in caplog.text
    assert "frames/s, score nan, 0:00:00 left" in caplog.text
    assert duration(3725.4) == "1:02:05"
