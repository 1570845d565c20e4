"""A session that was interrupted ends in the same bytes as one that wasn't."""

import errno
import gc
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from resume_cases import CASES

import slm.train
from slm.checkpoint import Checkpoints
from slm.cli import main
from slm.session import Progress
from slm.spec import Spec

ARTIFACTS = ("train.csv", "eval.csv", "model.pt", "best.pt")
MakeSpec, Run = Callable[..., Spec], Callable[..., Path]


class Crash(BaseException):
    """Stands for a process that is gone."""


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch, run: Run) -> Callable[..., None]:
    """``crash(spec, saves, at, …)``: train, save at the given frames, and crash at frame ``at``."""

    def make(spec: Spec, saves: list[int], at: int, **keys: Any) -> None:
        plain = slm.train.Saver

        class Saver(plain):
            def __call__(self) -> None:
                frame = self._session.state.clock.frame
                self._next = 0.0 if frame in saves else float("inf")
                super().__call__()
                if frame == at:
                    raise Crash

        with monkeypatch.context() as patch:
            patch.setattr(slm.train, "Saver", Saver)
            with pytest.raises(Crash):
                run(spec, **keys)
        gc.collect()  # the tables' open files, which would be gone with their process

    return make


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ARTIFACTS}


@pytest.fixture(scope="module")
def known() -> dict[str, dict[str, bytes]]:
    """Artifacts of sessions that were not interrupted, by the text of their spec."""
    return {}


@pytest.fixture
def uninterrupted(run: Run, known: dict[str, dict[str, bytes]]) -> Callable[[Spec], dict[str, bytes]]:
    def find(spec: Spec) -> dict[str, bytes]:
        if repr(spec) not in known:
            known[repr(spec)] = contents(run(spec))
        return known[repr(spec)]

    return find


NORMALISED = {
    "env.name": "Pendulum-v1",
    "env.num_envs": 2,
    "env.max_frame": 1000,
    "env.normalize_obs": True,
    "env.normalize_reward": True,
    "agent.algorithm.normalize_v_targets": True,
    "agent.algorithm.normalize_advantages": "percentile",
    "agent.net.shared": True,
    "agent.net.log_std_init": 0.0,
    "meta.rigorous_eval": 2,
    "meta.eval_frequency": 500,
}


@pytest.mark.parametrize(
    ("name", "changes", "saves", "at"),
    [
        ("ppo", {}, [412], 540),
        ("ppo", {}, [4], 792),
        ("ppo", {}, [800], 800),
        ("ppo", NORMALISED, [450], 700),
        ("ppo", {"agent.net.optim_spec": {"name": "RMSprop", "centered": True}}, [300], 400),
        ("ddqn", {}, [250], 330),
        ("ddqn", {"agent.memory.max_size": 100}, [250], 330),
        ("ddqn", {"agent.net.update_type": "polyak", "agent.net.polyak_coef": 0.1, "agent.net.update_frequency": ...},
         [250], 330),
        *CASES,
    ],
)  # fmt: skip
def test_resumed_session_ends_alike(
    make_spec: MakeSpec, run: Run, uninterrupted: Any, crash: Callable[..., None], tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    name: str, changes: dict[str, Any], saves: list[int], at: int,
) -> None:  # fmt: skip
    spec, inprogress = make_spec(name, changes), tmp_path / "progress"
    whole = uninterrupted(spec)
    crash(spec, saves, at, inprogress=inprogress)
    with caplog.at_level(logging.INFO):
        resumed = contents(run(spec, inprogress=inprogress))
    assert f"resumed at frame {saves[-1]}" in caplog.text
    assert resumed == whole


def test_session_interrupted_twice(
    make_spec: MakeSpec, run: Run, uninterrupted: Any, crash: Callable[..., None], tmp_path: Path
) -> None:
    spec, inprogress = make_spec("ddqn"), tmp_path / "progress"
    whole = uninterrupted(spec)
    crash(spec, [100], 200, inprogress=inprogress)
    crash(spec, [300], 400, inprogress=inprogress)
    assert contents(run(spec, inprogress=inprogress)) == whole


def test_without_a_checkpoint_it_starts_again(
    make_spec: MakeSpec, run: Run, uninterrupted: Any, crash: Callable[..., None], tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    spec, inprogress = make_spec("ppo"), tmp_path / "progress"
    whole = uninterrupted(spec)
    crash(spec, [], 540, inprogress=inprogress)
    with caplog.at_level(logging.INFO):
        assert contents(run(spec, inprogress=inprogress)) == whole
    assert "resumed" not in caplog.text


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-100], "it is damaged"),
        (lambda data: data[:500] + b"x" + data[501:], "it is damaged"),
        (lambda data: b"", "it is damaged"),
    ],
)
def test_damaged_checkpoint_falls_back_to_the_one_before(
    make_spec: MakeSpec, run: Run, uninterrupted: Any, crash: Callable[..., None], tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[bytes], bytes], reason: str,
) -> None:  # fmt: skip
    spec, inprogress = make_spec("ppo"), tmp_path / "progress"
    whole = uninterrupted(spec)
    crash(spec, [200, 400], 540, inprogress=inprogress)
    (latest,) = inprogress.glob("*/checkpoint.pt")
    latest.write_bytes(damage(latest.read_bytes()))
    with caplog.at_level(logging.INFO):
        assert contents(run(spec, inprogress=inprogress)) == whole
    assert reason in caplog.text
    assert "resumed at frame 200" in caplog.text


