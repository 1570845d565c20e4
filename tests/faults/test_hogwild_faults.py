"""Hogwild trials whose processes are killed: a clear end, nothing left behind, and the next run goes on."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from victims import PATIENCE, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.faults]

FRAMES = 24_000
ARTIFACTS = {"train.csv", "eval.csv", "timing.csv", "model.pt", "best.pt", "session.json"}
SPEC: dict[str, Any] = {
    "agent": {
        "name": "A3C",
        "algorithm": {"name": "ActorCritic", "gamma": 0.98, "lam": 0.95, "training_frequency": 16},
        "memory": {"name": "OnPolicyBatchReplay"},
        "net": {
            "type": "MLPNet", "hid_layers": [8], "hid_layers_activation": "tanh", "shared": True,
            "use_same_optim": True, "optim_spec": {"name": "GlobalAdam"},
        },
    },
    "env": {"name": "CartPole-v1", "num_envs": 2, "max_frame": FRAMES},
    "meta": {"distributed": "shared", "max_session": 2, "log_frequency": 1000, "eval_frequency": 1000},
}  # fmt: skip


def alive(process: int) -> bool:
    """Whether there is such a process; one that has ended but that nobody has asked for its end counts as gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Run:
    """`slm train` of the trial in a folder, in the background."""

    def __init__(self, folder: Path, checkpoint_interval: float = 0.2) -> None:
        (folder / "specs.json").write_text(json.dumps({"a3c": SPEC}))
        self.folder, self._log = folder, folder / f"log{len(list(folder.glob('log*')))}"
        self._before = self.checkpoints()
        command = [sys.executable, "-m", "slm", "train", "specs.json", "a3c", "--backend", "eager", "--out", "out"]
        environment = {**os.environ, "SLM_CHECKPOINT_INTERVAL": str(checkpoint_interval)}
        with self._log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stderr=log)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def checkpoints(self) -> dict[Path, int]:
        """Running checkpoints, of the sessions and of what they have in common, with the times of their writing."""
        found = self.folder.glob("out/.inprogress/*/checkpoint.pt")
        return {path: path.stat().st_mtime_ns for path in found}

    def workers(self) -> list[int]:
        """Process ids of the workers, when all have saved something that was not there before this run."""
        text = wait_until(lambda: re.search(r"training in 2 processes: (\d+), (\d+)", self.log))
        wait_until(self._all_saved)
        return [int(process) for process in text.groups()]

    def _all_saved(self) -> bool:
        assert self.process.poll() is None, self.log
        return len(self.checkpoints().items() - self._before.items()) == 3

    def end(self) -> int:
        """Wait for the end; returns the exit code."""
        return self.process.wait(PATIENCE)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Start the trial in the test's folder."""
    runs: list[Run] = []

    def make(**keys: float) -> Run:
        runs.append(Run(tmp_path, **keys))
        return runs[-1]

    yield make
    for run in runs:  # of a test that failed
        run.process.kill()


def test_a_trial_outlives_the_deaths_of_its_processes(start: Callable[..., Run], tmp_path: Path) -> None:
    first = start()
    workers = first.workers()
    os.kill(workers[1], signal.SIGKILL)
    assert first.end() == 1
    assert f"slm: session 1 (process {workers[1]}) was killed by SIGKILL" in first.log
    assert "Traceback" not in first.log
    assert not any(map(alive, workers))
    assert not list(tmp_path.glob("out/session*")), "nothing looks finished"

    second = start()
    workers = second.workers()
    assert_resumed(second.log)
    second.process.kill()
    second.end()
    wait_until(lambda: not any(map(alive, workers)))

    third = start()
    workers = third.workers()
    assert_resumed(third.log)
    third.process.send_signal(signal.SIGUSR1)
    third.process.send_signal(signal.SIGTERM)
    assert third.end() == 128 + signal.SIGTERM
    assert "stopped by SIGTERM; the same command resumes the trial" in third.log
    assert len(re.findall(r"session \d: SIGTERM: saved at frame [1-9]", third.log)) == 2
    assert not any(map(alive, workers))

    last = start(checkpoint_interval=60)
    assert last.end() == 0, last.log
    assert_resumed(last.log)
    for number in (0, 1):
        folder = tmp_path / f"out/session{number}"
        assert {path.name for path in folder.iterdir()} >= ARTIFACTS
        record = json.loads((folder / "session.json").read_text())
        assert (record["frames"], record["state"], record["reproducible"]) == (FRAMES // 2, "finished", False)
        with (folder / "train.csv").open() as table:
            frames = [int(row["frame"]) for row in csv.DictReader(table)]
        assert frames == list(range(1000, FRAMES // 2 + 1, 1000))
    again = start()
    assert again.end() == 0
    assert again.log.count("the session is finished already: publishing its artifacts again") == 2
    assert not again.checkpoints()


def assert_resumed(log: str) -> None:
    assert "resumed the common parameters" in log
    for number in (0, 1):
        assert re.search(rf"session {number}: resumed at frame [1-9]", log), log


def test_sessions_start_again_where_the_common_parameters_are_lost(start: Callable[..., Run]) -> None:
    first = start()
    first.workers()
    first.process.send_signal(signal.SIGINT)
    assert first.end() == 128 + signal.SIGINT
    (trial,) = (path.parent for path in first.checkpoints() if not (path.parent / "train.csv").exists())
    for file in trial.glob("checkpoint*"):
        file.write_bytes(file.read_bytes()[:-100])

    second = start()
    second.workers()
    second.process.terminate()
    second.end()
    assert "can't be used: it is damaged" in second.log
    for number in (0, 1):
        assert f"session {number} starts again: the common parameters are not there any more" in second.log
    assert "resumed" not in second.log.replace("resumes", "")
