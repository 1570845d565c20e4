"""Values that change with the frame: exploration, entropy coefficient, clipping range, learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable

from slm.spec import ScheduleSpec

Schedule = Callable[[float], float]
"""Frame → value; an infinite frame gives the value at the end."""


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


def linear_to_zero(base: float, frames: float) -> Schedule:
    """Learning rate falling linearly from ``base`` to 0 at ``frames``."""
    return lambda frame: base * max(0.0, 1.0 - frame / frames)


def linear_to_min(base: float, frames: float, min_factor: float) -> Schedule:
    """Learning rate falling linearly, not below ``min_factor`` of ``base``."""
    return lambda frame: base * max(min_factor, 1.0 - frame / frames)
