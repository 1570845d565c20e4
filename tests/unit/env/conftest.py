"""A world whose transitions are known: its observation counts the steps of the episode."""

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from slm.env import World, make_world
from slm.spec import EnvSpec


class CounterEnv(gym.Env):
    """Observes (start, steps); the reward of step t is t; terminates after ``length`` steps.

    ``start`` is drawn at each reset, so that no two episodes look alike.
    """

    observation_space = gym.spaces.Box(0.0, 1e6, (2,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def __init__(self, length: int = 3) -> None:
        self.length = length
        self.start = self.steps = 0

    def _observation(self) -> np.ndarray:
        return np.array([self.start, self.steps], np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.start, self.steps = int(self.np_random.integers(1_000_000)), 0
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return self._observation(), float(self.steps), self.steps >= self.length, False, {}


class EchoEnv(gym.Env):
    """Observes the action it was given; ends never."""

    observation_space = gym.spaces.Box(-10.0, 10.0, (2,), np.float64)
    action_space = gym.spaces.Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 10.0], np.float32))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(2), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        return np.asarray(action, np.float64), 100.0 * float(action[0]), False, False, {}


class BytesEnv(CounterEnv):
    """Observes bytes."""

    observation_space = gym.spaces.Box(0, 255, (2,), np.uint8)

    def _observation(self) -> np.ndarray:
        return np.array([200, self.steps], np.uint8)


@pytest.fixture(autouse=True, scope="session")
def _registered() -> Iterator[None]:
    for name, entry in {"Counter-v0": CounterEnv, "Echo-v0": EchoEnv, "Bytes-v0": BytesEnv}.items():
        gym.register(f"test/{name}", entry)
    yield
    for name in ("Counter-v0", "Echo-v0", "Bytes-v0"):
        del gym.registry[f"test/{name}"]


@pytest.fixture
def world() -> Callable[..., World]:
    """Make a world: ``world("test/Counter-v0", num_envs=2, length=3)``; with ``sequence`` one of sequences."""

    def make(name: str, gamma: float = 0.5, sequence: int | None = None, **keys: Any) -> World:
        spec = EnvSpec(name=name, max_frame=1, **{"clip_obs": None, "clip_reward": None, **keys})
        return make_world(spec, gamma, sequence)

    return make
