"""The DQN family on small batches, against an independent implementation with torch autograd."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from slm.algorithms import Algorithm, Clock, Spaces, make_algorithm
from slm.env import Step
from slm.errors import UserError
from slm.memory import PrioritizedReplay, Replay
from slm.spec import Spec

Bound = Callable[..., Algorithm]
PRIORITIZED = {"name": "PrioritizedReplay", "batch_size": 8, "max_size": 40, "alpha": 0.6, "epsilon": 0.01}
BETA = {**PRIORITIZED, "beta_spec": {"name": "no_decay", "start_val": 0.7}}


def fill(memory: Any, count: int = 30, num_envs: int = 2) -> None:
    rng = np.random.default_rng(5)
    observations = rng.normal(size=(num_envs, 3)).astype(np.float32)
    for _ in range(count // num_envs):
        successors = rng.normal(size=(num_envs, 3)).astype(np.float32)
        rewards = (2 * rng.normal(size=num_envs)).astype(np.float32)
        terminated = rng.random(num_envs) < 0.3
        step = Step(
            observations=successors,
            rewards=rewards,
            raw_rewards=rewards,
            terminated=terminated,
            truncated=np.zeros(num_envs, bool),
            done=terminated,
            next_observations=successors,
            episode_over=terminated,
        )
        memory.add(observations, rng.integers(3, size=num_envs), step)
        observations = successors


def with_memory(memory: dict[str, Any]) -> dict[str, Any]:
    return {f"memory.{key}": value for key, value in memory.items()}


class Reference:
    """Q-network and target as lists of parameters, updated with torch's Adam."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.name = algorithm.spec.agent.algorithm.name
        network = algorithm.networks["q"]
        self.q = [nn.Parameter(view.clone()) for view in network.views(algorithm.agent["q"]).values()]
        target = algorithm.agent.get("q_target", algorithm.agent["q"])
        self.target = [view.clone() for view in network.views(target).values()]
        self.optimizer = torch.optim.Adam(self.q, lr=0.05)

    @staticmethod
    def values(parameters: Any, x: Tensor) -> Tensor:
        return torch.tanh(x @ parameters[0].T + parameters[1]) @ parameters[2].T + parameters[3]

    def update(self, batch: dict[str, Tensor], weights: Tensor) -> tuple[float, Tensor]:
        """Returns the loss and the absolute errors."""
        successors = batch["next_observations"]
        y = torch.zeros(len(weights))
        with torch.no_grad():
            target = self.values(self.q if self.name in ("VanillaDQN", "DQNBase") else self.target, successors)
            online = self.values(self.q, successors)
            for i in range(len(y)):
                best = int((online if self.name == "DoubleDQN" else target)[i].argmax())
                y[i] = batch["rewards"][i] + (0.0 if batch["terminated"][i] else 0.9 * target[i, best])
        q = self.values(self.q, batch["observations"])[torch.arange(len(y)), batch["actions"]]
        loss = (weights * nn.functional.smooth_l1_loss(q, y, reduction="none")).mean()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.q, 0.5)
        self.optimizer.step()
        return float(loss.detach()), (y - q).abs().detach()


def apart(algorithm: Algorithm) -> None:
    """Move the target network away from the online network, so that it matters which one is asked."""
    if "q_target" in algorithm.agent:
        generator = torch.Generator().manual_seed(1)
        algorithm.agent["q_target"] += torch.randn(algorithm.agent["q_target"].shape, generator=generator)


@pytest.mark.parametrize("memory", [{}, with_memory(PRIORITIZED), with_memory(BETA)])
@pytest.mark.parametrize("name", ["DQN", "DoubleDQN", "VanillaDQN", "DQNBase"])
def test_updates(bound: Bound, name: str, memory: dict[str, Any]) -> None:
    """Two batches of two steps each, with the draws of the same random stream."""
    changes = {"algorithm.name": name, "algorithm.training_iter": 2, **memory}
    if name in ("VanillaDQN", "DQNBase"):
        changes["net.update_frequency"] = ...
    algorithm = bound("dqn", changes)
    apart(algorithm)
    reference = Reference(algorithm)
    replay, twin = algorithm.make_memory(), algorithm.make_memory()
    for one in (replay, twin):
        fill(one)
    assert isinstance(twin, Replay)
    rng, losses = np.random.default_rng(9), []
    for _ in range(2):
        places = twin.sample(rng)
        batch = {key: torch.from_numpy(rows) for key, rows in twin.transitions(places).items()}
        weights = torch.ones(8)
        if "memory.beta_spec" in memory:
            assert isinstance(twin, PrioritizedReplay)
            weights = torch.from_numpy(twin.importance_weights(places, 0.7))
        for _ in range(2):
            loss, errors = reference.update(batch, weights)
            losses.append(loss)
        if isinstance(twin, PrioritizedReplay):
            twin.update_priorities(places, errors.numpy())
    clock = Clock(frame=30)
    metrics = algorithm.train(replay, clock, np.random.default_rng(9))
    assert metrics is not None
    assert metrics["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    for (key, view), expected in zip(
        algorithm.networks["q"].views(algorithm.agent["q"]).items(), reference.q, strict=True
    ):
        torch.testing.assert_close(view, expected.detach(), atol=1e-5, rtol=1e-5, msg=lambda m, k=key: f"{k} {m}")
    assert clock.opt_step == 4
    if isinstance(twin, PrioritizedReplay):
        assert isinstance(replay, PrioritizedReplay)
        everywhere = np.arange(30)
        np.testing.assert_allclose(replay._tree[everywhere], twin._tree[everywhere], rtol=1e-4)


