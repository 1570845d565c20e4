"""Agents learn: the benchmark's own specs, shortened, against scores that a broken algorithm misses.

Each threshold lies below what the worst of several seeds reached in the given frames, and far above an agent that
learns nothing (CartPole about 20, Acrobot -500, Pendulum -1200).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pytest

from slm.backend import configure_process, make_backend
from slm.session import Session, Tables
from slm.spec import load_spec

pytestmark = pytest.mark.learning

SPECS = Path(__file__).parents[2] / "specs" / "benchmark"


@dataclass(frozen=True)
class Row:
    """A spec, how long to train, and the mean return of the last 100 episodes to reach on average of the seeds."""

    file: str
    name: str
    frames: int
    threshold: float
    sessions: int = 2


ROWS = [
    Row("ppo/ppo_classic.yaml", "ppo_cartpole", 80_000, 400.0),
    Row("ppo/ppo_classic.yaml", "ppo_acrobot", 100_000, -130.0),
    Row("ppo/ppo_classic.yaml", "ppo_pendulum", 100_000, -700.0),
    Row("a2c/a2c_classic.yaml", "a2c_cartpole", 100_000, 300.0),
    Row("reinforce/reinforce_classic.yaml", "reinforce_cartpole", 100_000, 300.0),
    Row("sarsa/sarsa_classic.yaml", "sarsa_cartpole", 100_000, 300.0),
    Row("dqn/dqn_classic.yaml", "dqn_acrobot", 50_000, -150.0),
    Row("ddqn_per/ddqn_per_classic.yaml", "ddqn_per_cartpole", 40_000, 200.0),
    Row("sac/sac_classic.yaml", "sac_pendulum", 10_000, -500.0),
    Row("sac/sac_classic.yaml", "sac_cartpole", 12_000, 100.0),
    Row("crossq/crossq_classic.yaml", "crossq_pendulum", 10_000, -500.0),
]


class LastRow:
    """A table that keeps only its last row."""

    def __init__(self) -> None:
        self.row: dict[str, float] = {}

    def append(self, row: dict[str, float]) -> None:
        """Replace the row."""
        self.row = dict(row)


def final_score(row: Row, session: int) -> float:
    """Mean return of the last 100 episodes after ``row.frames`` frames."""
    spec = load_spec(SPECS / row.file, row.name)
    spec = spec.model_copy(update={"env": spec.env.model_copy(update={"max_frame": row.frames})})
    table = LastRow()
    Session(spec, 0, session, make_backend("auto")).run(
        Tables(table, LastRow(), LastRow()),  # type: ignore[arg-type]
        lambda: None,
    )
    return table.row["total_reward"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_reaches_score(row: Row) -> None:
    configure_process(threads=1)
    scores = [final_score(row, session) for session in range(row.sessions)]
    assert math.fsum(scores) / row.sessions >= row.threshold, scores
