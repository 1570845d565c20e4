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

BENCHMARK = Path(__file__).parents[2] / "specs" / "benchmark"
OWN = Path(__file__).parent / "specs"
EVALUATION_EPISODES = 4
"""As many as the specs have environments, so that evaluating needs no graph of its own."""


@dataclass(frozen=True)
class Row:
    """A spec, how long to train, and the score to reach on average of the seeds.

    The score is the mean return of the last 100 episodes, or, for agents that learn within fewer episodes than that,
    of fresh episodes at the end.
    """

    file: Path
    name: str
    frames: int
    threshold: float
    fresh_episodes: bool = False
    sessions: int = 2


ROWS = [
    Row(BENCHMARK / "ppo/ppo_classic.yaml", "ppo_cartpole", 80_000, 400.0),
    Row(BENCHMARK / "ppo/ppo_classic.yaml", "ppo_acrobot", 100_000, -130.0),
    Row(BENCHMARK / "ppo/ppo_classic.yaml", "ppo_pendulum", 100_000, -700.0),
    Row(BENCHMARK / "a2c/a2c_classic.yaml", "a2c_cartpole", 150_000, 300.0),
    Row(BENCHMARK / "reinforce/reinforce_classic.yaml", "reinforce_cartpole", 100_000, 300.0),
    Row(BENCHMARK / "sarsa/sarsa_classic.yaml", "sarsa_cartpole", 100_000, 300.0),
    # At 40,000 frames the last 100 episodes still hold the first ones (ten seeds: -101 to -182; at 60,000 -93 to -108).
    Row(BENCHMARK / "dqn/dqn_classic.yaml", "dqn_acrobot", 60_000, -150.0),
    Row(BENCHMARK / "ddqn_per/ddqn_per_classic.yaml", "ddqn_per_cartpole", 40_000, 200.0),
    Row(BENCHMARK / "sac/sac_classic.yaml", "sac_pendulum", 9_000, -500.0, fresh_episodes=True),
    # Of six seeds one has not learned by then (-963; the others -62 to -227), and why is not known.
    Row(OWN / "crossq_pendulum.yaml", "crossq_pendulum", 20_000, -500.0, fresh_episodes=True, sessions=4),
]


class LastRow:
    """A table that keeps only its last row."""

    def __init__(self) -> None:
        self.row: dict[str, float] = {}

    def append(self, row: dict[str, float]) -> None:
        """Replace the row."""
        self.row = dict(row)


def final_score(row: Row, session: int) -> float:
    """The score of one session after ``row.frames`` frames."""
    spec = load_spec(row.file, row.name)
    meta = {"rigorous_eval": EVALUATION_EPISODES if row.fresh_episodes else 0, "eval_frequency": row.frames}
    spec = spec.model_copy(
        update={
            "env": spec.env.model_copy(update={"max_frame": row.frames}),
            "meta": spec.meta.model_copy(update=meta),
        }
    )
    table = LastRow()
    Session(spec, 0, session, make_backend("auto")).run(
        Tables(LastRow(), table, LastRow()),
        lambda: None,
    )
    return table.row["total_reward"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_reaches_score(row: Row) -> None:
    configure_process(threads=1)
    scores = [final_score(row, session) for session in range(row.sessions)]
    assert math.fsum(scores) / row.sessions >= row.threshold, scores
