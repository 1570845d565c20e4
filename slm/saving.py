"""When a session in progress is saved: on a wall-clock interval, on signals, and before its last step."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from slm.checkpoint import Checkpoints
from slm.records import Table
from slm.session import Session, Tables

log = logging.getLogger(__name__)

WAIT_FACTOR = 20
"""A checkpoint waits for so many times as long as the one before took, so that they take less than 5% of the time."""


class SessionInterruptedError(Exception):
    """The process was asked to stop; the session was saved first."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


class Saver:
    """Called between steps: saves where it is time to."""

    def __init__(
        self, session: Session, tables: Tables[Table], checkpoints: Checkpoints, interval: float, received: list[int],
        keep_end: bool,
    ) -> None:  # fmt: skip
        """``received``: the signals that came, see `collect_signals`. With ``keep_end`` it saves before the last step
        too, from where a longer session can go on: that step may record what a longer session would not.
        """
        self._session, self._tables, self._checkpoints = session, tables, checkpoints
        self._interval, self._received = interval, received
        self._next = time.monotonic() + interval
        env = session.spec.env
        self._last_step = env.max_frame - env.num_envs if keep_end else env.max_frame
        self.saved_at: int | None = None
        """Frame of the last checkpoint made by this process."""

    def __call__(self) -> None:
        frame = self._session.state.clock.frame
        due = self._received or time.monotonic() >= self._next
        if not due and not self._last_step <= frame < self._session.spec.env.max_frame:
            return
        self._save()
        while self._received:
            number = self._received.pop(0)
            log.info("%s: saved at frame %d", signal.Signals(number).name, frame)
            if number in (signal.SIGTERM, signal.SIGINT):
                raise SessionInterruptedError(number)

    def _save(self) -> None:
        started, state = time.monotonic(), self._session.state
        lengths = [table.sync() for table in self._tables.all()]
        self._checkpoints.save({"lengths": lengths, "state": state.tree()}, state.memory.journaled())
        self.saved_at, now = state.clock.frame, time.monotonic()
        self._next = now + max(self._interval, WAIT_FACTOR * (now - started))


@contextmanager
def collect_signals() -> Iterator[list[int]]:
    """Collect SIGTERM, SIGINT and SIGUSR1 (sent before a time limit) in a list instead of dying of them."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
