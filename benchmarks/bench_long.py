"""What a session costs as it gets longer, and what its records cost: its log, evaluations and checkpoints.

    python benchmarks/bench_long.py [--scale 1.0] [--interval 60] [CASE ...]

A session of ten times the case's frames is trained as `slm train` does it, with files and running checkpoints and at
the shipped frequencies. Printed are its frames per second in the second tenth (in the first there are frames without
updates) and in the last, and the share of processor time that went into log checkpoints, eval checkpoints and running
checkpoints. A running checkpoint waits for the disk: its share is of the time that passes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

from cases import Case, chosen

from slm.saving import Saver
from slm.session import Session

TENTHS = 10
RECORDS: dict[str, tuple[type, str, Callable[[], float]]] = {
    "log": (Session, "_log", time.thread_time),
    "eval": (Session, "_evaluate", time.thread_time),
    "checkpoints": (Saver, "_save", time.perf_counter),
}


def timed(owner: type, name: str, clock: Callable[[], float], spent: list[float]) -> None:
    """Add the seconds that each call of a method takes to ``spent``."""
    method = getattr(owner, name)

    def call(*arguments: Any) -> Any:
        start = clock()
        try:
            return method(*arguments)
        finally:
            spent.append(clock() - start)

    setattr(owner, name, call)


def train_long(case: Case, frames: int, interval: float) -> dict[str, Any]:
    """Train one session in a temporary folder; returns its marks (frame, processor time) and the records' seconds."""
    from slm.backend import configure_process, make_backend
    from slm.train import Job, train

    configure_process(threads=1)
    marks: list[tuple[int, float]] = []
    report = Session._log

    def log(session: Session, *arguments: Any) -> float:
        marks.append((session.state.clock.frame, time.process_time()))
        return report(session, *arguments)

    Session._log = log  # type: ignore[method-assign]
    spent: dict[str, list[float]] = {part: [] for part in RECORDS}
    for part, (owner, name, clock) in RECORDS.items():
        timed(owner, name, clock, spent[part])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        job = Job(case.spec(frames), 0, 0, "0" * 40, folder / "out", folder / "inprogress", interval)
        train(job, make_backend("compiled"))
    return {"marks": marks, "spent": {part: sum(seconds) for part, seconds in spent.items()}}


def speed(marks: list[tuple[int, float]], first: float, last: float) -> float:
    """Frames per second between two frames."""
    within = [mark for mark in marks if first <= mark[0] <= last]
    (start, before), (end, after) = within[0], within[-1]
    return (end - start) / (after - before)


def report(name: str, frames: int, interval: float) -> None:
    """Measure one case in a process of its own and print one line."""
    command = [sys.executable, __file__, "--run", str(frames), "--interval", str(interval), name]
    path = os.pathsep.join(filter(None, (str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    if done.returncode != 0:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    measured = json.loads(done.stdout.splitlines()[-1])
    marks, tenth = measured["marks"], frames / TENTHS
    early, late = speed(marks, tenth, 2 * tenth), speed(marks, frames - tenth, frames)
    total = marks[-1][1] - marks[0][1]
    shares = " ".join(f"{seconds / total:>11.2%}" for seconds in measured["spent"].values())
    print(f"{name:<10} {frames:>8} {early:>10.0f} {late:>10.0f} {late / early:>7.3f} {shares}", flush=True)


def main() -> int:
    """Measure the cases named on the command line, all without one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--scale", type=float, default=1.0, help="of the frames")
    parser.add_argument("--interval", type=float, default=60.0, help="seconds between running checkpoints")
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    cases = chosen(options.cases)
    if options.run:
        (case,) = cases.values()
        print(json.dumps(train_long(case, options.run, options.interval)))
        return 0
    print(
        f"{'case':<10} {'frames':>8} {'early':>10} {'late':>10} {'ratio':>7} " + " ".join(f"{p:>11}" for p in RECORDS)
    )
    for name, case in cases.items():
        report(name, int(TENTHS * case.frames * options.scale), options.interval)
    return 0


if __name__ == "__main__":
    sys.exit(main())
