"""Where all randomness comes from: independent streams that are a pure function of the seed, trial and session."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

STREAMS = ("env", "policy", "replay", "init", "evaluation")


@dataclass(frozen=True)
class Streams:
    """The random streams of one session."""

    env_seeds: list[int]
    """A seed for each environment."""
    policy: np.random.Generator
    """Noise of the actions."""
    replay: np.random.Generator
    """Order and draw of what is learned from."""
    init_seed: int
    """For initial weights."""
    evaluation: np.random.SeedSequence
    """Root of the evaluations' streams."""

    def evaluation_at(self, frame: int, episodes: int) -> tuple[list[int], np.random.Generator]:
        """Environment seeds and action noise of the evaluation at a frame; takes nothing from any other stream."""
        root = np.random.SeedSequence(self.evaluation.entropy, spawn_key=(*self.evaluation.spawn_key, frame))
        env, policy = root.spawn(2)
        return _seeds(env, episodes), np.random.default_rng(policy)

    def state(self) -> dict[str, Any]:
        """The generators' states as JSON: their integers have 128 bits."""
        return {name: json.dumps(getattr(self, name).bit_generator.state) for name in ("policy", "replay")}

    def restore(self, state: dict[str, Any]) -> None:
        for name in ("policy", "replay"):
            getattr(self, name).bit_generator.state = json.loads(state[name])


def make_streams(random_seed: int | None, trial: int, session: int, num_envs: int) -> Streams:
    """The streams of a session. ``random_seed`` is the spec's; null counts as 0."""
    root = np.random.SeedSequence(random_seed or 0, spawn_key=(trial, session))
    children = dict(zip(STREAMS, root.spawn(len(STREAMS)), strict=True))
    return Streams(
        env_seeds=_seeds(children["env"], num_envs),
        policy=np.random.default_rng(children["policy"]),
        replay=np.random.default_rng(children["replay"]),
        init_seed=_seeds(children["init"], 1)[0],
        evaluation=children["evaluation"],
    )


def _seeds(sequence: np.random.SeedSequence, count: int) -> list[int]:
    # 31 bits: the range that all simulators accept.
    return [int(word) >> 1 for word in sequence.generate_state(count)]
