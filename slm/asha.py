"""Asynchronous successive halving (ASHA; Li et al. 2020, algorithm 2) among sessions that share nothing but files.

A trial's session that reaches a rung compares its score with those of the trials that have reached it before, and goes
on if it is in the top 1/reduction_factor. Each decision is a row in the trial's own record, on disk before it is acted
on, so that a session that is killed and resumed never asks again. Decisions of one search are made one at a time, and
their sequence numbers say in which order: with it, anyone can make them again from the records.
"""

from __future__ import annotations

import csv
import io
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from filelock import FileLock

from slm.atomic import write_atomically
from slm.spec.meta import SearchSchedulerSpec

log = logging.getLogger(__name__)

GO, STOP = "go", "stop"


@dataclass(frozen=True)
class Decision:
    """One row of rungs.csv: what a trial was told at a rung."""

    sequence: int
    """Counts the decisions of a search."""
    trial: int
    bracket: int
    rung: int
    """From 0 in each bracket."""
    resource: int
    """Frames at which the rung lies."""
    frame: int
    """Frame of the log checkpoint that reached it."""
    score: float
    """total_reward_ma there; NaN if no episode had finished."""
    reached: int
    """Trials of the bracket with a score at this rung, this one included."""
    rank: int
    """Among these, 1 for the best; 0 without a score."""
    decision: str
    """`go` or `stop`."""
    search: str
    """Hash of the search."""
    code: str
    """Digest of the code and the libraries that computed the score."""


COLUMNS = tuple(field.name for field in fields(Decision))
_READERS: dict[str, Any] = {"int": int, "float": float, "str": str}


class EarlyStopping:
    """Tells the session of one trial whether to stop."""

    def __init__(self, folder: Path, trial: int, scheduler: SearchSchedulerSpec, search: str, code: str) -> None:
        """``folder`` holds the records of all trials of the search ``search``, one file each.

        Decisions that sessions of other ``code`` made for this trial are kept, but not followed.
        """
        self._folder, self._trial, self._scheduler = folder, trial, scheduler
        self._search, self._code = search, code
        self._bracket = (trial - 1) % scheduler.brackets
        self.path = folder / f"trial{trial}.csv"
        folder.mkdir(parents=True, exist_ok=True)

    def stops(self, frame: int, score: float) -> bool:
        """Whether the session stops at a log checkpoint with this score; decides the rungs that it has reached."""
        made = {row.rung: row for row in read_decisions(self.path) if row.code == self._code}
        rung = 0
        while self._resource(rung) <= frame:
            row = made[rung] if rung in made else self._decide(rung, frame, score)
            if row.decision == STOP:
                return True
            rung += 1
        return False

    def restore(self, published: Iterable[Path]) -> None:
        """Take in the published records of finished trials of this search that have none in the folder."""
        with self._lock():
            for path in published:
                rows = [row for row in read_decisions(path) if row.search == self._search]
                record = self._folder / f"trial{rows[0].trial}.csv" if rows else self.path
                if rows and not record.exists():
                    _write(record, rows)

    def publish(self) -> bytes:
        """The trial's record as it stands."""
        return _to_csv(read_decisions(self.path))

    def _resource(self, rung: int) -> int:
        scheduler = self._scheduler
        return scheduler.grace_period * scheduler.reduction_factor ** (self._bracket + rung)

    def _lock(self) -> FileLock:
        # The system releases it when its holder dies.
        return FileLock(self._folder / "lock")

    def _decide(self, rung: int, frame: int, score: float) -> Decision:
        """Make a decision and bring it to disk."""
        with self._lock():
            rows = read_records(self._folder)
            scores = competing(rows, self._trial, self._bracket, rung)
            known = not math.isnan(score)
            rank = 1 + sum(other > score for other in scores) if known else 0
            # Without a score there is nothing to judge by.
            goes = is_promoted(score, scores, self._resource(rung), self._scheduler.reduction_factor) if known else True
            row = Decision(
                sequence=1 + max((row.sequence for row in rows), default=0),
                trial=self._trial, bracket=self._bracket, rung=rung, resource=self._resource(rung), frame=frame,
                score=score, reached=len(scores) + known, rank=rank,
                decision=GO if goes else STOP, search=self._search, code=self._code,
            )  # fmt: skip
            _write(self.path, [*read_decisions(self.path), row])
        log.info(
            "rung %d (%d frames): score %.2f, rank %d of %d: %s",
            row.rung, row.resource, row.score, row.rank, row.reached, row.decision,
        )  # fmt: skip
        return row


def competing(rows: Iterable[Decision], trial: int, bracket: int, rung: int) -> list[float]:
    """The scores of other trials at a rung, in the order of decision; of a trial that was trained twice, the last."""
    scores: dict[int, float] = {}
    for row in sorted(rows, key=lambda row: row.sequence):
        if (row.bracket, row.rung) == (bracket, rung) and row.trial != trial:
            scores.pop(row.trial, None)
            scores[row.trial] = row.score
    return [score for score in scores.values() if not math.isnan(score)]


def is_promoted(score: float, others: Sequence[float], resource: int, reduction_factor: int) -> bool:
    """Whether a score goes on from a rung: by Optuna's pruner, to which the rung's scores are told in their order."""
    import optuna

    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=resource, reduction_factor=reduction_factor)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    optuna.logging.set_verbosity(verbosity)
    pruned = False
    for value in (*others, score):
        trial = study.ask()
        trial.report(value, step=resource)
        pruned = trial.should_prune()
    return not pruned


def read_records(folder: Path) -> list[Decision]:
    """All decisions of a search so far, in their order."""
    rows = [row for path in folder.glob("trial*.csv") for row in read_decisions(path)]
    return sorted(rows, key=lambda row: row.sequence)


def read_decisions(path: Path) -> list[Decision]:
    """The rows of one record; none where there is no file. Raises ValueError for a damaged one."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    rows = list(csv.DictReader(io.StringIO(text)))
    try:
        return [Decision(**{field.name: _READERS[str(field.type)](row[field.name]) for field in fields(Decision)})
                for row in rows]  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no record of decisions: {error}") from None


def _write(path: Path, rows: Sequence[Decision]) -> None:
    write_atomically(path, _to_csv(rows))


def _to_csv(rows: Sequence[Decision]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue().encode()
