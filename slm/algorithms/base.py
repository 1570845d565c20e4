"""What every algorithm is made of, and the few things that they all do alike.

An algorithm holds no state. What it learns lives in the *agent*, a flat dictionary of tensors; what has happened is
on the *clock*; experience is in the *memory*. Its step functions (`choose`, `update`, …) are pure functions of
(agent, inputs), which the backend binds to the agent's buffers.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slm.algorithms.acting import Acting
from slm.algorithms.divergence import DivergedError, left_out_where_diverged
from slm.algorithms.hogwild import Sharing
from slm.algorithms.policies import Policy
from slm.algorithms.schedules import Rate, Schedule, make_rate
from slm.algorithms.task import Clock, Spaces
from slm.backend import Agent, Backend, Call, EagerBackend, Inputs, Outputs, Program, StepFunction
from slm.errors import UserError
from slm.memory import Memory
from slm.nets import Network
from slm.nets.network import Parameters, gradients
from slm.optim import OPTIMIZERS, clip_by_global_norm
from slm.spec import NetSpec, Spec
from slm.torch_optim import TorchOptimizer, optimizer_for

log = logging.getLogger(__name__)

Metrics = dict[str, float]


class Algorithm(ABC):
    """Base of all algorithms: networks with their optimizers, schedules, and binding to a backend."""

    METRICS: ClassVar[tuple[str, ...]] = ("loss",)
    """Names of the update's metrics, in the order of its output ``metrics``."""

    def __init__(self, spec: Spec, spaces: Spaces) -> None:
        self.spec, self.spaces, self.sharing = spec, spaces, Sharing.of(spec)
        self.networks: dict[str, Network] = {}
        self._net_specs: dict[str, NetSpec] = {}
        self._learning_rates: dict[str, Rate] = {}
        self._optimizers: dict[str, Any] = {}
        self._programs: dict[str, Program] = {}
        self._acting: dict[int, Acting] = {}
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
        """Register a trained network: the agent holds its parameters under ``name``, the rest of its state beside."""
        self.networks[name], self._net_specs[name] = network, spec
        self._optimizers[name], base = optimizer_for(spec.optim_spec, network.views, network.flatten, (network.size,))
        self._learning_rates[name] = self.sharing.rate(make_rate(base, spec.lr_scheduler_spec), spec.optim_spec)

    def initial_agent(self) -> Agent:
        """Parameters, buffers and optimizer states of all registered networks."""
        agent: Agent = {}
        for name, network in self.networks.items():
            agent[name] = network.initial_parameters()
            if network.buffer_size:
                agent[f"{name}.buffers"] = network.initial_buffers()
            state = self._optimizers[name].init(agent[name])
            agent.update({f"{name}.{key}": value for key, value in state.items()})
        return {**agent, **self.sharing.globals_of({name: agent[name] for name in self.networks})}

    def common(self, agent: Agent) -> Agent:
        """The entries of the agent that the workers of a Hogwild trial have in common; none elsewhere."""
        return self.sharing.common(agent, {name: spec.optim_spec for name, spec in self._net_specs.items()})

    def descend(
        self,
        agent: Agent,
        inputs: Inputs,
        loss: Callable[[dict[str, Parameters]], tuple[Tensor, dict[str, Tensor]]],
        names: Sequence[str] | None = None,
    ) -> tuple[Agent, dict[str, Tensor]]:
        """One optimizer step of the named networks (default: all) along the gradient of ``loss``.

        Buffers that the loss function's forward passes have changed come among its metrics (see `train_forward`).
        Returns the new agent and the other metrics.
        """
        networks = self.networks if names is None else {name: self.networks[name] for name in names}
        slopes, metrics = gradients(loss, networks, agent)
        buffers = {name: metrics.pop(name) for name in [f"{name}.buffers" for name in networks] if name in metrics}
        new = {**agent, **buffers}
        for name, slope in slopes.items():
            if self._net_specs[name].clip_grad_val is not None:
                slope = clip_by_global_norm(slope, inputs[f"clip_grad.{name}"])
            optimizer, optim_spec = self._optimizers[name], self._net_specs[name].optim_spec
            new.update(self.sharing.step(agent, name, optimizer, optim_spec, slope, inputs[f"lr.{name}"]))
        return new, metrics

    def train_forward(
        self, name: str, named: Mapping[str, Parameters], x: Tensor
    ) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """Outputs of a network in training mode, and its new buffers, if it has any, for the loss function's metrics.

        The buffers are a flat vector under the name that the agent holds them by.
        """
        network = self.networks[name]
        outputs, buffers = network.train(named[name], x)
        return outputs, {f"{name}.buffers": network.flatten_buffers(buffers)} if buffers else {}

    @property
    def learning_rates(self) -> list[Rate]:
        """Those of the networks."""
        return list(self._learning_rates.values())

    def learning_rate(self, clock: Clock) -> float:
        """Mean learning rate of the networks, for the log."""
        return float(np.mean([rate(clock.frame, clock.train_calls) for rate in self.learning_rates]))

    # --- acting

    def act(self, observations: NDArray[Any], frame: float, rng: np.random.Generator) -> NDArray[Any]:
        """Actions for observations (B, …), exploring as at this frame; at an infinite frame, as at the end."""
        batch = len(observations)
        if batch not in self._acting:
            self._acting[batch] = self._make_acting(batch)
        return self._acting[batch](observations, self.explore(frame), rng)

    def _make_acting(self, batch: int) -> Acting:
        name = "choose" if batch == self.spaces.num_envs else f"choose{batch}"
        inputs = self.example_observations(batch)
        if name not in self._programs:
            self._bind_one(name, self.choose, inputs)
        return Acting(self._programs[name], inputs, self.policy)

    def to_env(self, actions: NDArray[Any]) -> NDArray[Any]:
        """Actions (B, …) of `act`, which the memory keeps, as the environments take them."""
        return actions

    # --- binding to a backend

    def bind(self, agent: Agent, backend: Backend) -> None:
        """Make the programs that run this algorithm's step functions on the agent's buffers.

        From here on ``self.agent`` names those buffers, which the programs change in place.
        """
        self.agent, self._backend = agent, self._possible(backend)
        self._hyper = {name: torch.tensor(value) for name, value in self._inputs_at(Clock()).items()}
        self._acting = {}
        functions = {name: (self._guarded(f), example) for name, (f, example) in self.step_functions(agent).items()}
        self._programs = self._backend.bind_all(functions, agent, self._static())

    def _possible(self, backend: Backend) -> Backend:
        """The backend, or the eager one where an optimizer can't be part of a graph; the log says so."""
        own = {spec.optim_spec["name"] for name, spec in self._net_specs.items()
               if isinstance(self._optimizers[name], TorchOptimizer)}  # fmt: skip
        if not own or isinstance(backend, EagerBackend):
            return backend
        log.warning(
            "the optimizer %s can't be compiled, so the updates run eagerly; compiled are: %s",
            ", ".join(sorted(own)), ", ".join(OPTIMIZERS),
        )  # fmt: skip
        return EagerBackend()

    @property
    def backend_name(self) -> str:
        """The backend that the step functions really run on."""
        return self._backend.name

    def _bind_one(self, name: str, function: StepFunction, example: Inputs) -> None:
        self._programs[name] = self._backend.bind(self._guarded(function), self.agent, example, self._static())

    def _guarded(self, function: StepFunction) -> StepFunction:
        """The step function as ``meta.on_nan`` wants it."""
        if self.spec.meta.on_nan == "stop":
            return function
        if self.spec.meta.distributed is not False:
            raise UserError("meta.on_nan: 'skip' can't be combined with meta.distributed; allowed: stop")
        return left_out_where_diverged(function)

    def _static(self) -> object:
        """All that the step functions read besides their arguments."""
        # The nets' own specs too: the agent's text leaves out keys with a prefix, such as actor_optim_spec.
        static = (
            type(self).__name__, self.spec.agent, self._net_specs, self.networks, self.spaces, self.sharing.mode,
        )  # fmt: skip
        return static if self.spec.meta.on_nan == "stop" else (*static, self.spec.meta.on_nan)

    @abstractmethod
    def step_functions(self, agent: Agent) -> dict[str, tuple[StepFunction, Inputs]]:
        """Name → (step function, example inputs), for `bind`."""

    def example_observations(self, batch: int) -> Inputs:
        """New tensors for the inputs of ``choose`` for that many observations."""
        shape, kind = self.spaces.observation_type
        noise = self.policy.noise(np.random.default_rng(0), batch)
        seen = {"observations": np.zeros((batch, *shape), kind), **noise}
        # Clones: torch aligns its memory for matrix products, NumPy doesn't.
        return {**{name: tensor.clone() for name, tensor in tensors(seen).items()}, "explore": torch.tensor(0.0)}

    def run(self, program: str, inputs: Inputs) -> Outputs:
        """Run a bound step function."""
        return self._programs[program](inputs)

    def prepare(self, program: str, inputs: Inputs) -> Call:
        """A bound step function on these tensors, to be called often; see `Program.on`."""
        return self._programs[program].on(inputs)

    def place(self, inputs: Inputs) -> Inputs:
        """Inputs that several calls of `prepare` get unchanged; see `Backend.place`."""
        return self._backend.place(inputs)

    def hyper(self) -> dict[str, Tensor]:
        """Scalar tensors of the hyperparameters; `set_hyper` moves them with the frame."""
        return self._hyper

    def set_hyper(self, clock: Clock) -> None:
        """Set the hyperparameter inputs to their values at this time."""
        for name, value in self._inputs_at(clock).items():
            self._hyper[name].fill_(value)

    def _inputs_at(self, clock: Clock) -> dict[str, float]:
        inputs = {f"lr.{name}": rate(clock.frame, clock.train_calls) for name, rate in self._learning_rates.items()}
        for name, spec in self._net_specs.items():
            if spec.clip_grad_val is not None:
                inputs[f"clip_grad.{name}"] = float(spec.clip_grad_val)
        return {**inputs, **self.hyperparameters(clock.frame)}

    def mean_metrics(self, outputs: Sequence[Outputs], frame: int, names: Sequence[str] = ()) -> Metrics:
        """Mean of the updates' metrics, which have the given names (default: `METRICS`), the loss first.

        Raises DivergedError where the loss is not finite; with ``on_nan: skip`` the mean is over the other updates.
        """
        names = names or self.METRICS
        metrics = np.array([output["metrics"].numpy() for output in outputs])
        if self.spec.meta.on_nan == "skip":
            finite = np.isfinite(metrics[:, 0])
            if not finite.all():
                log.warning("frame %d: %d updates with a loss that is not finite left out", frame, int((~finite).sum()))
            if not finite.any():
                return dict.fromkeys(names, math.nan)
            metrics = metrics[finite]
        means = metrics.mean(axis=0, dtype=np.float64).tolist()
        if not math.isfinite(means[0]):
            raise DivergedError(f"the loss is {means[0]} at frame {frame}")
        return dict(zip(names, means, strict=True))


def tensors(arrays: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Arrays as tensors that share their memory."""
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
