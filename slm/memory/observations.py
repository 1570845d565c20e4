"""The observations of a replay memory: each is stored once, though it is the successor of the one before as well."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slm.env import Step
from slm.memory.rows import Queue, Rows, window

NO_FINAL = -1
"""Stands for the final observation of a step that ended no episode."""


class Observations:
    """Observations of N environments, numbered like the transitions: row r's successor is row r + N.

    Only where an episode ended the successor is a *final observation*, kept beside them. Of observations that are
    *stacked* (the last L frames, oldest first, with zeros from before the episode's start) only the newest frame is
    stored: the others are the newest frames of the rows before.
    """

    def __init__(
        self, max_size: int, num_envs: int, observation: tuple[tuple[int, ...], Any], stacked: int | None
    ) -> None:
        """``observation`` is the (shape, type) of one environment's; with ``stacked`` its first dimension is L."""
        shape, kind = observation
        self._num_envs, self._stacked = num_envs, stacked
        self._frame_shape = shape[1:] if stacked else shape
        # Beside those that are held there are the N to act on next, and what the oldest stacks are made of.
        self._older = ((stacked or 1) - 1) * num_envs
        self._held, self._capacity = max_size, max_size + num_envs + self._older
        self._frames = np.zeros((self._capacity, *self._frame_shape), kind)
        self._ages = np.zeros(self._capacity, np.int32)
        """Of stacked observations: frames since the episode's start, this one included, but at most L."""
        self.record = np.dtype([("frame", kind, self._frame_shape), ("age", np.int32)])
        self.finals = Queue(self._frame_shape, kind)
        self.end = 0

    @property
    def first(self) -> int:
        """Number of the oldest row that is needed still."""
        return max(self.end - self._capacity, 0)

    def add(self, observations: NDArray[Any], step: Step) -> NDArray[np.int64]:
        """Remember a step from ``observations`` (N, …), which are those that the step before led to.

        Returns the number (N,) of each environment's final observation, or NO_FINAL.
        """
        if self.end == 0:
            self._append(observations, np.ones(self._num_envs, bool))
        finals = np.full(self._num_envs, NO_FINAL)
        if np.count_nonzero(step.episode_over):
            finals[step.episode_over] = self.finals.append(self._newest(step.next_observations[step.episode_over]))
        self._append(step.observations, step.episode_over)
        return finals

    def _append(self, observations: NDArray[Any], starts: NDArray[np.bool_]) -> None:
        """Store observations (N, …), and which of them are the first of an episode (N,)."""
        now = window(self.end, self.end + self._num_envs, self._capacity)
        self._frames[now] = self._newest(observations)
        if self._stacked:
            before = window(self.end - self._num_envs, self.end, self._capacity)
            self._ages[now] = np.where(starts, 1, np.minimum(self._ages[before] + 1, self._stacked))
        self.end += self._num_envs

    def _newest(self, observations: NDArray[Any]) -> NDArray[Any]:
        return observations[:, -1] if self._stacked else observations

    def get(self, numbers: NDArray[np.int64], out: NDArray[Any]) -> None:
        """Write the observations of rows (B,) to ``out`` (B, …)."""
        if not self._stacked:
            self._frames.take(numbers % self._capacity, axis=0, out=out, mode="clip")
            return
        back = np.arange(self._stacked)[::-1]
        stacks = (numbers[:, None] - back * self._num_envs) % self._capacity
        self._frames.take(stacks, axis=0, out=out, mode="clip")
        out[back >= self._ages[numbers % self._capacity][:, None]] = 0

    def get_successors(
        self, numbers: NDArray[np.int64], finals: NDArray[np.int64], observations: NDArray[Any], out: NDArray[Any]
    ) -> None:
        """Write the successors of rows (B,), whose observations and numbers of finals are given, to ``out`` (B, …)."""
        self.get(numbers + self._num_envs, out)
        (ended,) = (finals != NO_FINAL).nonzero()
        if ended.size and self._stacked:
            out[ended, :-1], out[ended, -1] = observations[ended, 1:], self.finals[finals[ended]]
        elif ended.size:
            out[ended] = self.finals[finals[ended]]

    def journaled(self) -> dict[str, Rows]:
        """What `state` leaves out, by name."""
        return {"observations": self, "final_observations": self.finals}

    def read(self, first: int, end: int) -> NDArray[Any]:
        held, records = window(first, end, self._capacity), np.empty(end - first, self.record)
        records["frame"], records["age"] = self._frames[held], self._ages[held]
        return records

    def write(self, first: int, records: NDArray[Any]) -> None:
        held = window(first, first + len(records), self._capacity)
        self._frames[held], self._ages[held] = records["frame"], records["age"]

    def state(self) -> dict[str, Any]:
        return {"end": self.end, "finals": self.finals.state()}

    def restore(self, state: dict[str, Any]) -> None:
        self.end = state["end"]
        self.finals.restore(state["finals"])
