"""Published results: what is kept of a run in docs/benchmarks, small enough to be committed.

A row is a folder docs/benchmarks/<suite>/<experiment>/ with spec.json, trial.json, curve.csv, timing.csv and, for each
session, a session<s>.json: its own record with the SHA-256 digests of its artifacts. A file note.md there, written by
hand, is shown beside the row. docs/benchmarks/evidence/<name>/ holds single sessions that are no row.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd

from slm.analysis.files import read_json, write_json, write_text
from slm.errors import UserError
from slm.plan import Experiment, Row

EVIDENCE = "evidence"
DIGESTED = ("train.csv", "eval.csv", "model.pt", "best.pt")
"""Artifacts that are a function of spec and seed alone, on one kind of processor."""
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"


@dataclass(frozen=True)
class PublishedRow:
    """A row of docs/benchmarks."""

    folder: Path
    trial: dict[str, Any]
    sessions: list[dict[str, Any]]
    """session.json of each session, with `sha256`: artifact → digest."""

    @property
    def curve_csv(self) -> Path:
        return self.folder / "curve.csv"

    @property
    def timing_csv(self) -> Path | None:
        """None of a row that was published without its wall times."""
        path = self.folder / "timing.csv"
        return path if path.exists() else None

    @property
    def note(self) -> str:
        """The words of note.md on one line; empty without one."""
        return read_note(self.folder)


def publish_row(row: Row, trial_dir: Path, folder: Path) -> bool:
    """Copy the small results of a row's trial to `folder`; False, and nothing written, where no session has finished.

    Raises UserError for a trial whose files can't be read, for one that was trained from another spec than the row's,
    and for one of fewer sessions than the folder keeps: they would be lost.
    """
    if not (trial_dir / "trial.json").exists():
        return False
    trial = read_json(trial_dir / "trial.json", "trial")
    numbers = [number for number in range(trial["sessions_asked"]) if number not in trial["missing"]]
    if not numbers:
        return False
    records = {number: _without_spec(session_record(trial_dir / f"session{number}")) for number in numbers}
    if outdated := spec_changes(row, records.values()):
        raise UserError(f"{trial_dir}: session {outdated[0]} was not trained from the spec of '{row.experiment}'")
    curve = _read_csv(trial_dir / "curve.csv")
    timing = _read_csv(trial_dir / "timing.csv") if (trial_dir / "timing.csv").exists() else None
    spec = read_json(trial_dir / "spec.json", "spec")
    if len(records) < (kept := len(list(folder.glob("session*.json")))):
        raise UserError(f"{trial_dir} has {len(records)} sessions and {folder} {kept}: delete those to replace them")
    write_json(folder / "spec.json", spec)
    write_json(folder / "trial.json", trial)
    write_text(folder / "curve.csv", _thin(curve))
    if timing is None:  # aggregated by a version that kept no wall times
        (folder / "timing.csv").unlink(missing_ok=True)
    else:
        write_text(folder / "timing.csv", _thin(timing))
    for number, record in records.items():
        write_json(folder / f"session{number}.json", record)
    for file in set(folder.glob("session*.json")) - {folder / f"session{number}.json" for number in records}:
        file.unlink()
    return True


def spec_changes(row: Row, records: Iterable[dict[str, Any]]) -> list[int]:
    """The numbers of the sessions that the row's spec, as it is now, would not train as they were trained."""
    return [
        record["session"]
        for record in records
        if Experiment(row, record["backend"]).session_hash(0, record["session"]) != record["spec_hash"]
    ]


def publish_evidence(session_dir: Path, name: str, docs: Path) -> Path:
    """Copy the record and train.csv of a single session to docs/benchmarks/evidence/<name>/; returns that folder.

    Raises UserError for a session that has not finished, and for a name that can't be a folder's.
    """
    if not re.fullmatch(NAME, name):
        raise UserError(f"--evidence: '{name}' is a part of a path and must match {NAME}")
    record = session_record(session_dir)
    folder = docs / "benchmarks" / EVIDENCE / name
    write_json(folder / "session.json", record)
    shutil.copyfile(session_dir / "train.csv", folder / "train.csv")
    return folder


def session_record(session_dir: Path) -> dict[str, Any]:
    """A finished session's record with the digests of its artifacts; raises UserError where one can't be read."""
    record = read_json(session_dir / "session.json", "session")
    if record.get("state") != "finished":
        raise UserError(f"session {session_dir} has not finished: its state is {record.get('state')!r}")
    return {**record, "sha256": {name: file_digest(session_dir / name) for name in DIGESTED}}


def _without_spec(record: dict[str, Any]) -> dict[str, Any]:
    """A record without the spec, which all sessions of a row share."""
    return {key: value for key, value in record.items() if key != "spec"}


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex; raises UserError where it can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from error


def read_row(folder: Path) -> PublishedRow | None:
    """The published row in a folder; None where there is none. Raises UserError for a damaged one."""
    if not (folder / "trial.json").exists():
        return None
    files = sorted(folder.glob("session*.json"), key=lambda path: int(re.sub(r"\D", "", path.stem) or 0))
    return PublishedRow(
        folder, read_json(folder / "trial.json", "trial"), [read_json(file, "session") for file in files]
    )


def read_evidence(docs: Path) -> list[tuple[Path, dict[str, Any], pd.DataFrame]]:
    """Folder, session.json and train.csv of each single session, in the order of their names."""
    folders = sorted(path.parent for path in (docs / "benchmarks" / EVIDENCE).glob("*/session.json"))
    return [
        (folder, read_json(folder / "session.json", "session"), _read_csv(folder / "train.csv")) for folder in folders
    ]


def read_note(folder: Path) -> str:
    """The words of a folder's note.md on one line; empty without one."""
    path = folder / "note.md"
    return " ".join(path.read_text(encoding="utf-8").split()) if path.exists() else ""


def _thin(curve: pd.DataFrame) -> str:
    """A curve as CSV in seven digits, without the moving averages of single sessions, which no figure shows."""
    shown = curve[[name for name in curve.columns if not name.startswith("total_reward_ma_session")]]
    buffer = StringIO()
    shown.to_csv(buffer, index=False, float_format="%.7g", lineterminator="\n")
    return buffer.getvalue()


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is missing or unreadable: {error}") from error
