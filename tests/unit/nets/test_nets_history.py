"""Sequences of observations for recurrent nets: what the agent sees, at an episode's start, end and after a restart."""

import gymnasium as gym
import numpy as np

from slm.env import World, make_world
from slm.env.history import ObservationHistory
from slm.spec import EnvSpec


def cartpole(sequence: int | None, normalize_obs: bool = False) -> World:
    spec = EnvSpec(
        name="CartPole-v1", num_envs=2, max_frame=100, normalize_obs=normalize_obs, clip_obs=None, clip_reward=None
    )
    return make_world(spec, 0.99, sequence)


def test_sequences_grow_from_zeros_and_begin_anew_with_an_episode() -> None:
    history = ObservationHistory(3)
    first = history.reset(np.array([[1.0], [10.0]], np.float32))
    np.testing.assert_array_equal(first[..., 0], [[0, 0, 1], [0, 0, 10]])
    going_on = np.array([False, False])
    second = np.array([[2.0], [20.0]], np.float32)
    after, successors = history.step(second, second, going_on)
    np.testing.assert_array_equal(after[..., 0], [[0, 1, 2], [0, 10, 20]])
    np.testing.assert_array_equal(successors, after)
    # The second environment's episode ends with 30 and the next begins with 100.
    begun, ended = np.array([[3.0], [100.0]], np.float32), np.array([[3.0], [30.0]], np.float32)
    after, successors = history.step(begun, ended, np.array([False, True]))
    np.testing.assert_array_equal(successors[..., 0], [[1, 2, 3], [10, 20, 30]])
    np.testing.assert_array_equal(after[..., 0], [[1, 2, 3], [0, 0, 100]])
    fourth = np.array([[4.0], [101.0]], np.float32)
    after, _ = history.step(fourth, fourth, going_on)
    np.testing.assert_array_equal(after[..., 0], [[2, 3, 4], [0, 100, 101]])


def test_a_step_leaves_earlier_sequences_as_they_were() -> None:
    history = ObservationHistory(2)
    first = history.reset(np.ones((1, 1), np.float32))
    before = first.copy()
    history.step(np.full((1, 1), 2, np.float32), np.full((1, 1), 3, np.float32), np.array([True]))
    np.testing.assert_array_equal(first, before)


def test_the_space_holds_the_sequences_of_bytes_too() -> None:
    space = ObservationHistory(3).space(gym.spaces.Box(5, 255, (2, 4), np.uint8))
    assert space.shape == (3, 2, 4)
    assert space.dtype == np.uint8
    assert space.low.min() == 0
    assert ObservationHistory(3).space(gym.spaces.Box(-np.inf, np.inf, (4,), np.float32)).dtype == np.float32


def test_a_world_of_sequences_ends_in_what_the_plain_world_shows() -> None:
    plain, world = cartpole(None, normalize_obs=True), cartpole(4, normalize_obs=True)
    assert plain.observation_space.shape == (4,)
    assert world.observation_space.shape == (4, 4)
    first, observations = plain.reset([0, 1]), world.reset([0, 1])
    np.testing.assert_array_equal(observations[:, -1], first)
    ends = 0
    for _ in range(60):
        actions = np.ones(2, np.int64)
        before = observations
        one, step = plain.step(actions), world.step(actions)
        observations = step.observations
        np.testing.assert_array_equal(observations[:, -1], one.observations)
        np.testing.assert_array_equal(step.next_observations[:, -1], one.next_observations)
        np.testing.assert_array_equal(step.next_observations[:, :-1], before[:, 1:])
        ends += int(step.done.sum())
    assert ends > 2


def test_a_restored_world_continues_with_the_same_sequences() -> None:
    world, actions = cartpole(3), np.zeros(2, np.int64)
    world.reset([0, 1])
    for _ in range(5):
        world.step(actions)
    state = world.state()
    expected = [world.step(actions).observations.copy() for _ in range(10)]
    other = cartpole(3)
    other.reset([7, 8])
    other.restore(state)
    for sequence in expected:
        np.testing.assert_array_equal(other.step(actions).observations, sequence)
