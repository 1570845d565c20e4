"""Going on with a finished session for more frames, as if it had been longer from the start."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slm.atomic import write_atomically
from slm.errors import UserError
from slm.spec import Spec, canonical, session_hash

TABLES = ("train.csv", "eval.csv", "timing.csv")
MAX_FRAME = "env.max_frame"


@dataclass(frozen=True)
class Extension:
    """A finished session that can be gone on with."""

    trial: int
    session: int
    backend: str
    folder: Path
    """Its folder in progress."""


def find_extension(result: Path, spec: Spec, inprogress: Path | None) -> Extension:
    """The finished session in the folder ``result``, to be gone on with as ``spec`` says.

    Its folder in progress is searched in ``inprogress``, or in the ``.inprogress`` of the folder or one above it.
    Raises UserError where the two differ in more than a longer ``env.max_frame``, and where the final state that the
    session would go on from was not kept.
    """
    record = read_record(result)
    if record["search"] is not None:
        raise UserError(f"--extend: {result} belongs to a search that could have stopped it; its end is not kept")
    if record.get("device", "cpu") != "cpu":
        raise UserError(f"--extend: {result} was trained on {record['device']}; only sessions of the CPU go on exactly")
    before, after = _flat(record["spec"]), _flat(canonical(spec))
    # Labels and repetitions may differ: the hash decides.
    as_it_was = spec.model_copy(update={"env": spec.env.model_copy(update={"max_frame": before[MAX_FRAME]})})
    trial, session, backend = record["trial"], record["session"], record["backend"]
    if session_hash(as_it_was, trial=trial, session=session, backend=backend) != record["spec_hash"]:
        keys = [key for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)]
        others = ", ".join(key for key in keys if key != MAX_FRAME)
        raise UserError(
            f"--extend: {result} was trained with other settings, so that going on would not be exact: {others}; "
            f"only {MAX_FRAME} may differ"
        )
    if spec.env.max_frame <= before[MAX_FRAME]:
        raise UserError(
            f"--extend: {MAX_FRAME}: {spec.env.max_frame} is not allowed; {result} has {before[MAX_FRAME]} frames, and "
            "more are needed"
        )
    roots = [inprogress] if inprogress else [parent / ".inprogress" for parent in (result, *result.resolve().parents)]
    for root in roots:
        if (root / record["spec_hash"] / "checkpoint.pt").exists():
            return Extension(trial, session, backend, root / record["spec_hash"])
    raise UserError(
        f"--extend: the final state of {result} was not kept: there is no .inprogress/{record['spec_hash'][:12]}…/"
        "checkpoint.pt there or above; sessions with a replay memory keep it with `keep_memory: true` in the config, "
        "or `slm train … --keep-memory`"
    )


def read_record(result: Path) -> dict[str, Any]:
    """The session.json of a finished session. Raises UserError where there is none that says what made it."""
    try:
        record: dict[str, Any] = json.loads((result / "session.json").read_text(encoding="utf-8"))
        missing = {"spec", "spec_name", "spec_hash", "trial", "session", "search", "backend"} - record.keys()
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{result}: there is no readable session.json, so it is no finished session: {error}") from None
    if missing:
        raise UserError(f"{result / 'session.json'} lacks {', '.join(sorted(missing))}: it is of an older version")
    return record


def copy_end(source: Path, target: Path) -> None:
    """Copy what `checkpoint.pt` of the folder ``source`` needs; that file comes last."""
    for path in (*source.glob("*.rows"), *(source / name for name in TABLES)):
        shutil.copyfile(path, target / path.name)
    write_atomically(target / "checkpoint.pt", (source / "checkpoint.pt").read_bytes())


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dotted keys."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    return {
        key: value for name, part in tree.items() for key, value in _flat(part, f"{prefix}.{name}".strip(".")).items()
    }
