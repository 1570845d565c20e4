"""The benchmark scripts run; what they measure is nobody's business here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def output_of(script: str, *arguments: str) -> str:
    """What a script prints. Fails where it fails."""
    environment = {**os.environ, "PYTHONPATH": str(BENCHMARKS.parent)}
    command = [sys.executable, str(BENCHMARKS / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_sessions_are_compared() -> None:
    lines = output_of("bench_session.py", "--repeats", "1", "--scale", "0.1", "a2c", "dqn").splitlines()
    assert lines[0].split()[:4] == ["case", "compiled", "sb3", "ratio"]
    assert [line.split()[0] for line in lines[1:]] == ["a2c", "dqn"]
    assert all(float(number) > 0 for line in lines[1:] for number in line.split()[1:])


# By hand, with 128 rows a minibatch and both nets: (4·64 + 64·64 + 64·2 + 4·64 + 64·64 + 64·1) · 128 · 3.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "count"),
    [
        ("ppo", "3,416,064"),
        ("a2c", "3,416,064"),
        # 64 rows, 4·256 + 256·128 + 128·2: the values of s (1 + 2) and those of s' (1, Double DQN 2).
        ("dqn", "8,716,288"),
        ("ddqn_per", "10,895,360"),
        # 256 rows; actor 3·256 + 256·256 + 2·256·1: 1 + 3; two critics 4·256 + 256·256 + 256: 1 + 3 + 2.
        ("sac", "273,678,336"),
    ],
)
def test_multiply_adds_are_counted(case: str, count: str) -> None:
    printed = output_of("limits.py", "--seconds", "0.001", case)
    assert f"{count} multiply-adds an update" in printed
    assert "frames/s" in printed


@pytest.mark.slow
def test_long_sessions_are_measured() -> None:
    header, line = output_of("bench_long.py", "--scale", "0.1", "a2c").splitlines()
    assert header.split() == ["case", "frames", "early", "late", "ratio", "log", "eval", "checkpoints"]
    name, frames, *numbers = line.replace("%", "").split()
    assert (name, frames) == ("a2c", "40960")
    assert all(float(number) >= 0 for number in numbers)


@pytest.mark.slow
def test_a_session_is_profiled() -> None:
    printed = output_of("profile_session.py", "a2c", "--frames", "2048", "--functions", "5")
    assert [part for part in ("act", "step", "add", "train", "loop") if f"  {part}" in printed] == [
        "act", "step", "add", "train", "loop",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.workflow
def test_the_workflow_is_timed() -> None:
    printed = output_of("bench_workflow.py", "--frames", "2048")
    assert "trial of 4 sessions of 2048 frames" in printed
    assert "peak memory" in printed


@pytest.mark.slow
@pytest.mark.workflow
def test_planning_is_timed() -> None:
    first, second = output_of("bench_planning.py", "--experiments", "239").splitlines()
    found = re.fullmatch(r"239 experiments, (\d+) jobs", first)  # the shipped ones and one more
    assert found, first
    assert int(found[1]) >= 239 * 8, "each: plan, four sessions, two statistics, an episode"
    assert second.endswith(" MB")


@pytest.mark.slow
def test_speeds_are_a_table_like_the_one_they_are_kept_in() -> None:
    printed = output_of("speeds.py", "classic_control", "--algorithm", "SARSA", "--seconds", "0.5")
    header, line = printed.splitlines()
    assert header == (BENCHMARKS.parent / "slm/plan/fps.tsv").read_text().splitlines()[0]
    suite, algorithm, fps, measured = line.split("\t")
    assert (suite, algorithm) == ("classic_control", "SARSA")
    assert float(fps) > 0
    assert re.fullmatch(r"CartPole-v1, [\d,]+ frames", measured)


@pytest.mark.slow
def test_costs_are_frames_over_speed() -> None:
    rows = [line.split("\t") for line in output_of("costs.py").splitlines()]
    costs = {row[1]: row for row in rows[1:]}
    assert len(costs) == 238
    fps = float(costs["ppo_invertedpendulum"][4])
    assert costs["ppo_invertedpendulum"][2:4] == ["4", "4000000"]
    assert costs["ppo_invertedpendulum"][5] == f"{4 * 4_000_000 / fps / 3600:.2f}"
