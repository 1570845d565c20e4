"""A finished session, as its folder holds it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from slm.analysis.metrics import session_metrics
from slm.errors import UserError

RECORD_KEYS = ("spec_hash", "state", "backend", "frames", "opt_step", "wall_time_s", "metrics")
# A session that a search has stopped early is as complete as one that went on to its last frame.
ENDED = ("finished", "pruned")
CHECKPOINT_COLUMNS = ("frame", "total_reward", "total_reward_ma", "opt_step")
TIMING_COLUMNS = ("frame", "fps", "wall_t")


@dataclass(frozen=True)
class Session:
    """One finished session: its number, its session.json, and its checkpoints, one row each."""

    index: int
    record: dict[str, Any]
    train: pd.DataFrame
    evaluation: pd.DataFrame
    timing: pd.DataFrame

    def metrics(self, random_mean: float) -> dict[str, float]:
        """The metrics of its training, with gains over the mean return of a random agent."""
        return session_metrics(self.train["frame"], self.train["total_reward"], self.train["opt_step"], random_mean)

    @property
    def score(self) -> float:
        """The session's total_reward_ma at its last frame; NaN if no episode has finished."""
        return _number(self.record["metrics"].get("total_reward_ma"))


def session_index(folder: Path) -> int:
    """The number in the name of a session's folder, `session<number>`; another name raises UserError."""
    match = re.fullmatch(r"session(\d+)", folder.name)
    if match is None:
        raise UserError(f"{folder}: a session's folder is named session0, session1, …")
    return int(match[1])


def read_session(folder: Path) -> Session:
    """Read session.json, train.csv, eval.csv and timing.csv of a folder.

    Raises UserError, naming the folder and the reason, if a file is missing or damaged, if the session hasn't
    finished, or if the score of session.json isn't that of train.csv's last row (files of two different runs).
    """
    try:
        record = json.loads((folder / "session.json").read_text(encoding="utf-8"))
        train = _read_checkpoints(folder / "train.csv", CHECKPOINT_COLUMNS)
        evaluation = _read_checkpoints(folder / "eval.csv", (*CHECKPOINT_COLUMNS, "source"))
        timing = _read_checkpoints(folder / "timing.csv", TIMING_COLUMNS)
    except (OSError, ValueError) as error:
        raise UserError(f"session {folder} is missing or unreadable: {error}") from error
    absent = [key for key in RECORD_KEYS if key not in record] if isinstance(record, dict) else list(RECORD_KEYS)
    if absent:
        raise UserError(f"session {folder} is unreadable: session.json lacks {', '.join(absent)}")
    if record["state"] not in ENDED:
        raise UserError(f"session {folder} has not finished: its state is {record['state']!r}")
    session = Session(session_index(folder), record, train, evaluation, timing)
    last_row = float(train["total_reward_ma"].iloc[-1])
    # Parsers of some pandas versions are off by one in the last bit.
    if not np.isclose(session.score, last_row, rtol=1e-12, atol=0.0, equal_nan=True):
        raise UserError(
            f"session {folder} is unreadable: its score is {session.score} in session.json and {last_row} in the last "
            "row of train.csv"
        )
    return session


def _read_checkpoints(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    table = pd.read_csv(path)
    absent = [column for column in columns if column not in table.columns]
    if absent or table.empty:
        raise ValueError(f"{path.name} lacks {', '.join(absent) or 'rows'}")
    return table


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
