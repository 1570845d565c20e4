"""Box2D and MuJoCo: every id of the benchmarks, stepped, scaled, normalised, saved and restored."""

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from slm.checkpoint import from_bytes, to_bytes
from slm.env import World
from slm.errors import UserError

BOX2D: list[tuple[str, dict[str, Any]]] = [
    ("LunarLander-v3", {}),
    ("LunarLander-v3", {"continuous": True}),
    ("LunarLanderContinuous-v3", {}),
    ("BipedalWalker-v3", {}),
]
MUJOCO = [
    "Ant", "HalfCheetah", "Hopper", "Humanoid", "HumanoidStandup", "InvertedDoublePendulum", "InvertedPendulum",
    "Pusher", "Reacher", "Swimmer", "Walker2d",
]  # fmt: skip
ALL = BOX2D + [(f"{name}-v5", {}) for name in MUJOCO]
FIELDS = ("observations", "next_observations", "rewards", "raw_rewards", "terminated", "truncated", "episode_over")


class UnboundedEnv(gym.Env):
    """Takes any number as its action."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float32)


@pytest.fixture
def unbounded() -> Iterator[str]:
    gym.register("test/Unbounded-v0", UnboundedEnv)
    yield "test/Unbounded-v0"
    del gym.registry["test/Unbounded-v0"]


def random_actions(world: World, rng: np.random.Generator) -> np.ndarray:
    """Discrete, or normal as from a policy: also beyond [−1, 1]."""
    space = world.action_space
    if isinstance(space, gym.spaces.Discrete):
        return rng.integers(int(space.n), size=world.num_envs)
    return rng.normal(size=(world.num_envs, *(space.shape or ()))).astype(np.float32)


@pytest.mark.parametrize(("name", "keys"), ALL)
def test_stepped_normalised_and_restored(world: Callable[..., World], name: str, keys: dict[str, Any]) -> None:
    first, second = (
        world(name, num_envs=2, normalize_obs=True, clip_obs=10, normalize_reward=True, clip_reward=10, **keys)
        for _ in range(2)
    )
    rng = np.random.default_rng(0)
    first.reset([0, 1])
    second.reset([8, 9])
    for _ in range(250):
        step = first.step(random_actions(first, rng))
        assert step.observations.dtype == step.rewards.dtype == np.float32
        assert np.abs(step.observations).max() <= 10
        assert np.abs(step.rewards).max() <= 10
        assert np.isfinite(step.raw_rewards).all()
    second.restore(from_bytes(to_bytes(first.state())))
    for index in range(40):
        actions = random_actions(first, rng)
        one, other = first.step(actions), second.step(actions)
        for field in FIELDS:
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field), err_msg=f"{field} at {index}")
    assert to_bytes(first.state()) == to_bytes(second.state())


@pytest.mark.parametrize(
    ("name", "bound"), [("Humanoid-v5", 0.4), ("Pendulum-v1", 2.0), ("InvertedPendulum-v5", 3.0), ("Hopper-v5", 1.0)]
)
def test_actions_are_scaled_to_the_bounds(world: Callable[..., World], name: str, bound: float) -> None:
    """Equal to the environment itself under the scaled and clipped actions."""
    scaled, plain = world(name), gym.make(name)
    np.testing.assert_array_equal(scaled.reset([4])[0], plain.reset(seed=4)[0].astype(np.float32))
    rng = np.random.default_rng(0)
    for _ in range(10):
        actions = random_actions(scaled, rng)
        step = scaled.step(actions)
        observation, reward, *_ = plain.step((np.clip(actions[0], -1, 1) * np.float32(bound)).astype(np.float32))
        np.testing.assert_allclose(step.next_observations[0], observation.astype(np.float32), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(step.raw_rewards[0], reward, rtol=1e-5)
        if step.episode_over[0]:
            break


def test_actions_without_bounds(world: Callable[..., World], unbounded: str) -> None:
    with pytest.raises(UserError, match=f"env.name: '{unbounded}' has actions .* without bounds"):
        world(unbounded)


@pytest.mark.parametrize(
    ("name", "keys", "parts"),
    [
        ("Pong-v5", {}, ["nearest: ALE/Pong-v5"]),
        ("ALE/Pongg-v5", {}, ["nearest: ALE/Pong-v5"]),
        ("ALE/pong-v5", {}, ["nearest: ALE/Pong-v5"]),
        ("HalfCheetahBulletEnv-v0", {}, ["is not a registered environment", "HalfCheetah-v5"]),
        ("LunarLander-v3", {"gravitation": 1}, ["it has no argument 'gravitation'", "continuous", "gravity"]),
        ("Hopper-v5", {"gravitation": 1}, ["it has no argument 'gravitation'", "healthy_reward"]),
        ("ALE/Pong-v5", {"sticky": 1}, ["it has no argument 'sticky'", "repeat_action_probability", "life_loss_info"]),
        ("ALE/Pong-v5", {"obs_type": "ram"}, ["it has no argument 'obs_type'"]),
        ("ALE/Pong-v5", {"reward_clipping": True}, ["it has no argument 'reward_clipping'"]),
        ("ALE/Pong-v5", {"repeat_action_probability": 2}, ["must be in [0, 1)"]),
        ("ALE/Pong-v5", {"mode": 77}, ["mode", "77"]),
    ],
)
def test_messages(world: Callable[..., World], name: str, keys: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(UserError) as error:
        world(name, **keys)
    for part in parts:
        assert part in str(error.value)