def test_algorithms_differ(bound: Bound) -> None:
    """The cases above are different: DQN, Double DQN and VanillaDQN learn different parameters."""
    outcomes = []
    for name in ("DQN", "DoubleDQN", "VanillaDQN"):
        changes = {"algorithm.name": name, **({"net.update_frequency": ...} if name == "VanillaDQN" else {})}
        algorithm = bound("dqn", changes)
        apart(algorithm)
        memory = algorithm.make_memory()
        fill(memory)
        algorithm.train(memory, Clock(frame=30), np.random.default_rng(0))
        outcomes.append(algorithm.agent["q"])
    assert not any(torch.allclose(outcomes[i], outcomes[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def frames_with(algorithm: Algorithm, frames: int, num_envs: int, changed: Callable[[], bool]) -> list[int]:
    """Frames at which something changed, stepping from 0."""
    memory = algorithm.make_memory()
    clock, rng, found = Clock(), np.random.default_rng(0), []
    for _ in range(frames // num_envs):
        fill(memory, num_envs, num_envs)
        clock.frame += num_envs
        algorithm.train(memory, clock, rng)
        if changed():
            found.append(clock.frame)
    return found


def change_of(algorithm: Algorithm, name: str) -> Callable[[], bool]:
    last = [algorithm.agent[name].clone()]

    def changed() -> bool:
        before, last[0] = last[0], algorithm.agent[name].clone()
        return not torch.equal(before, last[0])

    return changed


@pytest.mark.parametrize(
    ("num_envs", "frequency", "start", "expected"),
    [
        (1, 1, 5, [6, 7, 8, 9, 10, 11, 12]),
        (1, 4, 0, [4, 8, 12]),
        (1, 4, 4, [8, 12]),
        (2, 1, 6, [8, 10, 12]),
        (2, 3, 0, [4, 6, 10, 12]),  # the first frames that reach 3, 6, 9 and 12
        (4, 8, 0, [8]),
        (3, 2, 0, [3, 6, 9, 12]),
    ],
)
def test_trains_when_it_is_time(bound: Bound, num_envs: int, frequency: int, start: int, expected: list[int]) -> None:
    changes = {"algorithm.training_frequency": frequency, "algorithm.training_start_step": start}
    algorithm = bound("dqn", changes, num_envs=num_envs)
    assert frames_with(algorithm, 12, num_envs, change_of(algorithm, "q")) == expected


def test_training_starts_after_a_batch_by_default(bound: Bound) -> None:
    algorithm = bound("dqn", num_envs=1)
    assert frames_with(algorithm, 12, 1, change_of(algorithm, "q"))[0] == 9


@pytest.mark.parametrize(("num_envs", "frequency", "expected"), [(1, 5, [10, 15, 20]), (2, 5, [10, 16, 20])])
def test_target_is_replaced_every_so_many_frames(
    bound: Bound, num_envs: int, frequency: int, expected: list[int]
) -> None:
    algorithm = bound("dqn", {"net.update_frequency": frequency}, num_envs=num_envs)

    def equal() -> bool:
        return torch.equal(algorithm.agent["q"], algorithm.agent["q_target"])

    changed = change_of(algorithm, "q_target")
    frames = frames_with(algorithm, 20, num_envs, lambda: changed() and equal())
    assert frames == expected, "before frame 8 the online network doesn't move"


def test_target_follows_by_polyak_averaging(bound: Bound) -> None:
    algorithm = bound(
        "dqn", {"net.update_type": "polyak", "net.polyak_coef": 0.25, "net.update_frequency": ...}, num_envs=1
    )
    expected = algorithm.agent["q_target"].clone()

    def follow() -> bool:
        expected.mul_(0.75).add_(0.25 * algorithm.agent["q"])
        return torch.allclose(algorithm.agent["q_target"], expected, atol=1e-6)

    assert frames_with(algorithm, 20, 1, follow) == list(range(1, 21))
    assert not torch.allclose(algorithm.agent["q"], algorithm.agent["q_target"], atol=1e-3)


def test_without_target_network(bound: Bound) -> None:
    for name in ("VanillaDQN", "DQNBase"):
        assert "q_target" not in bound("dqn", {"algorithm.name": name, "net.update_frequency": ...}).agent


def test_acting_explores_as_scheduled(bound: Bound) -> None:
    linear = {"name": "linear_decay", "start_val": 1.0, "end_val": 0.0, "start_step": 0, "end_step": 100}
    algorithm = bound("dqn", {"algorithm.explore_var_spec": linear}, num_envs=1)
    observations = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    rng = np.random.default_rng(1)
    greedy = algorithm.act(observations, float("inf"), rng)
    q = Reference.values(
        list(algorithm.networks["q"].views(algorithm.agent["q"]).values()), torch.from_numpy(observations)
    )
    np.testing.assert_array_equal(greedy, q.argmax(-1).numpy())
    shares = [np.mean(algorithm.act(observations, frame, rng) == greedy) for frame in (0, 50, 100)]
    assert shares == pytest.approx([1 / 3, 2 / 3, 1.0], abs=0.07)


def test_continuous_actions_are_refused(spec_of: Callable[..., Spec]) -> None:
    box = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    changes = {"algorithm.action_pdtype": "default", "algorithm.action_policy": "default"}
    with pytest.raises(UserError, match=r"'DQN' needs a Discrete action space"):
        make_algorithm(spec_of("dqn", changes), Spaces(gym.spaces.Box(-1.0, 1.0, (3,), np.float32), box, 2))
