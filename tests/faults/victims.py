"""Sessions to be killed: their specs, and `slm train` as a process that can be killed at a chosen moment."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

PATIENCE = 600.0
"""Seconds to wait for what takes a few where nothing else runs."""
INTERVAL = 0.1
"""Seconds between checkpoints."""
SAME = ("train.csv", "eval.csv", "model.pt", "best.pt")
"""Artifacts that are the same bytes, however often the session was interrupted."""

NET = {"type": "MLPNet", "hid_layers": [8, 8], "hid_layers_activation": "tanh"}
CONV = {"type": "ConvNet", "conv_hid_layers": [[2, 8, 8, 0, 1]], "fc_hid_layers": [4], "hid_layers_activation": "relu",
        "normalize": True}  # fmt: skip
EXPLORATION = {"name": "linear_decay", "start_val": 1, "end_val": 0.1, "start_step": 0, "end_step": 2000}
OFF_POLICY = {"gamma": 0.99, "training_frequency": 4, "training_iter": 1, "training_start_step": 100}
ALGORITHMS: dict[str, Any] = {
    "PPO": {"gamma": 0.99, "lam": 0.95, "clip_eps_spec": {"name": "no_decay", "start_val": 0.2}, "time_horizon": 64,
            "minibatch_size": 64, "training_epoch": 2},
    "DQN": {**OFF_POLICY, "training_batch_iter": 1, "explore_var_spec": EXPLORATION},
    "DoubleDQN": {**OFF_POLICY, "training_batch_iter": 1, "explore_var_spec": EXPLORATION},
    "SoftActorCritic": {**OFF_POLICY, "training_frequency": 8},
}  # fmt: skip
REPLAY = {"name": "Replay", "batch_size": 16, "max_size": 1000}
MEMORIES: dict[str, Any] = {
    "on-policy": {"name": "OnPolicyBatchReplay"},
    "replay": REPLAY,
    "prioritised": {**REPLAY, "name": "PrioritizedReplay", "alpha": 0.6, "epsilon": 1e-3},
}


def make_spec(algorithm: str, memory: str, env: str, frames: int) -> dict[str, Any]:
    """A spec of a small net whose session takes some seconds."""
    net: dict[str, Any] = dict(CONV if env.startswith("ALE/") else NET)
    if algorithm in ("DQN", "DoubleDQN"):
        net["update_frequency"] = 200
    if algorithm == "SoftActorCritic":
        net |= {"update_type": "polyak", "polyak_coef": 0.01, "update_frequency": 1}
    return {
        "agent": {
            "name": "label",
            "algorithm": {"name": algorithm, **ALGORITHMS[algorithm]},
            "memory": MEMORIES[memory],
            "net": net,
        },
        "env": {"name": env, "num_envs": 2, "max_frame": frames},
        "meta": {
            "distributed": False, "max_session": 1, "log_frequency": frames // 20, "eval_frequency": frames // 10,
        },
    }  # fmt: skip


def wait_until(condition: Callable[[], Any]) -> Any:
    """The condition's first true value."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError("waited in vain")


class Victim:
    """A session in a folder of its own, trained by `slm train` as often as it takes."""

    def __init__(
        self, folder: Path, spec: dict[str, Any], backend: str = "eager", *,
        out: Path | None = None, interval: float = INTERVAL,
    ) -> None:  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "specs.json").write_text(json.dumps({"victim": spec}))
        self.folder, self.out, self._interval = folder, out or folder / "out", interval
        self.command = [sys.executable, "-m", "slm", "train", "specs.json", "victim", "--backend", backend]
        self.process: subprocess.Popen[bytes] | None = None
        self._runs = 0
        self._before: int | None = None

    @property
    def log(self) -> str:
        """What the last run wrote."""
        return (self.folder / f"log{self._runs}").read_text()

    def start(self, *arguments: str) -> None:
        """Run the command in the background."""
        self._runs += 1
        self._before = self._written()
        environment = {**os.environ, "SLM_CHECKPOINT_INTERVAL": str(self._interval)}
        with (self.folder / f"log{self._runs}").open("w") as log:
            self.process = subprocess.Popen(
                [*self.command, "--out", str(self.out), *arguments], cwd=self.folder, env=environment, stderr=log
            )

    def end(self) -> int:
        """Wait for the end; returns the exit code. Nothing is left behind where it doesn't come."""
        assert self.process is not None
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()

    def finish(self, *arguments: str) -> dict[str, bytes]:
        """Run to a good end; returns the artifacts."""
        self.start(*arguments)
        assert self.end() == 0, self.log
        return self.artifacts()

    def kill(self, number: signal.Signals, delay: float) -> None:
        """Send a signal so many seconds after the run's first checkpoint, and wait for the end.

        Fails where the session came to its end before.
        """
        assert self.process is not None
        self.wait_for_checkpoint()
        time.sleep(delay)
        self.process.send_signal(number)
        code = self.end()
        expected = -signal.SIGKILL if number == signal.SIGKILL else 128 + number
        assert code == expected, f"exit code {code} instead of {expected}: {self.log}"

    def wait_for_checkpoint(self) -> None:
        """Wait for a checkpoint that this run has made."""
        process = self.process
        assert process is not None

        def made() -> bool:
            assert process.poll() is None, f"it ended before it was killed: {self.log}"
            return self._written() not in (self._before, None)

        wait_until(made)

    def _written(self) -> int | None:
        """When the newest checkpoint was written."""
        try:
            return max((path.stat().st_mtime_ns for path in self.checkpoints()), default=None)
        except FileNotFoundError:  # the session has just put it aside for the next one
            return None

    def checkpoints(self) -> list[Path]:
        """The running checkpoints there are, newest first."""
        names = ("checkpoint.pt", "checkpoint.previous.pt")
        return [path for name in names for path in self.out.glob(f".inprogress/*/{name}")]

    def frames(self) -> list[int]:
        """The frames of the running checkpoints there are, newest first."""
        return [read_checkpoint(path)["state"]["state"]["clock"]["frame"] for path in self.checkpoints()]

    def resumed_at(self) -> int | None:
        """The frame from which the last run went on, by its log."""
        found = re.findall(r"resumed at frame (\d+)", self.log)
        assert len(found) < 2, self.log
        return int(found[0]) if found else None

    def saved_at(self, number: signal.Signals) -> int:
        """The frame at which the last run saved because of a signal, by its log."""
        found = re.search(rf"{number.name}: saved at frame (\d+)", self.log)
        assert found, self.log
        return int(found[1])

    def artifacts(self) -> dict[str, bytes]:
        return {name: (self.out / name).read_bytes() for name in SAME}

    def seconds(self) -> float:
        """How long the finished session has trained."""
        seconds: float = json.loads((self.out / "session.json").read_text())["wall_time_s"]
        return seconds

    def has_outputs(self) -> bool:
        """Whether any artifact has been published."""
        return any(path.is_file() for path in self.out.glob("*"))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a running checkpoint holds."""
    return torch.load(io.BytesIO(path.read_bytes()[32:]), weights_only=True)


def seal(payload: bytes) -> bytes:
    """The bytes of a checkpoint with the right digest."""
    return hashlib.sha256(payload).digest() + payload
