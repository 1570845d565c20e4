"""The tables of a search, made by hand: 12 trials, of which 9 were stopped early."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

GAMMA, LR, HIDDEN = "agent.algorithm.gamma", "agent.net.optim_spec.lr", "agent.net.hid_layers"
KEYS = [GAMMA, HIDDEN, LR]


def ranking(pruned: bool = True) -> pd.DataFrame:
    rows = [
        {
            "trial": trial,
            GAMMA: 0.9 + 0.008 * trial,
            HIDDEN: "[64]" if trial % 2 else "[64, 64]",
            LR: 10 ** (-4 + 0.2 * trial),
            "state": "finished" if trial in (4, 6, 7) or not pruned else "pruned",
            "score": 400.0 - 40 * abs(trial - 6) + 3 * math.sin(trial),
            "frames": 9000 if trial in (4, 6, 7) or not pruned else 1000,
        }
        for trial in range(1, 13)
    ]
    return pd.DataFrame(rows).sort_values(["state", "score"], ascending=[True, False], ignore_index=True)


def decisions() -> pd.DataFrame:
    columns = ["sequence", "trial", "resource", "score", "decision"]
    first = [(t, t, 1000, 1.0, "go" if t in (2, 4, 6, 7) else "stop") for t in range(1, 13)]
    second = [(12 + i, t, 3000, 1.0, "stop" if t == 2 else "go") for i, t in enumerate((2, 4, 6, 7), start=1)]
    return pd.DataFrame([*first, *second], columns=columns)


def validation() -> pd.DataFrame:
    best = ranking().head(2)
    return best.assign(
        search_rank=[1, 2], search_score=best["score"], validating_trial=best["trial"] + 10_000,
        score=[380.0, 350.0], ci_low=[370.0, 300.0], ci_high=[390.0, 400.0], sessions=[4, 4],
    )  # fmt: skip


def write_search(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, table in (("experiment", ranking()), ("search", decisions()), ("validation", validation())):
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder
