"""A trial made by hand: its spec.json and the folders of its sessions."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from slm.analysis.metrics import session_metrics, total_reward_ma


@dataclass(frozen=True)
class Trial:
    folder: Path

    @property
    def spec(self) -> Path:
        return self.folder / "spec.json"

    @property
    def baseline(self) -> Path:
        return self.folder / "baseline.json"

    def write_baseline(self, mean: float) -> None:
        self.baseline.write_text(json.dumps({"name": "CartPole-v1", "mean": mean, "std": 1.0, "episodes": 100}))

    def session(self, index: int) -> Path:
        return self.folder / f"session{index}"

    def sessions(self, count: int) -> list[Path]:
        return [self.session(index) for index in range(count)]

    def change_record(self, index: int, **changes: Any) -> None:
        path = self.session(index) / "session.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    def change_spec(self, **origin: Any) -> None:
        document = json.loads(self.spec.read_text())
        document["_trial"] |= origin
        self.spec.write_text(json.dumps(document))


def write_session(folder: Path, index: int, total_reward: Sequence[float], source: str = "train") -> None:
    """A finished session with a checkpoint every 100 frames and one optimizer step per 10 frames."""
    folder.mkdir(parents=True)
    frames = [100 * (row + 1) for row in range(len(total_reward))]
    columns = ["frame", "total_reward", "total_reward_ma", "episodes", "opt_step", "loss", "lr"]
    rows = [
        [frame, _blank(reward), _blank(total_reward_ma(total_reward[: i + 1])), i, frame // 10, 0, 0]
        for i, (frame, reward) in enumerate(zip(frames, total_reward, strict=True))
    ]
    for name, extra in (("train.csv", []), ("eval.csv", [source])):
        with open(folder / name, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns + ["source"] * len(extra))
            writer.writerows([*row, *extra] for row in rows)
    with open(folder / "timing.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["frame", "fps", "wall_t"], *([frame, 10.0, frame / 10.0 + index] for frame in frames)])
    metrics = session_metrics(frames, total_reward, [frame // 10 for frame in frames])
    record = {
        "spec_name": "ppo_hand",
        "spec_hash": f"hash{index}",
        "trial": 0,
        "session": index,
        "state": "finished",
        "backend": "eager",
        "frames": frames[-1],
        "opt_step": frames[-1] // 10,
        "wall_time_s": 10.0 + index,
        "metrics": {name: None if math.isnan(value) else value for name, value in metrics.items()},
        "versions": {"git_commit": "c0ffee"},
        "code_fingerprint": "f00d",
    }
    (folder / "session.json").write_text(json.dumps(record))


def _blank(value: float) -> float | str:
    return "" if math.isnan(value) else value


@pytest.fixture
def make_trial(tmp_path: Path) -> Callable[..., Trial]:
    def make(*total_rewards: Sequence[float], **settings: Any) -> Trial:
        trial = Trial(tmp_path / "hand" / "trial0")
        trial.folder.mkdir(parents=True)
        spec = {"agent": {"algorithm": {"name": "PPO"}}, "env": {"name": "CartPole-v1"}, "meta": {}}
        hashes = {str(index): f"hash{index}" for index in range(8)}
        origin = {"experiment": "hand", "trial": 0, "session_hashes": hashes}
        trial.spec.write_text(json.dumps({"ppo_hand": spec, "_trial": origin}))
        trial.write_baseline(mean=0.0)
        for index, total_reward in enumerate(total_rewards):
            write_session(trial.session(index), index, total_reward, **settings)
        return trial

    return make
