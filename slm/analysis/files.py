"""Result files, written whole or not at all, with NaN as null in JSON and as an empty cell in CSV."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slm.atomic import write_atomically
from slm.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text; makes the folder."""
    write_atomically(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write `value` (dicts, lists, scalars) as indented JSON; floats round-trip, NaN and infinities become null."""
    write_text(path, json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a table without its index; floats round-trip, NaN is an empty cell."""
    write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def read_json(path: Path, what: str) -> dict[str, Any]:
    """The map in a JSON file. Raises UserError, which calls the file ``what``, where it is missing or unreadable."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{what} {path} is missing or unreadable: {error}") from error
    return content


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
