"""The whole benchmark matrix: every experiment is built, and every kind of experiment trains, from sheet to table."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from short_specs import MAX_FRAME, make_short
from snakemake_project import ROOT, Project
from torch import Tensor

from slm.algorithms import Spaces, make_algorithm
from slm.backend import EagerBackend
from slm.checkpoint import from_bytes
from slm.env import make_world
from slm.plan import Experiment, Plan, make_plan, read_sheet
from slm.session import Session
from slm.spec import EnvSpec, canonical, load_spec

pytestmark = [pytest.mark.workflow, pytest.mark.matrix]

# Of each environment type, one that all its algorithms are run on and whose random games are short.
ENVIRONMENTS = {
    "classic_control": "CartPole-v1",
    "box2d": "LunarLander-v3",
    "mujoco": "InvertedPendulum-v5",
    "atari": "ALE/Breakout-v5",
}
OPT_STEPS = 3
STEPS = 3


@pytest.fixture(scope="module")
def matrix() -> Plan:
    """The plan of all suites, every spec read and checked."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/benchmarks.schema.yaml").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        plan = make_plan(read_sheet(Path("config/benchmarks.tsv"), schema), ENVIRONMENTS, "eager", False)
        assert plan.check() == []
    return plan


def test_every_experiment_is_built_on_its_environment(matrix: Plan) -> None:
    """Each distinct environment is made and steps; each experiment's agent fits it and has finite weights."""
    experiments = list(matrix.experiments.values())
    environments = {experiment.baseline_key: experiment.spec.env for experiment in experiments}
    spaces = {key: step_world(env) for key, env in environments.items()}
    assert (len(experiments), len(spaces)) == (238, 73)
    built = set()
    for experiment in experiments:
        seen = spaces[experiment.baseline_key]
        # Games with the same number of actions share their agent.
        identity = json.dumps(canonical(experiment.spec)["agent"], sort_keys=True), str(seen)
        if identity not in built:
            built.add(identity)
            algorithm = make_algorithm(experiment.spec, seen)
            agent = algorithm.init(seed=0)
            assert_finite({name: agent[name] for name in algorithm.networks})
    assert len(built) > 60


def test_every_algorithm_trains_on_every_environment_type(matrix: Plan, tmp_path: Path) -> None:
    chosen = one_of_each_pair(matrix)
    assert len(chosen) == 21
    project = make_short(tmp_path / "project", chosen)
    project.finish()
    for experiment in chosen:
        assert_learned(project, experiment.row.experiment)
    for suite in ENVIRONMENTS:
        assert_tabled(project, suite, [experiment for experiment in chosen if suite in experiment.row.suites])
    assert project.planned() == {}


def step_world(env: EnvSpec) -> Spaces:
    """Make the environment and take some random steps in it; what an agent sees and does there."""
    world = make_world(env.model_copy(update={"num_envs": 1}), gamma=0.99)
    spaces = Spaces(world.observation_space, world.action_space, num_envs=env.num_envs)
    shape, kind = spaces.observation_type
    observations = [world.reset([0])]
    world.action_space.seed(0)
    for _ in range(STEPS):
        step = world.step(np.asarray(world.action_space.sample())[np.newaxis])
        observations.append(step.observations)
        assert np.isfinite(step.rewards).all()
    for seen in observations:
        assert (seen.shape, seen.dtype) == ((1, *shape), kind), env.name
        assert np.isfinite(seen).all(), env.name
    world.close()
    return spaces


def one_of_each_pair(matrix: Plan) -> list[Experiment]:
    """For each algorithm of each suite the experiment on the suite's environment here."""
    pairs = {
        (suite, experiment.row.algorithm): experiment
        for suite, env in ENVIRONMENTS.items()
        for experiment in matrix.suite(suite)
        if experiment.row.env == env
    }
    assert pairs.keys() == {
        (suite, experiment.row.algorithm) for suite in ENVIRONMENTS for experiment in matrix.suite(suite)
    }
    return list(pairs.values())


def assert_learned(project: Project, experiment: str) -> None:
    """The session's gradient steps were counted, and every network has other weights than at its start."""
    trial = project.path / f"results/experiments/{experiment}/trial0"
    record = json.loads((trial / "session0/session.json").read_text())
    assert (record["state"], record["frames"]) == ("finished", MAX_FRAME), experiment
    assert record["opt_step"] >= OPT_STEPS, experiment
    session = Session(load_spec(trial / "spec.json", experiment), trial=0, session=0, backend=EagerBackend())
    initial = session.model(session.state.agent, 0, None)["networks"]
    trained = from_bytes((trial / "session0/model.pt").read_bytes())["networks"]
    assert trained.keys() == initial.keys()
    for name, weights in trained.items():
        assert weights.keys() == initial[name].keys()
        assert_finite(weights)
        assert any(not torch.equal(weights[key], initial[name][key]) for key in weights), f"{experiment}: {name}"


def assert_tabled(project: Project, suite: str, experiments: Iterable[Experiment]) -> None:
    """The suite's table has a row for each experiment: with its score, or saying that no episode has finished."""
    with (project.path / f"results/reports/{suite}/table.csv").open(newline="") as file:
        rows = {row["experiment"]: row for row in csv.DictReader(file)}
    assert list(rows) == [experiment.row.experiment for experiment in experiments]
    for experiment in experiments:
        row = rows[experiment.row.experiment]
        folder = project.path / f"results/experiments/{experiment.row.experiment}/trial0/session0"
        score = json.loads((folder / "session.json").read_text())["metrics"]["total_reward_ma"]
        random = json.loads((project.path / experiment.baseline).read_text())["mean"]
        assert (row["env"], row["algorithm"]) == (experiment.row.env, experiment.row.algorithm)
        assert (row["sessions_asked"], row["frames"], row["verdict"]) == ("1", str(MAX_FRAME), "undecided")
        assert float(row["random"]) == pytest.approx(random)
        if score is None:
            assert (row["score"], row["sessions"], row["note"]) == ("", "0", "no score: session 0")
        else:
            assert (float(row["score"]), row["sessions"], row["note"]) == (pytest.approx(score), "1", "")


def assert_finite(weights: dict[str, Tensor]) -> None:
    """There are weights, and all of them are finite numbers."""
    assert weights
    assert all(torch.isfinite(values).all() for values in weights.values())
