"""The sessions that are training, or were, from the signs of life in their folders in progress."""

from __future__ import annotations

import json
import os
import socket
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slm.heartbeat import FILE

SILENCE = 120.0
"""Seconds without a sign of life after which a session is taken for lost: compiling and evaluating take some."""
FOLDERS = ("results/.inprogress/*", "out/*/trial*/session*/.inprogress/*", "out/*/trial*/.inprogress/*")
"""Folders of sessions in progress: the workflow's, and those of `slm train`, of a Hogwild trial last."""
COLUMNS = ("session", "state", "frames", "", "fps", "score", "time left", "host", "seen")
ORDER = ("lost", "failed", "training", "starting", "stopped", "pruned", "finished")
ENDED = ("pruned", "finished")


@dataclass(frozen=True)
class Sign:
    """A sign of life, and how long ago it was given, in seconds."""

    content: dict[str, Any]
    age: float
    state: str
    """As the file says, or `lost`: it says that it is training, and nothing is heard of it any more."""


def read_signs(folders: Iterable[Path], now: float | None = None) -> list[Sign]:
    """All signs of life in folders of sessions in progress; files that can't be read are left out."""
    now = time.time() if now is None else now
    signs = []
    for folder in folders:
        try:
            content = json.loads((folder / FILE).read_text(encoding="utf-8"))
            age = max(now - content["time"], 0.0)
            signs.append(Sign(content, age, _state(content, age)))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return sorted(signs, key=lambda sign: (ORDER.index(sign.state), _name(sign)))


def session_folders(root: Path) -> list[Path]:
    """The folders of sessions in progress below a project's folder."""
    return [folder for pattern in FOLDERS for folder in root.glob(pattern)]


def status_table(signs: Sequence[Sign], finished: bool = False) -> str:
    """The sessions as a table of text, one line each, and a line of counts; those that have ended well on request."""
    shown = [sign for sign in signs if finished or sign.state not in ENDED]
    lines = [COLUMNS, *map(_line, shown)] if shown else []
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))] if lines else []
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    counts = Counter(sign.state for sign in signs)
    summary = ", ".join(f"{counts[state]} {state}" for state in ORDER if counts[state])
    return "\n".join([*text, summary or "no session has begun here"])


def _state(content: dict[str, Any], age: float) -> str:
    state: str = content["state"]
    if state not in ORDER:
        raise ValueError(f"unknown state {state!r}")
    if state in ("starting", "training") and (age > SILENCE or not _lives(content)):
        return "lost"
    return state


def _lives(content: dict[str, Any]) -> bool:
    """Whether the process is there; True where that can't be known, on another machine."""
    if content["host"] != socket.gethostname():
        return True
    try:
        os.kill(content["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _name(sign: Sign) -> str:
    """Experiment, trial and session, as the path of its results has them."""
    return "/".join(Path(sign.content["out"]).parts[-3:])


def _line(sign: Sign) -> tuple[str, ...]:
    content = sign.content
    frame, most, fps, score = (content[name] for name in ("frame", "max_frame", "fps", "score"))
    left = "" if sign.state != "training" or not fps else duration((most - frame) / fps)
    return (
        *(_name(sign), sign.state, f"{frame:,}/{most:,}", f"{100 * frame / most:.0f}%"),
        "" if fps is None else f"{fps:,.0f}",
        "" if score is None else f"{score:,.2f}",
        *(left, content["host"], f"{sign.age:.0f} s ago" if sign.age < 120 else f"{duration(sign.age)} ago"),
    )


def duration(seconds: float) -> str:
    """h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
