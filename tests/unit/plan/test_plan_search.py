"""Experiments in search mode: their trials, settings, seeds and hashes, and mistakes in what is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from slm.errors import UserError
from slm.plan import SearchExperiment, make_plan, ranked_trials, read_sheet
from slm.plan.sampling import GENERATION, Scored, draw_generation, draw_up_front, grid
from slm.plan.trial_spec import write_trial_spec
from slm.spec import VALIDATION, SearchVariable, load_spec, session_hash

ROOT = Path(__file__).parents[3]
SEARCH = {"agent.algorithm.gamma__uniform": [0.9, 0.99], "agent.net.hid_layers__choice": [[8], [16]]}
GRID = {"agent.net.hid_layers__choice": [[8], [16]], "agent.algorithm.training_frequency__qrandint": [8, 24, 8]}
MakeSearch = Callable[..., SearchExperiment]


@pytest.fixture
def searched(write_sheet: Callable[..., Path], sheet_schema: dict[str, Any], tmp_path: Path) -> MakeSearch:
    """The experiment of a spec with a search block, with changes to its meta and with other search blocks."""

    def make(search: Any = SEARCH, env: dict[str, Any] | None = None, **meta: Any) -> SearchExperiment:
        raw = yaml.safe_load((ROOT / "tests/workflow/specs/tiny.yaml").read_text())["tiny_ppo"]
        raw["meta"] |= {"max_trial": 6, **meta}
        raw["env"] |= env or {}
        if search is not None:
            raw["search"] = search
        # One file each: specs are read when they are first asked for.
        file = tmp_path / f"spec{len(list(tmp_path.glob('spec*')))}.json"
        file.write_text(json.dumps({"mine": raw}))
        sheet = write_sheet({"spec_file": str(file), "spec_name": "mine", "mode": "search"})
        experiment = make_plan(read_sheet(sheet, sheet_schema), (), "eager", False).experiments["tiny"]
        assert isinstance(experiment, SearchExperiment)
        return experiment

    return make


def test_each_trial_has_settings_of_its_own(searched: MakeSearch) -> None:
    experiment = searched()
    assert list(experiment.trials) == [1, 2, 3, 4, 5, 6]
    specs = [experiment.trial_spec(trial) for trial in experiment.trials]
    gammas = [spec.agent.algorithm.gamma for spec in specs]
    assert len(set(gammas)) == 6
    assert all(0.9 <= gamma <= 0.99 for gamma in gammas)
    assert {tuple(spec.agent.net.hid_layers) for spec in specs} == {(8,), (16,)}
    assert [spec.agent.algorithm.gamma for spec in specs] == [
        experiment.settings(trial)["agent.algorithm.gamma"] for trial in experiment.trials
    ]
    assert len({experiment.session_hash(trial, 0) for trial in experiment.trials}) == 6


def test_a_longer_search_keeps_its_trials_and_their_hashes(searched: MakeSearch) -> None:
    for sampler in ("quasi_random", "random"):
        short, long = searched(search_sampler=sampler), searched(search_sampler=sampler, max_trial=11)
        assert [short.session_hash(trial, 0) for trial in short.trials] == [
            long.session_hash(trial, 0) for trial in short.trials
        ]


def test_another_seed_draws_other_settings(searched: MakeSearch) -> None:
    assert searched().settings(2) != searched(random_seed=1).settings(2)


def test_with_a_scheduler_trials_have_one_session_and_its_hash_depends_on_the_whole_search(
    searched: MakeSearch,
) -> None:
    free = searched()
    scheduler = {"grace_period": 32, "reduction_factor": 3}
    scheduled = searched(search_scheduler=scheduler)
    assert list(free.sessions(1)) == [0, 1]
    assert list(scheduled.sessions(1)) == [0]
    assert "one session each" in " ".join(scheduled.check())
    assert free.session_hash(1, 0) != scheduled.session_hash(1, 0)
    # The trial is the same in both, so that it is not trained again where nothing can stop it.
    other = searched(search_scheduler={**scheduler, "grace_period": 64})
    assert other.session_hash(1, 0) != scheduled.session_hash(1, 0)
    validating = VALIDATION + 1
    assert list(scheduled.sessions(validating)) == [0, 1]
    assert free.session_hash(validating, 0) == scheduled.session_hash(validating, 0)
    assert scheduled.search(validating) is None
    assert scheduled.trial_spec(validating).meta.search_scheduler is None


def test_no_seed_serves_two_purposes(searched: MakeSearch) -> None:
    experiment = searched(max_trial=100)
    tuning = set(experiment.trials)
    assert 0 not in tuning  # of which train mode's seeds are made
    assert not tuning & {VALIDATION + trial for trial in tuning}
    assert experiment.best([7, 3, 5, 1]) == [VALIDATION + 7, VALIDATION + 3, VALIDATION + 5]


def test_a_validating_trial_has_the_sessions_that_the_spec_states(searched: MakeSearch) -> None:
    experiment = searched({**SEARCH, "meta.max_session__choice": [3]})
    assert len(experiment.sessions(1)) == 3
    assert len(experiment.sessions(VALIDATION + 1)) == 2
    assert "meta.max_session" not in experiment.settings(VALIDATION + 1)


def test_the_trial_spec_of_a_search_loads_to_the_planned_hash(searched: MakeSearch, tmp_path: Path) -> None:
    experiment = searched(search_scheduler={"grace_period": 32})
    out, row = tmp_path / "trial/spec.json", experiment.row
    write_trial_spec(
        row.spec_file, row.spec_name, {}, experiment="tiny", trial=2, backend="eager",
        expect=experiment.trial_hash(2), out=out, settings=experiment.settings(2), search=experiment.search(2),
    )  # fmt: skip
    origin = json.loads(out.read_text())["_trial"]
    assert origin["settings"] == experiment.settings(2)
    loaded = load_spec(out, "mine")
    found = session_hash(loaded, trial=2, session=0, backend="eager", search=origin["search"])
    assert found == origin["session_hashes"]["0"] == experiment.session_hash(2, 0)


def test_settings_of_shared_yaml_maps_stay_apart(searched: MakeSearch, tmp_path: Path) -> None:
    text = (ROOT / "specs/examples/search_with_early_stopping.yaml").read_text()
    text = text.replace("actor_optim_spec: {", "actor_optim_spec: &optim {", 1)
    text = text.replace("critic_optim_spec: {name: Adam, lr: 1.0e-3}", "critic_optim_spec: *optim")
    experiment = searched()
    (tmp_path / "shared.yaml").write_text(text)
    row = type(experiment.row)(**{**vars(experiment.row), "spec_file": tmp_path / "shared.yaml",
                                  "spec_name": "a2c_cartpole_search"})  # fmt: skip
    net = SearchExperiment(row, "eager").trial_spec(1).agent.net
    settings = SearchExperiment(row, "eager").settings(1)
    assert net.actor_optim_spec["lr"] == settings["agent.net.actor_optim_spec.lr"]  # type: ignore[union-attr]
    assert net.critic_optim_spec["lr"] == settings["agent.net.critic_optim_spec.lr"]  # type: ignore[union-attr]


def test_a_grid_is_every_combination(searched: MakeSearch) -> None:
    search = {"agent.net.hid_layers__choice": [[8], [16]], "env.num_envs__choice": [1, 2, 4]}
    experiment = searched(search, search_sampler="grid", max_trial=None)
    points = [tuple(map(str, experiment.settings(trial).values())) for trial in experiment.trials]
    assert points == [("[8]", "1"), ("[8]", "2"), ("[8]", "4"), ("[16]", "1"), ("[16]", "2"), ("[16]", "4")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"search": None}, "mode: 'search' needs a search block"),
        ({"max_trial": None}, "meta.max_trial is missing: the number of trials"),
        ({"max_trial": 10_000}, "meta.max_trial: 10000 is not allowed; it is below 10000"),
        ({"distributed": "shared"}, "meta.distributed: 'shared' can't be searched"),
        ({"search_sampler": "grid"}, "'grid' takes choice, randint .* agent.algorithm.gamma__uniform has no end"),
        ({"search_sampler": "grid", "search": {"env.num_envs__choice": [1, 2]}}, "max_trial: 6 .* the grid has 2"),
        ({"search": {"meta.max_trial__choice": [3, 4]}}, "search.meta.max_trial__choice: a search can't vary"),
        ({"search": {"env.max_t__choice": [10, 20]}}, "trial . of the search is on another environment"),
        ({"search_sampler": "halton"}, "search_sampler.*halton.*quasi_random"),
        (
            {"search": {"agent.algorithm.minibatch_size__choice": [4, "many"]}},
            "minibatch_size__choice: with \"many\"",
        ),
    ],
)  # fmt: skip
def test_a_search_that_can_not_be(searched: MakeSearch, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=r"line 2 \(experiment 'tiny'\): .*" + message):
        searched(**change).check()


def variable(distribution: str, *args: Any) -> SearchVariable:
    return SearchVariable(path="x", distribution=distribution, args=args)


@pytest.mark.parametrize(
    ("distribution", "args", "allowed"),
    [
        ("uniform", (0.5, 2.0), lambda x: 0.5 <= x <= 2),
        ("loguniform", (1e-4, 1e-1), lambda x: 1e-4 <= x <= 1e-1),
        ("quniform", (0.5, 2.0, 0.5), lambda x: x in (0.5, 1.0, 1.5, 2.0)),
        ("qloguniform", (0.5, 64.0, 0.5), lambda x: 0.5 <= x <= 64 and x % 0.5 == 0),
        ("randint", (1, 4), lambda x: x in (1, 2, 3)),
        ("lograndint", (1, 4), lambda x: x in (1, 2, 3)),
        ("qrandint", (2, 8, 3), lambda x: x in (2, 5, 8)),
        ("qlograndint", (1, 4, 1), lambda x: x in (1, 2, 3, 4)),
        ("choice", ([1], [2, 3]), lambda x: x in ([1], [2, 3])),
    ],
)
@pytest.mark.parametrize("sampler", ["quasi_random", "random"])
def test_every_distribution_is_drawn_from(
    distribution: str, args: tuple[Any, ...], allowed: Callable[[Any], bool], sampler: str
) -> None:
    drawn = [settings["x"] for settings in draw_up_front([variable(distribution, *args)], sampler, 0, 32)]
    assert all(map(allowed, drawn))
    assert len({str(value) for value in drawn}) >= 2
    whole = "int" in distribution
    assert all(isinstance(value, int) for value in drawn) or not whole


def test_log_distributions_cover_the_magnitudes() -> None:
    drawn = [settings["x"] for settings in draw_up_front([variable("loguniform", 1e-4, 1.0)], "quasi_random", 0, 64)]
    below = sum(value < 1e-2 for value in drawn)
    assert 28 <= below <= 36


def test_a_stepped_grid_includes_both_ends() -> None:
    assert [point["x"] for point in grid([variable("quniform", 0.1, 0.4, 0.1)])] == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_generations_follow_the_scores() -> None:
    variables = [variable("uniform", 0.0, 1.0)]
    history: list[Scored] = []
    for generation in range(4):
        drawn = draw_generation(variables, 0, generation, history)
        assert drawn == draw_generation(variables, 0, generation, history)
        assert len(drawn) == GENERATION
        history += [Scored(settings, -abs(settings["x"] - 0.7)) for settings in drawn]
    distances = [abs(trial.settings["x"] - 0.7) for trial in history]
    assert sum(distances[-GENERATION:]) < sum(distances[:GENERATION]) / 2
    worse = [Scored(trial.settings, -trial.score) for trial in history]
    assert draw_generation(variables, 0, 4, worse) != draw_generation(variables, 0, 4, history)


def test_a_ranking_leaves_out_trials_without_a_score(tmp_path: Path) -> None:
    table = tmp_path / "experiment.csv"
    table.write_text("trial,score\n3,9.5\n1,2.0\n2,\n")
    assert ranked_trials(table) == [3, 1]
    table.write_text("trial,score\n2,\n")
    with pytest.raises(UserError, match="no trial of the search has a score"):
        ranked_trials(table)
