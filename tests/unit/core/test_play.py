"""A trained agent plays: as it was trained, on the same observations, and into a file."""

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from slm import play
from slm.cli import main
from slm.env import World
from slm.errors import UserError
from slm.play import animation, best_session, load_player, record_episode, record_row
from slm.spec import Spec

MakeSpec = Callable[..., Spec]
Run = Callable[..., Path]
NORMALISED = {"env.normalize_obs": True, "env.max_frame": 200}


@pytest.fixture
def session(make_spec: MakeSpec, run: Run) -> Path:
    return run(make_spec("ppo", NORMALISED))


def test_the_player_is_the_best_checkpoint_with_the_statistics_of_training(session: Path) -> None:
    content = torch.load(session / "best.pt", weights_only=True)
    player = load_player(session)
    networks = player.algorithm.networks
    for name, parameters in content["networks"].items():
        for key, view in networks[name].named(player.algorithm.agent, name).items():
            assert torch.equal(view, parameters[key])
    before = player.world.normaliser()
    first = player.episode()
    after = player.world.normaliser()
    assert before is not None
    assert after is not None
    for key, value in before.items():
        assert np.array_equal(value, after[key]), "playing learns nothing"
    assert first == load_player(session).episode(), "the same episode again"
    assert first[0] == first[1] > 5, "a point a step on CartPole"


def test_other_numbers_are_other_episodes(session: Path) -> None:
    starts = {load_player(session, number=number).world.reset([number])[0].tobytes() for number in range(3)}
    assert len(starts) == 3
    assert load_player(session, number=1).seeds != load_player(session, number=0).seeds


def test_an_episode_is_recorded_without_a_screen(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new/episode.gif"
    assert main(["enjoy", str(session), "--record", str(file)]) == 0
    total, steps = load_player(session).episode()
    assert f"return {total:.2f} in {steps} steps" in capsys.readouterr().err
    with Image.open(file) as image:
        assert image.width == play.WIDTH
        assert sum(durations(image)) == pytest.approx(1000 * play.SECONDS_A_FRAME * steps)


def durations(image: Image.Image) -> list[int]:
    """Milliseconds of each frame of an animation."""
    found = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        found.append(image.info["duration"])
    return found


def test_equal_pictures_in_a_row_are_one_frame_shown_longer() -> None:
    bright, dark = (np.full((40, 60, 3), level, np.uint8) for level in (200, 50))
    dark[:10] = 120
    with Image.open(io.BytesIO(animation([bright, bright, bright, dark, dark, bright]))) as image:
        assert durations(image) == [150, 100, 50]


@pytest.mark.parametrize(("chosen", "expected"), [(None, "egl"), ("osmesa", "osmesa")])
def test_mujoco_draws_without_a_screen(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None, expected: str
) -> None:
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MUJOCO_GL", chosen or "")
    if chosen is None:
        monkeypatch.delenv("MUJOCO_GL")
    assert main(["enjoy", str(session), "--record", str(tmp_path / "episode.gif")]) == 0
    assert os.environ["MUJOCO_GL"] == expected


def test_the_best_session_of_a_trial_plays(session: Path, tmp_path: Path) -> None:
    for number, score in ((0, 3.0), (2, None), (10, 7.0)):
        folder = tmp_path / f"trial0/session{number}"
        shutil.copytree(session, folder)
        record = json.loads((folder / "session.json").read_text())
        record["metrics"]["total_reward_ma"] = score
        (folder / "session.json").write_text(json.dumps(record))
    assert best_session(tmp_path / "trial0").name == "session10"
    record_row(tmp_path / "trial0", "mine", tmp_path / "episode.json")
    episode = json.loads((tmp_path / "episode.json").read_text())
    assert (episode["experiment"], episode["session"], episode["note"]) == ("mine", 10, "")
    assert (tmp_path / "episode.gif").read_bytes()[:6] == b"GIF89a"


def test_where_nothing_can_be_drawn_a_note_says_so(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def render(self: object) -> None:
        raise RuntimeError("no graphics here")

    monkeypatch.setattr("slm.env.World.render", render)
    trial = tmp_path / "trial0"
    shutil.copytree(session, trial / "session0")
    record_row(trial, "mine", tmp_path / "episode.json")
    assert "can't be drawn" in json.loads((tmp_path / "episode.json").read_text())["note"]
    with Image.open(tmp_path / "episode.gif") as image:
        assert image.n_frames == 1
    assert main(["enjoy", str(session), "--record", str(tmp_path / "x.gif")]) == 2
    assert "no graphics here" in capsys.readouterr().err
    assert not (tmp_path / "x.gif").exists()


def test_mistakes(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    for arguments, message in (
        ([str(tmp_path)], "there is no display"),
        ([str(tmp_path), "--record", "x.gif"], "neither a session's folder"),
        ([str(session), "--record", "x.mp4"], "must end in .gif"),
    ):
        assert main(["enjoy", *arguments]) == 2
        assert message in capsys.readouterr().err
    (session / "best.pt").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"best\.pt can't be used"):
        load_player(session)


def test_of_a_long_episode_only_the_pictures_that_are_shown_are_drawn(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, render = [], World.render

    def counted(self: World) -> object:
        drawn.append(render(self))
        return drawn[-1]

    _, steps = load_player(session).episode()
    monkeypatch.setattr(World, "render", counted)
    monkeypatch.setattr(play, "MAX_FRAMES", 3)
    played = record_episode(session, tmp_path / "episode.gif")
    assert played["steps"] == steps
    assert len(drawn) == 1 + -(-steps // -(-steps // 3)), "the first one is a test of whether it can be drawn"
    with Image.open(tmp_path / "episode.gif") as image:
        assert sum(durations(image)) == 1000 * play.SECONDS_A_FRAME * (len(drawn) - 1)


def test_an_animation_is_kept_small(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 120, 120, 3)).astype(np.uint8)
    large = animation(list(noise))
    monkeypatch.setattr(play, "MAX_BYTES", len(large) // 3)
    assert len(animation(list(noise))) < len(large) // 2
