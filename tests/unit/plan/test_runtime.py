"""Time limits that follow from frames and measured speeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from slm.plan import Experiment, make_plan, measured_fps, read_sheet
from slm.plan.runtime import runtime_minutes

ROOT = Path(__file__).parents[3]


def test_a_limit_is_four_times_what_a_session_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slm.plan.runtime.measured_fps", lambda: {("mujoco", "PPO"): 1000.0})
    assert runtime_minutes("mujoco", "PPO", 4_000_000) == 267  # 66 2/3 minutes
    assert runtime_minutes("mujoco", "PPO", 1000) == 30
    assert runtime_minutes("mujoco", "SAC", 1000) == runtime_minutes("custom", None, 10**9) == 1440


def test_the_sheet_names_suites_and_algorithms_as_the_measurements_do(sheet_schema: dict) -> None:
    rows = read_sheet(ROOT / "config/benchmarks.tsv", sheet_schema)
    assert set(measured_fps()) == {(row.environment_type, row.algorithm) for row in rows}


def test_workers_of_a_hogwild_trial_divide_the_frames(
    monkeypatch: pytest.MonkeyPatch, sheet_schema: dict
) -> None:  # fmt: skip
    monkeypatch.chdir(ROOT)
    rows = [row for row in read_sheet(Path("config/benchmarks.tsv"), sheet_schema) if row.experiment == "ppo_pong"]
    (experiment,) = make_plan(rows, (), "eager", False).experiments.values()
    limit = experiment.runtime_minutes
    assert limit == 4 * 10_000_000 / measured_fps()["atari", "PPO"] // 60 + 1
    monkeypatch.setattr(Experiment, "workers", 4)
    (experiment,) = make_plan(rows, (), "eager", False).experiments.values()
    assert abs(experiment.runtime_minutes - limit / 4) < 1
