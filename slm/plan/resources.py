"""What a session needs of the machine, estimated from its spec alone: no environment is made, no torch imported."""

from __future__ import annotations

import math

from slm.spec import Spec
from slm.spec.memory import OnPolicyBase, PrioritizedReplaySpec, ReplaySpec, sil_memory_spec

BASE_MB = 1500
"""Interpreter, libraries and networks (about 450 MB, measured), and the C++ compiler while an update is compiled."""
FLOAT = 4
ATARI_FRAME, ATARI_STACK = 84 * 84, 4
"""Bytes of a frame of an Atari game, and frames in an observation."""
OBSERVATION_BYTES = {
    "CarRacing": 96 * 96 * 3,
    "Humanoid": 348 * FLOAT,
    "HumanoidStandup": 348 * FLOAT,
}
"""Of the environments, by their names without the version, with observations larger than this:"""
OTHER_OBSERVATION_BYTES = 128 * FLOAT
ROW_BYTES = 128
"""Action, reward, flags, priority and places of one transition; actions of up to 17 numbers."""
EPISODE_STEPS = 1000
"""Of environments whose spec doesn't say how long an episode is."""
SPARE = 1.1
"""Final observations of episodes, and what the allocator leaves unused."""


def memory_mb(spec: Spec) -> int:
    """Main memory that training a session of the spec takes, in MB, rounded up to hundreds.

    An observation of an environment that is not listed here counts as 128 numbers.
    """
    needed = _memory_bytes(spec) * SPARE
    return BASE_MB + 100 * math.ceil(needed / 1e8)


def _memory_bytes(spec: Spec) -> int:
    """Bytes that the spec's memory takes when it is full."""
    memory, algorithm, num_envs = spec.agent.memory, spec.agent.algorithm, spec.env.num_envs
    frame, observation = _observation_bytes(spec)
    if isinstance(memory, ReplaySpec | PrioritizedReplaySpec):
        return memory.max_size * (frame + ROW_BYTES)
    steps = getattr(algorithm, "time_horizon", None) or getattr(algorithm, "training_frequency", None) or 1
    if memory.name != "OnPolicyBatchReplay":  # then it counts episodes
        steps *= spec.env.max_t or EPISODE_STEPS
    rollout = steps * num_envs * (observation + ROW_BYTES)
    if isinstance(memory, OnPolicyBase) and memory.sil_replay_name is not None:
        # Self-imitation stores whole observations, and the steps of running episodes beside the rollout's.
        return 2 * rollout + sil_memory_spec(memory).max_size * (observation + ROW_BYTES)
    return rollout


def _observation_bytes(spec: Spec) -> tuple[int, int]:
    """Bytes of the newest frame of an observation, which is all that a replay memory stores, and of all its frames."""
    name = spec.env.name
    if name.startswith("ALE/"):
        frame, stacked = ATARI_FRAME, ATARI_STACK
    else:
        frame, stacked = OBSERVATION_BYTES.get(name.split("/")[-1].rsplit("-v", 1)[0], OTHER_OBSERVATION_BYTES), 1
    length = getattr(spec.agent.net, "seq_len", None) or 1
    # A sequence of stacks shares its stacks with its successor, but not the frames in them.
    return (frame * stacked if length > 1 else frame), frame * stacked * length
