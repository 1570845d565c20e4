"""What each row of the sheet costs on a cluster, in core-hours: frames times sessions over frames per second.

    python benchmarks/costs.py > costs.tsv

Frames per second were measured on one environment for each suite and algorithm, in `slm/plan/fps.tsv` with what was
run. They are those of a core that other work shared. Environments with more to simulate are slower.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import yaml

from slm.plan import make_plan, measured_fps, read_sheet

ROOT = Path(__file__).parent.parent
SUITES = ("classic_control", "box2d", "mujoco", "atari")


def main() -> None:
    """Print a row for each experiment, and the sums for each suite to stderr."""
    os.chdir(ROOT)
    schema = yaml.safe_load(Path("workflow/schemas/benchmarks.schema.yaml").read_text())
    plan = make_plan(read_sheet(Path("config/benchmarks.tsv"), schema), SUITES, "compiled", False)
    speeds = measured_fps()
    print("suite", "experiment", "sessions", "frames", "fps", "core_hours", sep="\t")
    for suite in SUITES:
        total = 0.0
        for experiment in plan.suite(suite):
            row, spec = experiment.row, experiment.spec
            sessions, frames = spec.meta.max_session, spec.env.max_frame
            fps = speeds[suite, row.algorithm or ""]
            hours = sessions * frames / fps / 3600
            total += hours
            print(suite, row.experiment, sessions, frames, f"{fps:g}", f"{hours:.2f}", sep="\t")
        print(f"{suite}: {total:.0f} core-hours", file=sys.stderr)


if __name__ == "__main__":
    main()
