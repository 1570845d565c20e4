"""Sessions killed at random moments end in the same bytes as one that nobody killed, having done no work again but
what came after the last checkpoint."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from victims import Victim, make_spec

pytestmark = [pytest.mark.slow, pytest.mark.faults]

SEED = int(os.environ.get("SLM_FAULT_SEED") or 0)
KILLS = 2
"""How often each session is killed."""
LONGEST_DELAY, MOST_SECONDS = 0.25, 0.5
"""From a run's first checkpoint to its kill, in parts of the time that the whole session takes; its bound in seconds,
for a machine that is less busy then than it was."""
INTERVALS = 8
"""A checkpoint is due so many times a session, at least."""
COMPILED_FRAMES = 2
"""So many times the frames, since they take less time."""

CASES: dict[str, tuple[str, str, str, int]] = {
    "on-policy, classic": ("PPO", "on-policy", "CartPole-v1", 10_000),
    "on-policy, box2d": ("PPO", "on-policy", "LunarLander-v3", 6_000),
    "on-policy, mujoco": ("PPO", "on-policy", "InvertedPendulum-v5", 6_000),
    "on-policy, atari": ("PPO", "on-policy", "ALE/Breakout-v5", 1_600),
    "replay, classic": ("DQN", "replay", "CartPole-v1", 4_000),
    "replay, box2d": ("SoftActorCritic", "replay", "BipedalWalker-v3", 2_000),
    "replay, mujoco": ("SoftActorCritic", "replay", "InvertedPendulum-v5", 2_000),
    "replay, atari": ("DQN", "replay", "ALE/Breakout-v5", 1_400),
    "prioritised, classic": ("DoubleDQN", "prioritised", "CartPole-v1", 3_000),
    "prioritised, box2d": ("DoubleDQN", "prioritised", "LunarLander-v3", 3_000),
    "prioritised, mujoco": ("SoftActorCritic", "prioritised", "InvertedPendulum-v5", 2_000),
    "prioritised, atari": ("DoubleDQN", "prioritised", "ALE/Breakout-v5", 1_200),
}
"""Algorithm, memory, environment and frames."""
SAMPLE = {
    ("replay, classic", "compiled"),
    ("on-policy, mujoco", "eager"),
    ("replay, atari", "eager"),
    ("prioritised, box2d", "eager"),
}
"""What every run of the tests has; each kind of memory, of environment and of update is there."""


def combinations() -> list[Any]:
    return [
        pytest.param(
            case, backend, id=f"{case}, {backend}", marks=[] if (case, backend) in SAMPLE else pytest.mark.exhaustive
        )
        for case in CASES
        for backend in ("eager", "compiled")
    ]


@pytest.mark.parametrize(("case", "backend"), combinations())
def test_a_killed_session_ends_in_the_same_bytes(case: str, backend: str, tmp_path: Path) -> None:
    *kind, frames = CASES[case]
    spec = make_spec(*kind, frames=frames * (COMPILED_FRAMES if backend == "compiled" else 1))
    undisturbed = Victim(tmp_path / "whole", spec, backend)
    whole, seconds = undisturbed.finish(), undisturbed.seconds()
    chance = random.Random(f"{SEED} {case} {backend}")
    kills = [
        (
            chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)),
            chance.uniform(0, min(LONGEST_DELAY * seconds, MOST_SECONDS)),
        )
        for _ in range(KILLS)
    ]
    print(f"SLM_FAULT_SEED={SEED}; signals, and seconds after each run's first checkpoint: {kills}")
    victim, reached = Victim(tmp_path / "killed", spec, backend, interval=min(seconds / INTERVALS, MOST_SECONDS)), 0
    for number, delay in kills:
        victim.start()
        victim.kill(number, delay)
        assert not victim.has_outputs(), "nothing looks finished"
        assert (victim.resumed_at() or 0) == reached
        last = victim.frames()[0]
        assert last > reached, "the run got further than the one before"
        if number == signal.SIGTERM:
            assert victim.saved_at(number) == last
        reached = last
    assert victim.finish() == whole
    assert victim.resumed_at() == reached, "it went on from the last checkpoint, and no work before was done again"
