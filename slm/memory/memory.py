"""What every memory offers the session."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from slm.env import Step


class Memory(Protocol):
    """Experience that is kept until an algorithm learns from it."""

    def add(self, observations: NDArray[Any], actions: NDArray[Any], step: Step) -> None:
        """Remember one step of N environments: what was observed (N, …), done (N, …) and what came of it."""

    def state(self) -> dict[str, Any]:
        """All that is kept, as plain data."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take on a state made by `state`."""


class NoMemory:
    """Keeps nothing, for agents that don't learn."""

    def add(self, observations: NDArray[Any], actions: NDArray[Any], step: Step) -> None:
        pass

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass
