"""An experiment: one or more trials, ranked by their score."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from slm.analysis.files import write_csv
from slm.analysis.metrics import SESSION_METRICS
from slm.errors import UserError

STATISTICS = ("score", "ci_low", "ci_high", "iqm", "min", "max", "sessions", "sessions_asked", "frames", "wall_time_s")
# The score is the mean total_reward_ma already.
METRICS = (*(name for name in SESSION_METRICS if name != "total_reward_ma"), "consistency")


def write_experiment(trials: Sequence[Path], out: Path) -> None:
    """Write the ranked trials to the CSV file `out`; see aggregate_experiment."""
    write_csv(out, aggregate_experiment(trials))


def aggregate_experiment(trial_jsons: Sequence[Path]) -> pd.DataFrame:
    """One row per trial, best score first, trials without a score last, ties in the order of their numbers.

    Columns: trial, the varied hyperparameters in alphabetical order (`settings` of trial.json, dotted paths), the
    statistics, the metrics. Raises UserError for a trial.json that can't be read.
    """
    rows = []
    for path in trial_jsons:
        try:
            trial = json.loads(Path(path).read_text(encoding="utf-8"))
            rows.append(
                {
                    "trial": trial["trial"],
                    **dict(sorted(trial.get("settings", {}).items())),
                    **{name: trial[name] for name in STATISTICS},
                    **{name: trial["metrics"][name] for name in METRICS},
                }
            )
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"trial {path} is missing or unreadable: {error}") from error
    table = pd.DataFrame(rows)
    numbers = (*STATISTICS, *METRICS)
    # A column of nulls alone would otherwise be of type object and not sort.
    table = table.astype({name: "float64" for name in numbers if table[name].dtype == object})
    return table.sort_values(["score", "trial"], ascending=[False, True], na_position="last", ignore_index=True)
