"""Which models of a search stay on disk: those of its best trials.

Of the others the digests stay, in ``removed.sha256`` beside where the models were, and all else that a session leaves:
it remains a finished one, which nothing trains again and `slm verify` can check.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from slm.atomic import write_atomically
from slm.errors import UserError
from slm.extension import read_record

MODELS = ("model.pt", "best.pt")
REMOVED = "removed.sha256"
"""Digests of models that were removed, in the format of sha256sum."""

KEPT, GONE = "kept", "removed"
COLUMNS = ("trial", "models")


def remove_models(session: Path, inprogress: Path) -> None:
    """Remove the models of a finished session, from the folder of its artifacts and from the one in progress.

    With them goes the state that the folder in progress kept for a longer session. A kill at any moment leaves what a
    second call completes. Raises OSError where the digests can't be written; then the models are still there.
    """
    if not all((session / name).exists() for name in MODELS) and not (session / REMOVED).exists():
        return  # whoever took them away left nothing to take a digest of
    inprogress.mkdir(parents=True, exist_ok=True)
    with FileLock(inprogress / "lock"):
        if not (session / REMOVED).exists():
            lines = [f"{hashlib.sha256((session / name).read_bytes()).hexdigest()}  {name}\n" for name in MODELS]
            write_atomically(session / REMOVED, "".join(lines).encode())
        if (inprogress / "session.json").exists():
            write_atomically(inprogress / REMOVED, (session / REMOVED).read_bytes())
            for pattern in (*MODELS, "checkpoint*.pt", "*.rows"):
                for path in inprogress.glob(pattern):
                    path.unlink()
        for name in MODELS:
            (session / name).unlink(missing_ok=True)


def removed_digests(session: Path) -> dict[str, str]:
    """SHA-256 of each removed model of a session; empty where none was. Raises UserError for a damaged file."""
    try:
        lines = (session / REMOVED).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    found = {name: digest for digest, name in (line.split("  ", 1) for line in lines if "  " in line)}
    if set(found) != set(MODELS) or not all(re.fullmatch("[0-9a-f]{64}", digest) for digest in found.values()):
        raise UserError(f"{session / REMOVED} is damaged: it has a line for each of {', '.join(MODELS)}")
    return found


def keep_models(ranked: Sequence[int], sessions: Sequence[Path], keep: int, inprogress: Path, out: Path) -> None:
    """Remove the models of all trials but the first ``keep`` of ``ranked``, and write to ``out`` which there are.

    ``sessions`` are the folders of the search's sessions. Raises UserError for one without a readable session.json.
    """
    present: dict[int, bool] = {}
    for folder in sessions:
        record = read_record(folder)
        trial = record["trial"]
        if trial not in ranked[:keep]:
            remove_models(folder, inprogress / record["spec_hash"])
        present[trial] = present.get(trial, True) and all((folder / name).exists() for name in MODELS)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((trial, KEPT if there else GONE) for trial, there in sorted(present.items()))
    write_atomically(out, text.getvalue().encode())


def read_removed(table: Path) -> list[int]:
    """The trials without models, from what `keep_models` wrote; none where there is no table.

    Raises UserError for one that can't be read.
    """
    try:
        with table.open(newline="", encoding="utf-8") as file:
            return [int(row["trial"]) for row in csv.DictReader(file) if row["models"] == GONE]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{table} doesn't say which models were removed: {error}") from error
