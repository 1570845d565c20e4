import json
import shutil
from pathlib import Path

import pytest
from hand_made import ROOT, shipped_row, shipped_rows, write_run, write_session

from slm.cli import main
from slm.errors import UserError
from slm.report.benchmarks_page import benchmarks_page, folder_of, write_benchmarks
from slm.report.published import file_digest, publish_evidence, publish_row, read_row

LEARNS = [[20.0, 200.0, 480.0 + i, 498.0 + i] for i in range(4)]


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def rows():
    return shipped_rows()


@pytest.fixture
def row():
    return shipped_row("ppo_cartpole")


@pytest.fixture
def docs(tmp_path):
    return tmp_path / "docs"


@pytest.fixture
def run(tmp_path, row):
    return write_run(tmp_path / "results", row, LEARNS)


def section(page, title):
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_small_results_are_kept_with_the_digests_of_the_large_ones(row, run, docs):
    folder = folder_of(docs, row)
    assert publish_row(row, run, folder)
    names = ["curve.csv", *(f"session{i}.json" for i in range(4)), "spec.json", "timing.csv", "trial.json"]
    assert sorted(path.name for path in folder.iterdir()) == names
    session = json.loads((folder / "session2.json").read_text())
    assert session["sha256"]["model.pt"] == file_digest(run / "session2/model.pt")
    assert sorted(session["sha256"]) == ["best.pt", "eval.csv", "model.pt", "train.csv"]
    assert sum(path.stat().st_size for path in folder.iterdir()) < 30_000


def test_a_row_without_a_session_is_not_kept(row, tmp_path, docs):
    folder = folder_of(docs, row)
    assert not publish_row(row, tmp_path / "nowhere", folder)
    assert not publish_row(row, write_run(tmp_path / "results", row, [None, None]), folder)
    assert not folder.exists()


def test_results_of_another_spec_are_refused_and_leave_nothing(row, run, docs):
    write_session(run / "session1", row, 1, LEARNS[1], spec_hash="another")
    with pytest.raises(UserError, match="session 1 was not trained from the spec of 'ppo_cartpole'"):
        publish_row(row, run, folder_of(docs, row))
    assert not docs.exists()


def test_rows_without_wall_times_are_kept_and_shown(rows, row, run, docs):
    folder = folder_of(docs, row)
    publish_row(row, run, folder)
    (run / "timing.csv").unlink()
    assert publish_row(row, run, folder)
    assert not (folder / "timing.csv").exists(), "no wall times of an earlier run beside this one's scores"
    write_benchmarks(docs, rows)
    assert (docs / "benchmarks/classic_control/curves.svg").exists()


