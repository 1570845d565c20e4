"""What figures and suites are called, in files and on pages. Parsing the workflow reads this, so it imports nothing."""

from __future__ import annotations

import re

SUITE_TITLES = {"box2d": "Box2D", "mujoco": "MuJoCo"}
FIGURES = {
    "curves": "Learning curves",
    "aggregates": "Aggregate scores",
    "efficiency": "Sample efficiency",
    "profiles": "Performance profiles",
    "improvement": "Probability of improvement",
    "scores": "Score distributions",
    "wall_clock": "Learning curves against wall time",
}
"""Names of a suite's figures, and their titles."""


def suite_title(suite: str) -> str:
    """A suite's name as a heading: `classic_control` is `Classic control`."""
    return SUITE_TITLES.get(suite, suite.replace("_", " ").capitalize())


def file_name(env: str) -> str:
    """An environment's name as a part of a path: `ALE/Pong-v5` is `ALE-Pong-v5`."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", env)
