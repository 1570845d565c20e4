"""The score of random play, from which a trial's gains are measured."""

from __future__ import annotations

import json
import math
from pathlib import Path

from slm.errors import UserError


def read_random_mean(path: Path, env: str) -> float:
    """The mean return of random play in a baseline file; raises UserError for a bad file and for another env's."""
    try:
        baseline = json.loads(path.read_text(encoding="utf-8"))
        name, mean = baseline["name"], float(baseline["mean"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"baseline {path} is missing or unreadable: {type(error).__name__}: {error}") from error
    if name != env or not math.isfinite(mean):
        raise UserError(f"baseline {path} is of '{name}' with mean {mean}; a finite one of '{env}' is needed")
    return mean
