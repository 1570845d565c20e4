"""Hogwild's arithmetic, with several workers in one process: what reaches the parameters that they have in common."""

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.algorithms.hogwild import Sharing, join
from slm.backend import Agent, EagerBackend, configure_process, make_backend
from slm.checkpoint import Checkpoints
from slm.distributed import Trial, make_common, restore, save, worker_spec
from slm.optim import make_optimizer
from slm.session import Session
from slm.spec import Spec
from slm.train import train

MakeSpec = Callable[..., Spec]
ARTIFACTS = ("train.csv", "eval.csv", "model.pt", "best.pt")
LR = torch.tensor(0.5)
SAC: dict[str, Any] = {
    "agent.algorithm": {"name": "SoftActorCritic", "gamma": 0.99, "training_frequency": 4, "training_start_step": 60},
    "agent.memory": {"name": "Replay", "batch_size": 8, "max_size": 100},
    "agent.net": {"type": "MLPNet", "hid_layers": [8], "hid_layers_activation": "tanh", "update_type": "polyak",
                  "polyak_coef": 0.1},
    "env": {"name": "Pendulum-v1", "num_envs": 2, "max_frame": 300},
}  # fmt: skip


def distributed(make_spec: MakeSpec, mode: str | bool, optimizer: str, name: str = "ppo", **changes: Any) -> Spec:
    """An example in a mode of ``meta.distributed``, with one worker unless the changes say otherwise."""
    own = {"meta.distributed": mode, "agent.net.optim_spec": {"name": optimizer, "lr": 0.01}}
    return make_spec(name, {**changes, **own})


class Workers:
    """Workers with one parameter vector, whose gradients the test makes up."""

    def __init__(self, mode: Any, optim_spec: dict[str, Any], count: int = 2) -> None:
        self.sharing, self.optim_spec = Sharing(mode, count), optim_spec
        self.optimizer, _ = make_optimizer(optim_spec)
        self.agents = [self._agent() for _ in range(count)]
        common = self.sharing.common(self.agents[0], {"net": optim_spec})
        for agent in self.agents[1:]:
            agent.update(common)

    def _agent(self) -> Agent:
        theta = torch.tensor([1.0, 2.0])
        state = {f"net.{slot}": value for slot, value in self.optimizer.init(theta).items()}
        return {"net": theta, **state, **self.sharing.globals_of({"net": theta})}

    def step(self, worker: int, gradient: list[float]) -> None:
        """A step as a backend makes it: the function first, then the copying of what it returns."""
        agent, slope = self.agents[worker], torch.tensor(gradient)
        for name, value in self.sharing.step(agent, "net", self.optimizer, self.optim_spec, slope, LR).items():
            if value is not agent[name]:
                agent[name].copy_(value)

    def values(self, name: str) -> list[list[float]]:
        return [agent[name].tolist() for agent in self.agents]


SGD = {"name": "SGD"}
MOMENTUM = {"momentum": 0.5}


def test_shared_workers_see_each_step_at_once() -> None:
    workers = Workers("shared", SGD)
    workers.step(0, [1.0, 0.0])
    assert workers.values("net") == [[0.5, 2.0]] * 2
    workers.step(1, [1.0, 2.0])
    assert workers.values("net") == [[0.0, 1.0]] * 2


def test_synced_workers_push_each_gradient_once_and_see_others_after_their_own_step() -> None:
    workers = Workers("synced", SGD)
    workers.step(0, [1.0, 0.0])
    assert workers.values("global.net") == [[0.5, 2.0]] * 2
    assert workers.values("net") == [[0.5, 2.0], [1.0, 2.0]]
    workers.step(1, [1.0, 2.0])
    assert workers.values("global.net") == [[0.0, 1.0]] * 2
    assert workers.values("net") == [[0.5, 2.0], [0.0, 1.0]]
    workers.step(0, [0.0, 0.0])
    assert workers.values("net") == [[0.0, 1.0]] * 2


@pytest.mark.parametrize("mode", ["shared", "synced"])
def test_global_optimizers_share_their_averages(mode: str) -> None:
    """Momentum 0.5: the second worker's step has half of the first's gradient in it: 0.5 (2 + ½ 1) = 1.25."""
    target = "net" if mode == "shared" else "global.net"
    workers = Workers(mode, {"name": "GlobalSGD", **MOMENTUM})
    workers.step(0, [1.0, 0.0])
    workers.step(1, [2.0, 0.0])
    assert workers.values(target)[0] == [1.0 - 0.5 - 1.25, 2.0]
    assert workers.values("net.momentum") == [[2.5, 0.0]] * 2
    assert workers.values("net.t") == [2.0, 2.0]


@pytest.mark.parametrize("mode", ["shared", "synced"])
def test_other_optimizers_keep_their_averages_to_themselves(mode: str) -> None:
    target = "net" if mode == "shared" else "global.net"
    workers = Workers(mode, {**SGD, **MOMENTUM})
    workers.step(0, [1.0, 0.0])
    workers.step(1, [2.0, 0.0])
    assert workers.values(target)[0] == [1.0 - 0.5 - 1.0, 2.0]
    assert workers.values("net.momentum") == [[1.0, 0.0], [2.0, 0.0]]
    assert workers.values("net.t") == [1.0, 1.0]


def test_a_step_moves_from_where_the_parameters_are_by_then() -> None:
    """What another worker writes while this one computes its gradient is not undone by this one's step."""
    workers = Workers("shared", SGD)
    function = workers.optimizer.step

    def late(theta: torch.Tensor, *rest: Any) -> Any:
        workers.optimizer = make_optimizer(SGD)[0]
        workers.step(1, [1.0, 1.0])
        return function(theta, *rest)

    workers.optimizer = type("Late", (), {"slots": (), "step": staticmethod(late)})()
    workers.step(0, [1.0, 0.0])
    assert workers.values("net") == [[0.0, 1.5]] * 2


