"""Experiments, trials, sessions and their hashes; a trial's spec.json."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slm.errors import UserError
from slm.plan import Plan, best_published, make_plan, read_sheet, write_trial_spec
from slm.spec import canonical, load_spec, session_hash, trial_hash

ROOT = Path(__file__).parents[3]
TINY = ROOT / "tests/workflow/specs/tiny.yaml"
MakePlan = Callable[..., Plan]


@pytest.fixture
def plan(write_sheet: Callable[..., Path], sheet_schema: dict[str, Any]) -> MakePlan:
    def make(
        *rows: dict[str, str],
        suites: tuple[str, ...] = (),
        allow_incomplete: bool = False,
        sessions: int | None = None,
    ) -> Plan:
        return make_plan(read_sheet(write_sheet(*rows), sheet_schema), suites, "eager", allow_incomplete, sessions)

    return make


def test_an_experiment_has_one_trial_and_the_sessions_of_its_spec(plan: MakePlan) -> None:
    experiment = plan({}).experiments["tiny"]
    assert list(experiment.trials) == [0]
    assert list(experiment.sessions(0)) == [0, 1]
    spec = load_spec(TINY, "tiny_ppo")
    assert experiment.trial_hash(0) == trial_hash(spec, trial=0, backend="eager")
    assert experiment.session_hash(0, 1) == session_hash(spec, trial=0, session=1, backend="eager")


def test_more_sessions_than_the_spec_says_leave_the_hashes_of_the_others(plan: MakePlan) -> None:
    few, many = plan({}).experiments["tiny"], plan({}, sessions=5).experiments["tiny"]
    assert list(many.sessions(0)) == [0, 1, 2, 3, 4]
    assert [many.session_hash(0, number) for number in few.sessions(0)] == [
        few.session_hash(0, number) for number in (0, 1)
    ]
    assert many.trial_hash(0) == few.trial_hash(0)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"mode": "search"}, "config: sessions: 5 is not allowed for 'tiny': it is a search"),
        (
            {"spec_file": str(ROOT / "specs/examples/hogwild.yaml"), "spec_name": "a3c_cartpole"},
            "config: sessions: 5 is not allowed for 'tiny': with meta.distributed",
        ),
    ],
)
def test_the_number_of_sessions_of_searches_and_hogwild_is_the_specs(
    plan: MakePlan, cells: dict[str, str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        plan(cells, sessions=5).check()


def test_a_suite_is_its_rows_in_the_order_of_the_sheet(plan: MakePlan) -> None:
    made = plan(
        {"experiment": "b", "suites": "demo,atari"}, {"experiment": "a"}, {"experiment": "c", "suites": "atari"}
    )
    assert [row.row.experiment for row in made.suite("demo")] == ["b", "a"]
    assert [row.row.experiment for row in made.suite("atari")] == ["b", "c"]


def test_a_suite_without_experiments_is_named(plan: MakePlan) -> None:
    with pytest.raises(UserError, match="suite 'mujoco' has no experiments; suites with experiments: demo"):
        plan({}, suites=("demo", "mujoco"))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"spec_file": "absent.yaml"}, r"line 2 \(experiment 'tiny'\): absent\.yaml"),
        ({"spec_name": "tiny_pp"}, r"line 2 \(experiment 'tiny'\): .*tiny_pp.*tiny_ppo"),
        ({"spec_name": "tiny_a2c"}, r"line 2 \(experiment 'tiny'\): .*env.*no value"),
    ],
)
def test_a_bad_spec_is_named_with_its_row(plan: MakePlan, cells: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan(cells).check()


def test_variables_reach_the_spec(plan: MakePlan) -> None:
    made = plan({"spec_name": "tiny_a2c", "variables": "env=Acrobot-v1"})
    assert made.experiments["tiny"].spec.env.name == "Acrobot-v1"


def test_table_rows_name_the_files_that_a_table_reads(plan: MakePlan) -> None:
    sheet = json.loads(plan({"target": "400", "published": "498.94", "source": "a paper"}).table_rows("demo"))
    assert sheet == {
        "suite": "demo",
        "rows": [
            {
                "experiment": "tiny",
                "env": "CartPole-v1",
                "algorithm": "PPO",
                "sessions_asked": 2,
                "target": 400.0,
                "published": 498.94,
                "best_published": 498.94,
                "source": "a paper",
                "trial_json": "results/experiments/tiny/trial0/trial.json",
                "curve_csv": "results/experiments/tiny/trial0/curve.csv",
                "timing_csv": "results/experiments/tiny/trial0/timing.csv",
            }
        ],
    }


def test_the_best_published_score_of_an_environment_is_of_any_row() -> None:
    assert best_published([("a", 1.0), ("b", None), ("a", 3.0), ("c", -5.0), ("a", 2.0)]) == {"a": 3.0, "c": -5.0}


def test_allow_incomplete_takes_the_sessions_that_have_finished(
    plan: MakePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan({}, {"experiment": "unstarted"}, allow_incomplete=True)
    monkeypatch.chdir(tmp_path)
    record = tmp_path / "results/experiments/tiny/trial0/session1/session.json"
    record.parent.mkdir(parents=True)
    record.touch()
    assert made.sessions("tiny", 0) == [1]
    assert made.sessions("unstarted", 0) == made.results("unstarted") == []
    rows = json.loads(made.table_rows("demo"))["rows"]
    assert [row["trial_json"] for row in rows] == ["results/experiments/tiny/trial0/trial.json", None]


def test_a_trials_spec_file_holds_the_resolved_spec_and_its_hashes(tmp_path: Path) -> None:
    out = tmp_path / "trial0" / "spec.json"
    spec = load_spec(TINY, "tiny_a2c", {"env": "Acrobot-v1"})
    expected = trial_hash(spec, trial=3, backend="eager")
    write_trial_spec(
        TINY, "tiny_a2c", {"env": "Acrobot-v1"}, experiment="tiny", trial=3, backend="eager", expect=expected, out=out
    )
    assert load_spec(out, "tiny_a2c") == spec
    document = json.loads(out.read_text())
    assert document["tiny_a2c"] == canonical(spec)
    origin = document["_trial"]
    assert (origin["experiment"], origin["trial"], origin["backend"]) == ("tiny", 3, "eager")
    assert origin["hash"] == expected
    assert origin["session_hashes"]["9"] == session_hash(spec, trial=3, session=9, backend="eager")


def test_a_spec_that_changed_since_planning_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "spec.json"
    with pytest.raises(UserError, match=r"'tiny_ppo' has changed since the workflow was planned .* planned stale\)"):
        write_trial_spec(
            TINY, "tiny_ppo", {}, experiment="tiny", trial=0, backend="eager", expect="stale", out=out
        )  # fmt: skip
    assert not out.exists()


def test_planning_imports_nothing_heavy() -> None:
    heavy = ("torch", "gymnasium", "pandas", "scipy", "matplotlib")
    code = f"import sys, slm.plan; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