def test_tables_that_lack_rows_make_it_start_again(
    make_spec: MakeSpec, run: Run, uninterrupted: Any, crash: Callable[..., None], tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    spec, inprogress = make_spec("ppo"), tmp_path / "progress"
    whole = uninterrupted(spec)
    crash(spec, [400], 540, inprogress=inprogress)
    (table,) = inprogress.glob("*/train.csv")
    table.write_text("frame\n")
    with caplog.at_level(logging.INFO):
        assert contents(run(spec, inprogress=inprogress)) == whole
    assert "shorter than the checkpoint says" in caplog.text
    assert "resumed" not in caplog.text


def test_checkpoint_that_can_not_be_read_is_kept(
    make_spec: MakeSpec, run: Run, uninterrupted: Any, crash: Callable[..., None], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    spec, inprogress = make_spec("ppo"), tmp_path / "progress"
    whole = uninterrupted(spec)
    crash(spec, [400], 540, inprogress=inprogress)

    def unreadable(self: Checkpoints, path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "load", unreadable)
        with pytest.raises(OSError, match=r"no checkpoint in .*progress.* can be read \(Input/output error\)"):
            run(spec, inprogress=inprogress)
    gc.collect()
    with caplog.at_level(logging.INFO):
        assert contents(run(spec, inprogress=inprogress)) == whole
    assert "resumed at frame 400" in caplog.text


def test_a_finished_session_that_can_not_be_read_is_not_trained_again(
    make_spec: MakeSpec, run: Run, uninterrupted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, inprogress = make_spec("ddqn"), tmp_path / "progress"
    whole = uninterrupted(spec)
    run(spec, inprogress=inprogress)
    (record,) = inprogress.glob("*/session.json")
    plain = Path.read_text

    def read_text(path: Path, *arguments: Any, **keys: Any) -> str:
        if path == record:
            raise OSError(errno.EIO, "Input/output error")
        return plain(path, *arguments, **keys)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", read_text)
        with pytest.raises(OSError, match="Input/output error"):
            run(spec, inprogress=inprogress)
    assert {name: (record.parent / name).read_bytes() for name in ARTIFACTS} == whole


def test_checkpoint_of_other_code_is_not_resumed(
    make_spec: MakeSpec, run: Run, crash: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    spec, inprogress = make_spec("ppo"), tmp_path / "progress"
    crash(spec, [400], 540, inprogress=inprogress)
    monkeypatch.setattr(slm.train, "code_fingerprint", lambda: "other")
    with caplog.at_level(logging.INFO):
        run(spec, inprogress=inprogress)
    assert "its code fingerprint is" in caplog.text
    assert "this session's is other" in caplog.text
    assert "resumed" not in caplog.text


@pytest.fixture
def spec_file(raw_spec: Callable[..., dict[str, Any]], tmp_path: Path) -> Callable[..., str]:
    import json

    def write(name: str, changes: dict[str, Any] | None = None) -> str:
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"mine": raw_spec(name, changes)}))
        return str(path)

    return write


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_saves_and_stops(
    spec_file: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture, number: signal.Signals, code: int,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO)
    arguments = ["train", spec_file("ppo"), "mine", "--backend", "eager", "--out"]
    assert main([*arguments, str(tmp_path / "whole")]) == 0
    handlers = signal.getsignal(number)

    def interrupt(self: Progress, frame: int, score: float) -> None:
        if frame == 400:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "report", interrupt)
        assert main([*arguments, str(tmp_path / "out")]) == code
    assert signal.getsignal(number) == handlers, "the process's own handlers are back"
    assert f"{number.name}: saved at frame 400" in caplog.text
    assert "the same command resumes" in capsys.readouterr().err
    assert not (tmp_path / "out" / "train.csv").exists(), "artifacts appear when all is done"
    gc.collect()
    assert main([*arguments, str(tmp_path / "out")]) == 0
    assert "resumed at frame 400" in caplog.text
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_sigusr1_saves_and_goes_on(
    make_spec: MakeSpec, run: Run, uninterrupted: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spec = make_spec("ppo")
    whole = uninterrupted(spec)
    monkeypatch.setattr(
        Progress, "report", lambda self, frame, score: frame == 400 and os.kill(os.getpid(), signal.SIGUSR1)
    )
    with caplog.at_level(logging.INFO):
        assert contents(run(spec)) == whole
    assert "SIGUSR1: saved at frame 400" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(("name", "frames"), [("ppo", 12_000), ("ddqn", 5_000)])
def test_killed_process_resumes(spec_file: Callable[..., str], tmp_path: Path, name: str, frames: int) -> None:
    """A real process, a real SIGKILL, and the same command again."""
    path = spec_file(name, {"env.max_frame": frames, "meta.log_frequency": 500, "meta.eval_frequency": 500})
    command = [sys.executable, "-m", "slm", "train", path, "mine", "--backend", "eager", "--out"]
    environment = {**os.environ, "SLM_CHECKPOINT_INTERVAL": "0.2"}
    out = tmp_path / "out"
    with subprocess.Popen([*command, str(out)], env=environment, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not list(out.glob(".inprogress/*/checkpoint.previous.pt")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL, "killed before its end"
    again = subprocess.run([*command, str(out)], env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "resumed at frame" in again.stderr
    assert main(["train", path, "mine", "--backend", "eager", "--out", str(tmp_path / "whole")]) == 0
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.slow
def test_terminated_process_exits_with_143(spec_file: Callable[..., str], tmp_path: Path) -> None:
    path = spec_file("ppo", {"env.max_frame": 1_000_000})
    command = [sys.executable, "-m", "slm", "train", path, "mine", "--backend", "eager", "--out", str(tmp_path / "o")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("o/.inprogress/*/train.csv")) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.5)
        process.terminate()
        _, text = process.communicate(timeout=60)
    assert process.returncode == 143, text
    assert "SIGTERM: saved at frame" in text
    assert "Traceback" not in text
