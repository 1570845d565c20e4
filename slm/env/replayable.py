"""An environment whose state can be saved and restored exactly, whatever it simulates.

Pickling is no way to do it: Box2D and MuJoCo environments pickle without an error and without their state. What
determines the state is the random generator at the start of the episode and the actions since; repeating them
restores it bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np


class ReplayableEpisode(gym.Wrapper):
    """Remembers how the running episode came about. Passes no infos on."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self._generator_at_reset: Mapping[str, Any] = {}
        self._actions: list[Any] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            # What gymnasium's reset does with a seed; done here so that the generator's state is known before it.
            self.unwrapped.np_random = np.random.Generator(np.random.PCG64(seed))
        self._generator_at_reset = self.unwrapped.np_random.bit_generator.state
        self._actions = []
        _renew_physics(self.unwrapped)
        return self.env.reset(options=options)[0], {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        if isinstance(action, np.integer):
            action = int(action)  # which environments check faster
        self._actions.append(action)
        # Nobody reads the info, and to merge it over a vector took a tenth of a MuJoCo step.
        observation, reward, terminated, truncated, _ = self.env.step(action)
        return observation, reward, terminated, truncated, {}

    def episode(self) -> dict[str, Any]:
        """The running episode as plain data: generator state (JSON) and the actions as one array."""
        return {
            "generator": json.dumps(self._generator_at_reset),
            "actions": np.array(self._actions) if self._actions else np.zeros(0, dtype=np.float32),
        }

    def restore(self, episode: dict[str, Any]) -> None:
        """Bring the environment to where it was when `episode` was taken."""
        generator = np.random.Generator(np.random.PCG64())
        generator.bit_generator.state = json.loads(episode["generator"])
        self.unwrapped.np_random = generator
        self.reset()
        for action in episode["actions"]:
            self.step(action)


def _renew_physics(env: gym.Env) -> None:
    """Give a Box2D environment an empty physics world for its next episode.

    The order in which Box2D works off contacts depends on all bodies that its world ever held. BipedalWalker and
    CarRacing keep their world, so that their episodes also depend on the episodes before; LunarLander renews its own.
    """
    world: Any = getattr(env, "world", None)
    if hasattr(world, "DestroyBody") and hasattr(env, "_destroy"):
        env._destroy()
        env.world = type(world)(gravity=world.gravity, contactListener=world.contactListener)  # type: ignore[attr-defined]
