"""What a session is said to need is at least what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slm.env import make_world
from slm.nets import sequence_length
from slm.plan import read_sheet
from slm.plan.resources import BASE_MB, _memory_bytes, _observation_bytes, memory_mb
from slm.spec import Spec, load_spec

ROOT = Path(__file__).parents[3]


def specs(schema: dict[str, Any]) -> list[Spec]:
    """One spec for each environment type, algorithm and environment without pictures of the sheet."""
    found = {}
    for row in read_sheet(ROOT / "config/benchmarks.tsv", schema):
        spec = load_spec(ROOT / row.spec_file, row.spec_name, row.variables)
        env = "ALE/Pong-v5" if spec.env.name.startswith("ALE/") else spec.env.name
        found[env, row.algorithm] = spec
    return list(found.values())


def test_observations_are_no_larger_than_assumed(sheet_schema: dict[str, Any]) -> None:
    for spec in {spec.env.name: spec for spec in specs(sheet_schema)}.values():
        world = make_world(spec.env.model_copy(update={"num_envs": 1}), 0.99, sequence_length(spec))
        space = world.observation_space
        itemsize = 1 if space.dtype == "uint8" else 4
        frame, observation = _observation_bytes(spec)
        count = 1
        for size in space.shape:
            count *= size
        assert count * itemsize <= observation, spec.env.name
        assert count * itemsize // (world.stacked or 1) <= frame, spec.env.name
        world.close()


def test_a_full_replay_memory_takes_what_is_said(sheet_schema: dict[str, Any]) -> None:
    from slm.memory import PrioritizedReplay

    by_name = {spec.env.name: spec for spec in specs(sheet_schema)}
    shapes = {"ALE/": ((4, 84, 84), "uint8", 4), "Humanoid-v5": ((348,), "float32", None)}
    for prefix, (shape, kind, stacked) in shapes.items():
        spec = next(spec for name, spec in by_name.items() if name.startswith(prefix))
        size = 1000
        memory = PrioritizedReplay(size, 8, 1, (shape, kind), ((17,), "float32"), stacked=stacked, alpha=1, epsilon=1)
        taken = sum(ring.nbytes for ring in memory.rings.values()) + sum(level.nbytes for level in memory._tree.levels)
        taken += memory.observations._frames.nbytes + memory.observations._ages.nbytes
        replay = {"name": "Replay", "batch_size": 8, "max_size": size}
        spec = spec.model_copy(update={"agent": spec.agent.model_copy(update={"memory": _replay(replay)})})
        assert 0.9 * _memory_bytes(spec) <= taken <= 1.1 * _memory_bytes(spec)


def _replay(keys: dict[str, Any]) -> Any:
    from slm.spec import ReplaySpec

    return ReplaySpec.model_validate(keys)


@pytest.mark.parametrize(("env", "expected"), [("ALE/Pong-v5", 1600), ("CartPole-v1", 200)])
def test_the_estimate_of_200000_transitions(env: str, expected: int) -> None:
    file = ROOT / "specs/benchmark/sac/sac_atari.yaml"
    spec = load_spec(file, "sac_atari", {"env": "ALE/Pong-v5", "max_frame": "1e6"})
    spec = spec.model_copy(
        update={
            "env": spec.env.model_copy(update={"name": env}),
            "agent": spec.agent.model_copy(
                update={"memory": spec.agent.memory.model_copy(update={"max_size": 200_000})}
            ),
        }
    )
    assert memory_mb(spec) == BASE_MB + expected
