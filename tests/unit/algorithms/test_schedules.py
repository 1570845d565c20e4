"""Schedules at their start, middle, end and beyond."""

import math
from typing import Any

import pytest

from slm.algorithms.schedules import make_rate, make_schedule, progress
from slm.errors import UserError
from slm.spec import ScheduleSpec

FALLING = {"start_val": 1.0, "end_val": 0.2, "start_step": 100, "end_step": 300}


def schedule(name: str, **keys: Any) -> Any:
    return make_schedule(ScheduleSpec(name=name, **{**FALLING, **keys}))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("linear_decay", {0: 1.0, 100: 1.0, 150: 0.8, 200: 0.6, 300: 0.2, 301: 0.2, math.inf: 0.2}),
        ("rate_decay", {0: 1.0, 100: 1.0, 110: 0.9, 150: 0.9**5, 200: 0.9**10, 299.999: 0.2, math.inf: 0.2}),
        (
            "periodic_decay",
            {
                0: 1.0,
                100: 1.0,
                100 + 200 * math.pi / 60: 0.2 + 0.4 * math.pi / 60,  # first trough: cos = −1
                100 + 200 * 2 * math.pi / 60: 0.2 + 0.4 * (2 - 2 * math.pi / 60),  # second crest
                300: 0.2,
                math.inf: 0.2,
            },
        ),
    ],
)
def test_shapes(name: str, values: dict[float, float]) -> None:
    value = schedule(name)
    for frame, expected in values.items():
        assert value(frame) == pytest.approx(expected, abs=1e-9), frame


def test_rate_decay_stops_at_the_end_value() -> None:
    value = schedule("rate_decay", end_val=0.7)
    assert value(110) == pytest.approx(0.9)
    assert value(200) == 0.7


def test_no_decay_is_constant() -> None:
    value = make_schedule(ScheduleSpec(name="no_decay", start_val=0.3))
    assert [value(frame) for frame in (0, 10**9, math.inf)] == [0.3] * 3


def test_linear_may_rise() -> None:
    value = schedule("linear_decay", start_val=0.1, end_val=0.5)
    assert [value(frame) for frame in (0, 100, 200, 300, math.inf)] == pytest.approx([0.1, 0.1, 0.3, 0.5, 0.5])


@pytest.mark.parametrize("name", ["linear_decay", "rate_decay", "periodic_decay"])
def test_end_value_zero_counts(name: str) -> None:
    assert schedule(name, end_val=0.0)(math.inf) == 0.0
    assert schedule(name, end_val=0.0)(300) == 0.0


def test_schedule_without_length_jumps() -> None:
    assert [progress(frame, 5, 5) for frame in (4, 5, math.inf)] == [0.0, 1.0, 1.0]


def test_no_schedule_is_the_default() -> None:
    assert make_schedule(None, default=0.25)(7) == 0.25
    assert math.isnan(make_schedule(None)(7))


@pytest.mark.parametrize(
    ("scheduler", "values"),
    [
        (None, {0: 0.4, 10**9: 0.4}),
        ({"name": "LinearToZero", "frame": 1000}, {0: 0.4, 250: 0.3, 1000: 0.0, 2000: 0.0}),
        ({"name": "LinearToMin", "frame": 1000, "min_factor": 0.25}, {0: 0.4, 500: 0.2, 750: 0.1, 1000: 0.1, 9e9: 0.1}),
    ],
)
def test_learning_rates(scheduler: dict[str, Any] | None, values: dict[float, float]) -> None:
    rate = make_rate(0.4, scheduler)
    assert [rate(frame, 7) for frame in values] == pytest.approx(list(values.values()))


@pytest.mark.parametrize(
    ("scheduler", "values"),
    [
        ({"name": "StepLR", "step_size": 2}, [0.4, 0.4, 0.04, 0.04, 0.004]),
        ({"name": "ExponentialLR", "gamma": 0.5}, [0.4, 0.2, 0.1, 0.05, 0.025]),
        ({"name": "LinearLR", "start_factor": 0.5, "total_iters": 2}, [0.2, 0.3, 0.4, 0.4, 0.4]),
        ({"name": "CyclicLR", "base_lr": 0, "max_lr": 1, "step_size_up": 2, "cycle_momentum": False},
         [0.0, 0.5, 1.0, 0.5, 0.0]),
    ],
)  # fmt: skip
def test_torchs_schedules_step_with_each_training(scheduler: dict[str, Any], values: list[float]) -> None:
    rate = make_rate(0.4, scheduler)
    assert [rate(1e6, k) for k in range(5)] == pytest.approx(values)
    # A resumed session asks for a later value first, a new one for an earlier.
    assert [make_rate(0.4, scheduler)(0, 4), rate(0, 1)] == pytest.approx([values[4], values[1]])


def test_schedules_that_torch_refuses_are_refused() -> None:
    with pytest.raises(UserError, match="cycle_momentum to false"):
        make_rate(0.4, {"name": "OneCycleLR", "max_lr": 1, "total_steps": 3})
    with pytest.raises(UserError, match="OneCycleLR"):
        make_rate(0.4, {"name": "OneCycleLR", "max_lr": 1, "cycle_momentum": False})
    with pytest.raises(UserError, match=r"agent\.net\.lr_scheduler_spec: StepLR"):
        make_rate(0.4, {"name": "StepLR", "step_size": 0})
    with pytest.raises(UserError, match=r"agent\.net\.lr_scheduler_spec: CosineAnnealingLR"):
        make_rate(0.4, {"name": "CosineAnnealingLR", "T_max": 0})
    short = make_rate(0.4, {"name": "OneCycleLR", "max_lr": 1, "total_steps": 3, "cycle_momentum": False})
    with pytest.raises(UserError, match="OneCycleLR"):
        short(0, 5)
