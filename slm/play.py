"""A trained agent plays: on a screen, or recorded as an animation."""

from __future__ import annotations

import io
import itertools
import json
import logging
import math
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from slm.algorithms import Algorithm, Spaces, make_algorithm
from slm.analysis.files import write_json
from slm.analysis.sessions import session_index
from slm.atomic import write_atomically
from slm.backend import EagerBackend
from slm.checkpoint import from_bytes
from slm.env import World, make_world
from slm.errors import UserError
from slm.nets import sequence_length
from slm.spec import Spec, load_spec, parse_spec
from slm.streams import make_streams

log = logging.getLogger(__name__)

EPISODES = 1 << 40
"""Evaluation streams from here on are of episodes to be watched: no session trains for so many frames."""
WIDTH = 240
"""Pixels of an animation's width."""
MAX_FRAMES = 240
MAX_BYTES = 600_000
"""Of an animation: what a page with dozens of them can hold."""
COLOURS = 64
SECONDS_A_FRAME = 0.05
Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Player:
    """A trained agent and a world of one environment for it to play in."""

    algorithm: Algorithm
    world: World
    seeds: list[int]
    rng: np.random.Generator

    def episode(self, watch: Callable[[World], None] = lambda world: None) -> tuple[float, int]:
        """Play one episode with exploration at its end value; returns its return and its steps.

        `watch` is called with the world after the reset and after each step but the last, which ends in a reset.
        """
        observations = self.world.reset(self.seeds)
        total, steps, over = 0.0, 0, False
        watch(self.world)
        while not over:
            actions = self.algorithm.act(observations, math.inf, self.rng)
            step = self.world.step(self.algorithm.to_env(actions))
            observations = step.observations
            total, steps, over = total + float(step.raw_rewards[0]), steps + 1, bool(step.episode_over[0])
            if not over:
                watch(self.world)
        return total, steps


def load_player(session_dir: Path, model: str = "best.pt", render_mode: str | None = None, number: int = 0) -> Player:
    """The agent of a finished session, with its training's observation statistics, frozen.

    `number` chooses the episode: its seeds are the session's own, and none that it was trained or evaluated with.
    Raises UserError for a folder without a finished session, and for a model that doesn't fit its spec.
    """
    record, spec = read_session_spec(session_dir)
    spec = spec.model_copy(update={"env": spec.env.model_copy(update={"num_envs": 1})})
    gamma = getattr(spec.agent.algorithm, "gamma", 0.99)
    world = make_world(spec.env, gamma, sequence_length(spec), render_mode)
    streams = make_streams(spec.meta.random_seed, record["trial"], record["session"], 1)
    algorithm = make_algorithm(spec, Spaces(world.observation_space, world.action_space, 1))
    agent = algorithm.init(streams.init_seed)
    algorithm.bind(agent, EagerBackend())
    try:
        content = from_bytes((session_dir / model).read_bytes())
        for name, network in algorithm.networks.items():
            for key, view in network.named(agent, name).items():
                view.copy_(content["networks"][name][key])
        world.freeze_normaliser(content["normaliser"])
    except Exception as error:  # a damaged or foreign file can fail in any way
        raise UserError(f"{session_dir / model} can't be used: {type(error).__name__}: {error}") from error
    seeds, rng = streams.evaluation_at(EPISODES + number, 1)
    return Player(algorithm, world, seeds, rng)


