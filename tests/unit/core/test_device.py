"""Which device a session computes on, and that nothing but the step functions' tensors has to be there.

No machine of these tests has a GPU. That step functions mix no devices is tested with tensors on torch's `meta` device,
whose operations check devices as CUDA's do; the moving of tensors with the CPU as the device to move to.
"""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from resume_cases import CASES

from slm.algorithms.distributions.continuous import NormalTanh
from slm.backend import Agent, EagerBackend, Inputs, Program, StepFunction
from slm.checkpoint import OtherDeviceError
from slm.cli import main
from slm.device import DeviceBackend, choose_device
from slm.session import Session
from slm.spec import Spec, session_hash

MakeSpec, Run = Callable[..., Spec], Callable[..., Path]
ARTIFACTS = ("train.csv", "eval.csv", "model.pt", "best.pt")
SPECS = [pytest.param(case.values[0], case.values[1], id=case.id) for case in CASES]
CPU = torch.device("cpu")
NORMAL_TANH = {"agent.algorithm.action_pdtype": "NormalTanh", "env.name": "Pendulum-v1"}


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA as a process sees it that has two devices."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"Abacus {device.index}")


@pytest.mark.parametrize("gpu", ["auto", True])
@pytest.mark.usefixtures("two_gpus")
def test_sessions_take_turns_in_the_devices_that_there_are(make_spec: MakeSpec, gpu: Any) -> None:
    spec = make_spec("ppo", {"agent.net.gpu": gpu, "meta.max_session": 3})
    assert [choose_device(spec, 0, session).index for session in range(3)] == [0, 1, 0]
    assert [choose_device(spec, 1, session).index for session in range(3)] == [1, 0, 1]


@pytest.mark.parametrize(
    "changes",
    [
        {"agent.net.gpu": False},
        {"agent.net.actor_gpu": False},
        {"meta.distributed": "synced", "meta.max_session": 2, "agent.net.gpu": True},
        {"agent.algorithm": {"name": "Random"}, "agent.net": {}},
    ],
    ids=["false", "the policy's is false", "Hogwild", "no net"],
)
@pytest.mark.usefixtures("two_gpus")
def test_these_compute_on_the_cpu_whatever_there_is(make_spec: MakeSpec, changes: dict[str, Any]) -> None:
    assert choose_device(make_spec("ppo", changes), 0, 0) == CPU


