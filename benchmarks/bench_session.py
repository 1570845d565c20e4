"""Frames per second of the session loop: compiled against eager, alternating, medians and their ratio.

    python benchmarks/bench_session.py [--repeats 5] [--frames N] [ROW ...]

Each row is one session on one thread, warm: the graphs are compiled before the clock starts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

from slm.backend import configure_process, make_backend
from slm.session import Session, Tables
from slm.spec import load_spec

SPECS = Path(__file__).parent.parent / "specs" / "benchmark"


@dataclass(frozen=True)
class Row:
    """One measurement: a spec and how many frames of it to time."""

    file: str
    name: str
    frames: int


ROWS = {
    "ppo": Row("ppo/ppo_classic.yaml", "ppo_cartpole", 20480),
    "a2c": Row("a2c/a2c_classic.yaml", "a2c_cartpole", 20480),
    "ddqn_per": Row("ddqn_per/ddqn_per_classic.yaml", "ddqn_per_cartpole", 4000),
}


class NoTable:
    """Takes rows and keeps none: the loop is timed, not the disk."""

    def append(self, row: object) -> None:
        """Drop a row."""


def frames_per_second(row: Row, backend: str, frames: int) -> float:
    """Speed of one session over its first ``frames`` frames."""
    spec = load_spec(SPECS / row.file, row.name)
    spec = spec.model_copy(update={"env": spec.env.model_copy(update={"max_frame": frames})})
    session = Session(spec, 0, 0, make_backend(backend))
    tables = Tables(NoTable(), NoTable(), NoTable())  # type: ignore[arg-type]
    start = time.perf_counter()
    session.run(tables, lambda: None)
    return frames / (time.perf_counter() - start)


def main() -> int:
    """Measure the rows named on the command line, all without one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", default=list(ROWS), metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--frames", type=int, help="frames per measurement (default: by row)")
    options = parser.parse_args()
    if unknown := [name for name in options.rows if name not in ROWS]:
        parser.error(f"unknown row {unknown[0]}; rows: {', '.join(ROWS)}")
    configure_process(threads=1)
    print(f"{'row':<10} {'eager fps':>10} {'compiled fps':>13} {'ratio':>6}")
    for name in options.rows:
        row, speeds = ROWS[name], {"eager": [], "compiled": []}
        for backend in speeds:  # warm
            frames_per_second(row, backend, 2048)
        for _ in range(options.repeats):
            for backend, measured in speeds.items():
                measured.append(frames_per_second(row, backend, options.frames or row.frames))
        ratio = statistics.median(c / e for c, e in zip(speeds["compiled"], speeds["eager"], strict=True))
        eager, compiled = (statistics.median(speeds[backend]) for backend in ("eager", "compiled"))
        print(f"{name:<10} {eager:>10.0f} {compiled:>13.0f} {ratio:>6.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
