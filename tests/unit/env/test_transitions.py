"""Every transition that memories hold is (s, a, r, s') with the true successor, whatever ended the episode."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from slm.env import Step, World
from slm.memory import Episodes, ImitationMemory, PrioritizedReplay, Replay, Ring, Rollout

OBSERVATION = ((2,), np.float32)
ACTION = ((), np.int64)
ONE_STEP = np.array([0.0, 1.0], np.float32)
"""From an observation to its successor."""
# (num_envs, episode length, max_t): ends by termination, by truncation, and by both at once
CASES = [(1, 3, None), (3, 3, None), (1, 100, 4), (3, 100, 4), (2, 4, 4), (2, 1, None)]


def played(world: World, steps: int) -> list[tuple[np.ndarray, np.ndarray, Step]]:
    """Steps with random actions: what was observed, done, and what came of it."""
    rng = np.random.default_rng(0)
    observations = world.reset(list(range(world.num_envs)))
    history = []
    for _ in range(steps):
        actions = rng.integers(3, size=world.num_envs)
        step = world.step(actions)
        history.append((observations, actions, step))
        observations = step.observations
    return history


@pytest.mark.parametrize(("num_envs", "length", "max_t"), CASES)
def test_steps_have_true_successors(world: Callable[..., World], num_envs: int, length: int, max_t: int | None) -> None:
    last = min(length, max_t or length)
    before: Any = None
    for observations, _, step in played(world("test/Counter-v0", num_envs=num_envs, length=length, max_t=max_t), 12):
        if before is not None:
            np.testing.assert_array_equal(observations, before)
        # The successor is one step further in the same episode.
        np.testing.assert_array_equal(step.next_observations, observations + ONE_STEP)
        np.testing.assert_array_equal(step.rewards, observations[:, 1] + 1)
        done = observations[:, 1] + 1 == last
        np.testing.assert_array_equal(step.done, done)
        np.testing.assert_array_equal(step.terminated, done & (last == length))
        np.testing.assert_array_equal(step.truncated, done & (max_t == last))
        # What is acted on next is the new episode's first observation, in the same step.
        np.testing.assert_array_equal(step.observations[done][:, 1], 0.0)
        np.testing.assert_array_equal(step.observations[~done], step.next_observations[~done])
        assert not np.isin(step.observations[done][:, 0], observations[done][:, 0]).any(), "a new episode starts anew"
        before = step.observations.copy()


def test_observations_are_copies(world: Callable[..., World]) -> None:
    history = played(world("test/Counter-v0", length=50), 10)
    assert [int(observations[0, 1]) for observations, _, _ in history] == list(range(10))


@pytest.mark.parametrize(("num_envs", "length", "max_t"), CASES)
@pytest.mark.parametrize("prioritized", [False, True])
def test_replay_holds_each_transition_once(
    world: Callable[..., World], num_envs: int, length: int, max_t: int | None, prioritized: bool
) -> None:
    memory: Replay = Replay(100, 8, num_envs, OBSERVATION, ACTION)
    if prioritized:
        memory = PrioritizedReplay(100, 8, num_envs, OBSERVATION, ACTION, alpha=0.6, epsilon=0.01)
    history = played(world("test/Counter-v0", num_envs=num_envs, length=length, max_t=max_t), 12)
    for observations, actions, step in history:
        memory.add(observations, actions, step)
    size = memory.size
    assert size == 12 * num_envs, "no rows for resets"
    batch = memory.transitions(np.arange(size))
    held = batch["observations"]
    np.testing.assert_array_equal(batch["next_observations"], held + ONE_STEP)
    np.testing.assert_array_equal(batch["rewards"], held[:, 1] + 1)
    terminal = held[:, 1] + 1 == length
    np.testing.assert_array_equal(batch["terminated"], terminal)
    np.testing.assert_array_equal(batch["actions"], np.concatenate([actions for _, actions, _ in history]))
    np.testing.assert_array_equal(held, np.concatenate([observations for observations, _, _ in history]))
    places = memory.sample(np.random.default_rng(1))
    assert places.shape == (8,)
    assert (places < size).all()


@pytest.mark.parametrize("max_size", [50, 60, 1000])
@pytest.mark.parametrize(
    ("name", "sequence", "frame"),
    [
        ("ALE/Breakout-v5", None, (84, 84)),
        ("CartPole-v1", 3, (4,)),
        ("CartPole-v1", 1, (4,)),
        ("CartPole-v1", None, (4,)),
    ],
)
def test_replay_draws_what_was_stored_once(
    world: Callable[..., World], max_size: int, name: str, sequence: int | None, frame: tuple[int, ...]
) -> None:
    """Stacks of frames too, over episodes' ends, lost lives, and the ring's end."""
    made = world(name, num_envs=3, sequence=sequence, **({"life_loss_info": True} if "ALE" in name else {}))
    kind = made.observation_space.dtype
    memory = Replay(max_size, 8, 3, (made.observation_space.shape, kind), ACTION, stacked=made.stacked)
    rng, observations, expected, ended = np.random.default_rng(0), made.reset([0, 1, 2]), [], 0
    for _ in range(250):
        actions = rng.integers(made.action_space.n, size=3)
        step = made.step(actions)
        memory.add(observations, actions, step)
        expected += zip(observations.copy(), step.next_observations.copy(), strict=True)
        observations, ended = step.observations, ended + int(step.episode_over.sum())
    assert ended > 2
    assert memory.observations.record["frame"].shape == frame, "of a stack only the newest frame is stored"
    batch = memory.transitions(np.arange(memory.size))
    for place, number in enumerate(memory.numbers(np.arange(memory.size))):
        np.testing.assert_array_equal(batch["observations"][place], expected[number][0], f"{number}")
        np.testing.assert_array_equal(batch["next_observations"][place], expected[number][1], f"{number}")


@pytest.mark.parametrize(("num_envs", "length", "max_t"), CASES)
def test_rollout_rows(world: Callable[..., World], num_envs: int, length: int, max_t: int | None) -> None:
    memory = Rollout(12, num_envs, OBSERVATION, ACTION)
    for observations, actions, step in played(
        world("test/Counter-v0", num_envs=num_envs, length=length, max_t=max_t), 12
    ):
        assert not memory.full
        memory.add(observations, actions, step)
    assert memory.full
    steps = memory.observations[:-1, :, 1]
    np.testing.assert_array_equal(memory.rewards, steps + 1)
    np.testing.assert_array_equal(memory.terminated, steps + 1 == length)
    np.testing.assert_array_equal(memory.done, steps + 1 == min(length, max_t or length))
    successors = memory.observations[1:].copy()
    for t, n, observation in memory.final_observations:
        successors[t, n] = observation
    known = ~memory.terminated
    np.testing.assert_array_equal(successors[known], (memory.observations[:-1] + ONE_STEP)[known])
    # Final observations are kept for truncated episodes alone: after a terminal state no value is asked for.
    rows = sorted((t, n) for t, n, _ in memory.final_observations)
    truncated = [tuple(place) for place in np.argwhere(memory.done & ~memory.terminated)]
    assert rows == truncated
    assert bool(rows) == (length == 100)
    memory.clear()
    assert (memory.rows, memory.final_observations) == (0, [])


@pytest.mark.parametrize(("num_envs", "length", "max_t"), CASES)
@pytest.mark.parametrize("memory", ["whole episodes", "cross-entropy", "self-imitation"])
def test_episodes_hold_each_transition_of_those_that_ended_once(
    world: Callable[..., World], memory: str, num_envs: int, length: int, max_t: int | None
) -> None:
    """In the cross-entropy memory all have the same return here, so that none is below the others."""
    episodes = Episodes(num_envs, OBSERVATION, ACTION, dropped=0.5 if memory == "cross-entropy" else 0.0)
    on_policy = Rollout(12, num_envs, OBSERVATION, ACTION)
    imitation = ImitationMemory(on_policy, episodes, Ring(10, 2, {"observations": OBSERVATION}))
    last = min(length, max_t or length)
    ended = []
    for observations, actions, step in played(
        world("test/Counter-v0", num_envs=num_envs, length=length, max_t=max_t), 12
    ):
        (imitation if memory == "self-imitation" else episodes).add(observations, actions, step)
        ended += [(*observation, action) for observation, action in zip(observations, actions, strict=True)]
    # What began in the last 12 % last steps has not ended.
    ended = ended[: 12 // last * last * num_envs]
    rollout = episodes.rollout()
    rows = rollout.rows
    held = rollout.observations[:rows, 0]
    assert sorted(
        (*observation, action) for observation, action in zip(held, rollout.actions[:rows, 0], strict=True)
    ) == sorted(ended)
    np.testing.assert_array_equal(rollout.rewards[:rows, 0], held[:, 1] + 1)
    done = held[:, 1] + 1 == last
    np.testing.assert_array_equal(rollout.done[:rows, 0], done)
    np.testing.assert_array_equal(rollout.terminated[:rows, 0], done & (last == length))
    successors = rollout.observations[1 : rows + 1, 0].copy()
    for row, _, observation in rollout.final_observations:
        successors[row] = observation
    known = ~rollout.terminated[:rows, 0]
    np.testing.assert_array_equal(successors[known], (held + ONE_STEP)[known])
    assert len(rollout.final_observations) == (done & (last != length)).sum()
    assert on_policy.full == (memory == "self-imitation")


def test_max_t_truncates(world: Callable[..., World]) -> None:
    history = played(world("test/Counter-v0", length=100, max_t=5), 15)
    assert [index for index, (_, _, step) in enumerate(history) if step.truncated[0]] == [4, 9, 14]
    assert not any(step.terminated[0] for _, _, step in history)


def test_max_t_replaces_the_registered_limit(world: Callable[..., World]) -> None:
    pendulum = world("Pendulum-v1", max_t=7)
    pendulum.reset([0])
    assert [bool(pendulum.step(np.zeros((1, 1))).truncated[0]) for _ in range(8)] == [False] * 6 + [True, False]
