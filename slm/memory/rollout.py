"""On-policy memory: the last T steps of N environments, used once and emptied."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slm.env import Step
from slm.memory.rows import Rows


class Rollout:
    """Rows of N transitions each, in arrays of shape (T, N, …).

    ``observations`` has T + 1 rows: the last is what the agent would act on next. Only the final observations of
    truncated episodes are kept beside it, since every other successor is the next row or a terminal state.
    """

    def __init__(
        self, length: int, num_envs: int, observation: tuple[tuple[int, ...], Any], action: tuple[tuple[int, ...], Any]
    ) -> None:
        """``observation`` and ``action`` are the (shape, type) of one environment's."""
        self.length, self.num_envs = length, num_envs
        self.observations = np.zeros((length + 1, num_envs, *observation[0]), observation[1])
        self.actions = np.zeros((length, num_envs, *action[0]), action[1])
        self.rewards = np.zeros((length, num_envs), np.float32)
        self.terminated = np.zeros((length, num_envs), bool)
        self.done = np.zeros((length, num_envs), bool)
        self.final_observations: list[tuple[int, int, NDArray[Any]]] = []
        """(row, environment, observation) of each truncated episode."""
        self.rows = 0

    @property
    def full(self) -> bool:
        return self.rows == self.length

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Which transitions (T, N) are there: those of the first ``rows`` rows."""
        return np.broadcast_to((np.arange(self.length) < self.rows)[:, None], self.rewards.shape)

    def rollout(self) -> Rollout:
        """What is learned from: the memory as it is."""
        return self

    def add(self, observations: NDArray[Any], actions: NDArray[Any], step: Step) -> None:
        """Remember one step: what was observed (N, …), done (N, …) and what came of it."""
        t = self.rows
        self.observations[t] = observations
        self.observations[t + 1] = step.observations
        self.actions[t] = actions
        self.rewards[t] = step.rewards
        self.terminated[t] = step.terminated
        self.done[t] = step.done
        if np.count_nonzero(step.truncated):
            for n in (step.truncated & ~step.terminated).nonzero()[0]:
                self.final_observations.append((t, int(n), step.next_observations[n].copy()))
        self.rows += 1

    def clear(self) -> None:
        """Empty the memory after it was used."""
        self.rows = 0
        self.final_observations = []

    def journaled(self) -> dict[str, Rows]:
        """Nothing: all of it changes from one checkpoint to the next."""
        return {}

    def state(self) -> dict[str, Any]:
        t = self.rows
        return {
            "observations": self.observations[: t + 1].copy(),
            "actions": self.actions[:t].copy(),
            "rewards": self.rewards[:t].copy(),
            "terminated": self.terminated[:t].copy(),
            "done": self.done[:t].copy(),
            "final_observations": [[t, n, observation] for t, n, observation in self.final_observations],
        }

    def restore(self, state: dict[str, Any]) -> None:
        t = self.rows = len(state["rewards"])
        self.observations[: t + 1] = state["observations"]
        for name in ("actions", "rewards", "terminated", "done"):
            getattr(self, name)[:t] = state[name]
        self.final_observations = [(t, n, np.asarray(o)) for t, n, o in state["final_observations"]]
