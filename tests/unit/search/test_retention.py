"""Models that are removed: what stays, what a kill leaves, and what can still be verified."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from slm import retention
from slm.backend import EagerBackend
from slm.cli import main
from slm.errors import UserError
from slm.job import Job
from slm.plan import SearchExperiment
from slm.plan.sheet import Row
from slm.retention import MODELS, REMOVED, keep_models, removed_digests
from slm.spec import parse_spec, session_hash
from slm.train import train

TINY = Path(__file__).parents[2] / "workflow/specs/tiny.yaml"


def job(folder: Path, trial: int = 1) -> Job:
    raw = yaml.safe_load(TINY.read_text())["tiny_ppo"]
    raw["env"]["max_frame"] = 200
    spec = parse_spec("tiny", raw)
    identity = session_hash(spec, trial=trial, session=0, backend="eager")
    return Job(spec, trial, 0, identity, folder / f"trial{trial}/session0", folder / "inprogress", 60.0)


@pytest.fixture
def trained(tmp_path: Path) -> Job:
    made = job(tmp_path)
    train(made, EagerBackend())
    return made


def remove(made: Job) -> None:
    keep_models([2, 1], [made.out], 1, made.inprogress, made.out.parents[1] / "models.csv")


def test_nothing_but_models_and_the_state_behind_them_goes(trained: Job) -> None:
    assert (trained.folder / "checkpoint.pt").exists()
    before = {path: path.read_bytes() for path in trained.out.iterdir()}
    remove(trained)
    left = {path: path.read_bytes() for path in trained.out.iterdir()}
    assert left.pop(trained.out / REMOVED)
    assert left == {path: data for path, data in before.items() if path.name not in MODELS}
    gone = {*MODELS, "checkpoint.pt"}
    assert not gone & {path.name for path in trained.folder.iterdir()}
    assert (trained.out.parents[1] / "models.csv").read_text() == "trial,models\n1,removed\n"


def test_a_session_without_its_models_is_finished(trained: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    remove(trained)
    before = {path: path.read_bytes() for path in trained.out.iterdir()}
    for path in trained.out.iterdir():
        path.unlink()
    monkeypatch.setattr("slm.train._run", None)  # training would fail
    train(trained, EagerBackend())
    assert {path: path.read_bytes() for path in trained.out.iterdir()} == before


def test_a_session_that_is_trained_again_has_its_models_again(trained: Job) -> None:
    models = [(trained.out / name).read_bytes() for name in MODELS]
    remove(trained)
    (trained.folder / "session.json").unlink()
    train(trained, EagerBackend())
    assert [(trained.out / name).read_bytes() for name in MODELS] == models
    assert not (trained.out / REMOVED).exists()
    assert not (trained.folder / REMOVED).exists()


@pytest.mark.parametrize("step", range(4))
def test_a_kill_while_removing_leaves_what_the_next_run_completes(
    trained: Job, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Killed before each removal of a file: two models and the checkpoint in progress, two models published."""
    unlink, count = Path.unlink, 0

    def dying(path: Path, missing_ok: bool = False) -> None:
        nonlocal count
        if count == step:
            raise SystemExit("killed")
        count += 1
        unlink(path, missing_ok)

    digests = {name: retention.hashlib.sha256((trained.out / name).read_bytes()).hexdigest() for name in MODELS}
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", dying)
        with pytest.raises(SystemExit):
            remove(trained)
    train(trained, EagerBackend())  # a job that runs again in between
    remove(trained)
    assert removed_digests(trained.out) == removed_digests(trained.folder) == digests
    assert not any((folder / name).exists() for folder in (trained.out, trained.folder) for name in MODELS)


def test_verify_compares_with_the_digests_of_removed_models(trained: Job, capsys: pytest.CaptureFixture[str]) -> None:
    remove(trained)
    assert main(["verify", str(trained.out)]) == 0
    assert f"{trained.out}/best.pt (removed; its digest): equal" in capsys.readouterr().out
    digests = trained.out / REMOVED
    text = digests.read_text()
    digests.write_text("0" * 64 + text[64:])
    assert main(["verify", str(trained.out)]) == 1
    assert f"{trained.out}/model.pt (removed; its digest): DIFFERENT" in capsys.readouterr().out
    digests.write_text(text[:90])
    assert main(["verify", str(trained.out)]) == 2
    assert "removed.sha256 is damaged" in capsys.readouterr().err


def test_a_run_that_keeps_more_says_whose_models_are_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    row: dict[str, Any] = dict.fromkeys(Row.__dataclass_fields__)
    search = SearchExperiment(Row(**{**row, "experiment": "mine"}), "eager")
    assert search.models_gone(3) == []
    search.folder.mkdir(parents=True)
    (search.folder / "models.csv").write_text("trial,models\n1,removed\n2,kept\n3,removed\n")
    assert search.models_gone(3) == []
    (search.folder / "experiment.csv").write_text("trial,score\n2,9.0\n3,8.0\n1,7.0\n")
    assert search.models_gone(1) == []
    (two,) = search.models_gone(2)
    assert "keep_trials is 2" in two
    assert "the models of trials 3;" in two
    assert "trials 3, 1;" in search.models_gone(3)[0]
    (search.folder / "models.csv").write_text("trial,models\none,removed\n")
    with pytest.raises(UserError, match=r"models\.csv doesn't say which models were removed"):
        search.models_gone(3)


def test_a_session_that_does_not_say_what_it_is_stops_the_removal(trained: Job) -> None:
    record = json.loads((trained.out / "session.json").read_text())
    (trained.out / "session.json").write_text(json.dumps({**record, "spec_hash": None} | {"trial": 1})[:-5])
    with pytest.raises(UserError, match=r"no readable session\.json"):
        remove(trained)
    assert (trained.out / "model.pt").exists()
