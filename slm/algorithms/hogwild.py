"""Hogwild: the workers of a trial train one set of parameters, without locks and without waiting for each other.

Niu et al. 2011, arXiv:1106.5730; with actor-critics this is A3C (Mnih et al. 2016, arXiv:1602.01783, algorithm S3).
Common are the *global* parameters. A worker computes its gradients at the global parameters themselves (``shared``),
or at a copy of its own that it renews after each step (``synced``). Either way an optimizer step reads the global
parameters as they are at that moment and writes the result back at once, not at the end of the update: what other
workers write in between is the less likely to be lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from slm.algorithms.schedules import Rate
from slm.backend import Agent
from slm.optim import shares_state
from slm.spec import Spec

OptimSpec = Mapping[str, Any]
GLOBAL = "global."
"""Prefix of the agent's entries for global parameters where the worker has a copy of its own as well."""


@dataclass(frozen=True)
class Common:
    """What a worker is given of its trial."""

    init_seed: int
    """For initial weights: the workers begin alike, target networks included."""
    buffers: Agent
    """The entries of the agent that all workers have in common, in memory that they share."""


@dataclass(frozen=True)
class Sharing:
    """How the sessions of a trial share parameters; ``mode`` is false where they don't."""

    mode: Literal[False, "shared", "synced"]
    workers: int

    @staticmethod
    def of(spec: Spec) -> Sharing:
        """As the spec's ``meta`` says."""
        mode = spec.meta.distributed
        return Sharing(mode, spec.meta.max_session if mode else 1)

    def globals_of(self, parameters: Agent) -> Agent:
        """The entries to add to a new agent for the global parameters of networks, given their own by name."""
        if self.mode != "synced":
            return {}
        return {f"{GLOBAL}{name}": theta.clone() for name, theta in parameters.items()}

    def common(self, agent: Agent, optim_specs: Mapping[str, OptimSpec]) -> Agent:
        """The entries of an agent that the workers have in common, given the ``optim_spec`` of each network.

        These are the global parameters of the networks, the state of Global optimizers, and in ``shared`` mode the
        networks' buffers (running statistics). Optimizers of other names keep their averages to themselves, as do
        target networks, temperatures, normalisers and memories.
        """
        names: list[str] = []
        for name, optim_spec in optim_specs.items() if self.mode else ():
            names.append(self._target(name))
            if self.mode == "shared" and f"{name}.buffers" in agent:
                names.append(f"{name}.buffers")
            if shares_state(optim_spec):
                names.extend(_slots(agent, name))
        return {name: agent[name] for name in names}

    def step(self, agent: Agent, name: str, optimizer: Any, optim_spec: OptimSpec, slope: Tensor, lr: Tensor) -> Agent:
        """One optimizer step of a network along its gradient (P,). Returns the changed entries of the agent."""
        target, slots = self._target(name), ("t", *optimizer.slots)
        theta, state = optimizer.step(agent[target], slope, {slot: agent[f"{name}.{slot}"] for slot in slots}, lr)
        moments = {f"{name}.{slot}": state[slot] for slot in slots}
        if not self.mode:
            return {name: theta, **moments}
        written = _write(agent, {target: theta, **(moments if shares_state(optim_spec) else {})})
        own = {name: theta} if self.mode == "synced" else {}
        return {**moments, **own, **written}

    def rate(self, rate: Rate, optim_spec: OptimSpec | None) -> Rate:
        """A learning rate on the trial's clock instead of the worker's.

        Frames are divided among the workers, so that a decay over the trial's frames ends when the trial does. A
        scheduler that counts trainings counts those of all workers where the optimizer is Global, else the own ones.
        ``optim_spec`` is None for an optimizer that no other worker has a part in.
        """
        workers = self.workers
        if workers == 1:
            return rate
        trainings = workers if optim_spec is not None and shares_state(optim_spec) else 1
        return lambda frame, train_calls: rate(frame * workers, train_calls * trainings)

    def _target(self, name: str) -> str:
        """The agent's entry of the parameters that optimizer steps move."""
        return f"{GLOBAL}{name}" if self.mode == "synced" else name


def join(agent: Agent, common: Common) -> None:
    """Let a new agent have the workers' common entries, and its copies of global parameters equal them."""
    agent.update(common.buffers)
    for name, buffer in common.buffers.items():
        if name.startswith(GLOBAL):
            agent[name.removeprefix(GLOBAL)].copy_(buffer)


def _slots(agent: Agent, name: str) -> Iterator[str]:
    """The agent's entries of a network's optimizer."""
    return (key for key in agent if key.startswith(f"{name}.") and key != f"{name}.buffers")


def _write(agent: Agent, values: Agent) -> Agent:
    """Write values into the agent's buffers now. Returns those buffers, for which nothing is left to write."""
    for name, value in values.items():
        agent[name].copy_(value)
    return {name: agent[name] for name in values}
