"""What each row of the sheet costs on a cluster, in core-hours: frames times sessions over frames per second.

    python benchmarks/costs.py > costs.tsv

Frames per second were measured on one environment for each suite and algorithm, in `slm/plan/fps.tsv` with what was
run. They are those of a core that other work shared. Environments with more to simulate are slower. Where nothing was
measured, nothing is said: no speed is carried over from one suite, or one algorithm, to another.
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
    known = measured_fps()
    print("suite", "experiment", "sessions", "frames", "fps", "core_hours", sep="\t")
    for suite in SUITES:
        total, missing = 0.0, 0
        for experiment in plan.suite(suite):
            row, spec = experiment.row, experiment.spec
            sessions, frames = spec.meta.max_session, spec.env.max_frame
            fps = known.get((suite, row.algorithm))
            hours = None if fps is None else sessions * frames / fps / 3600
            total, missing = total + (hours or 0), missing + (hours is None)
            cells = ("", "") if hours is None else (f"{fps:g}", f"{hours:.2f}")
            print(suite, row.experiment, sessions, frames, *cells, sep="\t")
        print(f"{suite}: {total:.0f} core-hours, without {missing} rows that were not measured", file=sys.stderr)


if __name__ == "__main__":
    main()
