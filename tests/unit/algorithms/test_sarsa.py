"""SARSA against plain autograd, one transition at a time."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from on_policy_agents import EPISODES, GAMMA, STEPS, PlainNet, episodes_of, experience, make, remember

from slm.algorithms import Algorithm, Clock
from slm.algorithms.sarsa import known_targets
from slm.env import Step
from slm.errors import UserError
from slm.memory import Rollout

ENDS = ["--", "T-", "--", "tT", "-t", "T-"]


def sarsa(memory: dict, frequency: int, loss: str = "MSELoss", **keys: object) -> Algorithm:
    algorithm = {"name": "SARSA", "training_frequency": frequency}
    return make(algorithm, memory, net={"loss_spec": {"name": loss}}, **keys)  # type: ignore[arg-type]


def pairs(steps: list[tuple[np.ndarray, np.ndarray, Step]]) -> list[tuple]:
    """(s, a, r, (s', a') or None at a terminal state) of each step whose target is known."""
    found = []
    for t, (observations, actions, step) in enumerate(steps):
        for n in range(len(actions)):
            taken = observations[n], int(actions[n]), float(step.rewards[n])
            if step.terminated[n]:
                found.append((*taken, None))
            elif not step.truncated[n] and t + 1 < len(steps):
                found.append((*taken, (step.next_observations[n], int(steps[t + 1][1][n]))))
    return found


def expected_loss(net: PlainNet, transitions: list[tuple], loss: str) -> torch.Tensor:
    values, targets = [], []
    for observation, action, reward, successor in transitions:
        values.append(net(observation)[0][action])
        bootstrap = 0.0 if successor is None else net(successor[0])[0][successor[1]].item()
        targets.append(reward + GAMMA * bootstrap)
    return getattr(torch.nn, loss)()(torch.stack(values), torch.tensor(targets))


@pytest.mark.parametrize("loss", ["MSELoss", "SmoothL1Loss"])
def test_three_updates_match_plain_autograd(loss: str) -> None:
    algorithm = sarsa(STEPS, len(ENDS), loss)
    memory, net, clock, rng = algorithm.make_memory(), PlainNet(algorithm, "q"), Clock(), np.random.default_rng(0)
    for seed in range(3):
        steps = experience(ENDS, seed)
        remember(memory, steps)
        metrics = algorithm.train(memory, clock, rng)
        assert metrics is not None
        transitions = pairs(steps)
        assert len(transitions) == 9  # of 12: the last row of environment 1 and two truncated steps are left out
        expected = expected_loss(net, transitions, loss)
        q_mean = np.mean([net(observation)[0][action].item() for observation, action, _, _ in transitions])
        net.step(expected)
        assert metrics == pytest.approx({"loss": expected.item(), "q_mean": q_mean}, rel=1e-5)
        net.assert_same(algorithm, "q")
    assert clock.opt_step == 3


def test_whole_episodes_give_the_same_targets() -> None:
    algorithm = sarsa(EPISODES, 5)
    memory, net = algorithm.make_memory(), PlainNet(algorithm, "q")
    steps = experience(ENDS)
    remember(memory, steps)
    assert algorithm.train(memory, Clock(), np.random.default_rng(0)) is not None
    assert len(episodes_of(steps)) == 5
    # Environment 1 began an episode in the last row that isn't finished, and that has no known target either.
    net.step(expected_loss(net, pairs(steps), "MSELoss"))
    net.assert_same(algorithm, "q")


def test_known_targets_by_hand() -> None:
    rollout = Rollout(4, 3, ((1,), np.float32), ((), np.int64))
    rollout.rows = 4
    rollout.terminated[:] = [[0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1]]
    rollout.done[:] = [[0, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1]]
    expected = [[1, 1, 1], [1, 0, 1], [1, 1, 1], [0, 0, 1]]
    np.testing.assert_array_equal(known_targets(rollout), np.array(expected, bool))


def test_rows_beyond_the_last_have_no_target() -> None:
    rollout = Rollout(4, 1, ((1,), np.float32), ((), np.int64))
    rollout.rows = 2
    np.testing.assert_array_equal(known_targets(rollout)[:, 0], [True, False, False, False])


def test_continuous_actions_are_refused() -> None:
    with pytest.raises(UserError, match="'SARSA' needs a Discrete action space"):
        sarsa(STEPS, 5, action=gym.spaces.Box(-1.0, 1.0, (2,), np.float32))
