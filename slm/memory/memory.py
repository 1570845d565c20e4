"""What every memory offers the session."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from slm.env import Step
from slm.memory.rows import Rows


class Memory(Protocol):
    """Experience that is kept until an algorithm learns from it."""

    def add(self, observations: NDArray[Any], actions: NDArray[Any], step: Step) -> None:
        """Remember one step of N environments: what was observed (N, …), done (N, …) and what came of it."""

    def journaled(self) -> dict[str, Rows]:
        """The part of what is kept that checkpoints write piece by piece, by name."""

    def state(self) -> dict[str, Any]:
        """All else that is kept, as plain data."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take on a state made by `state`; what is `journaled` is written afterwards."""


class NoMemory:
    """Keeps nothing, for agents that don't learn."""

    def add(self, observations: NDArray[Any], actions: NDArray[Any], step: Step) -> None:
        pass

    def journaled(self) -> dict[str, Rows]:
        return {}

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass
