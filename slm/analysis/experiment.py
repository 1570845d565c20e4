"""An experiment: one or more trials, ranked by their score."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from slm.analysis.files import write_csv
from slm.analysis.metrics import SESSION_METRICS
from slm.asha import COLUMNS, read_decisions
from slm.errors import UserError

STATISTICS = ("score", "ci_low", "ci_high", "iqm", "min", "max", "sessions", "sessions_asked", "frames", "wall_time_s")
# The score is the mean total_reward_ma already.
METRICS = (*(name for name in SESSION_METRICS if name != "total_reward_ma"), "consistency")


def write_experiment(trials: Sequence[Path], out: Path) -> None:
    """Write the ranked trials to the CSV file `out`; see aggregate_experiment."""
    write_csv(out, aggregate_experiment(trials))


def aggregate_experiment(trial_jsons: Sequence[Path]) -> pd.DataFrame:
    """One row per trial, the best first: finished trials by their score, then pruned ones, by how far they came and
    then by score; trials without a score last, ties in the order of their numbers.

    Columns: trial, the varied hyperparameters in alphabetical order (`settings` of trial.json, dotted paths; lists as
    JSON), the state, the statistics, the metrics. Raises UserError for a trial.json that can't be read.
    """
    table = pd.DataFrame([_row(Path(path)) for path in trial_jsons])
    numbers = (*STATISTICS, *METRICS)
    # A column of nulls alone would otherwise be of type object and not sort.
    table = table.astype({name: "float64" for name in numbers if table[name].dtype == object})
    pruned = table["state"].eq("pruned")
    order = pd.DataFrame(
        {
            "unscored": table["score"].isna(),
            "pruned": pruned,
            "short": -table["frames"].where(pruned, 0),
            "loss": -table["score"],
            "trial": table["trial"],
        }
    )
    return table.loc[order.sort_values(list(order.columns)).index].reset_index(drop=True)


def write_decisions(rungs: Sequence[Path], out: Path) -> None:
    """Join the rungs.csv of a search's sessions in `out`, in the order of decision; none gives the header alone."""
    try:
        rows = sorted((row for path in rungs for row in read_decisions(Path(path))), key=lambda row: row.sequence)
    except ValueError as error:
        raise UserError(str(error)) from error
    write_csv(out, pd.DataFrame([asdict(row) for row in rows], columns=list(COLUMNS)))


def _row(path: Path) -> dict[str, Any]:
    try:
        trial = json.loads(path.read_text(encoding="utf-8"))
        return {
            "trial": trial["trial"],
            **{key: _cell(value) for key, value in sorted(trial.get("settings", {}).items())},
            "state": trial["state"],
            **{name: trial[name] for name in STATISTICS},
            **{name: trial["metrics"][name] for name in METRICS},
        }
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"trial {path} is missing or unreadable: {error}") from error


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict | bool) else value
