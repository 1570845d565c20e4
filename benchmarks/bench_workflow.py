"""What a user waits for: a trial of four sessions through Snakemake, and the start of one session.

    python benchmarks/bench_workflow.py [--cores 2] [--frames 200000] [--repeats 1] [--cold]

The trial is `ppo_cartpole` in a folder of its own, from planning to its table, with the compiled graphs in the cache
(``--cold``: in an empty one). The start is measured on `slm train` with a handful of frames: the time from its call to
the first log checkpoint, and the most memory that the process held. Times are those that pass, so the machine should
be quiet.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
SPEC_FILE, SPEC_NAME = "specs/benchmark/ppo/ppo_classic.yaml", "ppo_cartpole"


def write_spec(folder: Path, frames: int) -> Path:
    """The shipped spec, ending after that many frames."""
    text = (ROOT / SPEC_FILE).read_text()
    changed = re.sub(r"(name: CartPole-v1\n\s+num_envs: 4\n\s+max_frame:) \d+", rf"\1 {frames}", text)
    path = folder / "spec.yaml"
    path.write_text(changed)
    return path


def environment(cache: Path | None) -> dict[str, str]:
    """The process environment, in which commands find this checkout and, if given, another cache of graphs."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return {**os.environ, "PYTHONPATH": path, "PATH": programs, **({"SLM_CACHE_DIR": str(cache)} if cache else {})}


def run(command: list[str], folder: Path, cache: Path | None) -> float:
    """Seconds that a command takes. Raises SystemExit where it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment(cache), capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return time.perf_counter() - start


def copy_workflow(folder: Path) -> None:
    """What Snakemake needs of this checkout, without specs and results."""
    for name in ("Snakefile", "workflow", "config", "profiles"):
        source = ROOT / name
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, folder / name)
        else:
            shutil.copy(source, folder / name, follow_symlinks=False)


def trial(frames: int, cores: int, cache: Path | None) -> float:
    """Seconds of a whole trial in a fresh folder."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        copy_workflow(folder)
        spec = write_spec(folder, frames)
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores)]
        return run([*command, "--config", f"spec_file={spec.name}", f"spec_name={SPEC_NAME}"], folder, cache)


START = """
import resource, runpy, sys, time
from slm import records
append = records.Table.append
def first(table, row):
    print("first row after", time.time() - START, flush=True)
    records.Table.append = append
    append(table, row)
records.Table.append = first
sys.argv = ["slm", *sys.argv[1:]]
try:
    runpy.run_module("slm", run_name="__main__")
finally:
    print("memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def start(cache: Path | None) -> tuple[float, float]:
    """Seconds from the call of `slm train` to its first log checkpoint (frame 500), and its peak memory in MB."""
    with tempfile.TemporaryDirectory() as scratch:
        spec = write_spec(Path(scratch), 500)
        code = f"START = {time.time()!r}{START}"
        command = [sys.executable, "-c", code, "train", str(spec), SPEC_NAME, "--out", str(Path(scratch) / "out")]
        done = subprocess.run(command, env=environment(cache), capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(done.stderr)
    seconds = re.search(r"first row after ([\d.]+)", done.stdout)
    memory = re.search(r"memory (\d+)", done.stdout)
    assert seconds is not None, done.stdout
    assert memory is not None, done.stdout
    return float(seconds[1]), int(memory[1]) / 1024


def main() -> int:
    """Measure the trial and the start."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--frames", type=int, default=200_000, help="of each session")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--cold", action="store_true", help="compile the graphs as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch) if options.cold else None
        times = [trial(options.frames, options.cores, cache) for _ in range(options.repeats)]
        print(f"trial of 4 sessions of {options.frames} frames on {options.cores} cores: "
              f"{statistics.median(times):.1f} s", flush=True)  # fmt: skip
        starts = [start(cache) for _ in range(max(options.repeats, 2))]
        seconds, memory = (min(values) for values in zip(*starts, strict=True))
        print(f"start of one session, to frame 500: {seconds:.2f} s, peak memory {memory:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
