"""On-policy memory of whole episodes, for returns that need to know how an episode went on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slm.env import Step
from slm.memory.rollout import Rollout
from slm.memory.rows import Rows

MIN_CAPACITY = 128


@dataclass
class Episode:
    """One environment's episode of L steps so far."""

    observations: list[NDArray[Any]] = field(default_factory=list)
    """L observations, and the final one where the episode was truncated."""
    actions: list[Any] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    terminated: bool = False

    def __len__(self) -> int:
        return len(self.rewards)

    def state(self) -> dict[str, Any]:
        """As plain data; an episode without a step has no observations either."""
        return {
            "observations": np.array(self.observations),
            "actions": np.array(self.actions),
            "rewards": list(self.rewards),
            "terminated": self.terminated,
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Episode:
        """The episode of a state made by `state`."""
        return cls(list(state["observations"]), list(state["actions"]), list(state["rewards"]), state["terminated"])


class Episodes:
    """The episodes of N environments that finished since the last use, each put together by environment.

    An episode that goes on while the agent learns is kept and comes with a later batch: no step is lost, and long
    episodes count as much as short ones. Its first steps are then some updates older than the agent.
    """

    def __init__(
        self,
        num_envs: int,
        observation: tuple[tuple[int, ...], Any],
        action: tuple[tuple[int, ...], Any],
        *,
        min_episodes: int = 1,
        min_steps: int = 1,
        dropped: float = 0.0,
    ) -> None:
        """The memory is full when ``min_episodes`` have finished and ``min_steps`` vector steps have passed since the
        last use. Episodes below the ``dropped``-quantile of the batch's returns are left out (the cross-entropy
        method: Rubinstein 1999). ``observation`` and ``action`` are the (shape, type) of one environment's.
        """
        self._observation, self._action = observation, action
        self._min_episodes, self._min_steps, self._dropped = min_episodes, min_steps, dropped
        self._running = [Episode() for _ in range(num_envs)]
        self._finished: list[Episode] = []
        self._steps = 0

    @property
    def full(self) -> bool:
        return len(self._finished) >= self._min_episodes and self._steps >= self._min_steps

    def add(self, observations: NDArray[Any], actions: NDArray[Any], step: Step) -> None:
        """Remember one step: what was observed (N, …), done (N, …) and what came of it."""
        for n, episode in enumerate(self._running):
            episode.observations.append(observations[n].copy())
            episode.actions.append(actions[n].copy())
            episode.rewards.append(float(step.rewards[n]))
            if step.done[n]:
                episode.terminated = bool(step.terminated[n])
                if not episode.terminated:
                    episode.observations.append(step.next_observations[n].copy())
                self._finished.append(episode)
                self._running[n] = Episode()
        self._steps += 1

    def rollout(self) -> Rollout:
        """The finished episodes one after the other, as a rollout of one environment.

        Its length is a power of two, so that few shapes occur; the rows after the last episode don't count.
        """
        episodes = self._best()
        steps = sum(map(len, episodes))
        rollout = Rollout(capacity(steps), 1, self._observation, self._action)
        for episode in episodes:
            start, end = rollout.rows, rollout.rows + len(episode)
            rollout.observations[start:end, 0] = episode.observations[: len(episode)]
            rollout.actions[start:end, 0] = episode.actions
            rollout.rewards[start:end, 0] = episode.rewards
            rollout.done[end - 1, 0] = True
            rollout.terminated[end - 1, 0] = episode.terminated
            if not episode.terminated:
                rollout.final_observations.append((end - 1, 0, episode.observations[-1]))
            rollout.rows = end
        # Batch normalisation sees the empty rows too: repetitions keep their statistics those of the episodes.
        rollout.observations[steps:] = np.resize(rollout.observations[:steps], rollout.observations[steps:].shape)
        return rollout

    def _best(self) -> list[Episode]:
        if self._dropped == 0.0:
            return self._finished
        returns = [sum(episode.rewards) for episode in self._finished]
        threshold = np.quantile(returns, self._dropped)
        return [episode for episode, total in zip(self._finished, returns, strict=True) if total >= threshold]

    def clear(self) -> None:
        """Forget the finished episodes after they were used."""
        self._finished = []
        self._steps = 0

    def journaled(self) -> dict[str, Rows]:
        """Nothing: all of it changes from one checkpoint to the next."""
        return {}

    def state(self) -> dict[str, Any]:
        return {
            "running": [episode.state() for episode in self._running],
            "finished": [episode.state() for episode in self._finished],
            "steps": self._steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._running = [Episode.restored(episode) for episode in state["running"]]
        self._finished = [Episode.restored(episode) for episode in state["finished"]]
        self._steps = state["steps"]


def capacity(steps: int) -> int:
    """Rows for that many steps: the next power of two."""
    return max(MIN_CAPACITY, 1 << (steps - 1).bit_length())
