"""Uniform and prioritised replay: what is held, how it is drawn, and that a restored memory goes on alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from slm.checkpoint import from_bytes, to_bytes
from slm.memory import PrioritizedReplay, Replay, Rollout

OBSERVATION, ACTION = ((1,), np.float32), ((), np.int64)
MakeStep = Callable[..., Any]


def uniform(max_size: int = 10, batch_size: int = 4, **keys: Any) -> Replay:
    return Replay(max_size, batch_size, OBSERVATION, ACTION, **keys)


def prioritized(max_size: int = 10, batch_size: int = 4, **keys: Any) -> PrioritizedReplay:
    return PrioritizedReplay(max_size, batch_size, OBSERVATION, ACTION, **{"alpha": 0.5, "epsilon": 0.25, **keys})


@pytest.mark.parametrize("make", [uniform, prioritized])
def test_newest_overwrite_the_oldest(make: Callable[..., Replay], make_step: MakeStep) -> None:
    memory = make(max_size=10)
    for first in range(0, 24, 3):
        memory.add(*make_step(first, 3, done=first == 18))
    assert (memory.size, memory.seen) == (10, 24)
    order = np.argsort(memory.observations[:, 0])
    held = np.arange(14, 24)
    np.testing.assert_array_equal(memory.observations[order, 0], held)
    np.testing.assert_array_equal(memory.next_observations[order, 0], held + 0.5)
    np.testing.assert_array_equal(memory.rewards[order], 10 * held)
    np.testing.assert_array_equal(memory.actions[order], held % 3)
    np.testing.assert_array_equal(memory.terminated[order], (held >= 18) & (held < 21))


@pytest.mark.parametrize("make", [uniform, prioritized])
def test_only_what_is_held_is_drawn(make: Callable[..., Replay], make_step: MakeStep) -> None:
    memory = make(max_size=10, batch_size=500)
    memory.add(*make_step(0, 3))
    assert set(memory.sample(np.random.default_rng(0))) == {0, 1, 2}


def test_uniform_draws_are_uniform(make_step: MakeStep) -> None:
    memory = uniform(max_size=10, batch_size=5000)
    memory.add(*make_step(0, 10))
    assert chisquare(np.bincount(memory.sample(np.random.default_rng(0)), minlength=10)).pvalue > 0.01


def test_draws_are_in_proportion_to_priorities(make_step: MakeStep) -> None:
    memory = prioritized(max_size=200, batch_size=20_000)
    memory.add(*make_step(0, 200))
    errors = np.linspace(-4.0, 4.0, 200)
    memory.update_priorities(np.arange(200), errors)
    expected = (np.abs(errors) + 0.25) ** 0.5
    counts = np.bincount(memory.sample(np.random.default_rng(0)), minlength=200)
    assert chisquare(counts, expected / expected.sum() * 20_000).pvalue > 0.01
    assert chisquare(counts).pvalue < 1e-6, "a uniform draw would look different"


def test_new_transitions_get_the_highest_priority_so_far(make_step: MakeStep) -> None:
    memory = prioritized(max_size=3, batch_size=1, alpha=1.0)
    memory.add(*make_step(0, 2))
    np.testing.assert_array_equal(memory._tree[np.arange(3)], [1.0, 1.0, 0.0])
    memory.update_priorities(np.array([0, 1]), np.array([-7.75, 0.75]))
    memory.add(*make_step(2, 1))
    np.testing.assert_array_equal(memory._tree[np.arange(3)], [8.0, 1.0, 8.0])
    memory.update_priorities(np.array([0]), np.array([0.0]))
    memory.add(*make_step(3, 2))  # overwrites places 0 and 1; the highest stays, though its transition is gone
    np.testing.assert_array_equal(memory._tree[np.arange(3)], [8.0, 8.0, 8.0])


def test_importance_weights_by_hand(make_step: MakeStep) -> None:
    memory = prioritized(max_size=4, alpha=1.0, epsilon=0.5)
    memory.add(*make_step(0, 3))
    memory.update_priorities(np.array([0, 1, 2]), np.array([0.5, 1.5, 4.5]))  # p = 1, 2, 5; P = 1/8, 1/4, 5/8
    weights = memory.importance_weights(np.array([2, 1, 1]), beta=1.0)
    np.testing.assert_allclose(weights, [0.4, 1.0, 1.0])  # (N P)^-1 = 8/15, 4/3, 4/3 over their largest
    assert weights.dtype == np.float32
    np.testing.assert_allclose(memory.importance_weights(np.array([0, 1]), beta=0.5), [1.0, 0.5**0.5], rtol=1e-6)
    np.testing.assert_array_equal(memory.importance_weights(np.array([0, 2]), beta=0.0), [1.0, 1.0])


@pytest.mark.parametrize("make", [uniform, prioritized])
def test_combined_replay_ends_with_the_newest(make: Callable[..., Replay], make_step: MakeStep) -> None:
    memory, plain = make(max_size=10, batch_size=5, combined=True), make(max_size=10, batch_size=5)
    for one in (memory, plain):
        one.add(*make_step(0, 8))
        one.sample(np.random.default_rng(0))
        one.add(*make_step(8, 3))  # the third is at place 0
    drawn, drawn_plain = (one.sample(np.random.default_rng(7)) for one in (memory, plain))
    assert drawn[-3:].tolist() == [8, 9, 0]
    np.testing.assert_array_equal(drawn[:-3], drawn_plain[:-3])
    # Nothing came since: an ordinary sample.
    rng, rng_plain = np.random.default_rng(8), np.random.default_rng(8)
    np.testing.assert_array_equal(memory.sample(rng), plain.sample(rng_plain))
    for first in (11, 14, 17):
        memory.add(*make_step(first, 3))
    assert memory.sample(rng).tolist() == [5, 6, 7, 8, 9], "more than a batch: the newest of them"


@pytest.mark.parametrize("make", [uniform, prioritized])
@pytest.mark.parametrize("count", [4, 13])
def test_restored_replay_goes_on_alike(make: Callable[..., Replay], make_step: MakeStep, count: int) -> None:
    def advance(memory: Replay, first: int, rng: np.random.Generator) -> np.ndarray:
        memory.add(*make_step(first, 2))
        places = memory.sample(rng)
        if isinstance(memory, PrioritizedReplay):
            memory.update_priorities(places, rng.normal(size=len(places)))
        return places

    memory, rng = make(combined=True), np.random.default_rng(0)
    for first in range(count):
        advance(memory, first, rng)
    memory.add(*make_step(50, 1))
    state = from_bytes(to_bytes(memory.state()))
    other, other_rng = make(combined=True), np.random.default_rng()
    other.restore(state)
    other_rng.bit_generator.state = rng.bit_generator.state
    for first in range(60, 80):
        np.testing.assert_array_equal(advance(memory, first, rng), advance(other, first, other_rng))
    assert to_bytes(memory.state()) == to_bytes(other.state())


@pytest.mark.parametrize("rows", [0, 2, 4])
def test_restored_rollout_goes_on_alike(make_step: MakeStep, rows: int) -> None:
    def add(memory: Rollout, t: int) -> None:
        observations, actions, step = make_step(2 * t, 2)
        truncated = np.array([t % 2 == 0, False])
        memory.add(observations, actions, type(step)(**{**vars(step), "truncated": truncated, "done": truncated}))

    memory, other = (Rollout(4, 2, OBSERVATION, ACTION) for _ in range(2))
    for t in range(rows):
        add(memory, t)
    other.restore(from_bytes(to_bytes(memory.state())))
    for t in range(rows, 4):
        add(memory, t)
        add(other, t)
    assert memory.full
    assert other.full
    assert to_bytes(memory.state()) == to_bytes(other.state())
    assert [(t, n) for t, n, _ in other.final_observations] == [(0, 0), (2, 0)]
    np.testing.assert_array_equal(other.final_observations[1][2], [4.5])


@pytest.mark.parametrize("make", [uniform, prioritized])
def test_state_is_taken_by_value(make: Callable[..., Replay], make_step: MakeStep) -> None:
    memory = make()
    memory.add(*make_step(0, 4))
    state = memory.state()
    before = to_bytes(state)
    memory.add(*make_step(5, 9))
    assert to_bytes(state) == before
