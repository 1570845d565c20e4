"""Frames per second of one core for each algorithm on each suite, as in the table slm/plan/fps.tsv.

    python benchmarks/speeds.py [SUITE …] [--seconds 60] > speeds.tsv

Of each suite and algorithm the first row of the sheet is trained with its own settings, without checkpoints. What
counts is the time from one update to another, so that whole rollouts are timed and neither warm-up nor compilation is.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import yaml
from cases import NoTable

from slm.backend import configure_process, make_backend
from slm.plan import SUITES, Row, read_sheet
from slm.session import Session, Tables
from slm.spec import load_spec

ROOT = Path(__file__).parent.parent


class EnoughError(Exception):
    """Ends a session whose speed is known."""


class Stopwatch:
    """Frames and seconds between the first update and the last one, asked after each step of a session."""

    def __init__(self, session: Session, seconds: float) -> None:
        self._clock, self._seconds = session.state.clock, seconds
        self._updates, self._first = 0, (0, 0.0)
        self.frames, self.elapsed = 0, 0.0

    def __call__(self) -> None:
        """Note an update; raises EnoughError once the time is over."""
        if self._clock.opt_step == self._updates:
            return
        now, frame = time.perf_counter(), self._clock.frame
        if not self._updates:
            self._first = (frame, now)
        self._updates = self._clock.opt_step
        self.frames, self.elapsed = frame - self._first[0], now - self._first[1]
        if self.elapsed >= self._seconds:
            raise EnoughError


def measure(row: Row, seconds: float) -> Stopwatch:
    """Train a row until its speed is known, or to its end."""
    session = Session(load_spec(row.spec_file, row.spec_name, row.variables), 0, 0, make_backend("auto"))
    stopwatch = Stopwatch(session, seconds)
    with contextlib.suppress(EnoughError):
        session.run(Tables(NoTable(), NoTable(), NoTable()), stopwatch)
    return stopwatch


def main() -> int:
    """Print a line for each suite and algorithm."""
    suites = [suite for suite in SUITES if suite != "demo"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"default: {', '.join(suites)}")
    parser.add_argument("--algorithm", action="append", help="as the sheet names it; default: all")
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    os.chdir(ROOT)
    configure_process(threads=1)
    schema = yaml.safe_load(Path("workflow/schemas/benchmarks.schema.yaml").read_text())
    rows: dict[tuple[str, str | None], Row] = {}
    for row in read_sheet(Path("config/benchmarks.tsv"), schema):
        rows.setdefault((row.environment_type, row.algorithm), row)
    print("suite", "algorithm", "fps", "measured", sep="\t")
    for (suite, algorithm), row in rows.items():
        if suite in (options.suites or suites) and algorithm in (options.algorithm or [algorithm]):
            found = measure(row, options.seconds)
            measured = f"{row.env}, {found.frames:,} frames"
            print(suite, algorithm, f"{found.frames / found.elapsed:.1f}", measured, sep="\t", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
