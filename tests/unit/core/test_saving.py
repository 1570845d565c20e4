"""When a session is saved, and what is left where it can't be."""

import gc
import logging
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from slm.cli import main
from slm.saving import Saver
from slm.session import Progress

ARTIFACTS = ("train.csv", "eval.csv", "model.pt", "best.pt")


@pytest.fixture
def command(raw_spec: Callable[..., dict[str, Any]], tmp_path: Path) -> Callable[[str, str], list[str]]:
    import json

    def make(name: str, out: str) -> list[str]:
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"mine": raw_spec(name)}))
        folders = ["--out", str(tmp_path / out), "--inprogress", str(tmp_path / f"{out}-progress")]
        return ["train", str(path), "mine", "--backend", "eager", *folders]

    return make


@pytest.fixture
def limit() -> Iterator[Callable[[int | None], None]]:
    """Sets how many bytes a file may have: writing more fails in the midst of it, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def change(size: int | None) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, before if size is None else (size, before[1]))

    yield change
    change(None)


@pytest.mark.parametrize("name", ["ppo", "ddqn"])
def test_full_disk_ends_in_a_message_and_the_last_checkpoint(
    command: Callable[[str, str], list[str]], limit: Callable[[int | None], None], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, name: str,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)

    def save(self: Progress, frame: int, score: float) -> None:
        if frame in (200, 400):
            os.kill(os.getpid(), signal.SIGUSR1)
        if frame == 400:
            limit(1500)

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "report", save)
        assert main(command(name, "out")) == 1
    limit(None)
    assert "SIGUSR1: saved at frame 200" in caplog.text
    assert "saved at frame 400" not in caplog.text
    message = capsys.readouterr().err
    assert message.count("slm: training stopped: ") == 1
    assert "File too large" in message
    assert "Traceback" not in message
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("out-progress/*/.*")), "nothing half-written is left"
    gc.collect()  # the tables' open files, which would be gone with their process
    assert main(command(name, "out")) == 0
    assert "resumed at frame 200" in caplog.text
    assert main(command(name, "whole")) == 0
    for artifact in ARTIFACTS:
        assert (tmp_path / "out" / artifact).read_bytes() == (tmp_path / "whole" / artifact).read_bytes(), artifact


def test_finished_session_is_published_when_its_folder_can_be_written_again(
    command: Callable[[str, str], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(Progress, "report", lambda self, frame, score: (tmp_path / "out").write_text("in the way"))
        assert main(command("ppo", "out")) == 1
    assert f"slm: training stopped: [Errno 17] File exists: '{tmp_path / 'out'}'" in capsys.readouterr().err
    (tmp_path / "out").unlink()
    with caplog.at_level(logging.INFO):
        assert main(command("ppo", "out")) == 0
    assert "the session is finished already" in caplog.text
    assert (tmp_path / "out" / "session.json").exists()


class Clock:
    """Time that passes as told; stands for a session's checkpoints too, each of which takes ``cost`` seconds."""

    def __init__(self) -> None:
        self.now, self.cost = 0.0, 0.0
        self.saves: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def save(self, state: Any, rows: Any) -> None:
        self.saves.append(self.now)
        self.now += self.cost


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (3.0, [10.0, 10.0 + 3.0 + 20 * 3.0]),  # a slow one: 20 times what it took
        (0.25, [10.0, 20.25, 30.5, 40.75, 51.0, 61.25, 71.5]),  # a quick one: the interval, from its end
    ],
)
def test_checkpoints_take_less_than_a_twentieth_of_the_time(
    monkeypatch: pytest.MonkeyPatch, cost: float, expected: list[float]
) -> None:
    clock = Clock()
    clock.cost = cost
    monkeypatch.setattr("slm.saving.time", clock)
    state = SimpleNamespace(clock=SimpleNamespace(frame=1), tree=dict, memory=SimpleNamespace(journaled=dict))
    spec = SimpleNamespace(env=SimpleNamespace(max_frame=1000, num_envs=1))
    session, tables = SimpleNamespace(state=state, spec=spec), SimpleNamespace(all=list)
    saver = Saver(cast(Any, session), cast(Any, tables), cast(Any, clock), 10.0, [], keep_end=True)
    while clock.now < 80:
        saver()
        clock.now += 0.25
    assert clock.saves == expected
