"""A replay memory full of transitions that have nothing to do with each other."""

import numpy as np

from slm.env import Step
from slm.memory import Replay


def fill_with(
    memory: Replay, observations: np.ndarray, actions: np.ndarray, rewards: np.ndarray, terminated: np.ndarray,
    next_observations: np.ndarray, num_envs: int = 2,
) -> None:  # fmt: skip
    """Remember M transitions, given as arrays (M, …), as steps of environments that are reset each time."""
    following = np.roll(observations, -num_envs, axis=0)
    for start in range(0, len(rewards), num_envs):
        now = slice(start, start + num_envs)
        step = Step(
            observations=following[now].astype(np.float32),
            rewards=rewards[now].astype(np.float32),
            raw_rewards=rewards[now],
            terminated=terminated[now],
            truncated=~terminated[now],
            done=np.ones(num_envs, bool),
            next_observations=next_observations[now].astype(np.float32),
            episode_over=np.ones(num_envs, bool),
        )
        memory.add(observations[now].astype(np.float32), actions[now], step)
