"""What a world asks of each of its environments beyond gymnasium's interface."""

from __future__ import annotations

from typing import Any, Protocol

LIFE_LOST = "life_lost"
"""Key of a step's info: true where the game goes on, but the agent is to learn that a life ended."""


class Restorable(Protocol):
    """An environment whose state can be taken as plain data and brought back exactly, in another process too."""

    def episode(self) -> dict[str, Any]:
        """The state of the running episode: numbers, text and arrays, by value."""
        ...

    def restore(self, episode: dict[str, Any]) -> None:
        """Bring the environment to where it was when `episode` was taken."""
        ...
