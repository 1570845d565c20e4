"""How long a session may take, from the frames that its spec asks for and the frames per second that were measured.

`fps.tsv` beside this module has the speeds of one core by suite and algorithm, each with what it was measured on.
"""

from __future__ import annotations

import csv
import math
from functools import cache
from pathlib import Path

GENEROSITY = 4
"""A time limit is so many times what a session takes at the measured speed: environments and processors differ."""
SHORTEST, UNKNOWN = 30, 1440
"""Minutes: the shortest limit, since compiling and a slow file system take some of it; and where none was measured."""


@cache
def measured_fps() -> dict[tuple[str, str], float]:
    """Frames per second of a core, by suite and algorithm."""
    with (Path(__file__).parent / "fps.tsv").open(newline="") as file:
        return {(row["suite"], row["algorithm"]): float(row["fps"]) for row in csv.DictReader(file, delimiter="\t")}


def runtime_minutes(suite: str, algorithm: str | None, frames: int) -> int:
    """Minutes after which a session of so many frames may be stopped."""
    fps = measured_fps().get((suite, algorithm or ""))
    return UNKNOWN if fps is None else max(SHORTEST, math.ceil(GENEROSITY * frames / fps / 60))
