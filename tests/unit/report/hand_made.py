"""Results made by hand, as a run of the workflow leaves them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from slm.analysis.metrics import session_metrics, total_reward_ma
from slm.analysis.trial import write_trial
from slm.plan import Experiment, Row, read_sheet, write_trial_spec

ROOT = Path(__file__).parents[3]
RANDOM_MEAN = 20.0
VERSIONS = {"python": "3.11.7", "torch": "2.13.0", "numpy": "2.4.6", "git_commit": "c0ffee00c0ffee", "git_dirty": False}


def shipped_rows() -> list[Row]:
    """The shipped sample sheet, its spec files found from anywhere."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/benchmarks.schema.yaml").read_text())
    return read_sheet(ROOT / "config/benchmarks.tsv", schema)


def shipped_row(experiment: str) -> Row:
    return next(row for row in shipped_rows() if row.experiment == experiment)


def write_session(folder: Path, row: Row, number: int, total_reward: Sequence[float], **record: Any) -> None:
    """A finished session with a checkpoint every 500 frames; `record` changes its session.json."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = [500 * (i + 1) for i in range(len(total_reward))]
    train = pd.DataFrame(
        {
            "frame": frames,
            "total_reward": total_reward,
            "total_reward_ma": [total_reward_ma(total_reward[: i + 1]) for i in range(len(frames))],
            "episodes": range(len(frames)),
            "opt_step": [frame // 10 for frame in frames],
            "loss": 0.5,
            "lr": 0.01,
        }
    )
    train.to_csv(folder / "train.csv", index=False)
    train.assign(source="train").to_csv(folder / "eval.csv", index=False)
    timing = pd.DataFrame({"frame": frames, "fps": 1000.0, "wall_t": [frame / (1000.0 + number) for frame in frames]})
    timing.to_csv(folder / "timing.csv", index=False)
    for name in ("model.pt", "best.pt"):
        (folder / name).write_bytes(f"{name} of session {number}".encode())
    metrics = session_metrics(frames, total_reward, train["opt_step"])
    content = {
        "spec_name": row.spec_name,
        "spec_hash": Experiment(row, "eager").session_hash(0, number),
        "trial": 0,
        "session": number,
        "state": "finished",
        "backend": "eager",
        "frames": frames[-1],
        "opt_step": frames[-1] // 10,
        "wall_time_s": 60.0 + number,
        "metrics": {name: value if math.isfinite(value) else None for name, value in metrics.items()},
        "versions": VERSIONS,
        "code_fingerprint": "f00d",
        "processor": "Abacus 3000",
    }
    (folder / "session.json").write_text(json.dumps(content | record))


def write_run(results: Path, row: Row, sessions: Sequence[Sequence[float] | None]) -> Path:
    """The results of a row with the total_reward of each session's checkpoints, None for a session that is missing.

    Returns the trial's folder.
    """
    folder = results / "experiments" / row.experiment / "trial0"
    write_trial_spec(
        row.spec_file, row.spec_name, row.variables, experiment=row.experiment, trial=0, backend="eager",
        expect=None, out=folder / "spec.json",
    )  # fmt: skip
    for number, total_reward in enumerate(sessions):
        if total_reward is not None:
            write_session(folder / f"session{number}", row, number, total_reward)
    name = json.loads((folder / "spec.json").read_text())[row.spec_name]["env"]["name"]
    baseline = results / "baselines" / f"{row.experiment}.json"
    baseline.parent.mkdir(parents=True, exist_ok=True)
    baseline.write_text(json.dumps({"name": name, "mean": RANDOM_MEAN, "std": 1.0, "episodes": 100}))
    folders = [folder / f"session{number}" for number in range(len(sessions))]
    write_trial(folder / "spec.json", baseline, folders, len(sessions), folder, allow_incomplete=True)
    return folder