def test_a_run_of_fewer_sessions_does_not_replace_a_published_row(row, run, docs, tmp_path):
    folder = folder_of(docs, row)
    publish_row(row, run, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError, match=r"has 1 sessions and .*ppo_cartpole 4: delete those to replace them"):
        publish_row(row, write_run(tmp_path / "later", row, [LEARNS[0], None]), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_run_of_other_sessions_leaves_none_of_those_before(row, docs, tmp_path):
    folder = folder_of(docs, row)
    publish_row(row, write_run(tmp_path / "first", row, [LEARNS[0], None]), folder)
    publish_row(row, write_run(tmp_path / "later", row, [None, LEARNS[1]]), folder)
    found = read_row(folder)
    assert found is not None
    assert [session["session"] for session in found.sessions] == [1]


def test_all_rows_of_the_sheet_appear_once(rows, row, run, docs):
    publish_row(row, run, folder_of(docs, row))
    page = benchmarks_page(docs, rows)
    assert len(rows) == 238
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    for other in rows:
        assert len([line for line in lines if f"| {other.experiment} |" in line]) == 1
    assert page.count("| not run here |") == 238 - 1 + 1  # a cell each, and the heading of the overview
    assert "| Classic control | 18 | 0 | 0 | 1 | 0 | 17 |" in page
    assert "| Atari | 177 | 0 | 0 | 0 | 0 | 177 |" in page


def test_a_row_that_was_run_tells_its_score_verdict_commit_and_machine(rows, row, run, docs):
    publish_row(row, run, folder_of(docs, row))
    last = folder_of(docs, row) / "session3.json"
    last.write_text(last.read_text().replace('"git_dirty": false', '"git_dirty": true'))
    text = section(benchmarks_page(docs, rows), "Classic control")
    result = next(line for line in text.splitlines() if line.endswith("| ppo_cartpole | c0ffee00, c0ffee00+ |"))
    score = sum(sum(rewards) for rewards in LEARNS) / 16
    assert f"| CartPole-v1 | PPO | **{score:.2f}** |" in result
    assert "| 4/4 | 2,000 |" in result
    assert "| below |" in result
    assert "| Abacus 3000 | 3.11.7 | 2.13.0 |" in text


def test_rendering_reads_no_results(rows, row, run, docs):
    publish_row(row, run, folder_of(docs, row))
    before = write_benchmarks(docs, rows).read_bytes()
    shutil.rmtree(run)
    assert write_benchmarks(docs, rows).read_bytes() == before
    assert (docs / "benchmarks/classic_control/curves.svg").exists()
    assert "(benchmarks/classic_control/curves.svg)" in before.decode()


def test_notes_of_a_row_are_shown(rows, row, run, docs, tmp_path):
    publish_row(row, write_run(tmp_path / "partial", row, [LEARNS[0], None, LEARNS[2]]), folder_of(docs, row))
    (folder_of(docs, row) / "note.md").write_text("The published score\nrests on clock seeds.\n")
    page = benchmarks_page(docs, rows)
    assert "- `ppo_cartpole`: missing: session 1; The published score rests on clock seeds." in page


def test_a_spec_that_has_changed_since_is_said(rows, row, run, docs):
    publish_row(row, run, folder_of(docs, row))
    path = folder_of(docs, row) / "session0.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"spec_hash": "older"}))
    assert "- `ppo_cartpole`: the spec has changed since this run" in benchmarks_page(docs, rows)


def test_single_sessions_are_evidence_and_no_row(rows, row, run, docs):
    publish_evidence(run / "session0", "short_run", docs)
    (docs / "benchmarks/evidence/short_run/note.md").write_text("A short one.")
    page = benchmarks_page(docs, rows)
    assert "| Classic control | 18 | 0 | 0 | 0 | 0 | 18 |" in page
    line = next(line for line in section(page, "Single runs").splitlines() if "short_run" in line)
    assert "| ppo_cartpole | 2,000 | 20.00 | 498.00 | 498.00 | 299.50 |" in line
    assert line.endswith("| A short one. |")


def test_the_command_keeps_what_it_can(row, run, docs, tmp_path, capsys):
    broken = write_run(tmp_path / "results", shipped_row("a2c_cartpole"), LEARNS)
    (broken / "session0/model.pt").unlink()
    arguments = ["publish", "--results", str(tmp_path / "results"), "--docs", str(docs)]
    assert main([*arguments, "--evidence", f"one={run / 'session1'}"]) == 0
    printed = capsys.readouterr().err
    assert f"kept {folder_of(docs, row)}" in printed
    assert "warning: not kept:" in printed
    assert "a2c_cartpole/trial0/session0/model.pt can't be read" in printed
    assert (docs / "BENCHMARKS.md").exists()


@pytest.mark.parametrize(
    ("evidence", "message"),
    [("one", "expected NAME=SESSION_DIR"), ("../one=x", "must match"), ("one=nowhere", "is missing or unreadable")],
)
def test_mistakes_in_evidence(docs, capsys, evidence, message):
    assert main(["publish", "--docs", str(docs), "--evidence", evidence]) == 2
    assert message in capsys.readouterr().err


def test_the_shipped_page_is_what_its_results_render_to(rows):
    page = (ROOT / "docs/BENCHMARKS.md").read_text()
    assert page == benchmarks_page(Path("docs"), rows), "docs/BENCHMARKS.md is not up to date: make publish"
