"""Which device a session computes on, and what lies between a CUDA device and the rest of a session.

Environments, memories and algorithms know nothing of devices: they hand over and take back tensors in the machine's
main memory. On CUDA the agent lies on the device and `DeviceBackend` moves what goes in and comes out. On the CPU none
of this is there. No result that was trained on CUDA is promised to come out in the same bytes again.
"""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from slm.backend import Agent, Backend, Call, EagerBackend, Inputs, Outputs, Program, StepFunction
from slm.spec import NoNetSpec, Spec, actor_net_spec

log = logging.getLogger(__name__)


def choose_device(spec: Spec, trial: int, session: int) -> torch.device:
    """The one device that a session's networks compute on, as the ``gpu`` of the policy's net asks.

    With ``auto`` or ``true`` it is CUDA where this process has some; sessions take turns in the devices that it sees.
    Workers of a Hogwild trial write to parameters in main memory, and so compute on the CPU.
    """
    net = spec.agent.net
    if isinstance(net, NoNetSpec) or spec.meta.distributed is not False or actor_net_spec(spec).gpu is False:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", (trial * spec.meta.max_session + session) % torch.cuda.device_count())


def device_name(device: torch.device) -> str:
    """What results say of the device: ``cpu``, or the name of the GPU's model."""
    return "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device)


def on_device(spec: Spec, device: torch.device, agent: Agent, backend: Backend) -> tuple[Agent, Backend]:
    """The agent on its device, and the backend that runs its step functions there: on the CPU, those given."""
    if device.type == "cpu":
        if actor_net_spec(spec).gpu is True:
            shares = spec.meta.distributed is not False
            reason = "its workers share their parameters" if shares else "this process has no CUDA device"
            log.warning("agent.net.gpu is true, but the session trains on the CPU: %s", reason)
        return agent, backend
    moved = DeviceBackend(device)
    log.info("training on %s (%s), eagerly", device, device_name(device))
    return moved.place(agent), moved


class DeviceProgram:
    """A program whose inputs are moved to its device at every call, and whose outputs are moved back."""

    def __init__(self, program: Program, device: torch.device) -> None:
        self._program, self._device = program, device

    def on(self, inputs: Inputs) -> Call:
        # What was placed on the device before stays as it is; see `Backend.place`.
        held = {
            name: torch.empty_like(tensor, device=self._device) if tensor.device.type == "cpu" else tensor
            for name, tensor in inputs.items()
        }
        moved = [(held[name], tensor) for name, tensor in inputs.items() if held[name] is not tensor]
        step = self._program.on(held)

        def call() -> Outputs:
            for there, here in moved:
                there.copy_(here)
            return {name: tensor.cpu() for name, tensor in step().items()}

        return call

    def __call__(self, inputs: Inputs) -> Outputs:
        return self.on(inputs)()


class DeviceBackend(EagerBackend):
    """Runs step functions as they are written, on a device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def place(self, inputs: Inputs) -> dict[str, Tensor]:
        return {name: tensor.to(self.device) for name, tensor in inputs.items()}

    def bind(self, function: StepFunction, agent: Agent, example: Inputs, static: object) -> Program:
        return DeviceProgram(super().bind(function, agent, example, static), self.device)
