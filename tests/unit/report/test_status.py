import json
import os
import socket
from types import SimpleNamespace

import pytest

from slm import heartbeat
from slm.cli import main
from slm.heartbeat import Heartbeat
from slm.report.status import read_signs, session_folders, status_table

IDENTITY = {"spec_name": "ppo", "trial": 0, "session": 1, "out": "results/experiments/ppo_x/trial0/session1"}


class StopError(Exception):
    pass


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "results/.inprogress/abc"
    path.mkdir(parents=True)
    return path


def state(frame, score=1.5, stopped=False):
    world = SimpleNamespace(statistics=SimpleNamespace(total_reward=score))
    return SimpleNamespace(clock=SimpleNamespace(frame=frame), world=world, stopped=stopped)


def make(folder):
    return Heartbeat(folder, IDENTITY | {"max_frame": 1000}, StopError)


def content(folder):
    return json.loads((folder / "heartbeat.json").read_text())


@pytest.mark.parametrize(("error", "end"), [(None, "finished"), (StopError(), "stopped"), (ValueError(), "failed")])
def test_the_last_sign_says_how_it_ended(folder, error, end):
    try:
        with make(folder) as beating:
            assert content(folder)["state"] == "starting"
            session = state(10)
            beating.beat(session)
            assert (content(folder)["state"], content(folder)["frame"]) == ("training", 10)
            session.clock.frame = 20  # steps after the last sign of life
            if error:
                raise error
    except (StopError, ValueError):
        pass
    assert (content(folder)["state"], content(folder)["frame"]) == (end, 20)
    assert [path.name for path in folder.iterdir()] == ["heartbeat.json"]


def test_a_session_that_a_search_stopped_was_pruned(folder, tmp_path):
    with make(folder) as beating:
        beating.beat(state(250, stopped=True))
    signs = read_signs(session_folders(tmp_path))
    assert status_table(signs) == "1 pruned"
    assert "250/1,000" in status_table(signs, finished=True)


@pytest.mark.parametrize("place", ["out/ppo/trial0/session1/.inprogress/abc", "out/a3c/trial0/.inprogress/abc"])
def test_sessions_without_the_workflow_are_found(tmp_path, place):
    folder = tmp_path / place
    folder.mkdir(parents=True)
    sign(folder)
    assert len(read_signs(session_folders(tmp_path))) == 1


def test_signs_are_seconds_apart_and_tell_the_speed(folder, monkeypatch):
    now = 100.0
    monkeypatch.setattr(heartbeat.time, "monotonic", lambda: now)
    with make(folder) as beating:
        beating.beat(state(0, float("nan")))
        assert (content(folder)["fps"], content(folder)["score"]) == (None, None)
        now += heartbeat.INTERVAL - 0.1
        beating.beat(state(300))
        assert content(folder)["frame"] == 0
        now += 0.1
        beating.beat(state(500))
        assert (content(folder)["frame"], content(folder)["fps"]) == (500, 100.0)


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path):
    gone = tmp_path / "gone"
    with make(gone) as beating:
        beating.beat(state(10))
    assert not gone.exists()


def sign(folder, **changes):
    about = {
        "state": "training",
        "frame": 500,
        "fps": 100.0,
        "score": 12.345,
        "host": "node7",
        "pid": 1,
        "time": 1000.0,
    }
    (folder / "heartbeat.json").write_text(json.dumps(IDENTITY | {"max_frame": 1000} | about | changes))


def test_a_line_tells_frames_speed_score_and_time_left(folder, tmp_path):
    sign(folder)
    text = status_table(read_signs(session_folders(tmp_path), now=1003.0))
    for part in ("ppo_x/trial0/session1", "training", "500/1,000", "50%", "100", "0:00:05", "node7", "3 s ago"):
        assert part in text
    assert text.endswith("1 training")


def test_silent_sessions_and_dead_processes_are_lost(folder, tmp_path):
    def state_at(now):
        (found,) = read_signs(session_folders(tmp_path), now=now)
        return found.state

    sign(folder)
    assert state_at(1100.0) == "training"
    assert state_at(1121.0) == "lost"
    sign(folder, host=socket.gethostname(), pid=os.getpid())
    assert state_at(1001.0) == "training"
    sign(folder, host=socket.gethostname(), pid=2**22 + 1)  # above the largest process number of Linux
    assert state_at(1001.0) == "lost"
    sign(folder, state="stopped")
    assert state_at(9999.0) == "stopped"


def test_finished_sessions_are_counted_and_shown_on_request(folder, tmp_path):
    sign(folder, state="finished", frame=1000)
    signs = read_signs(session_folders(tmp_path), now=1003.0)
    assert status_table(signs) == "1 finished"
    assert "ppo_x/trial0/session1" in status_table(signs, finished=True)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"time": 1, "state": "odd"}'])
def test_damaged_signs_are_left_out(folder, tmp_path, text):
    (folder / "heartbeat.json").write_text(text)
    assert read_signs(session_folders(tmp_path)) == []


def test_the_command(folder, tmp_path, capsys):
    assert main(["status", str(tmp_path / "results")]) == 0
    assert capsys.readouterr().out == "no session has begun here\n"
    sign(folder)
    assert main(["status", str(tmp_path)]) == 0
    assert "1 lost" in capsys.readouterr().out
