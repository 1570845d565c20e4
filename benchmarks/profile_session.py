"""Where the time of a session goes: shares of the loop's parts, then the functions that take most.

    python benchmarks/profile_session.py CASE [--frames N] [--functions 25]

The shares are measured without the profiler, which makes Python code look slower than it is beside compiled code.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import sys
import time
from typing import Any

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

from cases import Case, NoTable, chosen

from slm.backend import configure_process, make_backend
from slm.session import Session, Tables


def session_of(case: Case, frames: int) -> Session:
    """A session at its first frame, with compiled graphs loaded."""
    return Session(case.spec(frames), 0, 0, make_backend("auto"))


def run(session: Session) -> float:
    """Train the session to its end; returns seconds of processor time."""
    tables = Tables(NoTable(), NoTable(), NoTable())
    start = time.process_time()
    session.run(tables, lambda: None)
    return time.process_time() - start


def shares(session: Session) -> dict[str, float]:
    """Seconds of processor time in each part of the loop; what is in none of them is the loop's own."""
    spent: dict[str, float] = {}

    def timed(owner: Any, name: str) -> None:
        function = getattr(owner, name)
        spent[name] = 0.0

        def call(*arguments: Any) -> Any:
            start = time.thread_time()
            result = function(*arguments)
            spent[name] += time.thread_time() - start
            return result

        setattr(owner, name, call)

    for owner, name in (
        (session.algorithm, "act"), (session.state.world, "step"), (session.state.memory, "add"),
        (session.algorithm, "train"),
    ):  # fmt: skip
        timed(owner, name)
    total = run(session)
    return {**spent, "loop": total - sum(spent.values())}


def main() -> int:
    """Profile one case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case")
    parser.add_argument("--frames", type=int, help="default: the case's")
    parser.add_argument("--functions", type=int, default=25, help="how many to list")
    options = parser.parse_args()
    configure_process(threads=1)
    (case,) = chosen([options.case]).values()
    frames = options.frames or case.frames
    run(session_of(case, min(frames, 2048)))  # warm
    spent = shares(session_of(case, frames))
    total = sum(spent.values())
    print(f"{options.case}: {frames / total:,.0f} frames/s of processor time")
    for name, seconds in spent.items():
        print(f"  {name:<6} {seconds / total:>6.1%} {seconds / frames * 1e6:>8.1f} µs a frame")
    session, profiler = session_of(case, frames), cProfile.Profile()
    profiler.runcall(run, session)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(options.functions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
