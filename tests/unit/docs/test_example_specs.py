"""The specs to start from, `specs/examples`, load without a warning and train."""

import json
from pathlib import Path

import pytest

import slm.distributed
from slm.algorithms.hogwild import Common
from slm.backend import EagerBackend, configure_process
from slm.distributed import Trial, make_common, train_trial
from slm.job import Job
from slm.spec import Spec, load_spec, read_file, validate_file
from slm.train import train

FOLDER = Path(__file__).parents[3] / "specs" / "examples"
VARIABLES = {"env": "ALE/Pong-v5"}
NAMES = {
    "quick_development": "ppo_cartpole_quick",
    "standard_training": "ppo_lunar",
    "search_with_early_stopping": "a2c_cartpole_search",
    "ppo_cartpole_search": "ppo_cartpole_search",
    "hogwild": "a3c_cartpole",
    "rigorous_evaluation": "double_dqn_cartpole_evaluated",
    "atari": "ppo_atari",
}
TRAINED = [name for name in NAMES if name not in ("hogwild", "atari")]


def load(name: str) -> Spec:
    return load_spec(FOLDER / f"{name}.yaml", NAMES[name], VARIABLES)


def shortened(spec: Spec, frames: int, **algorithm: int) -> Spec:
    """The spec with few frames and a checkpoint in their middle; of the algorithm the given keys are changed."""
    agent = spec.agent.model_copy(update={"algorithm": spec.agent.algorithm.model_copy(update=algorithm)})
    frequencies = {"log_frequency": frames // 2, "eval_frequency": frames // 2}
    episodes = {"rigorous_eval": min(spec.meta.rigorous_eval, 2)}
    meta = spec.meta.model_copy(update={**frequencies, **episodes})
    return spec.model_copy(
        update={"agent": agent, "env": spec.env.model_copy(update={"max_frame": frames}), "meta": meta}
    )


def run(spec: Spec, folder: Path) -> Path:
    """Train one session; returns the folder of its artifacts."""
    configure_process(threads=1)
    out = folder / "session0"
    train(Job(spec, 0, 0, "hash", out, folder / "inprogress", 60.0), EagerBackend())
    return out


def rows(path: Path) -> list[dict[str, str]]:
    head, *lines = (line.split(",") for line in path.read_text().splitlines())
    return [dict(zip(head, line, strict=True)) for line in lines]


def test_every_example_is_listed() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_example_is_valid(name: str) -> None:
    path = FOLDER / f"{name}.yaml"
    assert list(read_file(path)) == [NAMES[name]]
    assert validate_file(path) == []
    assert path.read_text().startswith("# ")  # says what it is a starting point for


@pytest.mark.parametrize("name", TRAINED)
def test_example_trains(name: str, tmp_path: Path) -> None:
    spec = load(name)
    rollout = {"time_horizon": 16, "training_epoch": 1} if spec.agent.algorithm.name == "PPO" else {}
    start = {"training_start_step": 64} if spec.agent.algorithm.name == "DoubleDQN" else {}
    frames = 512
    out = run(shortened(spec, frames, **rollout, **start), tmp_path)
    summary = json.loads((out / "session.json").read_text())
    assert summary["frames"] == frames
    assert summary["opt_step"] > 0
    train_rows, eval_rows = rows(out / "train.csv"), rows(out / "eval.csv")
    assert [row["frame"] for row in train_rows] == [row["frame"] for row in eval_rows] == ["256", "512"]
    assert {row["source"] for row in eval_rows} == {"eval" if spec.meta.rigorous_eval else "train"}


def test_atari_example_trains(tmp_path: Path) -> None:
    spec = shortened(load("atari"), 32, time_horizon=8, minibatch_size=8, training_epoch=1)
    spec = spec.model_copy(update={"env": spec.env.model_copy(update={"num_envs": 2})})
    out = run(spec, tmp_path)
    assert json.loads((out / "session.json").read_text())["opt_step"] == 32 // 8
    assert [row["frame"] for row in rows(out / "train.csv")] == ["16", "32"]


def test_search_example_searches_keys_of_its_own() -> None:
    paths = {variable.path for variable in load("search_with_early_stopping").search}
    assert {"agent.algorithm.gamma", "agent.net.hid_layers", "agent.net.actor_optim_spec.lr"} <= paths


@pytest.mark.parametrize("mode", ["shared", "synced"])
def test_hogwild_example_trains_with_all_its_workers(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Common] = []
    monkeypatch.setattr(slm.distributed, "make_common", lambda *args: made.append(make_common(*args)) or made[-1])
    spec = shortened(load("hogwild"), 400)
    meta = {"distributed": mode, "max_session": 2, "log_frequency": 100, "eval_frequency": 100}
    spec = spec.model_copy(update={"meta": spec.meta.model_copy(update=meta)})
    configure_process(threads=1)
    train_trial(Trial(spec, 0, tmp_path / "out", tmp_path / "inprogress", 60.0), EagerBackend())
    for session in (0, 1):
        out = tmp_path / f"out/session{session}"
        summary = json.loads((out / "session.json").read_text())
        assert (summary["frames"], summary["opt_step"]) == (200, 2 * 200 // 5)
        assert (summary["session"], summary["reproducible"]) == (session, False)
        assert [row["frame"] for row in rows(out / "train.csv")] == ["100", "200"]
    # Counted in memory that the workers share: each alone makes 40 steps. One or another count may be lost.
    (actor_steps,) = (buffer.item() for name, buffer in made[0].buffers.items() if name == "actor.t")
    assert 60 < actor_steps <= 80
