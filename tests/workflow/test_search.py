"""The example of a search, made short, from its spec to the validated winner and the report."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
import yaml
from snakemake_project import ROOT, Project, make_tiny

from slm.asha import GO, STOP, read_decisions
from slm.plan import SEARCH_FIGURES
from slm.report.status import read_signs, session_folders
from slm.report.titles import FIGURES
from slm.spec import load_spec

pytestmark = pytest.mark.workflow

NAME = "a2c_cartpole_search"
OWN = ["spec_file=specs/search.yaml", f"spec_name={NAME}", "mode=search", "backend=eager", "keep_trials=1"]
FOLDER = Path("results/experiments") / NAME


def write_short_search(path: Path, **meta: object) -> None:
    raw = yaml.safe_load((ROOT / "specs/examples/search_with_early_stopping.yaml").read_text())
    spec = raw[NAME]
    spec["env"]["max_frame"] = 800
    scheduler = {**spec["meta"]["search_scheduler"], "grace_period": 100}
    spec["meta"] |= {"max_trial": 4, "validate_top": 1, "log_frequency": 40, "eval_frequency": 80,
                     "search_scheduler": scheduler, **meta}  # fmt: skip
    path.write_text(yaml.safe_dump(raw))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_tiny(tmp_path_factory.mktemp("search") / "project")
    write_short_search(project.path / "specs/search.yaml")
    project.finish("--config", *OWN)
    return project


def test_every_decision_is_on_record_and_follows_the_rule(searched: Project) -> None:
    rows = read_decisions(searched.path / FOLDER / "search.csv")
    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
    assert {row.trial for row in rows} == {1, 2, 3, 4}
    for i, row in enumerate(rows):
        scores = [other.score for other in rows[: i + 1] if other.rung == row.rung]
        better = sum(score > row.score for score in scores)
        assert (row.rank, row.reached) == (better + 1, len(scores))
        assert row.decision == (GO if better < max(1, len(scores) // 3) else STOP)


def test_stopped_trials_are_finished_jobs(searched: Project) -> None:
    stopped = {row.trial: row.frame for row in read_decisions(searched.path / FOLDER / "search.csv")
               if row.decision == STOP}  # fmt: skip
    assert stopped
    ranked = read(searched.path / FOLDER / "experiment.csv")
    assert {int(row["trial"]) for row in ranked if row["state"] == "pruned"} == set(stopped)
    assert [row["state"] for row in ranked] == sorted(row["state"] for row in ranked)
    signs = read_signs(session_folders(searched.path))
    assert {sign.content["trial"]: sign.content["frame"] for sign in signs if sign.state == "pruned"} == stopped
    for trial, frame in stopped.items():
        session = searched.path / FOLDER / f"trial{trial}/session0"
        assert json.loads((session / "session.json").read_text())["frames"] == frame
        assert read(session / "train.csv")[-1]["frame"] == read(session / "eval.csv")[-1]["frame"] == str(frame)


def test_the_winner_is_validated_with_fresh_seeds_and_written_as_a_spec(searched: Project) -> None:
    (winner,) = read(searched.path / FOLDER / "validation.csv")
    best = read(searched.path / FOLDER / "experiment.csv")[0]
    assert winner["trial"] == best["trial"]
    record = searched.path / FOLDER / f"trial{winner['validating_trial']}/session0/session.json"
    assert json.loads(record.read_text())["seed"]["spawn_key"] == [10_000 + int(best["trial"]), 0]
    spec = load_spec(searched.path / FOLDER / "best_spec.yaml", NAME)
    assert spec.agent.algorithm.gamma == float(best["agent.algorithm.gamma"])  # type: ignore[union-attr]
    assert spec.meta.search_scheduler is None
    assert not spec.search
    (row,) = read(searched.path / "results/reports/custom/table.csv")
    assert row["score"] == winner["score"] != best["score"]


def test_the_report_has_searches_under_their_own_heading(searched: Project) -> None:
    page = (searched.path / "results/reports/index.html").read_text()
    assert "<h2>Searches</h2>" in page
    assert page.count("<svg") == len(FIGURES) + len(SEARCH_FIGURES), "those of the suite, and those of the search"


def test_a_second_run_does_nothing_and_a_longer_search_trains_what_is_new(searched: Project, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    shutil.copytree(searched.path, project.path, symlinks=True)
    assert project.planned("--config", *OWN) == {}
    write_short_search(project.path / "specs/search.yaml", max_trial=6)
    planned = project.planned("--config", *OWN)
    assert planned["train_stoppable_session"] == planned["plan_trial"] == 2
    assert "train_session" not in planned
    # Train mode shares nothing with it.
    write_short_search(project.path / "specs/search.yaml")
    trained = project.planned("--config", *OWN[:2], "backend=eager")
    assert trained["train_session"] == trained["plan_trial"] == 1


def models_of(project: Project) -> set[int]:
    """The trials of the search that have models, wherever these lie; a session has both or none, in both places."""
    found = set()
    for trial in (1, 2, 3, 4):
        session = project.path / FOLDER / f"trial{trial}/session0"
        work = project.path / "results/.inprogress" / json.loads((session / "session.json").read_text())["spec_hash"]
        there = {folder / name for folder in (session, work) for name in ("model.pt", "best.pt")}
        assert [path.name for path in work.glob("checkpoint*.pt")] == []
        if any(path.exists() for path in there):
            assert all(path.exists() for path in there)
            found.add(trial)
        assert (session / "removed.sha256").exists() is (trial not in found)
    return found


def test_models_of_the_best_trials_stay_and_the_others_are_not_trained_again(searched: Project, tmp_path: Path) -> None:
    best, second = (int(row["trial"]) for row in read(searched.path / FOLDER / "experiment.csv")[:2])
    assert models_of(searched) == {best}
    table = {int(row["trial"]): row["models"] for row in read(searched.path / FOLDER / "models.csv")}
    assert table == {trial: "kept" if trial == best else "removed" for trial in (1, 2, 3, 4)}
    assert (searched.path / FOLDER / f"trial{10_000 + best}/session0/best.pt").exists()

    project = Project(tmp_path / "project")
    shutil.copytree(searched.path, project.path, symlinks=True)
    more = [*OWN[:-1], "keep_trials=2"]
    assert project.planned("--config", *more) == {"keep_models": 1, "benchmark_table": 1, "environment_figure": 1}
    printed = project.finish("--config", *more)
    assert f"keep_trials is 2, but an earlier run that kept fewer has removed the models of trials {second};" in printed
    assert models_of(project) == {best}
    assert project.planned("--config", *more) == {}

    # As after a kill of Snakemake: jobs of finished sessions run again.
    before = {path: path.read_bytes() for path in (project.path / FOLDER).glob("trial?/session0/*")}
    project.finish("--forcerun", "train_stoppable_session", "--config", *more)
    assert {path: path.read_bytes() for path in (project.path / FOLDER).glob("trial?/session0/*")} == before

    project.finish("--config", *OWN[:-1], "keep_trials=0")
    assert models_of(project) == set()
