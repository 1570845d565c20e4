"""Pictures without a display."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from slm.env import make_world, rendering
from slm.errors import UserError
from slm.spec import EnvSpec


@pytest.fixture(autouse=True)
def _headless(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL"):
        monkeypatch.delenv(name, raising=False)


def frames(name: str, count: int) -> list[np.ndarray]:
    spec = EnvSpec.model_validate({"name": name, "max_frame": 1, "num_envs": 2, "clip_obs": None, "clip_reward": None})
    world = make_world(spec, 0.99, render_mode="rgb_array")
    world.reset([0, 1])
    pictures = []
    for _ in range(count):
        world.step(np.ones(2, np.int64))
        first, second = world.render()
        pictures.append(first)
        assert first.shape == second.shape
    world.close()
    return pictures


@pytest.mark.parametrize(
    ("name", "shape"),
    [("CartPole-v1", (400, 600, 3)), ("LunarLander-v3", (400, 600, 3)), ("ALE/Breakout-v5", (210, 160, 3))],
)
def test_pictures(name: str, shape: tuple[int, ...]) -> None:
    pictures = frames(name, 8)
    assert pictures[0].shape == shape
    assert pictures[0].dtype == np.uint8
    assert len(np.unique(pictures[0].reshape(-1, 3), axis=0)) >= 3, "more than one colour"
    assert not np.array_equal(pictures[0], pictures[-1]), "something moves"


def library(name: str | None) -> Callable[[str], str | None]:
    return lambda wanted: f"lib{wanted}.so" if wanted == name else None


def context(error: Exception | None, made: list[str]) -> Callable[[str], Any]:
    """Stands in for ``importlib.import_module``: a module whose GLContext works, or raises."""

    class GLContext:
        def __init__(self, width: int, height: int) -> None:
            if error:
                raise error

        def free(self) -> None:
            made.append("freed")

    def module(name: str) -> Any:
        made.append(name)
        return SimpleNamespace(GLContext=GLContext)

    return module


@pytest.mark.parametrize(("present", "backend"), [("EGL", "egl"), ("OSMesa", "osmesa")])
def test_mujoco_draws_with_what_is_there(monkeypatch: pytest.MonkeyPatch, present: str, backend: str) -> None:
    made: list[str] = []
    monkeypatch.setattr(rendering, "find_library", library(present))
    monkeypatch.setattr(rendering.importlib, "import_module", context(None, made))
    rendering.prepare_mujoco()
    assert rendering.os.environ["MUJOCO_GL"] == backend
    assert made == [f"mujoco.{backend}", "freed"]


def test_message_where_there_is_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "find_library", library(None))
    with pytest.raises(UserError, match=r"needs a library .*libegl1.*libosmesa6"):
        rendering.prepare_mujoco()
    assert "MUJOCO_GL" not in rendering.os.environ


def test_message_where_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "find_library", library("EGL"))
    monkeypatch.setattr(rendering.importlib, "import_module", context(ImportError("no device"), []))
    with pytest.raises(UserError, match=r"MUJOCO_GL=egl fails .*no device.*libosmesa6"):
        rendering.prepare_mujoco()


def test_a_display_or_a_choice_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(rendering.importlib, "import_module", context(None, made))
    monkeypatch.setenv("DISPLAY", ":0")
    rendering.prepare_mujoco()
    assert (made, rendering.os.environ.get("MUJOCO_GL")) == ([], None)
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    rendering.prepare_mujoco()
    assert made == ["mujoco.osmesa", "freed"]
