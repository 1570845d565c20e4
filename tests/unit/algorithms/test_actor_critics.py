"""PPO and A2C on one small rollout, against an independent implementation with torch autograd."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from actor_critic_reference import Reference, make_experience, remember

from slm.algorithms import Algorithm, Clock, DivergedError
from slm.backend import Agent, EagerBackend, Inputs, Outputs, Program, StepFunction

T, N = 5, 2
Bound = Callable[..., Algorithm]

PPO_CASES: list[dict[str, Any]] = [
    {},
    {"algorithm.clip_vloss": True},
    {"algorithm.symlog": True},
    {"algorithm.symlog": True, "algorithm.clip_vloss": True},
    {"algorithm.normalize_v_targets": True},
    {"algorithm.normalize_v_targets": True, "algorithm.clip_vloss": True},
    {"algorithm.normalize_advantages": "percentile"},
    {"net.shared": True},
]
A2C_CASES: list[dict[str, Any]] = [
    {},
    {"algorithm.lam": None, "algorithm.num_step_returns": T},
    {"algorithm.normalize_v_targets": True},
    {"net.shared": True},
]


def trained(algorithm: Algorithm, continuous: bool = False, frame: int = T * N) -> tuple[Clock, dict[str, float]]:
    """Train on one rollout."""
    memory, clock = algorithm.make_memory(), Clock(frame=frame)
    remember(memory, make_experience(3, T, N, continuous))
    metrics = algorithm.train(memory, clock, np.random.default_rng(0))
    assert metrics is not None
    return clock, metrics


def assert_like(algorithm: Algorithm, reference: Reference, metrics: dict[str, float]) -> None:
    for name, network in algorithm.networks.items():
        for (key, view), parameter in zip(
            network.views(algorithm.agent[name]).items(), reference.parameters[name], strict=True
        ):
            torch.testing.assert_close(view, parameter.detach(), atol=1e-5, rtol=1e-5, msg=lambda m, k=key: f"{k} {m}")
    expected = torch.stack(reference.log).mean(0).tolist()
    found = [metrics[name] for name in ("loss", "policy_loss", "value_loss", "entropy")]
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("changes", PPO_CASES)
def test_ppo(bound: Bound, changes: dict[str, Any], continuous: bool) -> None:
    """Four epochs at a learning rate that drives ratios and values out of their clipping ranges."""
    algorithm = bound("ppo", changes, continuous=continuous)
    reference = Reference(algorithm, continuous)
    reference.ppo(make_experience(3, T, N, continuous))
    clock, metrics = trained(algorithm, continuous)
    assert_like(algorithm, reference, metrics)
    assert (clock.train_calls, clock.opt_step) == (1, 4 * len(algorithm.networks))


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("changes", A2C_CASES)
def test_a2c(bound: Bound, changes: dict[str, Any], continuous: bool) -> None:
    algorithm = bound("a2c", changes, continuous=continuous)
    reference = Reference(algorithm, continuous)
    reference.a2c(make_experience(3, T, N, continuous))
    clock, metrics = trained(algorithm, continuous)
    assert_like(algorithm, reference, metrics)
    assert (clock.train_calls, clock.opt_step) == (1, len(algorithm.networks))


def test_options_make_a_difference(bound: Bound) -> None:
    """The cases above are different cases: each option changes the outcome."""
    outcomes = set()
    for changes in PPO_CASES[:7]:
        algorithm = bound("ppo", changes)
        trained(algorithm)
        outcomes.add(tuple(algorithm.agent["critic"].tolist() + algorithm.agent["actor"].tolist()))
    assert len(outcomes) == 7


L1, SMOOTH = {"name": "L1Loss"}, {"name": "SmoothL1Loss"}


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ({}, "MSELoss"),
        ({"net.loss_spec": L1}, "L1Loss"),
        ({"net.loss_spec": L1, "net.critic_loss_spec": SMOOTH}, "SmoothL1Loss"),
        ({"net.actor_loss_spec": L1}, "L1Loss"),
        ({"net.actor_loss_spec": L1, "net.critic_loss_spec": SMOOTH}, "SmoothL1Loss"),
        ({"net.loss_spec": L1, "net.critic_loss_spec": SMOOTH, "net.shared": True}, "L1Loss"),
        ({"net.loss_spec": L1, "net.critic_loss_spec": SMOOTH, "net.use_same_optim": True}, "L1Loss"),
    ],
)
def test_loss_of_values_is_the_critics_own_or_the_actors(bound: Bound, losses: dict[str, Any], expected: str) -> None:
    algorithm: Any = bound("a2c", {"net.shared": False, "net.use_same_optim": False, **losses})
    assert type(algorithm.value_loss_function).__name__ == expected


def test_value_target_statistics_are_of_all_rollouts(bound: Bound) -> None:
    algorithm: Any = bound("ppo", {"algorithm.normalize_v_targets": True})
    rng = np.random.default_rng(0)
    targets = [rng.normal(7.0, 3.0, (T, N)).astype(np.float32) for _ in range(3)]
    for some in targets:
        algorithm.observe_targets(algorithm.agent, some)
    found = [float(algorithm.agent[f"targets.{name}"]) for name in ("mean", "variance", "count")]
    assert found == pytest.approx([np.mean(targets), np.var(targets), 30], rel=1e-5)


class RecordingBackend(EagerBackend):
    """Runs eagerly and keeps what each step function was given."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Inputs]] = []
        self.statics: list[str] = []

    def bind(self, function: StepFunction, agent: Agent, example: Inputs, static: object) -> Program:
        self.statics.append(repr(static))

        def recorded(agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
            self.calls.append((function.__name__, {name: tensor.clone() for name, tensor in inputs.items()}))
            return function(agent, inputs)

        return super().bind(recorded, agent, example, static)


def test_minibatches_cover_the_rollout_once_an_epoch(bound: Bound) -> None:
    backend = RecordingBackend()
    clock, _ = trained(bound("ppo", {"algorithm.minibatch_size": 4}, backend=backend))
    batches = [inputs["index"] for name, inputs in backend.calls if name == "update"]
    assert [len(batch) for batch in batches] == [4, 4, 2] * 4
    epochs = [torch.cat(batches[first : first + 3]).tolist() for first in range(0, 12, 3)]
    assert all(sorted(epoch) == list(range(T * N)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4, "each epoch in an order of its own"
    assert clock.opt_step == 24


def test_minibatch_of_one_transition(bound: Bound) -> None:
    """Its advantage has no deviation to be divided by, and the loss stays a number."""
    _, metrics = trained(bound("ppo", {"algorithm.minibatch_size": 3}))
    assert all(np.isfinite(value) for value in metrics.values())


def test_schedules_enter_the_update(bound: Bound) -> None:
    backend = RecordingBackend()
    linear = {"name": "linear_decay", "start_val": 1.0, "end_val": 0.0, "start_step": 0, "end_step": 100}
    changes = {
        "algorithm.clip_eps_spec": linear,
        "algorithm.entropy_coef_spec": {**linear, "end_val": 0.5},
        "net.lr_scheduler_spec": {"name": "LinearToZero", "frame": 50},
    }
    algorithm = bound("ppo", changes, backend=backend)
    trained(algorithm, frame=40)
    (first, *_) = (inputs for name, inputs in backend.calls if name == "update")
    found = {key: float(first[key]) for key in ("clip_eps", "entropy_coef", "lr.actor", "lr.critic", "clip_grad.actor")}
    expected = {"clip_eps": 0.6, "entropy_coef": 0.8, "lr.actor": 0.01, "lr.critic": 0.01, "clip_grad.actor": 0.5}
    assert found == pytest.approx(expected)
    assert algorithm.learning_rate(Clock(frame=40)) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("name", "changes", "horizon"),
    [
        ("ppo", {"algorithm.time_horizon": 7}, 7),
        ("a2c", {"algorithm.training_frequency": 3}, 3),
        ("a2c", {"algorithm.lam": None, "algorithm.num_step_returns": 4}, 4),
        ("a2c", {"algorithm.lam": None, "algorithm.num_step_returns": None, "algorithm.training_frequency": 6}, 6),
    ],
)
def test_trains_when_the_rollout_is_full(bound: Bound, name: str, changes: dict[str, Any], horizon: int) -> None:
    algorithm = bound(name, changes)
    memory, clock, rng = algorithm.make_memory(), Clock(), np.random.default_rng(0)
    experience = make_experience(0, 15, N, continuous=False)
    trained_at = []
    for t in range(15):
        row = slice(t, t + 1)
        fields = {key: value[row] for key, value in vars(experience).items()}
        remember(memory, type(experience)(**{**fields, "observations": experience.observations[t : t + 2]}))
        clock.frame += N
        if algorithm.train(memory, clock, rng) is not None:
            trained_at.append(t + 1)
    assert trained_at == list(range(horizon, 16, horizon))
    assert clock.train_calls == len(trained_at)


def test_a2c_with_whole_returns_bootstraps_at_truncation_only(bound: Bound) -> None:
    backend = RecordingBackend()
    changes = {"algorithm.lam": None, "algorithm.num_step_returns": None, "algorithm.training_frequency": T}
    algorithm = bound("a2c", changes, backend=backend)
    experience = make_experience(3, T, N, continuous=False)
    final_values = Reference(algorithm, continuous=False).outputs(experience.final)[1].detach()
    truncated = experience.done & ~experience.terminated
    trained(algorithm)
    expected = torch.zeros(T, N)
    for n in range(N):
        ret = 0.0
        for t in reversed(range(T)):
            following = float(final_values[t, n]) if truncated[t, n] else 0.0 if experience.done[t, n] else ret
            ret = float(experience.rewards[t, n]) + 0.9 * following
            expected[t, n] = ret
    ((_, inputs),) = [call for call in backend.calls if call[0] == "update"]
    torch.testing.assert_close(inputs["targets"], expected.flatten())


def test_loss_that_is_no_number_stops_the_session(bound: Bound) -> None:
    algorithm = bound("a2c")
    algorithm.agent["critic"].fill_(float("nan"))
    with pytest.raises(DivergedError, match="the loss is nan at frame 10"):
        trained(algorithm)


def test_parameters_are_a_function_of_the_seed(bound: Bound) -> None:
    first, second, other = (bound("ppo", seed=seed).agent for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["actor"], other["actor"])
    assert not torch.equal(first["actor"][:16], first["critic"][:16]), "actor and critic start apart"


@pytest.mark.parametrize("name", ["actor_optim_spec", "critic_optim_spec"])
def test_graphs_of_different_optimizers_have_different_keys(bound: Bound, name: str) -> None:
    """What a graph is found by in the cache states all that it is made from, keys of one net alone included."""
    texts = []
    for betas in ([0.9, 0.999], [0.5, 0.9]):
        backend = RecordingBackend()
        trained(bound("a2c", {f"net.{name}": {"name": "Adam", "lr": 0.05, "betas": betas}}, backend=backend))
        texts.append(backend.statics)
    assert all(one != other for one, other in zip(*texts, strict=True))
