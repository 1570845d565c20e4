"""What a session is going to do, known before it begins."""

from collections.abc import Callable
from typing import Any

import pytest

from slm.backend import EagerBackend
from slm.session import Session, Tables
from slm.spec import Spec

A2C = {"name": "ActorCritic", "gamma": 0.9, "lam": 0.8}
SIL = {"sil_policy_loss_coef": 1, "sil_val_loss_coef": 1, "training_iter": 1, "training_batch_iter": 1}
SIL_MEMORY = {"name": "OnPolicyBatchReplay", "sil_replay_name": "Replay", "batch_size": 3, "max_size": 50}
SHARED = {"agent.net.shared": True, "agent.net.use_same_optim": False}


class Nowhere:
    """A table that keeps nothing."""

    def append(self, row: dict[str, Any]) -> None:
        pass


def play(session: Session) -> None:
    """Run a session to its end, without tables."""
    tables = Tables(Nowhere(), Nowhere(), Nowhere())
    session.run(tables, lambda: None)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ppo", {}),
        ("ppo", {"env.num_envs": 3, "env.max_frame": 100}),
        ("ppo", {**SHARED, "agent.algorithm": {**A2C, "training_frequency": 7}}),
        ("ddqn", {}),
        ("ddqn", {"env.num_envs": 3, "agent.algorithm.training_frequency": 7, "env.max_frame": 200}),
        ("ddqn", {"env.num_envs": 3, "agent.algorithm.training_frequency": 2, "env.max_frame": 100}),
        ("ddqn", {"agent.algorithm.training_start_step": 600}),
    ],
)
def test_number_of_trainings(make_spec: Callable[..., Spec], name: str, changes: dict[str, Any]) -> None:
    spec = make_spec(name, changes)
    session = Session(spec, 0, 0, EagerBackend())
    play(session)
    assert session.algorithm.trainings(spec.env.max_frame) == session.state.clock.train_calls  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "changes", "rows"),
    [
        ("ppo", {}, 32),
        ("ppo", {"agent.algorithm.minibatch_size": 30}, 4),
        ("ppo", {"agent.algorithm.minibatch_size": 1000}, 64),
        ("ppo", {**SHARED, "agent.algorithm": {**A2C, "training_frequency": 7}}, 28),
        ("ppo", {**SHARED, "agent.memory": SIL_MEMORY, "agent.algorithm": {**A2C, "name": "SIL", **SIL,
                                                                           "training_frequency": 7}}, 3),
        ("ddqn", {}, 16),
    ],
)  # fmt: skip
def test_smallest_batch(
    make_spec: Callable[..., Spec], monkeypatch: pytest.MonkeyPatch, name: str, changes: dict[str, Any], rows: int
) -> None:
    """Measured where the networks train, on all batches of a session."""
    sizes: list[int] = []
    session = Session(make_spec(name, changes), 0, 0, EagerBackend())
    for network in session.algorithm.networks.values():
        train = network.train
        monkeypatch.setattr(network, "train", lambda named, x, train=train: (sizes.append(len(x)), train(named, x))[1])
    play(session)
    assert min(sizes) == session.algorithm.smallest_batch() == rows  # type: ignore[attr-defined]


def test_lengths_of_episodes_are_not_foreseen(make_spec: Callable[..., Spec]) -> None:
    algorithm = {**A2C, "training_frequency": 2}
    changes = {**SHARED, "agent.algorithm": algorithm, "agent.memory": {"name": "OnPolicyReplay"}}
    session = Session(make_spec("ppo", changes), 0, 0, EagerBackend())
    assert session.algorithm.trainings(800) is None  # type: ignore[attr-defined]
    assert session.algorithm.smallest_batch() is None  # type: ignore[attr-defined]
