"""An environment's state, saved and restored bit for bit."""

from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pytest

from slm.checkpoint import from_bytes, to_bytes
from slm.env import World

FIELDS = ("observations", "next_observations", "rewards", "raw_rewards", "terminated", "truncated")


def random_actions(world: World, rng: np.random.Generator) -> np.ndarray:
    space = world.action_space
    if isinstance(space, gym.spaces.Discrete):
        return rng.integers(int(space.n), size=world.num_envs)
    return rng.uniform(-1.0, 1.0, (world.num_envs, *(space.shape or ()))).astype(np.float32)


# Many short episodes before the one that is saved: an episode must not depend on those before it.
@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("CartPole-v1", 300),
        ("Acrobot-v1", 700),
        ("Pendulum-v1", 300),
        ("LunarLander-v3", 300),
        ("BipedalWalker-v3", 450),
        ("HalfCheetah-v5", 200),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_restore_is_exact(world: Callable[..., World], name: str, steps: int, seed: int) -> None:
    first = world(name, num_envs=2)
    first.reset([seed, seed + 10])
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        first.step(random_actions(first, rng))
    saved = from_bytes(to_bytes(first.state()))
    second = world(name, num_envs=2)
    second.reset([98, 99])
    second.restore(saved)
    for index in range(50):
        actions = random_actions(first, rng)
        one, other = first.step(actions), second.step(actions)
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field), err_msg=f"{field} at {index}")
    assert to_bytes(first.state()) == to_bytes(second.state())


def test_same_seeds_same_world(world: Callable[..., World]) -> None:
    first, second, other = (world("CartPole-v1", num_envs=2) for _ in range(3))
    np.testing.assert_array_equal(first.reset([1, 2]), second.reset([1, 2]))
    assert not np.array_equal(other.reset([1, 3]), first.reset([1, 2]))
    plain = [gym.make("CartPole-v1").reset(seed=seed)[0] for seed in (1, 2)]
    np.testing.assert_array_equal(other.reset([1, 2]), plain)


def test_state_is_taken_by_value(world: Callable[..., World]) -> None:
    cartpole = world("CartPole-v1")
    cartpole.reset([0])
    state = cartpole.state()
    before = to_bytes(state)
    for _ in range(30):
        cartpole.step(np.ones(1, np.int64))
    assert to_bytes(state) == before
