"""Values that change with the frame: exploration, entropy coefficient, clipping range, learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from slm.errors import UserError
from slm.spec import ScheduleSpec

Schedule = Callable[[float], float]
"""Frame → value; an infinite frame gives the value at the end."""

Rate = Callable[[float, int], float]
"""(Frame, times trained so far) → learning rate."""


def progress(frame: float, start: float, end: float) -> float:
    """How far the frame is from start to end, clamped to [0, 1]."""
    if end <= start:
        return float(frame >= start)
    return min(max((frame - start) / (end - start), 0.0), 1.0)


def make_schedule(spec: ScheduleSpec | None, default: float = math.nan) -> Schedule:
    """The schedule of a spec; a constant ``default`` where the spec has none."""
    if spec is None:
        return lambda frame: default
    start, end = spec.start_val, spec.end_val if spec.end_val is not None else spec.start_val
    shape = SHAPES[spec.name]
    first, last = spec.start_step or 0, spec.end_step or 0
    if spec.name == "no_decay":
        return lambda frame: start
    return lambda frame: shape(start, end, progress(frame, first, last))


def linear_decay(start: float, end: float, x: float) -> float:
    """A straight line from start to end, falling or rising."""
    return start + (end - start) * x


def rate_decay(start: float, end: float, x: float) -> float:
    """Twenty steps of a factor 0.9, not below end; end after the last."""
    return end if x >= 1 else max(start * 0.9 ** (20 * x), end)


def periodic_decay(start: float, end: float, x: float) -> float:
    """A cosine of fading amplitude around the middle between start and end, 60 radians long."""
    u = 60 * x
    return end if x >= 1 else end + 0.5 * (start - end) * (1 + math.cos(u) * (1 - u / 60))


SHAPES: dict[str, Callable[[float, float, float], float]] = {
    "no_decay": lambda start, end, x: start,
    "linear_decay": linear_decay,
    "rate_decay": rate_decay,
    "periodic_decay": periodic_decay,
}


def make_rate(base: float, spec: Mapping[str, Any] | None) -> Rate:
    """The learning rate of an ``lr_scheduler_spec`` that starts from ``base``; constant without one.

    LinearToZero and LinearToMin fall with the frame, the classes of torch.optim.lr_scheduler step with each training.
    Raises UserError for arguments that torch refuses.
    """
    if spec is None:
        return lambda frame, train_calls: base
    arguments = {key: value for key, value in spec.items() if key != "name"}
    if spec["name"] not in ("LinearToZero", "LinearToMin"):
        return TorchSchedule(base, spec["name"], arguments)
    frames, floor = float(arguments["frame"]), float(arguments.get("min_factor", 0.0))
    return lambda frame, train_calls: base * max(floor, 1.0 - frame / frames)


class TorchSchedule:
    """The learning rate of a torch.optim.lr_scheduler after k steps.

    A pure function of k: what is kept is the scheduler at the last k asked for, from which it goes on, or starts again.
    """

    def __init__(self, base: float, name: str, arguments: Mapping[str, Any]) -> None:
        if arguments.get("cycle_momentum", name in ("CyclicLR", "OneCycleLR")):
            raise UserError(
                f"agent.net.lr_scheduler_spec.cycle_momentum: {name} can only move the learning rate here; "
                "set cycle_momentum to false"
            )
        self._base, self._name, self._arguments = base, name, dict(arguments)
        self._start()
        self(0, 1)  # some arguments fail with the first step only; the next call starts again

    @property
    def total_steps(self) -> int | None:
        """After how many steps there is no further one; None where the schedule never ends."""
        return getattr(self._scheduler, "total_steps", None)  # of OneCycleLR

    def check(self, train_calls: int) -> None:
        """Raise UserError where so many trainings are more than the schedule has steps."""
        if self.total_steps is not None and train_calls > self.total_steps:
            raise UserError(
                f"agent.net.lr_scheduler_spec: {self._name} ends after {self.total_steps} steps, and there is one for "
                f"each of the session's {train_calls} trainings"
            )

    def _start(self) -> None:
        self._optimizer = torch.optim.SGD([torch.zeros(())], lr=self._base)
        try:
            self._scheduler = getattr(torch.optim.lr_scheduler, self._name)(self._optimizer, **self._arguments)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise UserError(f"agent.net.lr_scheduler_spec: {self._name}: {error}") from error
        self._optimizer.step()  # the scheduler warns if it is stepped first
        self._steps = 0

    def __call__(self, frame: float, train_calls: int) -> float:
        if train_calls < self._steps:
            self._start()
        while self._steps < train_calls:
            try:
                self._scheduler.step()
            except (ArithmeticError, TypeError, ValueError) as error:  # OneCycleLR ends after its total_steps
                raise UserError(f"agent.net.lr_scheduler_spec: {self._name}: {error}") from error
            self._steps += 1
        return float(self._optimizer.param_groups[0]["lr"])
