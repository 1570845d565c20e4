"""Agents learn with Hogwild, in both modes.

The thresholds lie below what several runs reached (204 to 231 on CartPole, -215 to -131 on Pendulum, beside another
busy process) and far above an agent that learns nothing (22 and -1200). A worker is evaluated at its own end, when the
others may have trained little if they started late; so each has frames enough to learn even alone. That workers share
what they learn is for the unit tests to show.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from slm.backend import configure_process, make_backend
from slm.distributed import Trial, train_trial
from slm.spec import load_spec

pytestmark = pytest.mark.learning

SPECS = Path(__file__).parent / "specs/hogwild.yaml"


def final_scores(name: str, mode: str, folder: Path) -> list[float]:
    """The last score of each worker, in the table that evaluates it."""
    spec = load_spec(SPECS, name, {"mode": mode})
    configure_process(threads=1)
    train_trial(Trial(spec, 0, folder / "out", folder / "inprogress", 60.0), make_backend("auto"))
    scores = []
    for number in range(spec.meta.max_session):
        with (folder / f"out/session{number}/eval.csv").open() as table:
            scores.append(float(list(csv.DictReader(table))[-1]["total_reward"]))
    return scores


@pytest.mark.parametrize("mode", ["shared", "synced"])
@pytest.mark.parametrize(("name", "threshold"), [("a3c_cartpole", 150.0), ("async_sac_pendulum", -300.0)])
def test_hogwild_reaches_score(name: str, threshold: float, mode: str, tmp_path: Path) -> None:
    scores = final_scores(name, mode, tmp_path)
    assert sum(scores) / len(scores) >= threshold, scores
