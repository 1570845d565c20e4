"""Memory for self-imitation: an on-policy memory, and beside it past steps with the returns that followed."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from slm.env import Step
from slm.memory.episodes import Episodes
from slm.memory.ring import Ring
from slm.memory.rollout import Rollout
from slm.memory.rows import Rows


class ImitationMemory:
    """What the on-policy update learns from, and what self-imitation does."""

    def __init__(self, on_policy: Rollout | Episodes, episodes: Episodes, replay: Ring) -> None:
        self.on_policy = on_policy
        """Of the next on-policy update."""
        self.episodes = episodes
        """Finished since the last update, whose returns are not in the replay yet."""
        self.replay = replay
        """Observations, actions and returns of the steps of finished episodes."""

    def add(self, observations: NDArray[Any], actions: NDArray[Any], step: Step) -> None:
        """Remember one step: what was observed (N, …), done (N, …) and what came of it."""
        self.on_policy.add(observations, actions, step)
        self.episodes.add(observations, actions, step)

    def journaled(self) -> dict[str, Rows]:
        return self.replay.journaled()

    def state(self) -> dict[str, Any]:
        parts = {"on_policy": self.on_policy, "episodes": self.episodes, "replay": self.replay}
        return {name: part.state() for name, part in parts.items()}

    def restore(self, state: dict[str, Any]) -> None:
        self.on_policy.restore(state["on_policy"])
        self.episodes.restore(state["episodes"])
        self.replay.restore(state["replay"])
