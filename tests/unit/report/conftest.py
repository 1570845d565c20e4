"""The sheet of a suite made by hand: trials and curves as the analysis writes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

TRIAL = {
    "sessions_asked": 4,
    "sessions": 4,
    "missing": [],
    "nan_sessions": [],
    "score": 495.125,
    "ci_low": 480.0,
    "ci_high": 499.5,
    "iqm": 496.0,
    "min": 470.0,
    "max": 500.0,
    "session_scores": [470.0, 500.0, 499.0, 511.5],
    "random_mean": 20.0,
    "frames": 200000,
    "wall_time_s": 3725.4,
    "code_fingerprints": ["f00d"],
}
CURVE = pd.DataFrame(
    {
        "frame": [500, 1000, 1500],
        "sessions": [1, 2, 2],
        "return_mean": [20.0, 100.0, 450.0],
        "return_ci_low": [None, 80.0, 430.0],
        "return_ci_high": [None, 120.0, 470.0],
        "return_session0": [20.0, 80.0, 430.0],
        "return_session1": [None, 120.0, 470.0],
    }
)
TIMING = pd.DataFrame({"frame": [500, 1000, 1500], "wall_t_mean": [30.0, 60.0, 90.0], "fps_mean": 16.7})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few resamples and small pictures: what a bound or a picture is exactly is tested where it is made."""
    monkeypatch.setattr("slm.analysis.suite.RESAMPLES", 99)
    monkeypatch.setattr("slm.report.figure.PNG_DPI", 40)


@pytest.fixture
def curve_points() -> pd.DataFrame:
    return CURVE.copy()


@pytest.fixture
def make_row(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """A row of the sheet; `trial` changes its trial.json, None leaves it out (not run)."""

    def make(experiment: str = "ppo_cartpole", trial: dict[str, Any] | None = TRIAL, **changes: Any) -> dict[str, Any]:
        row = {"experiment": experiment, "env": "CartPole-v1", "algorithm": "PPO", "target": 400, "published": 498.94}
        row |= {"sessions_asked": 4, "trial_json": None, "curve_csv": None, "timing_csv": None}
        if trial is not None:
            trial_json, curve_csv = tmp_path / f"{experiment}.json", tmp_path / f"{experiment}.csv"
            timing_csv = tmp_path / f"{experiment}_timing.csv"
            TIMING.to_csv(timing_csv, index=False)
            trial_json.write_text(json.dumps(TRIAL | trial))
            CURVE.to_csv(curve_csv, index=False)
            row |= {"trial_json": str(trial_json), "curve_csv": str(curve_csv), "timing_csv": str(timing_csv)}
        return {"best_published": (row | changes)["published"], **row, **changes}

    return make
