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


def uniform(max_size: int = 10, batch_size: int = 4, num_envs: int = 1, **keys: Any) -> Replay:
    return Replay(max_size, batch_size, num_envs, OBSERVATION, ACTION, **keys)


def prioritized(max_size: int = 10, batch_size: int = 4, num_envs: int = 1, **keys: Any) -> PrioritizedReplay:
    keys = {"alpha": 0.5, "epsilon": 0.25, **keys}
    return PrioritizedReplay(max_size, batch_size, num_envs, OBSERVATION, ACTION, **keys)


def contents(memory: Replay) -> bytes:
    """All that a memory holds."""
    rows = {name: rows.read(rows.first, rows.end).tobytes() for name, rows in memory.journaled().items()}
    return to_bytes({"state": memory.state(), "rows": rows})


def copied(memory: Replay, other: Replay) -> Replay:
    """The other memory, with what the first one holds."""
    other.restore(from_bytes(to_bytes(memory.state())))
    for name, rows in memory.journaled().items():
        other.journaled()[name].write(rows.first, rows.read(rows.first, rows.end))
    return other


@pytest.mark.parametrize("make", [uniform, prioritized])
@pytest.mark.parametrize("num_envs", [1, 3])
def test_newest_overwrite_the_oldest(make: Callable[..., Replay], make_step: MakeStep, num_envs: int) -> None:
    memory = make(max_size=10, num_envs=num_envs)
    for first in range(0, 24, num_envs):
        memory.add(*make_step(first, num_envs, done=18 <= first < 21))
    assert (memory.size, memory.seen) == (10, 24)
    batch = memory.transitions(np.arange(10))
    order = np.argsort(batch["observations"][:, 0])
    held = np.arange(14, 24)
    np.testing.assert_array_equal(batch["observations"][order, 0], held)
    successors = np.where(held % 3 == 0, held + 0.5, held + num_envs)
    np.testing.assert_array_equal(batch["next_observations"][order, 0], successors)
    np.testing.assert_array_equal(batch["rewards"][order], 10 * held)
    np.testing.assert_array_equal(batch["actions"][order], held % 3)
    np.testing.assert_array_equal(batch["terminated"][order], (held >= 18) & (held < 21))


@pytest.mark.parametrize("make", [uniform, prioritized])
def test_only_what_is_held_is_drawn(make: Callable[..., Replay], make_step: MakeStep) -> None:
    memory = make(max_size=10, batch_size=500, num_envs=3)
    memory.add(*make_step(0, 3))
    assert set(memory.sample(np.random.default_rng(0))) == {0, 1, 2}


def test_uniform_draws_are_uniform(make_step: MakeStep) -> None:
    memory = uniform(max_size=10, batch_size=5000, num_envs=10)
    memory.add(*make_step(0, 10))
    assert chisquare(np.bincount(memory.sample(np.random.default_rng(0)), minlength=10)).pvalue > 0.01


def test_draws_are_in_proportion_to_priorities(make_step: MakeStep) -> None:
    memory = prioritized(max_size=200, batch_size=20_000, num_envs=200)
    memory.add(*make_step(0, 200))
    errors = np.linspace(-4.0, 4.0, 200)
    memory.update_priorities(np.arange(200), errors)
    expected = (np.abs(errors) + 0.25) ** 0.5
    counts = np.bincount(memory.sample(np.random.default_rng(0)), minlength=200)
    assert chisquare(counts, expected / expected.sum() * 20_000).pvalue > 0.01
    assert chisquare(counts).pvalue < 1e-6, "a uniform draw would look different"


def test_new_transitions_get_the_highest_priority_so_far(make_step: MakeStep) -> None:
    memory = prioritized(max_size=3, batch_size=1, alpha=1.0)
    for number in range(2):
        memory.add(*make_step(number, 1))
    np.testing.assert_array_equal(memory._tree[np.arange(3)], [1.0, 1.0, 0.0])
    memory.update_priorities(np.array([0, 1]), np.array([-7.75, 0.75]))
    memory.add(*make_step(2, 1))
    np.testing.assert_array_equal(memory._tree[np.arange(3)], [8.0, 1.0, 8.0])
    memory.update_priorities(np.array([0]), np.array([0.0]))
    for number in (3, 4):
        memory.add(*make_step(number, 1))  # overwrites places 0 and 1; the highest stays, though its transition is gone
    np.testing.assert_array_equal(memory._tree[np.arange(3)], [8.0, 8.0, 8.0])


def test_importance_weights_by_hand(make_step: MakeStep) -> None:
    memory = prioritized(max_size=4, num_envs=3, alpha=1.0, epsilon=0.5)
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
        for number in range(11):
            one.add(*make_step(number, 1))
            if number == 7:
                one.sample(np.random.default_rng(0))
    drawn, drawn_plain = (one.sample(np.random.default_rng(7)) for one in (memory, plain))
    assert drawn[-3:].tolist() == [8, 9, 0], "the places of 8, 9 and 10"
    np.testing.assert_array_equal(drawn[:-3], drawn_plain[:-3])
    # Nothing came since: an ordinary sample.
    rng, rng_plain = np.random.default_rng(8), np.random.default_rng(8)
    np.testing.assert_array_equal(memory.sample(rng), plain.sample(rng_plain))
    for number in range(11, 20):
        memory.add(*make_step(number, 1))
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

    memory, rng = make(combined=True, num_envs=2), np.random.default_rng(0)
    for first in range(count):
        advance(memory, 2 * first, rng)
    memory.add(*make_step(2 * count, 2))
    other, other_rng = copied(memory, make(combined=True, num_envs=2)), np.random.default_rng()
    other_rng.bit_generator.state = rng.bit_generator.state
    for first in range(count + 1, count + 20):
        places = advance(memory, 2 * first, rng)
        np.testing.assert_array_equal(places, advance(other, 2 * first, other_rng))
        for name, rows in memory.transitions(places).items():
            np.testing.assert_array_equal(rows, other.transitions(places)[name])
    assert contents(memory) == contents(other)


@pytest.mark.parametrize("rows", [0, 2, 4])
def test_restored_rollout_goes_on_alike(make_step: MakeStep, rows: int) -> None:
    def add(memory: Rollout, t: int) -> None:
        observations, actions, step = make_step(2 * t, 2)
        truncated = np.array([t % 3 == 0, False])
        memory.add(observations, actions, step._replace(truncated=truncated, done=truncated))

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
    assert [(t, n) for t, n, _ in other.final_observations] == [(0, 0), (3, 0)]
    np.testing.assert_array_equal(other.final_observations[1][2], [6.5])


@pytest.mark.parametrize("make", [uniform, prioritized])
def test_state_is_taken_by_value(make: Callable[..., Replay], make_step: MakeStep) -> None:
    memory = make(num_envs=4)
    memory.add(*make_step(0, 4))
    state, held = memory.state(), {name: rows.read(rows.first, rows.end) for name, rows in memory.journaled().items()}
    before = to_bytes(state), {name: records.tobytes() for name, records in held.items()}
    for first in range(4, 40, 4):
        memory.add(*make_step(first, 4))
    assert (to_bytes(state), {name: records.tobytes() for name, records in held.items()}) == before


def test_batches_lie_where_torch_would_put_them(make_step: MakeStep) -> None:
    memory = uniform()
    memory.add(*make_step(0, 1))
    batch = memory.transitions(np.zeros(3, np.int64))
    assert not [name for name, array in batch.items() if array.ctypes.data % 64]
