"""Frames per second of one session, ours against stable-baselines3 with the same settings.

    python benchmarks/bench_session.py [--repeats 5] [--scale 1.0] [--eager] [CASE ...]

Every run is a process of its own on one thread; the two alternate, so that both meet the same state of the machine.
Its clock starts after the imports, with compiled graphs loaded, and counts the processor time of the process, which on
a quiet machine is the time that passes and on a busy one leaves out what other programs take. Printed are medians over
the runs, and the median of the pairs' ratios.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

from cases import Case, NoTable, chosen

SIDES = ("compiled", "eager", "sb3")


def run_ours(case: Case, frames: int, backend: str) -> float:
    """Seconds of processor time that a session of ours takes."""
    from slm.backend import configure_process, make_backend
    from slm.session import Session, Tables

    configure_process(threads=1)
    session = Session(case.spec(frames), 0, 0, make_backend(backend))
    tables = Tables(NoTable(), NoTable(), NoTable())
    gc.freeze()  # as slm train does: what the imports left is not looked through again
    start = time.process_time()
    session.run(tables, lambda: None)
    return time.process_time() - start


def run_peer(case: Case, frames: int) -> float:
    """Seconds of processor time that stable-baselines3 takes for the same frames."""
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    model = case.peer(case.spec(frames).env.name)
    gc.freeze()
    start = time.process_time()
    model.learn(frames)
    return time.process_time() - start


def measure(name: str, side: str, frames: int) -> float:
    """Frames per second of one run in a process of its own."""
    command = [sys.executable, __file__, "--run", side, "--frames", str(frames), name]
    root = str(Path(__file__).parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})
    if done.returncode != 0:
        raise SystemExit(f"{name} on {side} failed:\n{done.stderr}")
    return frames / json.loads(done.stdout.splitlines()[-1])


def compare(name: str, frames: int, repeats: int, sides: list[str]) -> None:
    """Alternate the sides and print one line; the first side is the one compared."""
    measure(name, sides[0], min(frames, 2048))  # compiles what is missing in the cache
    speeds: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(repeats):
        for side, measured in speeds.items():
            measured.append(measure(name, side, frames))
    ours, others = (statistics.median(speeds[side]) for side in sides)
    ratio = statistics.median(a / b for a, b in zip(*speeds.values(), strict=True))
    print(f"{name:<10} {ours:>10.0f} {others:>10.0f} {ratio:>6.2f}", flush=True)


def main() -> int:
    """Measure the cases named on the command line, all without one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the frames in each run")
    parser.add_argument("--eager", action="store_true", help="compare with our own eager backend instead")
    parser.add_argument("--run", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--frames", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    cases = chosen(options.cases)
    if options.run:
        (case,) = cases.values()
        peer = options.run == "sb3"
        seconds = run_peer(case, options.frames) if peer else run_ours(case, options.frames, options.run)
        print(json.dumps(seconds))
        return 0
    sides = ["compiled", "eager" if options.eager else "sb3"]
    print(f"{'case':<10} {'compiled':>10} {sides[1]:>10} {'ratio':>6}    frames/s")
    for name, case in cases.items():
        compare(name, max(int(case.frames * options.scale), 1), options.repeats, sides)
    return 0


if __name__ == "__main__":
    sys.exit(main())