def read_session_spec(session_dir: Path) -> tuple[dict[str, Any], Spec]:
    """A finished session's record and the spec that it was trained from; raises UserError where they aren't there."""
    try:
        record = json.loads((session_dir / "session.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{session_dir} holds no finished session: {error}") from error
    if "spec" in record:
        return record, parse_spec(record["spec_name"], record["spec"])
    # Sessions of versions that kept no spec in the record: the workflow's are beside their trial's.
    if not (session_dir.parent / "spec.json").exists():
        raise UserError(f"{session_dir}: its session.json has no 'spec', and there is no spec.json beside the folder")
    return record, load_spec(session_dir.parent / "spec.json", record["spec_name"])


def best_session(folder: Path) -> Path:
    """The folder itself if it is a session's, or of a trial's sessions the one with the best score.

    Raises UserError for a folder that is neither.
    """
    if (folder / "session.json").exists():
        return folder
    found = sorted(folder.glob("session*/session.json"), key=lambda path: int(path.parent.name[len("session") :]))
    if not found:
        raise UserError(f"{folder}: neither a session's folder (with session.json) nor a trial's (with session0, …)")

    def score(path: Path) -> float:
        value = json.loads(path.read_text(encoding="utf-8"))["metrics"]["total_reward_ma"]
        return -math.inf if value is None else float(value)

    return max(found, key=score).parent


class RenderingError(UserError):
    """The environment can't be drawn on this machine."""


def record_episode(session_dir: Path, out: Path) -> dict[str, Any]:
    """Write one episode of the best checkpoint as a GIF; returns its `return` and its `steps`.

    Raises RenderingError where the environment can't be drawn.
    """
    # Played without pictures first: drawing takes far longer than playing, so only what will be shown is drawn.
    _, steps = load_player(session_dir).episode()
    stride, count = math.ceil(steps / MAX_FRAMES), itertools.count()
    try:
        player = load_player(session_dir, render_mode="rgb_array")
        player.world.reset(player.seeds)
        player.world.render()
    except Exception as error:  # anything may come out of a graphics driver
        raise RenderingError(f"{session_dir}: its environment can't be drawn here: {error}") from error
    pictures: list[Picture] = []

    def watch(world: World) -> None:
        if next(count) % stride == 0:
            pictures.append(world.render()[0])

    total, steps = player.episode(watch)
    player.world.close()
    write_atomically(out, animation(pictures))
    return {"return": total, "steps": steps}


def record_row(trial_dir: Path, experiment: str, out: Path) -> None:
    """Write an episode of a trial's best session: `out` (JSON) says what it is, beside it is the animation (.gif).

    Where the environment can't be drawn, `note` says why, and so does the one picture of the animation.
    """
    session = best_session(trial_dir)
    record: dict[str, Any] = {"experiment": experiment, "session": session_index(session), "note": ""}
    try:
        record |= record_episode(session, out.with_suffix(".gif"))
    except RenderingError as error:
        log.warning("%s", error)
        record["note"] = "not recorded: the environment can't be drawn on the machine of this run"
        write_atomically(out.with_suffix(".gif"), _words(record["note"]))
    write_json(out, record)


def animation(pictures: list[Picture]) -> bytes:
    """Pictures (height, width, 3) as an endless GIF of at most MAX_FRAMES frames and, if need be, far fewer."""
    width = min(WIDTH, pictures[0].shape[1])
    size = (width, round(pictures[0].shape[0] * width / pictures[0].shape[1]))
    images = [Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS) for picture in pictures]
    frames = MAX_FRAMES
    while True:
        data = _gif(images[:: math.ceil(len(images) / frames)])
        if len(data) <= MAX_BYTES or frames <= MAX_FRAMES // 16:
            return data
        frames //= 2


def _gif(images: list[Image.Image]) -> bytes:
    palette = images[len(images) // 2].convert("RGB").quantize(COLOURS)
    frames = [image.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=int(1000 * SECONDS_A_FRAME),
        loop=0,
        optimize=True,
    )
    return buffer.getvalue()


def _words(text: str) -> bytes:
    image = Image.new("P", (WIDTH, 3 * WIDTH // 4), 0)
    image.putpalette([242, 243, 246, 90, 97, 112])
    ImageDraw.Draw(image).multiline_text((10, 10), textwrap.fill(text, 34), fill=1)
    return _gif([image])


def episodes(session_dir: Path) -> Iterator[tuple[float, int]]:
    """Play on a screen, episode after episode; yields each one's return and steps."""
    number = 0
    while True:
        player = load_player(session_dir, render_mode="human", number=number)
        yield player.episode()
        player.world.close()
        number += 1
