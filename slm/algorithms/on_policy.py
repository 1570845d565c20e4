"""What the on-policy algorithms share: their memory, when to train, acting, and batches of varying length."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slm.algorithms.base import Algorithm, Memory, Metrics
from slm.algorithms.distributions import make_distribution, warn_of_log_std_init
from slm.algorithms.policies import make_policy
from slm.algorithms.schedules import make_schedule
from slm.algorithms.task import Clock, Spaces
from slm.backend import Agent, Call, Inputs, Outputs, StepFunction
from slm.memory import Episodes, Rollout
from slm.spec import NetSpec, OnPolicyCrossEntropySpec, Spec


class OnPolicy(Algorithm):
    """Learns from what the present policy has done: fixed rollouts or whole episodes, each used once."""

    def __init__(self, spec: Spec, spaces: Spaces, horizon: int) -> None:
        """``horizon``: vector steps of a rollout, or finished episodes where the memory holds whole ones."""
        super().__init__(spec, spaces)
        algorithm: Any = spec.agent.algorithm
        self.algorithm = algorithm
        self.horizon = horizon
        self.whole_episodes = spec.agent.memory.name != "OnPolicyBatchReplay"
        self.distribution = make_distribution(algorithm.action_pdtype, spaces.action)
        self.policy = make_policy(algorithm.action_policy, self.distribution, spaces.action)
        # Without a schedule ε-greedy is greedy.
        self.explore = make_schedule(algorithm.explore_var_spec, default=0.0)

    def make_memory(self) -> Memory:
        spaces = self.spaces
        shapes = spaces.num_envs, spaces.observation_type, spaces.action_type
        if not self.whole_episodes:
            return self.example_rollout()
        memory = self.spec.agent.memory
        # A quantile of 1 stands for no selection.
        quantile = memory.cross_entropy if isinstance(memory, OnPolicyCrossEntropySpec) else 1.0
        return Episodes(*shapes, min_episodes=self.horizon, dropped=quantile if quantile < 1.0 else 0.0)

    def example_rollout(self) -> Rollout:
        """An empty rollout of ``horizon`` steps."""
        spaces = self.spaces
        return Rollout(self.horizon, spaces.num_envs, spaces.observation_type, spaces.action_type)

    # --- acting and learning

    def to_env(self, actions: NDArray[Any]) -> NDArray[Any]:
        return self.distribution.to_env(actions)

    def train(self, memory: Memory, clock: Clock, rng: np.random.Generator) -> Metrics | None:
        assert isinstance(memory, Rollout | Episodes)
        if not memory.full:
            return None
        self.set_hyper(clock)
        metrics = self.learn(memory.rollout(), clock, rng)
        clock.train_calls += 1
        memory.clear()
        return metrics

    def trainings(self, frames: int) -> int | None:
        """How often a session of so many frames trains; None where ends of episodes decide it."""
        return None if self.whole_episodes else -(-frames // self.spaces.num_envs) // self.horizon

    def smallest_batch(self) -> int | None:
        """Rows of the smallest batch that it trains on; None where the lengths of episodes decide it."""
        return None if self.whole_episodes else self.horizon * self.spaces.num_envs

    @abstractmethod
    def learn(self, rollout: Rollout, clock: Clock, rng: np.random.Generator) -> Metrics:
        """Learn from a rollout, and count the gradient steps. Returns the mean metrics of the updates."""

    # --- binding

    def run_sized(self, function: StepFunction, inputs: Inputs, rows: int) -> Outputs:
        """Run a step function on a batch of ``rows`` rows; each number of rows has a program, bound when first run."""
        return self.prepare_sized(function, inputs, rows)()

    def prepare_sized(self, function: StepFunction, inputs: Inputs, rows: int) -> Call:
        """As `run_sized`, to be called often: each call runs a step on what the tensors hold by then."""
        name = sized(function.__name__, rows)
        if name not in self._programs:
            self._bind_one(name, function, inputs)
        return self.prepare(name, inputs)

    def step_functions(self, agent: Agent) -> dict[str, tuple[StepFunction, Inputs]]:
        return {"choose": (self.choose, self.example_observations(self.spaces.num_envs))}

    def mask(self, rollout: Rollout) -> dict[str, NDArray[np.float32]]:
        """The mask of a rollout's transitions, as an input, where there are empty rows in it."""
        return {"mask": rollout.counted.astype(np.float32)} if self.whole_episodes else {}

    def policy_heads(self, net: NetSpec) -> dict[str, Any]:
        """Arguments of `build_network` for the outputs that parametrise the action distribution."""
        heads = list(self.distribution.heads)
        log_std_size = self.distribution.log_std_size if net.log_std_init is not None else None
        if net.log_std_init is not None and log_std_size is None:
            warn_of_log_std_init(type(self.distribution).__name__)
        if log_std_size is not None:
            heads = heads[:1]
        gains = [net.actor_init_std, *[None] * (len(heads) - 1)]
        return {"heads": heads, "head_gains": gains, "log_std_size": log_std_size}


def sized(function: str, rows: int) -> str:
    """Name of the program of a step function for batches of ``rows`` rows."""
    return f"{function}{rows}"
