"""Hogwild trials in the workflow: one job, the artifacts of all sessions, a marked row."""

from __future__ import annotations

import csv
import json

import pytest
from snakemake_project import HEADER, Project

from slm.report.status import read_signs, session_folders

pytestmark = pytest.mark.workflow

OWN = ["--config", "spec_file=specs/tiny_hogwild.yaml", "spec_name=tiny_a3c"]
ARTIFACTS = {"train.csv", "eval.csv", "timing.csv", "model.pt", "best.pt", "session.json"}


def test_one_job_trains_all_sessions_of_a_hogwild_trial(tiny: Project) -> None:
    tiny.finish(*OWN)
    trial = tiny.path / "results/experiments/tiny_a3c/trial0"
    for session in (0, 1):
        assert {path.name for path in (trial / f"session{session}").iterdir()} >= ARTIFACTS
        record = json.loads((trial / f"session{session}/session.json").read_text())
        assert (record["frames"], record["session"], record["reproducible"]) == (400, session, False)
    log = (tiny.path / "results/logs/train_trial_distributed/tiny_a3c/trial0.log").read_text()
    assert "session 0: frame 400 of 400" in log
    assert "session 1: frame 400 of 400" in log
    with (tiny.path / "results/reports/custom/table.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["sessions"], row["frames"]) == ("2", "400")
    assert "not bit-reproducible" in row["note"]
    assert "| A3C † |" in (tiny.path / "results/reports/custom/table.md").read_text()

    signs = read_signs(session_folders(tiny.path))
    assert [(sign.state, sign.content["session"], sign.content["frame"]) for sign in signs] == [
        ("finished", 0, 400),
        ("finished", 1, 400),
    ]

    assert tiny.planned(*OWN) == {}
    # With another number of workers it is another training, of all of them.
    tiny.edit("specs/tiny_hogwild.yaml", "max_session: 2", "max_session: 4")
    planned = tiny.planned(*OWN)
    assert planned["train_trial_distributed"] == 1
    assert "train_session" not in planned


def test_hogwild_rows_beside_others_and_with_other_numbers_of_workers(tiny: Project) -> None:
    text = (tiny.path / "specs/tiny_hogwild.yaml").read_text()
    (tiny.path / "specs/four.yaml").write_text(text.replace("max_session: 2", "max_session: 4"))
    names = {"two_a3c": "specs/tiny_hogwild.yaml", "four_a3c": "specs/four.yaml", "more_a3c": "specs/four.yaml"}
    rows = [f"demo\t{name}\tCartPole-v1\tA3C\t{file}\ttiny_a3c\t\ttrain\t\t\t\n" for name, file in names.items()]
    rows.append("demo\ttwo_a3c_not\tCartPole-v1\tPPO\tspecs/tiny.yaml\ttiny_ppo\t\ttrain\t\t\t\n")
    (tiny.path / "config/benchmarks.tsv").write_text(HEADER + "".join(rows))
    planned = tiny.planned()
    training = {rule: count for rule, count in planned.items() if rule.startswith("train_")}
    assert training == {"train_trial_distributed_2": 1, "train_trial_distributed_4": 2, "train_session": 2}
