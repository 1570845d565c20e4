"""Eager and compiled step functions: the same results, refused shapes, and a cache that compiles once."""

import logging
import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import slm.backend
import slm.compiled
from slm.algorithms import Algorithm, Clock, Spaces, make_algorithm
from slm.backend import Agent, Backend, EagerBackend, Inputs, Outputs, make_backend
from slm.compiled import CompiledBackend, cache_dir, trace
from slm.env import make_world
from slm.errors import UserError
from slm.spec import Spec

MakeSpec = Callable[..., Spec]


def agent_of(value: float = 1.0) -> Agent:
    return {"weights": torch.full((3,), value), "bias": torch.zeros(3), "unused": torch.ones(2)}


def inputs_of(rows: int = 4) -> dict[str, Tensor]:
    return {"x": torch.arange(3.0 * rows).reshape(rows, 3), "rate": torch.tensor(0.5), "ignored": torch.ones(7)}


def step(agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
    """Changes one buffer, reads another, leaves the third."""
    y = inputs["x"] * agent["weights"] + agent["bias"]
    return {**agent, "weights": agent["weights"] - inputs["rate"] * y.mean(0)}, {"y": y, "sum": y.sum()}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of compiled graphs that the tests of this module share: compiling one takes half a minute."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(params=["eager", pytest.param("compiled", marks=pytest.mark.slow)])
def backend(request: pytest.FixtureRequest, cache: Path) -> Backend:
    return EagerBackend() if request.param == "eager" else CompiledBackend(cache)


def test_program_changes_the_agents_buffers_in_place(backend: Backend) -> None:
    agent = agent_of()
    buffers = dict(agent)
    program = backend.bind(step, agent, inputs_of(), "static")
    assert agent["weights"].tolist() == [1.0, 1.0, 1.0], "binding runs nothing on the agent"
    first = program(inputs_of())
    assert first["sum"] == 66.0
    assert agent["weights"].tolist() == [-1.25, -1.75, -2.25]
    second = program(inputs_of())
    torch.testing.assert_close(second["y"][1], torch.tensor([3 * -1.25, 4 * -1.75, 5 * -2.25]))
    assert all(agent[name] is buffer for name, buffer in buffers.items())
    assert agent["bias"].tolist() == [0.0] * 3
    assert first["sum"] == 66.0, "outputs are no buffers that the next call reuses"


def test_inputs_of_other_shapes_or_types_are_refused(backend: Backend) -> None:
    agent = agent_of()
    program = backend.bind(step, agent, inputs_of(), "static")
    wrong = {
        "rows": inputs_of(5),
        "columns": {**inputs_of(), "x": torch.zeros(4, 1)},
        "type": {**inputs_of(), "x": inputs_of()["x"].double()},
        "rank": {**inputs_of(), "rate": torch.ones(1)},
        "missing": {"x": inputs_of()["x"]},
        "more": {**inputs_of(), "other": torch.ones(1)},
    }
    for inputs in wrong.values():
        with pytest.raises(ValueError, match="are not those"):
            program(inputs)
    assert agent["weights"].tolist() == [1.0, 1.0, 1.0], "and nothing has changed"


def test_graph_key_is_of_what_decides_the_graph() -> None:
    def key(function: Any = step, agent: Agent | None = None, rows: int = 4) -> str:
        return trace(function, agent or agent_of(), inputs_of(rows))[2]["graph"]

    def other(agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        new, outputs = step(agent, inputs)
        return {**new, "weights": new["weights"] * 1.0001}, outputs

    def with_table(numbers: list[float]) -> Any:
        table = torch.tensor(numbers)

        def looked_up(agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
            return agent, {"y": inputs["x"] * table}

        return looked_up

    assert key() == key(agent=agent_of(5.0)), "values don't count, only shapes"
    assert len({key(), key(rows=5), key(other)}) == 3
    assert key(with_table([1.0, 2.0, 3.0])) != key(with_table([1.0, 2.0, 4.0])), "constants do"


def test_tracing_leaves_the_agent_alone_and_drops_what_is_not_read() -> None:
    agent, inputs = agent_of(), inputs_of()
    _, arguments, interface = trace(step, agent, inputs)
    assert agent["weights"].tolist() == [1.0] * 3
    assert (interface["agent"], interface["inputs"]) == (["weights", "bias"], ["x", "rate"])
    assert interface["outputs"] == ["y", "sum"]
    assert len(arguments) == 4


@pytest.mark.parametrize("name", ["fast", ""])
def test_unknown_backend(name: str) -> None:
    with pytest.raises(UserError, match="allowed: auto, compiled, eager"):
        make_backend(name)


def test_auto_is_eager_without_a_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert make_backend("auto").name == "eager"
    with pytest.raises(UserError, match="needs a C\\+\\+ compiler"):
        make_backend("compiled")
    compiler = tmp_path / "g++"
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    assert make_backend("auto").name == "compiled"


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SLM_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "slm"
    monkeypatch.setenv("SLM_CACHE_DIR", str(tmp_path / "mine"))
    assert cache_dir() == tmp_path / "mine"


@pytest.mark.slow
def test_compiling_a_graph_changes_no_other_graphs_key(tmp_path: Path) -> None:
    def key(rows: int) -> str:
        return trace(step, agent_of(), inputs_of(rows))[2]["graph"]

    before = key(4)
    CompiledBackend(tmp_path).bind(step, agent_of(), inputs_of(6), "static")
    assert (tmp_path / "graphs" / f"{key(6)}.pt2").exists()
    assert key(4) == before


@pytest.mark.slow
def test_second_binding_neither_compiles_nor_traces(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    CompiledBackend(tmp_path).bind(step, agent_of(), inputs_of(), "static")
    assert caplog.text.count("compiling step") == 1
    (library,) = tmp_path.glob("graphs/*.pt2")
    assert not [path for path in library.parent.iterdir() if path.is_dir()], "no scratch is left"
    before = library.stat()
    # Another request for the same graph traces, and finds the library.
    CompiledBackend(tmp_path).bind(step, agent_of(), inputs_of(), "another static value")
    assert caplog.text.count("compiling step") == 1

    def refuse(*args: Any) -> None:
        raise AssertionError("traced again")

    monkeypatch.setattr(slm.compiled, "trace", refuse)
    agent = agent_of()
    program = CompiledBackend(tmp_path).bind(step, agent, inputs_of(), "static")
    assert program(inputs_of())["sum"] == 66.0
    assert (library.stat().st_mtime_ns, library.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def bind_and_run(folder: Path, start: Any, results: Any) -> None:
    """In a process of its own."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("slm").addHandler(handler)
    logging.getLogger("slm").setLevel(logging.INFO)
    start.wait()
    program = CompiledBackend(folder).bind(step, agent_of(), inputs_of(), "static")
    compiled = sum(message.startswith("compiling") for message in messages)
    results.put((compiled, float(program(inputs_of())["sum"])))


@pytest.mark.slow
def test_two_processes_compile_a_graph_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(2), context.Queue()
    processes = [context.Process(target=bind_and_run, args=(tmp_path, start, results)) for _ in range(2)]
    for process in processes:
        process.start()
    found = [results.get(timeout=300) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(compiled for compiled, _ in found) == [0, 1]
    assert [total for _, total in found] == [66.0, 66.0]


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def after_updates(spec: Spec, backend: Backend, frames: int) -> tuple[Algorithm, list[dict[str, float]]]:
    """The agent after so many frames of acting at random and learning, and the metrics of each training."""
    world = make_world(spec.env, 0.9)
    algorithm = make_algorithm(spec, Spaces(world.observation_space, world.action_space, spec.env.num_envs))
    algorithm.bind(algorithm.init(0), backend)
    memory, clock, rng = algorithm.make_memory(), Clock(), np.random.default_rng(0)
    observations, metrics = world.reset(list(range(spec.env.num_envs))), []
    while clock.frame < frames:
        actions = rng.integers(2, size=spec.env.num_envs)
        taken = world.step(actions)
        memory.add(observations, actions, taken)
        observations = taken.observations
        clock.frame += spec.env.num_envs
        found = algorithm.train(memory, clock, rng)
        if found is not None:
            metrics.append(found)
    return algorithm, metrics


A2C = {
    "agent.algorithm": {"name": "ActorCritic", "gamma": 0.9, "lam": 0.8, "training_frequency": 16},
    "agent.net.shared": False,
    "agent.net.use_same_optim": False,
}
SARSA = {"agent.algorithm": {"name": "SARSA", "gamma": 0.9, "training_frequency": 16}}
IMITATION = {"sil_policy_loss_coef": 1, "sil_val_loss_coef": 1, "training_iter": 1, "training_batch_iter": 1}
IMITATING = {
    **{f"agent.algorithm.{key}": value for key, value in {"name": "PPOSIL", **IMITATION}.items()},
    "agent.memory": {"name": "OnPolicyBatchReplay", "sil_replay_name": "Replay", "batch_size": 8, "max_size": 100},
}
UPDATES = [
    ("ppo", {}, 64),
    ("ppo", A2C, 64),
    ("ppo", SARSA, 64),
    ("ppo", IMITATING, 128),
    ("ddqn", {}, 24),
    ("ddqn", {"agent.algorithm.name": "DQN"}, 24),
    ("ddqn", {"agent.algorithm.name": "VanillaDQN", "agent.net.update_frequency": ...}, 24),
]
"""Those of REINFORCE, SIL, SAC and CrossQ are in the tests of these algorithms."""


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("name", "changes", "frames"), UPDATES)
def test_compiled_updates_are_those_of_eager(
    make_spec: MakeSpec, name: str, changes: dict[str, Any], frames: int
) -> None:
    spec = make_spec(name, {**changes, "agent.net.clip_grad_val": 0.5})
    eager, expected = after_updates(spec, EagerBackend(), frames)
    compiled, metrics = after_updates(spec, CompiledBackend(), frames)
    assert len(metrics) == len(expected) > 0
    for found, wanted in zip(metrics, expected, strict=True):
        # Without a finished episode there is nothing to imitate, and its losses are no numbers.
        assert found == pytest.approx(wanted, rel=1e-4, abs=1e-5, nan_ok=True)
    for key, buffer in eager.agent.items():
        torch.testing.assert_close(compiled.agent[key], buffer, rtol=1e-4, atol=1e-5, msg=lambda m, k=key: f"{k}: {m}")
