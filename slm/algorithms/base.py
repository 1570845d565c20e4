"""What every algorithm is made of, and the few things that they all do alike.

An algorithm holds no state. What it learns lives in the *agent*, a flat dictionary of tensors; what has happened is
on the *clock*; experience is in the *memory*. Its step functions (`choose`, `update`, …) are pure functions of
(agent, inputs), which the backend binds to the agent's buffers.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from slm.algorithms.policies import Policy
from slm.algorithms.schedules import Schedule, linear_to_min, linear_to_zero
from slm.backend import Agent, Backend, Inputs, Outputs, Program, StepFunction
from slm.errors import UserError
from slm.memory import Replay, Rollout
from slm.nets import Network
from slm.nets.network import Parameters, gradients
from slm.optim import OPTIMIZERS, clip_by_global_norm, make_optimizer
from slm.spec import NetSpec, Spec

Memory = Rollout | Replay
Metrics = dict[str, float]


@dataclass
class Clock:
    """What has been counted since the session began."""

    frame: int = 0
    """Environment steps, over all environments of the vector."""
    opt_step: int = 0
    """Gradient steps."""
    train_calls: int = 0
    """Times that the algorithm trained (a whole rollout, or a set of sampled batches)."""


@dataclass(frozen=True)
class Spaces:
    """What the agent sees and does in one environment."""

    observation: gym.spaces.Box
    action: gym.Space
    num_envs: int

    @property
    def observation_type(self) -> tuple[tuple[int, ...], Any]:
        """Shape and NumPy type of one observation in memory."""
        return self.observation.shape, np.uint8 if self.observation.dtype == np.uint8 else np.float32

    @property
    def action_type(self) -> tuple[tuple[int, ...], Any]:
        """Shape and NumPy type of one action in memory."""
        if isinstance(self.action, gym.spaces.Box):
            return (int(np.prod(self.action.shape)),), np.float32
        return self.action.shape or (), np.int64


class DivergedError(Exception):
    """The loss is no longer a finite number."""


class Algorithm(ABC):
    """Base of all algorithms: networks with their optimizers, schedules, and binding to a backend."""

    METRICS: ClassVar[tuple[str, ...]] = ("loss",)
    """Names of the update's metrics, in the order of its output ``metrics``."""

    def __init__(self, spec: Spec, spaces: Spaces) -> None:
        self.spec, self.spaces = spec, spaces
        self.networks: dict[str, Network] = {}
        self._net_specs: dict[str, NetSpec] = {}
        self._learning_rates: dict[str, Schedule] = {}
        self._optimizers: dict[str, Any] = {}
        self._programs: dict[str, Program] = {}
        self._hyper: dict[str, Tensor] = {}
        self.agent: Agent = {}

    policy: Policy
    """Chooses actions from the network's outputs."""
    explore: Schedule
    """Frame → ε or τ of the policy."""

    # --- to be given by each algorithm

    @abstractmethod
    def init(self, seed: int) -> Agent:
        """A new agent: initial parameters and optimizer states."""

    @abstractmethod
    def make_memory(self) -> Memory:
        """An empty memory of the kind and size that the spec asks for."""

    @abstractmethod
    def choose(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Step function: actions for observations (B, …), with exploration value ``explore`` and the policy's noise."""

    @abstractmethod
    def train(self, memory: Memory, clock: Clock, rng: np.random.Generator) -> Metrics | None:
        """Learn if it is time to; called after every step. Returns the mean metrics of what was done, or None."""

    @abstractmethod
    def hyperparameters(self, frame: int) -> dict[str, float]:
        """Scalars that enter the update as inputs, at this frame."""

    def scheduled(self, frame: int) -> dict[str, float]:
        """The algorithm's own columns in train.csv beside `METRICS`: its scheduled values at this frame."""
        return {}

    # --- networks

    def add_network(self, name: str, network: Network, spec: NetSpec) -> None:
        """Register a trained network: the agent holds its parameters under ``name``, its optimizer state beside."""
        optimizer = spec.optim_spec
        if optimizer["name"] not in OPTIMIZERS:
            raise UserError(
                f"agent.net.optim_spec.name: '{optimizer['name']}' is not supported; supported: {', '.join(OPTIMIZERS)}"
            )
        self.networks[name], self._net_specs[name] = network, spec
        self._optimizers[name], base = make_optimizer(optimizer)
        self._learning_rates[name] = learning_rate(base, spec)

    def initial_agent(self) -> Agent:
        """Parameters and optimizer states of all registered networks."""
        agent: Agent = {}
        for name, network in self.networks.items():
            agent[name] = network.initial_parameters()
            state = self._optimizers[name].init(agent[name])
            agent.update({f"{name}.{key}": value for key, value in state.items()})
        return agent

    def descend(
        self,
        agent: Agent,
        inputs: Inputs,
        loss: Callable[[dict[str, Parameters]], tuple[Tensor, dict[str, Tensor]]],
        names: Sequence[str] | None = None,
    ) -> tuple[Agent, dict[str, Tensor]]:
        """One optimizer step of the named networks (default: all) along the gradient of ``loss``.

        Returns the new agent and the loss function's metrics.
        """
        networks = self.networks if names is None else {name: self.networks[name] for name in names}
        slopes, metrics = gradients(loss, networks, agent)
        new = dict(agent)
        for name, slope in slopes.items():
            if self._net_specs[name].clip_grad_val is not None:
                slope = clip_by_global_norm(slope, inputs[f"clip_grad.{name}"])
            slots = ("t", *self._optimizers[name].slots)
            state = {slot: agent[f"{name}.{slot}"] for slot in slots}
            new[name], state = self._optimizers[name].step(agent[name], slope, state, inputs[f"lr.{name}"])
            new.update({f"{name}.{slot}": state[slot] for slot in slots})
        return new, metrics

    def learning_rate(self, frame: int) -> float:
        """Mean learning rate of the networks, for the log."""
        return float(np.mean([schedule(frame) for schedule in self._learning_rates.values()]))

    # --- acting

    def act(self, observations: NDArray[Any], frame: float, rng: np.random.Generator) -> NDArray[Any]:
        """Actions for observations (B, …), exploring as at this frame; at an infinite frame, as at the end."""
        arrays = {"observations": observations, **self.policy.noise(rng, len(observations))}
        inputs = {**tensors(arrays), "explore": torch.tensor(self.explore(frame))}
        name = "choose" if len(observations) == self.spaces.num_envs else f"choose{len(observations)}"
        if name not in self._programs:
            self._bind_one(name, self.choose, inputs)
        return self.run(name, inputs)["actions"].numpy()

    # --- binding to a backend

    def bind(self, agent: Agent, backend: Backend) -> None:
        """Make the programs that run this algorithm's step functions on the agent's buffers.

        From here on ``self.agent`` names those buffers, which the programs change in place.
        """
        self.agent, self._backend = agent, backend
        self._hyper = {name: torch.tensor(value) for name, value in self._inputs_at(0).items()}
        for name, (function, example) in self.step_functions(agent).items():
            self._bind_one(name, function, example)

    def _bind_one(self, name: str, function: StepFunction, example: Inputs) -> None:
        static = (type(self).__name__, self.spec.agent, self.networks, self.spaces)
        self._programs[name] = self._backend.bind(function, self.agent, example, static)

    @abstractmethod
    def step_functions(self, agent: Agent) -> dict[str, tuple[StepFunction, Inputs]]:
        """Name → (step function, example inputs), for `bind`."""

    def run(self, program: str, inputs: Inputs) -> Outputs:
        """Run a bound step function."""
        return self._programs[program](inputs)

    def hyper(self) -> dict[str, Tensor]:
        """Scalar tensors of the hyperparameters; `set_hyper` moves them with the frame."""
        return self._hyper

    def set_hyper(self, frame: int) -> None:
        """Set the hyperparameter inputs to their values at this frame."""
        for name, value in self._inputs_at(frame).items():
            self._hyper[name].fill_(value)

    def _inputs_at(self, frame: int) -> dict[str, float]:
        inputs = {f"lr.{name}": schedule(frame) for name, schedule in self._learning_rates.items()}
        for name, spec in self._net_specs.items():
            if spec.clip_grad_val is not None:
                inputs[f"clip_grad.{name}"] = float(spec.clip_grad_val)
        return {**inputs, **self.hyperparameters(frame)}

    def mean_metrics(self, outputs: Sequence[Outputs], frame: int) -> Metrics:
        """Mean of the updates' metrics. Raises DivergedError where a loss is not finite."""
        means = torch.stack([output["metrics"] for output in outputs]).mean(dim=0).tolist()
        metrics = dict(zip(self.METRICS, means, strict=True))
        if not math.isfinite(metrics["loss"]):
            raise DivergedError(f"the loss is {metrics['loss']} at frame {frame}")
        return metrics


def learning_rate(base: float, spec: NetSpec) -> Schedule:
    """The learning rate as a function of the frame. Raises UserError for a scheduler that is not supported."""
    scheduler = spec.lr_scheduler_spec
    if scheduler is None:
        return lambda frame: base
    if scheduler["name"] == "LinearToZero":
        return linear_to_zero(base, float(scheduler["frame"]))
    if scheduler["name"] == "LinearToMin":
        return linear_to_min(base, float(scheduler["frame"]), float(scheduler["min_factor"]))
    raise UserError(
        f"agent.net.lr_scheduler_spec.name: '{scheduler['name']}' can't be trained yet; "
        "implemented: LinearToZero, LinearToMin"
    )


def elementwise_loss(spec: NetSpec) -> nn.Module:
    """The torch.nn loss of a net spec, without reduction."""
    kwargs = dict(spec.loss_spec)
    names = {name.lower(): name for name in nn.modules.loss.__all__}
    return getattr(nn, names[kwargs.pop("name").lower()])(**kwargs, reduction="none")


def tensors(arrays: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Arrays as tensors that share their memory."""
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