@pytest.mark.parametrize(("optimizer", "trainings"), [("Adam", 5), ("GlobalAdam", 20)])
def test_learning_rates_run_on_the_clock_of_the_trial(optimizer: str, trainings: int) -> None:
    rate = Sharing("shared", 4).rate(lambda frame, calls: 1000 * frame + calls, {"name": optimizer})
    assert rate(100, 5) == 400_000 + trainings


def test_frames_are_divided_among_workers(make_spec: MakeSpec) -> None:
    spec = make_spec("ppo", {"env.max_frame": 803, "meta.distributed": "synced", "meta.max_session": 4})
    assert worker_spec(spec).env.max_frame == 200


@pytest.mark.parametrize(
    ("mode", "optimizer", "expected"),
    [
        ("shared", "Adam", {"actor", "critic1", "critic2"}),
        ("synced", "Adam", {"global.actor", "global.critic1", "global.critic2"}),
        ("shared", "GlobalAdam", {f"{net}{slot}" for net in ("actor", "critic1", "critic2")
                                  for slot in ("", ".t", ".m", ".v", ".root", ".rate")}),
        (False, "GlobalAdam", set()),
    ],
)  # fmt: skip
def test_targets_and_temperature_are_each_workers_own(
    make_spec: MakeSpec, mode: str | bool, optimizer: str, expected: set[str]
) -> None:
    session = Session(distributed(make_spec, mode, optimizer, "ddqn", **SAC), 0, 0, EagerBackend())
    assert set(session.algorithm.common(session.state.agent)) == expected


@pytest.mark.parametrize("mode", ["shared", "synced"])
def test_workers_begin_alike_and_then_each_draws_its_own_numbers(make_spec: MakeSpec, mode: str) -> None:
    spec = distributed(make_spec, mode, "GlobalAdam", "ddqn", **SAC)
    backend = EagerBackend()
    common = make_common(spec, 0, backend)
    first, second = (Session(spec, 0, number, backend, common).state for number in (0, 1))
    for name, buffer in first.agent.items():
        assert torch.equal(buffer, second.agent[name]) or buffer.isnan().all(), name
        assert (buffer is second.agent[name]) == (name in common.buffers)
    assert first.streams.env_seeds != second.streams.env_seeds


def test_a_worker_that_comes_late_starts_from_the_parameters_as_they_are() -> None:
    workers = Workers("synced", SGD)
    workers.step(0, [1.0, 0.0])
    late, common = workers._agent(), {"global.net": workers.agents[0]["global.net"]}
    join(late, type("Given", (), {"buffers": common})())  # type: ignore[arg-type]
    assert late["net"].tolist() == [0.5, 2.0]


@pytest.mark.parametrize("mode", ["shared", "synced"])
@pytest.mark.parametrize("name", ["ppo", "ddqn", "sac"])
def test_a_single_worker_is_a_plain_session(make_spec: MakeSpec, tmp_path: Path, name: str, mode: str) -> None:
    """No gradient is lost and none counts twice: the same bytes, although every step goes through the common ones."""
    example, changes = ("ddqn", SAC) if name == "sac" else (name, {})
    single_worker_is_plain(make_spec, tmp_path, example, changes, mode, EagerBackend())


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["shared", "synced"])
def test_a_single_worker_is_a_plain_session_compiled(make_spec: MakeSpec, tmp_path: Path, mode: str) -> None:
    single_worker_is_plain(make_spec, tmp_path, "ddqn", SAC, mode, make_backend("compiled"))


def single_worker_is_plain(
    make_spec: MakeSpec, folder: Path, example: str, changes: dict[str, Any], mode: str, backend: Any
) -> None:
    configure_process(threads=1)
    folders = []
    for number, (kind, optimizer) in enumerate([(False, "Adam"), (mode, "GlobalAdam")]):
        spec = distributed(make_spec, kind, optimizer, example, **changes)
        (job,) = Trial(spec, 0, folder / f"out{number}", folder / f"progress{number}", 1e9).jobs(backend)
        common = make_common(spec, 0, backend) if kind else None
        train(replace(job, common=common), backend)
        folders.append(job.out)
    for artifact in ARTIFACTS:
        assert (folders[0] / artifact).read_bytes() == (folders[1] / artifact).read_bytes(), artifact


def unreadable(checkpoints: Checkpoints, path: Path) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_common_parameters_come_back_from_the_newest_checkpoint_that_is_whole(
    make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = distributed(make_spec, "synced", "GlobalAdam")
    common, checkpoints = make_common(spec, 0, EagerBackend()), Checkpoints(tmp_path, {})
    for value in (1.0, 2.0):
        for buffer in common.buffers.values():
            buffer.fill_(value)
        save(common, checkpoints)
    others, fresh = (make_common(spec, 0, EagerBackend()) for _ in range(2))
    initial = {name: buffer.clone() for name, buffer in fresh.buffers.items()}
    assert restore(others, checkpoints)
    assert all((buffer == 2.0).all() for buffer in others.buffers.values())
    checkpoints.latest.write_bytes(checkpoints.latest.read_bytes()[:-1])
    assert restore(others, checkpoints)
    assert all((buffer == 1.0).all() for buffer in others.buffers.values())
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "load", unreadable)
        with pytest.raises(OSError, match="Input/output error"):
            restore(fresh, checkpoints)
    checkpoints.latest.write_bytes(b"")
    assert not restore(fresh, checkpoints)
    assert all(torch.equal(buffer, initial[name]) for name, buffer in fresh.buffers.items())
