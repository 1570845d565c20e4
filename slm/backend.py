"""The one place that decides how a pure function of tensors runs: eagerly, or compiled as one graph.

A *step function* has the form ``fn(agent, inputs) -> (agent, outputs)``: ``agent`` and ``inputs`` are flat
dictionaries of tensors, nothing else is read, nothing is written. `bind` turns it into a `Program` on given agent
buffers: a call takes the inputs, writes the new agent into the same buffers and returns the outputs.

- `EagerBackend` calls the function as it stands; for debugging and for machines without a C++ compiler.
- `CompiledBackend` traces it once (``make_fx``), compiles the whole step ahead of time (AOTInductor) and keeps the
  library in a cache on disk, so that sessions load it in milliseconds.

The two differ in the last bits of their results; one experiment never mixes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from slm.errors import UserError
from slm.toolchain import COMPILERS, compiler

Agent = dict[str, Tensor]
Inputs = Mapping[str, Tensor]
Outputs = dict[str, Tensor]
StepFunction = Callable[[Agent, Inputs], tuple[Agent, Outputs]]
Call = Callable[[], Outputs]
Signature = tuple[tuple[str, torch.Size, torch.dtype], ...]


class Program(Protocol):
    """A step function bound to agent buffers."""

    def on(self, inputs: Inputs) -> Call:
        """The program on these very tensors: each call runs one step on what they hold by then, and on the buffers.

        So names, shapes and types are compared once, and a caller that steps often writes into the tensors in place:
        the comparison takes as long as a small network. Raises ValueError where they are not those of the example.
        """

    def __call__(self, inputs: Inputs) -> Outputs:
        """Run one step on the buffers in place; inputs must have the shapes and types of the example."""


class Backend(Protocol):
    """How step functions run."""

    name: str

    def bind(self, function: StepFunction, agent: Agent, example: Inputs, static: object) -> Program:
        """Bind ``function`` to the buffers of ``agent``.

        ``example`` gives the inputs' names, shapes and types. ``static`` is any value whose ``repr`` states all that
        the function reads besides its arguments (hyperparameters, network architecture): it is part of the cache key.
        """

    def bind_all(
        self, functions: Mapping[str, tuple[StepFunction, Inputs]], agent: Agent, static: object
    ) -> dict[str, Program]:
        """Bind several step functions, each given with its example inputs."""

    def place(self, inputs: Inputs) -> Inputs:
        """Inputs of which several calls read the same values, where the programs compute.

        They may be copies: what is written into the given tensors afterwards may not reach the programs.
        """


def signature(tensors: Inputs) -> Signature:
    """Name, shape and type of each tensor: what a graph was made for."""
    return tuple((name, tensor.shape, tensor.dtype) for name, tensor in tensors.items())


def check_signature(inputs: Inputs, expected: Signature) -> None:
    """Raise ValueError for inputs that a program is not made for."""
    if (found := signature(inputs)) != expected:
        raise ValueError(f"inputs {found} are not those the program was made for: {expected}")


def write_back(agent: Agent, new: Agent) -> None:
    """Copy the changed entries of ``new`` into the buffers of ``agent``."""
    for name, buffer in agent.items():
        if new[name] is not buffer:
            buffer.copy_(new[name])


class EagerProgram:
    """A step function run by the Python interpreter, one kernel at a time."""

    def __init__(self, function: StepFunction, agent: Agent, example: Inputs) -> None:
        self._function, self._agent, self._signature = function, agent, signature(example)

    def on(self, inputs: Inputs) -> Call:
        check_signature(inputs, self._signature)
        inputs = dict(inputs)

        def call() -> Outputs:
            with torch.no_grad():
                new, outputs = self._function(self._agent, inputs)
                write_back(self._agent, new)
            return outputs

        return call

    def __call__(self, inputs: Inputs) -> Outputs:
        return self.on(inputs)()


class EagerBackend:
    """Runs step functions as they are written."""

    name = "eager"

    def bind(self, function: StepFunction, agent: Agent, example: Inputs, static: object) -> Program:
        return EagerProgram(function, agent, example)

    def place(self, inputs: Inputs) -> Inputs:
        return inputs

    def bind_all(
        self, functions: Mapping[str, tuple[StepFunction, Inputs]], agent: Agent, static: object
    ) -> dict[str, Program]:
        return {name: self.bind(function, agent, example, static) for name, (function, example) in functions.items()}


def configure_process(threads: int) -> None:
    """Set how this process computes: its threads, and denormal numbers as zero.

    Denormals come up when gradients vanish (saturated activations) and are worked off in slow paths: a DQN session
    was measured to fall to half its speed. The setting changes results in the last bits, so it holds everywhere.
    """
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)


def make_backend(name: str) -> Backend:
    """The backend of that name: ``compiled``, ``eager``, or ``auto`` (compiled where there is a C++ compiler).

    Raises UserError for ``compiled`` on a machine without a C++ compiler.
    """
    if name == "auto":
        name = "compiled" if compiler() else "eager"
    if name == "eager":
        return EagerBackend()
    if name != "compiled":
        raise UserError(f"backend: '{name}' is not allowed; allowed: auto, compiled, eager")
    if not compiler():
        raise UserError(
            f"backend 'compiled' needs a C++ compiler and none of {', '.join(COMPILERS)} is on the PATH; "
            "install one, or set backend to 'eager' (its results differ in the last bits, so it is another experiment)"
        )
    from slm.compiled import CompiledBackend  # the compiler's own imports are heavy and only needed here

    return CompiledBackend()
