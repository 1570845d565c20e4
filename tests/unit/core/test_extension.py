"""Finished sessions that go on for more frames, and that are trained again and compared."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.cli import main

ARTIFACTS = ("train.csv", "eval.csv", "model.pt", "best.pt")


@pytest.fixture
def train(raw_spec: Callable[..., dict[str, Any]], tmp_path: Path) -> Callable[..., int]:
    """``train("ppo", 800, "a", "--extend", …)``: the exit code of training to that frame, with folder ``a``."""

    def run(name: str, frames: int, out: str, *options: str, **changes: Any) -> int:
        spec = raw_spec(name, {"env.max_frame": frames, **changes})
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"mine": spec}))
        return main(["train", str(path), "mine", "--backend", "eager", "--out", str(tmp_path / out), *options])

    return run


@pytest.mark.parametrize(("name", "options"), [("ppo", []), ("ddqn", ["--keep-memory"])])
def test_extended_session_is_as_if_it_had_been_longer(
    train: Callable[..., int], tmp_path: Path, name: str, options: list[str]
) -> None:
    """The first ends between two log checkpoints, where the longer one writes no row."""
    assert train(name, 332, "short", *options) == 0
    assert train(name, 500, "long", "--extend", str(tmp_path / "short"), *options) == 0
    assert train(name, 500, "whole", *options) == 0
    for artifact in ARTIFACTS:
        assert (tmp_path / "long" / artifact).read_bytes() == (tmp_path / "whole" / artifact).read_bytes(), artifact
    assert len(list(tmp_path.glob("short/.inprogress/*/checkpoint.pt"))) == 1, "the short one can be extended again"


def test_what_cannot_be_exact_is_refused(
    train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = str(tmp_path / "short")
    assert train("ddqn", 200, "short") == 0
    for frames, out, changes, reason in (
        (400, "long", {}, "was not kept"),
        (200, "long", {}, "env.max_frame: 200 is not allowed"),
        (400, "long", {"agent.algorithm.gamma": 0.8}, "other settings, so that going on would not be exact: "
         "agent.algorithm.gamma;"),
    ):  # fmt: skip
        assert train("ddqn", frames, out, "--extend", short, **changes) == 2
        assert reason in capsys.readouterr().err
        assert not (tmp_path / out).exists()


def test_a_session_is_not_extended_on_another_device(
    train: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("ppo", 332, "short") == 0
    monkeypatch.setattr("slm.train.choose_device", lambda spec, trial, session: torch.device("cuda", 0))
    assert train("ppo", 500, "long", "--extend", str(tmp_path / "short")) == 2
    assert "made on another kind of device" in capsys.readouterr().err
    assert not list(tmp_path.glob("long/.inprogress/*/checkpoint*"))
    assert list(tmp_path.glob("short/.inprogress/*/checkpoint.pt"))


def test_verify_compares_bytes(train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a"
    assert train("ppo", 300, "a", "--session", "1") == 0
    assert main(["verify", str(folder)]) == 0
    assert f"{folder}/best.pt: equal" in capsys.readouterr().out
    data = bytearray((folder / "best.pt").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "best.pt").write_bytes(data)
    assert main(["verify", str(folder)]) == 1
    out = capsys.readouterr().out
    assert f"{folder}/best.pt: DIFFERENT" in out
    assert f"{folder}/model.pt: equal" in out
    assert main(["verify", str(tmp_path)]) == 2


@pytest.mark.parametrize("name", ["ppo", "ddqn"])
def test_updates_that_diverge_stop_or_are_left_out(
    train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    import torch

    # The first steps blow the parameters up.
    changes = {"agent.net.optim_spec": {"name": "SGD", "lr": 1e30}}
    assert train(name, 300, "stop", **changes) == 1
    message = capsys.readouterr().err
    assert "the loss is" in message
    assert "at frame" in message
    assert "there is no checkpoint yet" in message
    assert not (tmp_path / "stop" / "session.json").exists(), "a failed session never looks finished"
    assert train(name, 300, "skip", **changes, **{"meta.on_nan": "skip"}) == 0
    networks = torch.load(tmp_path / "skip" / "model.pt", weights_only=True)["networks"]
    assert all(value.isfinite().all() for network in networks.values() for value in network.values())


def test_session_that_a_search_may_stop_is_not_extended(
    train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What its other trials decided can't be repeated; where they let it train to the end, it can be verified."""
    short, changes = tmp_path / "short", {"meta.search_scheduler": {"grace_period": 100, "reduction_factor": 3}}
    assert train("ppo", 300, "short", "--search", "abc", **changes) == 0
    assert not list(short.glob(".inprogress/*/checkpoint.pt"))
    capsys.readouterr()
    assert train("ppo", 400, "long", "--extend", str(short), **changes) == 2
    assert "belongs to a search that could have stopped it" in capsys.readouterr().err
    assert train("ppo", 400, "long", "--extend", str(short), "--search", "abc", **changes) == 2
    assert "--extend: not for a session that a search may stop (--search)" in capsys.readouterr().err
    assert main(["verify", str(short)]) == 0
    record = json.loads((short / "session.json").read_text())
    (short / "session.json").write_text(json.dumps({**record, "state": "pruned"}))
    assert main(["verify", str(short)]) == 2
    assert "stopped by a search" in capsys.readouterr().err
