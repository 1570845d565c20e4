"""A session's sign of life while it trains: a small file in its folder in progress, for `slm status`."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from slm.session import Session, SessionState

FILE = "heartbeat.json"
INTERVAL = 5.0
"""Seconds between two signs of life."""


class Heartbeat:
    """Says how far a session is, every INTERVAL seconds, and in which state it is left: a context around training.

    Nothing depends on it: where the file can't be written, there is none.
    """

    def __init__(self, folder: Path, identity: dict[str, Any], stop: type[BaseException]) -> None:
        """`identity` is what the file says of the session from the start; `stop` is raised when it is asked to stop."""
        self._path, self._stop = folder / FILE, stop
        self._content = {**identity, "frame": 0, "fps": None, "score": None, "host": socket.gethostname()}
        self._content["pid"] = os.getpid()
        self._next, self._last = 0.0, (time.monotonic(), -1)
        self._state: SessionState | None = None

    def __enter__(self) -> Self:
        self._write("starting")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._state is not None:
            self._look(self._state)
        if kind is None:
            self._write("pruned" if self._state is not None and self._state.stopped else "finished")
        else:
            self._write("stopped" if issubclass(kind, self._stop) else "failed")

    def before(self, call: Callable[[], None], session: Session) -> Callable[[], None]:
        """What to call between steps: a sign of life, if it is time to, then `call`."""

        def both() -> None:
            self.beat(session.state)
            call()

        return both

    def beat(self, state: SessionState) -> None:
        """Between steps: write if it is time to."""
        self._state, now = state, time.monotonic()
        if now < self._next:
            return
        (then, before), frame = self._last, state.clock.frame
        self._look(state)
        self._content["fps"] = (frame - before) / (now - then) if before >= 0 else None
        self._next, self._last = now + INTERVAL, (now, frame)
        self._write("training")

    def _look(self, state: SessionState) -> None:
        score = state.world.statistics.total_reward
        self._content |= {"frame": state.clock.frame, "score": None if score != score else score}

    def _write(self, state: str) -> None:
        temporary = self._path.with_suffix(f".{os.getpid()}")
        try:
            temporary.write_text(json.dumps({**self._content, "state": state, "time": time.time()}), encoding="utf-8")
            os.replace(temporary, self._path)
        except OSError:
            temporary.unlink(missing_ok=True)
