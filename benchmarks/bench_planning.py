"""How long Snakemake plans, before any job starts, and how much memory it holds.

    python benchmarks/bench_planning.py [--experiments 238] [--sessions 4] [--repeats 1]

The plan is that of the shipped sheet, whose rows are repeated under other names until there are so many experiments.
10,000 sessions are 238 experiments of 42, or 2500 of four, as the specs ask for, with more jobs beside. Measured is a
dry run without results, from its call to its end: what a user waits for before the first job. Processor time is told
beside it, since other work delays only what passes.
"""

from __future__ import annotations

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_workflow import ROOT, copy_workflow, environment

SHEET = "config/benchmarks.tsv"
SUITES = "classic_control,box2d,mujoco,atari"


def write_sheet(path: Path, experiments: int) -> None:
    """The shipped rows, again and again, in rounds of their own names."""
    with (ROOT / SHEET).open(newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t")
    name = header.index("experiment")
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(header)
        for i in range(experiments):
            times, row = divmod(i, len(rows))
            cells = list(rows[row])
            cells[name] += f"_{times + 1}" if times else ""
            writer.writerow(cells)


def plan(experiments: int, sessions: int | None) -> tuple[float, float, float, int]:
    """Seconds that pass, seconds of the processor, most memory in MB, and jobs of a dry run."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        copy_workflow(folder)
        (folder / "specs").symlink_to(ROOT / "specs")
        write_sheet(folder / SHEET, experiments)
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run", "--quiet", "rules"]
        settings = [f"suites=[{SUITES}]", *([f"sessions={sessions}"] if sessions else [])]
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [*command, "--config", *settings], cwd=folder, env=environment(None), capture_output=True, text=True
        )
        passed, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    total = next(line for line in (done.stdout + done.stderr).splitlines() if line.startswith("total"))
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return passed, used, after.ru_maxrss / 1024, int(total.split()[1])


def main() -> None:
    """Plan and print the fastest of several times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=238)
    parser.add_argument("--sessions", type=int, help="of each experiment, in place of its spec's")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    runs = [plan(options.experiments, options.sessions) for _ in range(options.repeats)]
    passed, used, memory, jobs = min(runs)
    print(f"{options.experiments} experiments, {jobs} jobs")
    print(f"{passed:.1f} s, {used:.1f} s of the processor, {memory:.0f} MB")


if __name__ == "__main__":
    main()
