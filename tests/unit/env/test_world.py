"""Scores, normalisation, clipping, actions, and messages for environments that can't be made."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from slm.checkpoint import from_bytes, to_bytes
from slm.env import World
from slm.env.statistics import EPISODES, EpisodeStatistics, RewardScale, RunningMoments
from slm.errors import UserError

NOOP = np.zeros(1, np.int64)


def test_total_reward_is_nan_before_the_first_episode() -> None:
    statistics = EpisodeStatistics(2)
    statistics.add(np.array([1.0, 2.0]), np.array([False, False]))
    assert math.isnan(statistics.total_reward)
    assert statistics.episodes == 0
    statistics.add(np.array([10.0, 20.0]), np.array([False, True]))
    assert (statistics.total_reward, statistics.episodes) == (22.0, 1)
    statistics.add(np.array([100.0, 200.0]), np.array([True, True]))
    assert (statistics.total_reward, statistics.episodes) == ((22 + 111 + 200) / 3, 3)


def test_total_reward_is_of_the_last_100_episodes() -> None:
    statistics = EpisodeStatistics(1)
    for reward in range(EPISODES + 30):
        statistics.add(np.array([float(reward)]), np.array([True]))
    assert EPISODES == 100
    assert statistics.total_reward == np.mean(np.arange(30, 130))
    assert statistics.episodes == 130


def test_scores_are_of_raw_rewards(world: Callable[..., World]) -> None:
    counter = world("test/Counter-v0", length=3, normalize_reward=True, clip_reward=0.5)
    counter.reset([0])
    steps = [counter.step(NOOP) for _ in range(3)]
    assert [float(step.raw_rewards[0]) for step in steps] == [1.0, 2.0, 3.0]
    assert all(step.rewards[0] == 0.5 for step in steps), "what is learned from is clipped"
    assert counter.statistics.total_reward == 6.0


def test_moments_are_those_of_all_rows() -> None:
    rows = np.random.default_rng(0).normal(5.0, 3.0, (17, 2))
    moments = RunningMoments((2,))
    for batch in np.split(rows, [1, 5, 6]):
        moments.update(batch)
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.variance, rows.var(axis=0), rtol=1e-12)
    assert moments.count == 17


def test_observations_are_normalised_by_what_was_seen(world: Callable[..., World]) -> None:
    """Observations to act on are counted, each once; a final observation is normalised but not counted."""
    counter = world("test/Counter-v0", num_envs=2, length=3, normalize_obs=True)
    plain = world("test/Counter-v0", num_envs=2, length=3)
    seen, shown = [plain.reset([1, 2])], [counter.reset([1, 2])]
    for _ in range(7):
        step, raw = counter.step(np.zeros(2, np.int64)), plain.step(np.zeros(2, np.int64))
        seen.append(raw.observations)
        shown.append(step.observations)
        rows = np.concatenate(seen).astype(np.float64)
        mean, deviation = rows.mean(axis=0), np.sqrt(rows.var(axis=0) + 1e-8)
        np.testing.assert_allclose(step.observations, (raw.observations - mean) / deviation, rtol=1e-5, atol=1e-6)
        expected = (raw.next_observations - mean) / deviation
        np.testing.assert_allclose(step.next_observations, expected, rtol=1e-5, atol=1e-6)
        assert step.observations.dtype == np.float32
        assert (counter.normaliser() or {})["count"] == len(rows)
    assert raw.done.any() or step.observations.shape == (2, 2)


def test_observations_are_clipped_after_normalisation(world: Callable[..., World]) -> None:
    counter = world("test/Counter-v0", length=9, normalize_obs=True, clip_obs=0.25)
    counter.reset([0])
    shown = np.array([counter.step(NOOP).observations[0, 1] for _ in range(5)])
    np.testing.assert_array_equal(shown, np.full(5, 0.25, np.float32))


def test_bytes_stay_bytes_unless_they_are_changed(world: Callable[..., World]) -> None:
    raw, normalised = world("test/Bytes-v0"), world("test/Bytes-v0", normalize_obs=True)
    clipped = world("test/Bytes-v0", clip_obs=10.0)
    for one, kind in ((raw, np.uint8), (normalised, np.float32), (clipped, np.float32)):
        one.reset([0])
        assert one.step(NOOP).observations.dtype == one.observation_space.dtype == kind
    assert clipped.step(NOOP).observations[0, 0] == 10.0


def test_rewards_are_scaled_by_the_spread_of_discounted_returns() -> None:
    scale = RewardScale(2, gamma=0.5)
    running = [np.array([1.0, 2.0])]
    nobody = np.array([False, False])
    first = scale(np.array([1.0, 2.0]), nobody)
    np.testing.assert_allclose(first, np.array([1.0, 2.0]) / np.sqrt(np.var(running) + 1e-8))
    running.append(np.array([0.5 + 3.0, 4.0]))  # the second environment terminated: its return starts anew
    second = scale(np.array([3.0, 4.0]), np.array([False, True]))
    np.testing.assert_allclose(second, np.array([3.0, 4.0]) / np.sqrt(np.var(np.concatenate(running)) + 1e-8))


def test_reward_clip_range(world: Callable[..., World]) -> None:
    echo = world("test/Echo-v0", clip_reward=(-3.0, 7.0))
    echo.reset([0])
    assert float(echo.step(np.array([[1.0, 0.0]])).rewards[0]) == 7.0
    assert float(echo.step(np.array([[-1.0, 0.0]])).rewards[0]) == -3.0


def test_actions_are_clipped_and_scaled_to_the_bounds(world: Callable[..., World]) -> None:
    echo = world("test/Echo-v0", num_envs=4)
    echo.reset([0, 1, 2, 3])
    step = echo.step(np.array([[0.0, 0.0], [1.0, -1.0], [0.5, 0.5], [-7.0, 3.0]], np.float32))
    np.testing.assert_allclose(step.observations, [[0.0, 5.0], [2.0, 0.0], [1.0, 7.5], [-2.0, 10.0]])
    assert step.observations.dtype == np.float32, "float64 observations are narrowed"


def test_frozen_normalisation_follows_another_world_without_counting(world: Callable[..., World]) -> None:
    training = world("test/Counter-v0", length=50, normalize_obs=True)
    training.reset([0])
    for _ in range(10):
        training.step(NOOP)
    before = training.normaliser()
    assert before is not None
    other = world("test/Counter-v0", length=50, normalize_obs=True)
    other.freeze_normalisation(training)
    shown = other.reset([3])
    raw = world("test/Counter-v0", length=50).reset([3])
    np.testing.assert_allclose(shown, (raw - before["mean"]) / np.sqrt(before["variance"] + 1e-8), rtol=1e-5)
    other.step(NOOP)
    for normaliser in (training.normaliser(), other.normaliser()):
        assert normaliser is not None
        assert normaliser["count"] == before["count"]
        np.testing.assert_array_equal(normaliser["mean"], before["mean"])


@pytest.mark.parametrize("keys", [{}, {"normalize_obs": True, "normalize_reward": True}])
def test_world_state_survives_the_disk(world: Callable[..., World], keys: dict[str, Any]) -> None:
    first = world("test/Counter-v0", num_envs=2, length=5, **keys)
    first.reset([1, 2])
    actions = np.zeros(2, np.int64)
    for _ in range(7):
        first.step(actions)
    second = world("test/Counter-v0", num_envs=2, length=5, **keys)
    second.reset([8, 9])
    second.restore(from_bytes(to_bytes(first.state())))
    for _ in range(6):
        one, other = first.step(actions), second.step(actions)
        for name in ("observations", "next_observations", "rewards", "raw_rewards", "done"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert to_bytes(first.state()) == to_bytes(second.state())
    assert first.statistics.total_reward == second.statistics.total_reward == 15.0


@pytest.mark.parametrize(
    ("name", "keys", "parts"),
    [
        ("CartPol-v1", {}, ("env.name: 'CartPol-v1' is not a registered environment", "nearest: CartPole-v1")),
        ("CartPole-v7", {}, ("not a registered environment", "CartPole-v1")),
        ("LunarLander-v2", {}, ("env.name: 'LunarLander-v2' can't be made", "LunarLander-v3")),
        ("HalfCheetah-v2", {}, ("env.name: 'HalfCheetah-v2' can't be made", "gymnasium-robotics")),
        ("Cart Pole-v1", {}, ("env.name: 'Cart Pole-v1' can't be made", "Malformed")),
        ("nosuchmodule:CartPole-v1", {}, ("can't be made", "nosuchmodule")),
        ("playground/CartpoleBalance", {}, ("MuJoCo Playground", "not supported")),
        ("FrozenLake-v1", {}, ("env.name: 'FrozenLake-v1' has observations Discrete(16)", "supported: Box")),
        ("CartPole-v1", {"gravity": 3}, ("'CartPole-v1' does not accept {'gravity': 3}",)),
        ("LunarLander-v3", {"gravity": -20.0}, ("does not accept {'gravity': -20}", "between -12 and 0")),
    ],
)
def test_environment_that_cannot_be_made(
    world: Callable[..., World], name: str, keys: dict[str, Any], parts: tuple[str, ...]
) -> None:
    with pytest.raises(UserError) as caught:
        world(name, **keys)
    assert all(part in str(caught.value) for part in parts), str(caught.value)
