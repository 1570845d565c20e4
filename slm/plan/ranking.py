"""The ranking of a search's trials, as experiment.csv has it."""

from __future__ import annotations

import csv
from pathlib import Path

from slm.errors import UserError


def ranked_trials(table: str | Path) -> list[int]:
    """The trials with a score, the best first. Raises UserError for an unreadable table, and where none has a score."""
    try:
        with Path(table).open(newline="", encoding="utf-8") as file:
            trials = [int(row["trial"]) for row in csv.DictReader(file) if row["score"]]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{table} is no ranking of trials: {error}") from error
    if not trials:
        raise UserError(f"{table}: no trial of the search has a score: no episode has finished in any of them")
    return trials
