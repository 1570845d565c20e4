"""From a sheet to its table, with real training of some hundred frames."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from snakemake_project import Project

from slm.report.status import read_signs, session_folders, status_table
from slm.report.titles import FIGURES
from slm.spec import load_spec, session_hash

pytestmark = pytest.mark.workflow

ARTIFACTS = {"train.csv", "eval.csv", "timing.csv", "model.pt", "best.pt", "session.json"}
TRIAL = Path("results/experiments/tiny_ppo/trial0")


def read_table(project: Project, suite: str) -> list[dict[str, str]]:
    with (project.path / f"results/reports/{suite}/table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_every_result_at_its_path(first_run: tuple[Project, str]) -> None:
    project, _ = first_run
    for session in (0, 1):
        assert {path.name for path in (project.path / TRIAL / f"session{session}").iterdir()} >= ARTIFACTS
        log = project.path / f"results/logs/train_session/tiny_ppo/trial0-session{session}.log"
        assert "frame 400 of 400" in log.read_text()
    for file in ("spec.json", "trial.json", "curve.csv", "timing.csv", "../experiment.csv"):
        assert (project.path / TRIAL / file).stat().st_size > 0
    names = ("table.csv", "table.md", "table.tex", "table.html", "statistics.csv", "improvement.csv")
    figures = [f"{name}.{suffix}" for name in (*FIGURES, "environments/CartPole-v1") for suffix in ("svg", "png")]
    for file in ("index.html", *(f"demo/{name}" for name in (*names, *figures))):
        assert (project.path / "results/reports" / file).stat().st_size > 0


def test_the_table_has_a_row_for_each_experiment_beside_the_published_score(first_run: tuple[Project, str]) -> None:
    project, printed = first_run
    ppo, a2c = read_table(project, "demo")
    assert (ppo["env"], ppo["algorithm"], ppo["experiment"]) == ("CartPole-v1", "PPO", "tiny_ppo")
    assert (ppo["sessions"], ppo["sessions_asked"], ppo["frames"]) == ("2", "2", "400")
    assert (ppo["target"], ppo["published"]) == ("400.0", "498.94")
    assert float(ppo["score"]) > 0
    assert 20 < float(ppo["random"]) < 25
    normalised = (float(ppo["score"]) - float(ppo["random"])) / (498.94 - float(ppo["random"]))
    assert float(ppo["normalised"]) == pytest.approx(normalised)
    assert (a2c["random"], a2c["normalised"]) == (ppo["random"], "")
    assert (a2c["experiment"], a2c["target"], a2c["published"]) == ("tiny_a2c", "", "")
    assert "Table of suite demo: results/reports/demo/table.md" in printed


def test_a_session_records_what_it_was_planned_as(first_run: tuple[Project, str]) -> None:
    project, _ = first_run
    origin = json.loads((project.path / TRIAL / "spec.json").read_text())["_trial"]
    record = json.loads((project.path / TRIAL / "session1/session.json").read_text())
    assert record["spec_hash"] == origin["session_hashes"]["1"]
    assert (record["backend"], record["trial"], record["session"]) == ("eager", 0, 1)
    assert record["state"] == "finished"


def test_the_status_tells_of_every_session(first_run: tuple[Project, str]) -> None:
    signs = read_signs(session_folders(first_run[0].path))
    assert status_table(signs) == "4 finished"
    lines = status_table(signs, finished=True).splitlines()
    assert sum("400/400  100%" in line for line in lines) == 4
    assert lines[1].startswith("tiny_a2c/trial0/session0  finished")


def test_gains_are_measured_over_the_baseline_of_the_environment(first_run: tuple[Project, str]) -> None:
    project, _ = first_run
    (file,) = (project.path / "results/baselines").iterdir()
    baseline = json.loads(file.read_text())
    assert (file.name, baseline["name"], baseline["episodes"]) == ("CartPole-v1.json", "CartPole-v1", 100)
    trial = json.loads((project.path / TRIAL / "trial.json").read_text())
    assert trial["random_mean"] == baseline["mean"]
    with (project.path / TRIAL / "session0/train.csv").open(newline="") as table:
        rewards = [float(row["total_reward"]) for row in csv.DictReader(table)]
    assert trial["session_metrics"][0]["final_strength"] == pytest.approx(rewards[-1] - baseline["mean"])


def test_one_core_and_two_cores_give_the_same_bytes(first_run: tuple[Project, str], tiny: Project) -> None:
    project, _ = first_run
    tables = [f"{TRIAL}/session{session}/train.csv" for session in (0, 1)]
    tiny.finish(*tables, cores=1)
    for table in tables:
        assert (tiny.path / table).read_bytes() == (project.path / table).read_bytes()


def test_the_report_holds_tables_and_figures(finished: Project) -> None:
    finished.finish("--report", "report.html")
    report = (finished.path / "report.html").read_text()
    for text in ("Demo", "All environments", "CartPole-v1", *FIGURES.values(), "table (LaTeX)", "learning curve (CSV)"):
        assert text in report


def test_episodes_and_event_files_come_on_request_and_train_nothing(finished: Project) -> None:
    before = {path: path.read_bytes() for path in (finished.path / "results/experiments").glob("*/trial0/session*/*")}
    wanted = ("record_episodes=true", "tensorboard=true")
    assert finished.planned("--config", *wanted) == {"record_episode": 2, "tensorboard_events": 2}
    finished.finish("--config", *wanted)
    for experiment in ("tiny_ppo", "tiny_a2c"):
        trial = finished.path / f"results/experiments/{experiment}/trial0"
        assert json.loads((trial / "episode.json").read_text())["experiment"] == experiment
        assert (trial / "episode.gif").read_bytes().startswith(b"GIF89a")
        events = finished.path / f"results/tensorboard/{experiment}/trial0"
        assert [len(list((events / f"session{number}").glob("events.out.tfevents.*"))) for number in (0, 1)] == [1, 1]
    assert "tiny_ppo: return" in (finished.path / "results/reports/index.html").read_text()
    assert {path: path.read_bytes() for path in before} == before
    assert finished.planned("--config", *wanted) == {}


def test_a_spec_of_ones_own_needs_no_sheet_and_runs_compiled(tiny: Project) -> None:
    (tiny.path / "config/benchmarks.tsv").unlink()
    own = ["spec_file=specs/tiny.yaml", "spec_name=tiny_a2c", "set=env=Acrobot-v1", "backend=compiled"]
    printed = tiny.finish("--config", *own)
    (row,) = read_table(tiny, "custom")
    assert (row["experiment"], row["env"], row["algorithm"]) == ("tiny_a2c_acrobot", "Acrobot-v1", "A2C")
    assert "Table of suite custom: results/reports/custom/table.md" in printed
    record = tiny.path / "results/experiments/tiny_a2c_acrobot/trial0/session0/session.json"
    assert json.loads(record.read_text())["backend"] == "compiled"
    assert tiny.planned("--config", *own) == {}


def test_a_failed_session_stops_no_other_and_allow_incomplete_shows_it_as_missing(finished: Project) -> None:
    finished.edit("specs/tiny.yaml", "gamma: 0.99", "gamma: 0.97")
    spec = load_spec(finished.path / "specs/tiny.yaml", "tiny_ppo")
    # A file where the session's running checkpoints should go.
    obstacle = finished.path / "results/.inprogress" / session_hash(spec, trial=0, session=1, backend="eager")
    obstacle.touch()
    done = finished.run()
    assert done.returncode != 0
    assert "Error in rule train_session" in done.stdout
    assert (finished.path / TRIAL / "session0/session.json").exists()

    finished.finish("--config", "allow_incomplete=true")
    ppo, a2c = read_table(finished, "demo")
    assert (ppo["sessions"], ppo["sessions_asked"]) == ("1", "2")
    assert (a2c["sessions"], a2c["sessions_asked"]) == ("2", "2")
    assert finished.planned()["train_session"] == 1
