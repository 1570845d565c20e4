"""The files in which a search by tpe keeps what it has drawn, one a generation."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from slm.analysis.files import write_json
from slm.errors import UserError
from slm.plan.sampling import Scored, Settings, draw_generation
from slm.spec import Spec


def write_generation(spec: Spec, generation: int, trials: Sequence[Path], out: Path) -> None:
    """Draw the settings of a generation from the trial.json of all trials before it, and write them as JSON to `out`.

    Raises UserError for a trial.json that can't be read.
    """
    history = [_scored(path) for path in trials]
    write_json(out, draw_generation(spec.search, spec.meta.random_seed or 0, generation, history))


def read_generation(path: Path) -> list[Settings]:
    """The settings of a generation; raises UserError for a file that can't be read."""
    try:
        drawn: list[Settings] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is missing or unreadable: {error}") from error
    return drawn


def _scored(path: Path) -> Scored:
    try:
        trial = json.loads(path.read_text(encoding="utf-8"))
        score = trial["score"]
        return Scored(trial["settings"], math.nan if score is None else float(score))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"trial {path} is missing or unreadable: {error}") from error
