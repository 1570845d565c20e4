"""The sheet and the specs of the whole benchmark matrix: 238 experiments on 73 environments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slm.plan import Experiment, Plan, make_plan, read_sheet
from slm.spec import PPOSpec, actor_net_spec, read_file

ROOT = Path(__file__).parents[3]
EXPERIMENTS = {"classic_control": 18, "box2d": 10, "mujoco": 33, "atari": 177}
ENVIRONMENTS = {"classic_control": 3, "box2d": 2, "mujoco": 11, "atari": 57}
FREQUENCY = {"classic_control": 500, "box2d": 1000, "mujoco": 10000, "atari": 10000}
NUM_ENVS = {"classic_control": 4, "box2d": 8, "mujoco": 16, "atari": 16}
SPARSELY_EVALUATED = {"sac_acrobot": 5000, "sac_pendulum": 5000, "crossq_pendulum": 5000}
FOLDERS = {
    **{"PPO": "ppo", "A2C": "a2c", "DQN": "dqn", "DDQN+PER": "ddqn_per"},
    **{"REINFORCE": "reinforce", "SARSA": "sarsa", "SAC": "sac", "CrossQ": "crossq"},
}
ALGORITHMS = {
    **{"PPO": "PPO", "A2C": "ActorCritic", "DQN": "DQN", "DDQN+PER": "DoubleDQN"},
    **{"REINFORCE": "Reinforce", "SARSA": "SARSA", "SAC": "SoftActorCritic", "CrossQ": "CrossQ"},
}


@pytest.fixture(scope="module")
def matrix(sheet_schema: dict[str, Any]) -> Iterator[Plan]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        plan = make_plan(read_sheet(Path("config/benchmarks.tsv"), sheet_schema), EXPERIMENTS, "eager", False)
        assert plan.check() == []
        yield plan


@pytest.fixture(scope="module", params=EXPERIMENTS)
def suite(request: pytest.FixtureRequest, matrix: Plan) -> tuple[str, list[Experiment]]:
    return request.param, matrix.suite(request.param)


def test_the_matrix_has_238_experiments_and_no_two_alike(matrix: Plan) -> None:
    assert len(matrix.experiments) == 238
    assert len({experiment.trial_hash(0) for experiment in matrix.experiments.values()}) == 238


def test_a_suite_has_its_experiments_and_environments(suite: tuple[str, list[Experiment]]) -> None:
    name, experiments = suite
    assert len(experiments) == EXPERIMENTS[name]
    assert len({experiment.row.env for experiment in experiments}) == ENVIRONMENTS[name]


def test_a_row_says_what_its_spec_says(suite: tuple[str, list[Experiment]]) -> None:
    name, experiments = suite
    for experiment in experiments:
        row, spec = experiment.row, experiment.spec
        assert row.env is not None
        assert row.algorithm is not None
        folder, game = FOLDERS[row.algorithm], row.env.split("/")[-1].split("-")[0].lower()
        assert row.experiment == f"{folder}_{game}"
        assert row.spec_file == Path(f"specs/benchmark/{folder}/{folder}_{name.removesuffix('_control')}.yaml")
        assert spec.env.name == row.env
        assert spec.agent.algorithm.name == ALGORITHMS[row.algorithm]
        assert (spec.agent.memory.name == "PrioritizedReplay") == (row.algorithm == "DDQN+PER")


def test_a_suite_is_measured_and_repeated_alike(suite: tuple[str, list[Experiment]]) -> None:
    name, experiments = suite
    for experiment in experiments:
        meta, env = experiment.spec.meta, experiment.spec.env
        assert meta.log_frequency == FREQUENCY[name]
        assert meta.eval_frequency == SPARSELY_EVALUATED.get(experiment.row.experiment, FREQUENCY[name])
        assert (meta.max_session, meta.distributed, env.num_envs) == (4, False, NUM_ENVS[name])


def test_a_suite_trains_for_its_frames(suite: tuple[str, list[Experiment]]) -> None:
    name, experiments = suite
    frames = Counter(experiment.spec.env.max_frame for experiment in experiments)
    millions = {count: rows for count, rows in frames.items() if count >= 10**6}
    if name == "classic_control":
        assert frames == {200_000: 8, 300_000: 10}
    elif name == "box2d":
        assert frames == {300_000: 10}
    elif name == "mujoco":
        assert frames == millions == {10**6: 4, 2 * 10**6: 9, 3 * 10**6: 5, 4 * 10**6: 8, 7 * 10**6: 2, 10**7: 5}
    else:
        assert frames == {10**7: 2 * 57, 2 * 10**6: 57 + 6}
        assert all(experiment.spec.env.kwargs == {"life_loss_info": True} for experiment in experiments)


def test_published_scores_have_their_source_and_a_target_outside_atari(matrix: Plan) -> None:
    for experiment in matrix.experiments.values():
        row = experiment.row
        assert row.published is not None
        assert row.source == "SLM Lab v5.3.0 (kengz/SLM-Lab benchmark page, March 2026)"
        assert (row.target is None) == ("atari" in row.suites)


@pytest.mark.parametrize(
    ("experiment", "published", "target", "max_frame"),
    [
        ("ppo_cartpole", 498.94, 400, 200_000),
        ("crossq_acrobot", -103.13, -100, 300_000),
        ("a2c_pendulum", -820.74, -200, 300_000),
        ("dqn_lunarlander", 195.21, 200, 300_000),
        ("crossq_lunarlandercontinuous", 268.91, 200, 300_000),
        ("ppo_humanoidstandup", 150104.59, 100_000, 4_000_000),
        ("sac_walker2d", 3123.66, 3500, 3_000_000),
        ("crossq_invertedpendulum", 877.83, 1000, 7_000_000),
        ("ppo_pong", 16.69, None, 10_000_000),
        ("a2c_tennis", -2873, None, 10_000_000),
        ("sac_freeway", 0, None, 2_000_000),
        ("crossq_breakout", 4.4, None, 2_000_000),
    ],
)
def test_published_numbers(
    matrix: Plan, experiment: str, published: float, target: float | None, max_frame: int
) -> None:
    chosen = matrix.experiments[experiment]
    assert (chosen.row.published, chosen.row.target, chosen.spec.env.max_frame) == (published, target, max_frame)


@pytest.mark.parametrize(
    ("experiment", "gamma", "lam", "horizon", "rate"),
    [
        ("ppo_lunarlandercontinuous", 0.9858, 0.9758, 640, 2.67e-4),
        ("ppo_walker2d", 0.99, 0.95, 2048, 3e-4),
        ("ppo_reacher", 0.997, 0.97, 2048, 2e-4),
        ("ppo_invertedpendulum", 0.999, 0.9, 32, 5.7e-4),
        ("ppo_alien", 0.99, 0.95, 128, 2.5e-4),
        ("ppo_pong", 0.99, 0.85, 128, 2.5e-4),
        ("ppo_videopinball", 0.99, 0.7, 128, 2.5e-4),
    ],
)
def test_published_settings_of_ppo(
    matrix: Plan, experiment: str, gamma: float, lam: float, horizon: int, rate: float
) -> None:
    spec = matrix.experiments[experiment].spec
    algorithm = spec.agent.algorithm
    assert isinstance(algorithm, PPOSpec)
    assert (algorithm.gamma, algorithm.lam, algorithm.time_horizon) == (gamma, lam, horizon)
    assert actor_net_spec(spec).optim_spec["lr"] == rate


def test_a_learning_rate_that_falls_reaches_zero_at_the_last_frame(matrix: Plan) -> None:
    falling = 0
    for experiment in matrix.experiments.values():
        schedule = experiment.spec.agent.net.lr_scheduler_spec
        if schedule is not None:
            falling += 1
            assert schedule == {"name": "LinearToZero", "frame": experiment.spec.env.max_frame}
    assert falling == 57 + 3 + 2


def test_every_benchmark_spec_has_a_row(matrix: Plan) -> None:
    used = {(experiment.row.spec_file, experiment.row.spec_name) for experiment in matrix.experiments.values()}
    files = sorted((ROOT / "specs/benchmark").glob("*/*"))
    assert used == {(file.relative_to(ROOT), name) for file in files for name in read_file(file)}
