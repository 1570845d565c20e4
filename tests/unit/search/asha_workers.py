"""Sessions replaced by learning curves: processes that take part in a search as training sessions do."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import slm.atomic
from slm.asha import EarlyStopping
from slm.spec import SearchSchedulerSpec

SCHEDULER = SearchSchedulerSpec(grace_period=100, reduction_factor=3)
LOG_FREQUENCY, MAX_FRAME = 20, 3000
SEARCH, CODE = "search", "code"


def score(trial: int, frame: int) -> float:
    """A curve that rises to the quality of the trial: highest for trial 4, the others in no order."""
    quality = 500 - 20 * abs(7 * trial % 17 - 11)
    wobble = random.Random(trial * 7919 + frame).uniform(-1, 1)
    return quality * frame / (frame + 300) + wobble


def early_stopping(folder: Path, trial: int, scheduler: SearchSchedulerSpec = SCHEDULER) -> EarlyStopping:
    return EarlyStopping(folder, trial, scheduler, SEARCH, CODE)


def train(folder: Path, trial: int, pause: float = 0.0) -> int:
    """Train a trial's session from its first frame, as after a kill without a checkpoint. Returns its last frame."""
    stopping = early_stopping(folder, trial)
    for frame in range(LOG_FREQUENCY, MAX_FRAME, LOG_FREQUENCY):
        if stopping.stops(frame, score(trial, frame)):
            return frame
        time.sleep(pause)
    return MAX_FRAME


def die_at_write(number: int, after: bool) -> None:
    """Kill this process with SIGKILL at its nth record, before the file is in place or right after."""
    writes = 0
    replace = os.replace

    def counted(source: str, destination: str) -> None:
        nonlocal writes
        writes += 1
        if writes == number and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, destination)
        if writes == number:
            os.kill(os.getpid(), signal.SIGKILL)

    slm.atomic.os.replace = counted  # type: ignore[assignment]


def start(folder: Path, trials: Sequence[int], *death: str) -> subprocess.Popen[bytes]:
    """A worker process that trains some trials one after the other; ``death`` is as of `main`."""
    command = [sys.executable, __file__, str(folder), ",".join(map(str, trials)), *death]
    return subprocess.Popen(command)


def main() -> None:
    folder, trials, *death = sys.argv[1:]
    if death:
        die_at_write(int(death[0]), after=death[1] == "after")
    for trial in map(int, trials.split(",")):
        train(Path(folder), trial, pause=0.0005)


if __name__ == "__main__":
    main()
