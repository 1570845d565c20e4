"""Atari 2600 games with the usual preprocessing (Mnih et al. 2015; Machado et al. 2018, arXiv:1709.06009).

The steps are those of ale-py's own vector environment, so that scores compare: fire at the start, up to 30 no-ops,
4 frames per action, the brighter of the last two frames, 84×84 in grey, 4 frames stacked over zeros.

Sticky actions are drawn here and not by the emulator: its saved states do not contain the action that is being
repeated, so that one in ten restored games would go on differently. Nothing else in a game depends on the emulator's
own generator, which is therefore neither seeded nor saved.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any, cast

import ale_py
import cv2
import gymnasium as gym
import numpy as np
from ale_py.env import AtariEnv
from numpy.typing import NDArray

from slm.env.restorable import LIFE_LOST

STACK = 4
"""Frames in an observation."""
SIZE = 84
"""Height and width of an observation, in pixels."""

EMULATOR_ARGUMENTS = ("full_action_space", "mode", "difficulty")
"""Keyword arguments that ``ale_py.AtariEnv`` takes."""

# Sessions keep to the threads they were given, and frames are too small to be worth more than one.
cv2.setNumThreads(0)


@dataclass(frozen=True)
class AtariSettings:
    """Keyword arguments that the preprocessing takes itself; all others go to the emulator."""

    frameskip: int | tuple[int, int] = 4
    """Frames per action; a pair (low, high) draws them from [low, high) at each step."""
    repeat_action_probability: float = 0.25
    """Probability, at each frame, that the action before it stays in force."""
    max_num_frames_per_episode: int = 108_000
    """Frames after which a game is truncated."""
    noop_max: int = 30
    """A game starts after fewer than this many frames."""
    use_fire_reset: bool = True
    """Press fire at the start of a game that has that action."""
    life_loss_info: bool = False
    """Tell the learner of a lost life as if the game had ended there."""

    def __post_init__(self) -> None:
        low = self.frameskip[0] if isinstance(self.frameskip, tuple) else self.frameskip
        if low < 1 or (isinstance(self.frameskip, tuple) and self.frameskip[1] <= low):
            raise ValueError(f"frameskip is {self.frameskip}; it must be at least 1, or a rising pair")
        if not 0 <= self.repeat_action_probability < 1:
            raise ValueError(f"repeat_action_probability is {self.repeat_action_probability}; it must be in [0, 1)")


def make_atari(name: str, kwargs: dict[str, Any], max_steps: int | None, render_mode: str | None) -> AtariGame:
    """A registered game; ``kwargs`` are fields of `AtariSettings` and `EMULATOR_ARGUMENTS`.

    Raises TypeError or ValueError for arguments that are not taken.
    """
    own_names = [field.name for field in fields(AtariSettings)]
    for key in kwargs:
        if key not in (*own_names, *EMULATOR_ARGUMENTS):
            raise TypeError(f"it has no argument '{key}'; it has {', '.join((*own_names, *EMULATOR_ARGUMENTS))}")
    given = {**gym.registry[name].kwargs, **kwargs}
    own = {key: given.pop(key) for key in own_names if key in given}
    if isinstance(own.get("frameskip"), list):
        own["frameskip"] = tuple(own["frameskip"])
    settings = AtariSettings(**own)
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    # What is left out of the emulator is done by AtariGame.
    emulator = {"frameskip": 1, "repeat_action_probability": 0.0, "max_num_frames_per_episode": 0}
    env = gym.make(name, obs_type="grayscale", render_mode=render_mode, **{**given, **emulator})
    return AtariGame(cast(AtariEnv, env.unwrapped), settings, max_steps)


class AtariGame(gym.Wrapper):
    """One game: observations uint8 (4, 84, 84), rewards unclipped, an episode is a game over all its lives."""

    stacked = STACK
    """Tells a replay memory that it may store single frames."""

    def __init__(self, env: AtariEnv, settings: AtariSettings, max_steps: int | None) -> None:
        super().__init__(env)
        self.observation_space = gym.spaces.Box(0, 255, (STACK, SIZE, SIZE), np.uint8)
        self._ale = env.ale
        self._settings, self._max_steps = settings, max_steps
        self._actions: list[Any] = env._action_set
        self._fire = settings.use_fire_reset and ale_py.Action.FIRE in self._actions
        self._screens = [np.zeros(self._ale.getScreenDims(), np.uint8) for _ in range(2)]
        self._stack = np.zeros((STACK, SIZE, SIZE), np.uint8)
        self._power_on = self._ale.cloneState()
        self._rng = np.random.default_rng()
        self._held = ale_py.Action.NOOP
        self._lives = self._frames = self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Start a game; with a seed it doesn't depend on the games before."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
            # Some games keep things in memory over a reset. To load the game anew would take 20 times as long.
            self._ale.restoreState(self._power_on)
        self._ale.reset_game()
        self._held = ale_py.Action.NOOP
        if self._fire:
            self._act(ale_py.Action.FIRE)
        noops = int(self._rng.integers(max(self._settings.noop_max, 1)))
        for _ in range(noops - self._fire):
            self._act(ale_py.Action.NOOP)
            if self._ale.game_over():
                self._ale.reset_game()
        self._lives, self._frames, self._steps = self._ale.lives(), 0, 0
        self._stack[:] = 0
        self._ale.getScreenGrayscale(self._screens[0])
        return self._observe(self._screens[0]), {}

    def step(self, action: Any) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Hold an action (an index into the action set) for ``frameskip`` frames."""
        reward, over, truncated = 0.0, False, False
        frames, left = self._frames_to_play(), 0
        for left in reversed(range(frames)):
            reward += self._act(self._actions[int(action)])
            self._frames += 1
            over = self._ale.game_over()
            truncated = self._frames >= self._settings.max_num_frames_per_episode
            if left == 1:
                self._ale.getScreenGrayscale(self._screens[1])
            if over or truncated:
                break
        self._ale.getScreenGrayscale(self._screens[0])
        pooled = np.maximum(*self._screens) if left < 2 <= frames else self._screens[0]
        self._steps += 1
        truncated = truncated or self._steps == self._max_steps
        return self._observe(pooled), reward, over, truncated, {LIFE_LOST: True} if self._life_lost() else {}

    def episode(self) -> dict[str, Any]:
        """The state of the game as plain data."""
        emulator = self._ale.cloneState().serialize()
        return {
            "emulator": np.frombuffer(emulator, np.uint8).copy(),
            "generator": json.dumps(self._rng.bit_generator.state),
            "stack": self._stack.copy(),
            "held": int(self._held.value),
            "lives": self._lives,
            "frames": self._frames,
            "steps": self._steps,
        }

    def restore(self, episode: dict[str, Any]) -> None:
        """Bring the game to where it was when `episode` was taken."""
        self._ale.restoreState(ale_py.ALEState(episode["emulator"].tobytes()))
        self._rng.bit_generator.state = json.loads(episode["generator"])
        self._stack[:] = episode["stack"]
        self._held = ale_py.Action(episode["held"])
        self._lives, self._frames, self._steps = episode["lives"], episode["frames"], episode["steps"]

    def _act(self, action: Any) -> float:
        """Play one frame with the action, or with the one before where that sticks. Returns the reward."""
        if self._settings.repeat_action_probability <= self._rng.random():
            self._held = action
        return self._ale.act(self._held, 1.0)

    def _life_lost(self) -> bool:
        """Whether the learner is to be told of a life lost since the last call. The last life is the game's end."""
        lives, before = self._ale.lives(), self._lives
        self._lives = lives
        return self._settings.life_loss_info and 0 < lives < before

    def _frames_to_play(self) -> int:
        frames = self._settings.frameskip
        return int(self._rng.integers(*frames)) if isinstance(frames, tuple) else frames

    def _observe(self, screen: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Push a screen on the stack; returns a copy of it."""
        self._stack[:-1] = self._stack[1:]
        cv2.resize(screen, (SIZE, SIZE), dst=self._stack[-1], interpolation=cv2.INTER_AREA)
        return self._stack.copy()