@pytest.mark.parametrize("gpu", ["auto", True, False])
def test_without_cuda_only_an_explicit_wish_is_worth_a_warning(
    make_spec: MakeSpec, gpu: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with caplog.at_level(logging.WARNING):
        session = Session(make_spec("ppo", {"agent.net.gpu": gpu}), 0, 0, EagerBackend())
    assert session.device == CPU
    assert ("agent.net.gpu is true, but the session trains on the CPU" in caplog.text) == (gpu is True)


def test_an_explicit_wish_changes_no_hash_and_the_cpu_for_good_does(make_spec: MakeSpec) -> None:
    hashes = [
        session_hash(make_spec("ppo", {"agent.net.gpu": gpu}), trial=0, session=0, backend="eager")
        for gpu in (True, "auto", False)
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_only_the_policys_net_chooses(make_spec: MakeSpec) -> None:
    spec = make_spec("ppo", {"agent.net.critic_gpu": True})
    assert spec.warnings == [
        "agent.net.critic_gpu has no effect: a session computes on one device, which the policy's net chooses"
    ]


@pytest.mark.parametrize(("kind", "changes"), SPECS)
def test_a_session_whose_tensors_are_moved_is_the_same_session(
    make_spec: MakeSpec, run: Run, monkeypatch: pytest.MonkeyPatch, kind: str, changes: dict[str, Any]
) -> None:
    spec = make_spec(kind, changes)
    plain = run(spec)
    monkeypatch.setattr("slm.session.on_device", lambda spec, device, agent, backend: (agent, DeviceBackend(CPU)))
    moved = run(spec)
    for name in ARTIFACTS:
        assert (plain / name).read_bytes() == (moved / name).read_bytes(), name


def test_a_program_on_a_device_reads_what_its_inputs_hold_at_each_call_but_for_what_was_placed() -> None:
    def add(agent: Agent, inputs: Inputs) -> tuple[Agent, Inputs]:
        total = agent["total"] + inputs["x"] + inputs["y"]
        return {"total": total}, {"total": total.clone()}

    backend, agent = DeviceBackend(CPU), {"total": torch.zeros(2)}
    x, y = torch.ones(2), torch.zeros(2, device="meta")
    program = backend.bind(add, agent, {"x": x, "y": torch.zeros(2)}, None)
    step = program.on({"x": x, "y": torch.zeros(2)})
    assert step()["total"].tolist() == [1, 1]
    x.numpy()[0] = 5
    assert step()["total"].tolist() == agent["total"].tolist() == [6, 2]
    # What is on another device than the CPU already stays as it is: torch refuses to mix it with the rest.
    with pytest.raises(RuntimeError, match="meta"):
        program({"x": x, "y": y})


class OnMeta(EagerBackend):
    """Runs each step function once on tensors of another device than the CPU, as well as as usual."""

    def __init__(self) -> None:
        self.checked: list[str] = []

    def bind(self, function: StepFunction, agent: Agent, example: Inputs, static: object) -> Program:
        new, outputs = function(*({name: tensor.to("meta") for name, tensor in held.items()} for held in
                                  (agent, example)))  # fmt: skip
        for name, tensor in {**new, **outputs}.items():
            assert tensor.device.type == "meta", f"{function.__qualname__}: {name} is on {tensor.device}"
        self.checked.append(function.__name__)
        return super().bind(function, agent, example, static)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        *(case for case in SPECS if case.id != "torch optimizer and scheduler"),  # these read values, on any device
        pytest.param("ppo", {}, id="ppo"),
        pytest.param("ddqn", {}, id="ddqn"),
        pytest.param("ppo", {"meta.on_nan": "skip", "agent.algorithm.normalize_advantages": "percentile",
                             "agent.algorithm.normalize_v_targets": True}, id="ppo with all that it keeps"),
        pytest.param("ppo", NORMAL_TANH, id="NormalTanh"),
        pytest.param("ppo", {"agent.algorithm.action_policy": "random"}, id="random actions"),
    ],
)  # fmt: skip
def test_no_step_function_mixes_devices(
    make_spec: MakeSpec, run: Run, kind: str, changes: dict[str, Any]
) -> None:  # fmt: skip
    backend = OnMeta()
    run(make_spec(kind, {**changes, "agent.net.gpu": False}), backend=backend)
    assert {"choose"} < set(backend.checked)


def test_a_tensor_made_on_the_cpu_would_be_noticed(make_spec: MakeSpec, run: Run, monkeypatch: Any) -> None:
    plain = NormalTanh.entropy
    monkeypatch.setattr(
        NormalTanh, "entropy", lambda self, outputs: plain(self, outputs) + torch.zeros(len(outputs[0]), device="cpu")
    )
    spec = make_spec("ppo", NORMAL_TANH)
    with pytest.raises(RuntimeError, match=r"device|meta"):
        run(spec, backend=OnMeta())


def test_what_was_trained_on_a_gpu_is_not_compared_by_its_bytes(
    make_spec: MakeSpec, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    out = run(make_spec("ppo"))
    record = json.loads((out / "session.json").read_text())
    assert record["device"] == "cpu"
    (out / "session.json").write_text(json.dumps({**record, "device": "Abacus 3000"}))
    assert main(["verify", str(out)]) == 2
    assert "trained on Abacus 3000; the same bytes are promised on the CPU alone" in capsys.readouterr().err


def test_a_checkpoint_of_another_device_is_neither_gone_on_with_nor_lost(
    make_spec: MakeSpec, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec("ppo")
    out = run(spec)
    progress = out.parent / "progress0"
    (folder,) = (path for path in progress.iterdir() if path.is_dir())
    (folder / "session.json").unlink()
    saved = {path.name: path.read_bytes() for path in folder.glob("checkpoint*")}
    assert saved
    monkeypatch.setattr("slm.train.choose_device", lambda spec, trial, session: torch.device("cuda", 0))
    with pytest.raises(OtherDeviceError, match=rf"made on 'cpu', and this process computes on 'cuda'.*{folder}"):
        run(spec, inprogress=progress)
    assert {path.name: path.read_bytes() for path in folder.glob("checkpoint*")} == saved
