"""Training sessions that a search stops: their artifacts, and kills right after a decision."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from slm.asha import GO, STOP, Decision, EarlyStopping, read_decisions
from slm.backend import EagerBackend
from slm.job import Job
from slm.spec import Spec, parse_spec
from slm.train import train

TINY = Path(__file__).parents[2] / "workflow/specs/tiny.yaml"
SEARCH = "0123456789abcdef-and-more"
COMPARED = ("train.csv", "eval.csv", "rungs.csv", "model.pt", "best.pt")


@pytest.fixture
def spec() -> Spec:
    raw = yaml.safe_load(TINY.read_text())["tiny_ppo"]
    raw["env"]["max_frame"] = 400
    raw["meta"] |= {"log_frequency": 20, "search_scheduler": {"grace_period": 60, "reduction_factor": 3}}
    return parse_spec("tiny", raw)


def search(spec: Spec, folder: Path, interval: float = 60.0) -> Path:
    """Train trial 3 of a search in which two others did badly at rung 0 and impossibly well at rung 1."""
    records = folder / f"inprogress/search-{SEARCH[:16]}"
    records.mkdir(parents=True, exist_ok=True)
    for trial in (1, 2):
        stopping = EarlyStopping(records, trial, spec.meta.search_scheduler, SEARCH[:16], "code")  # type: ignore[arg-type]
        stopping.stops(60, 0.0)
        stopping.stops(180, 1000.0 - trial)
    out = folder / "trial3/session0"
    train(Job(spec, 3, 0, "hash", out, folder / "inprogress", interval, search=SEARCH), EagerBackend())
    return out


def test_a_stopped_session_is_whole_and_says_that_it_was_stopped(spec: Spec, tmp_path: Path) -> None:
    out = search(spec, tmp_path)
    record = json.loads((out / "session.json").read_text())
    assert (record["state"], record["frames"]) == ("pruned", 180)
    decisions = read_decisions(out / "rungs.csv")
    assert [(row.rung, row.frame, row.decision) for row in decisions] == [(0, 60, GO), (1, 180, STOP)]
    last = (out / "train.csv").read_text().splitlines()[-1].split(",")
    assert (last[0], float(last[2])) == ("180", decisions[-1].score)


@pytest.mark.parametrize("rung", [0, 1])
def test_a_kill_right_after_a_decision_changes_neither_it_nor_the_results(
    spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rung: int
) -> None:
    undisturbed = search(spec, tmp_path / "undisturbed")
    decide = EarlyStopping._decide

    def decide_and_die(self: EarlyStopping, at: int, frame: int, score: float) -> Decision:
        row = decide(self, at, frame, score)
        if row.trial == 3 and at == rung:
            raise SystemExit("killed")
        return row

    with monkeypatch.context() as patch:
        patch.setattr(EarlyStopping, "_decide", decide_and_die)
        with pytest.raises(SystemExit):
            search(spec, tmp_path / "killed", interval=1e-9)  # a checkpoint after every step
    before = read_decisions(tmp_path / f"killed/inprogress/search-{SEARCH[:16]}/trial3.csv")
    assert len(before) == rung + 1
    resumed = search(spec, tmp_path / "killed")
    assert read_decisions(resumed / "rungs.csv")[: rung + 1] == before
    for name in COMPARED:
        assert (resumed / name).read_bytes() == (undisturbed / name).read_bytes(), name
