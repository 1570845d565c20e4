"""The scores of a suite's sessions, as its comparison of algorithms takes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from slm.analysis.suite import (
    Estimate,
    aggregate_iqm,
    aggregate_mean,
    iqm_curve,
    normalise,
    probability_of_improvement,
    ranks,
)
from slm.errors import UserError

CURVE_POINTS = 100


@dataclass
class SuiteScores:
    """Algorithm -> environment -> what its sessions reached.

    `raw` are scores; `normalised` the same on the scale of the environment, from random play, 0, to the best score
    that was published for it, 1 (of whatever algorithm: one scale for all that are compared). An environment without
    such a scale is in `raw` alone.
    """

    raw: dict[str, dict[str, NDArray[np.float64]]] = field(default_factory=dict)
    normalised: dict[str, dict[str, NDArray[np.float64]]] = field(default_factory=dict)
    scales: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Environment -> score of random play and best published score."""


def read_scores(rows: Sequence[dict[str, Any]]) -> SuiteScores:
    """The scores of a suite, from rows as in `benchmark_table` with `best_published`, the environment's best; sessions
    without a score are left out.

    A second experiment of an algorithm on one environment counts as an algorithm of its own, `PPO (its name)`.
    Raises UserError for a trial.json that can't be read.
    """
    scores = SuiteScores()
    trials = [(row, _read_trial(row["trial_json"])) for row in rows if row["trial_json"] is not None]
    for env in dict.fromkeys(row["env"] for row, _ in trials):
        published = next(row["best_published"] for row, _ in trials if row["env"] == env)
        means = [t["random_mean"] for row, t in trials if row["env"] == env and t["random_mean"] is not None]
        if published is not None and means and published > means[0]:
            scores.scales[env] = (means[0], published)
    for row, trial in trials:
        reached = np.array([s for s in trial["session_scores"] if s is not None], dtype=np.float64)
        if reached.size == 0:
            continue
        name, env = row["algorithm"], row["env"]
        if env in scores.raw.get(name, {}):
            name = f"{name} ({row['experiment']})"
        scores.raw.setdefault(name, {})[env] = reached
        if env in scores.scales:
            scores.normalised.setdefault(name, {})[env] = normalise(reached, *scores.scales[env])
    return scores


def statistics_table(scores: SuiteScores) -> pd.DataFrame:
    """One row an algorithm, the best interquartile mean first.

    Columns: algorithm; environments, sessions (with a normalised score); iqm and mean of the normalised scores, each
    with `_low` and `_high`; mean_rank and firsts over `ranked` environments, those with two algorithms or more.
    """
    places = ranks({name: {env: float(v.mean()) for env, v in envs.items()} for name, envs in scores.raw.items()})
    lines = []
    for name in scores.raw:
        own, placed = scores.normalised.get(name, {}), list(places[name].values())
        iqm, mean = (aggregate_iqm(own), aggregate_mean(own)) if own else (NONE, NONE)
        lines.append(
            {
                "algorithm": name,
                "environments": len(own),
                "sessions": sum(values.size for values in own.values()),
                **{"iqm": iqm.value, "iqm_low": iqm.low, "iqm_high": iqm.high},
                **{"mean": mean.value, "mean_low": mean.low, "mean_high": mean.high},
                "mean_rank": float(np.mean(placed)) if placed else np.nan,
                "firsts": sum(rank == 1 for rank in placed),
                "ranked": len(placed),
            }
        )
    table = pd.DataFrame(lines, columns=STATISTICS)
    return table.sort_values(["iqm", "mean_rank"], ascending=[False, True], na_position="last", ignore_index=True)


NONE = Estimate(np.nan, np.nan, np.nan)
STATISTICS = [
    *("algorithm", "environments", "sessions", "iqm", "iqm_low", "iqm_high", "mean", "mean_low", "mean_high"),
    *("mean_rank", "firsts", "ranked"),
]
IMPROVEMENT = ["x", "y", "environments", "probability", "low", "high"]


def improvement_table(scores: SuiteScores) -> pd.DataFrame:
    """How probably a session of x beats one of y: one row an ordered pair with an environment in common."""
    lines = []
    for x, ours in scores.raw.items():
        for y, theirs in scores.raw.items():
            found = None if x == y else probability_of_improvement(ours, theirs)
            if found is not None:
                common = len(ours.keys() & theirs.keys())
                lines.append(dict(zip(IMPROVEMENT, (x, y, common, found.value, found.low, found.high), strict=True)))
    return pd.DataFrame(lines, columns=IMPROVEMENT)


def efficiency_curve(
    points: dict[str, pd.DataFrame], scales: dict[str, tuple[float, float]]
) -> tuple[NDArray[np.float64], Estimate] | None:
    """Frames, and the IQM of the normalised returns over all sessions and environments of an algorithm at each.

    `points`: environment -> curve.csv. The frames reach to the smallest budget among the environments. Between log
    checkpoints returns are interpolated; before its first finished episode a session has the return of that one.
    None where no environment has a scale and a return.
    """
    budgets = [frame["frame"].iloc[-1] for env, frame in points.items() if env in scales and len(frame)]
    if not budgets:
        return None
    grid = np.linspace(0, min(budgets), CURVE_POINTS + 1)[1:]
    curves = {}
    for env, frame in points.items():
        if env not in scales or frame.empty:
            continue
        sessions = [frame[name].to_numpy(np.float64) for name in frame if str(name).startswith("return_session")]
        known = [(np.flatnonzero(~np.isnan(values)), values) for values in sessions]
        frames = frame["frame"].to_numpy(np.float64)
        returns = [np.interp(grid, frames[i], values[i]) for i, values in known if i.size]
        if returns:
            low, top = scales[env]
            curves[env] = (np.stack(returns) - low) / (top - low)
    return (grid, iqm_curve(curves)) if curves else None


def _read_trial(path: str) -> dict[str, Any]:
    try:
        trial: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"trial {path} is missing or unreadable: {error}") from error
    return trial
