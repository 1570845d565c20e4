"""What the on-policy actor-critic algorithms share: networks, acting, values of a rollout, value targets."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slm.algorithms.base import Algorithm, Clock, Memory, Metrics, Spaces, elementwise_loss, tensors
from slm.algorithms.distributions import make_distribution
from slm.algorithms.policies import make_policy
from slm.algorithms.returns import bootstrapped_returns, gae, monte_carlo_returns
from slm.algorithms.schedules import make_schedule
from slm.backend import Agent, Inputs, Outputs, StepFunction
from slm.memory import Rollout
from slm.nets import build_network
from slm.nets.network import Parameters
from slm.spec import ActorCriticSpec, PPOSpec, Spec, actor_net_spec, critic_net_spec


@dataclass(frozen=True)
class Values:
    """What the networks say of a rollout, all of shape (T, N)."""

    values: NDArray[np.float32]
    """V(s_t)."""
    next_values: NDArray[np.float32]
    """V of the true successor of s_t; meaningless where the episode terminated."""
    log_probs: NDArray[np.float32]
    """log π(a_t | s_t)."""


class PolicyGradient(Algorithm):
    """Actor and critic, in two networks or one, learning from rollouts of T steps of N environments."""

    def __init__(self, spec: Spec, spaces: Spaces, horizon: int) -> None:
        super().__init__(spec, spaces)
        algorithm = spec.agent.algorithm
        assert isinstance(algorithm, ActorCriticSpec | PPOSpec)
        self.algorithm: Any = algorithm
        self.horizon = horizon
        self.distribution = make_distribution(algorithm.action_pdtype, spaces.action)
        self.policy = make_policy(algorithm.action_policy, self.distribution, spaces.action)
        self.explore = make_schedule(algorithm.explore_var_spec, default=0.0)
        self._entropy_coef = make_schedule(algorithm.entropy_coef_spec, default=0.0)
        self.value_loss_function = elementwise_loss(actor_net_spec(spec))

    def init(self, seed: int) -> Agent:
        actor_spec, critic_spec = actor_net_spec(self.spec), critic_net_spec(self.spec)
        shape, heads = self.spaces.observation.shape, list(self.distribution.heads)
        log_std_size = self.distribution.log_std_size if actor_spec.log_std_init is not None else None
        if log_std_size is not None:
            heads = heads[:1]
        gains = [actor_spec.actor_init_std, *[None] * (len(heads) - 1)]
        if critic_spec is None:
            network = build_network(actor_spec, shape, [*heads, 1], seed, log_std_size=log_std_size,
                                    head_gains=[*gains, actor_spec.critic_init_std])  # fmt: skip
            self.add_network("actor_critic", network, actor_spec)
        else:
            actor = build_network(actor_spec, shape, heads, seed, log_std_size=log_std_size, head_gains=gains)
            critic = build_network(critic_spec, shape, [1], seed + 1, head_gains=[critic_spec.critic_init_std])
            self.add_network("actor", actor, actor_spec)
            self.add_network("critic", critic, critic_spec)
        agent = self.initial_agent()
        if self.algorithm.normalize_v_targets:
            agent.update({"targets.mean": torch.zeros(()), "targets.variance": torch.ones(()),
                          "targets.count": torch.zeros(())})  # fmt: skip
        return agent

    def make_memory(self) -> Rollout:
        spaces = self.spaces
        return Rollout(self.horizon, spaces.num_envs, spaces.observation_type, spaces.action_type)

    # --- the networks as functions

    def forward(self, named: dict[str, Parameters], observations: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Policy outputs, each (B, head size), and values V(s) (B,)."""
        if "actor_critic" in self.networks:
            *policy, values = self.networks["actor_critic"](named["actor_critic"], observations)
            return tuple(policy), values.squeeze(-1)
        (values,) = self.networks["critic"](named["critic"], observations)
        return self.networks["actor"](named["actor"], observations), values.squeeze(-1)

    def _named(self, agent: Agent) -> dict[str, Parameters]:
        return {name: network.views(agent[name]) for name, network in self.networks.items()}

    def choose(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Actions for observations (N, …)."""
        name = "actor_critic" if "actor_critic" in self.networks else "actor"
        outputs = self.networks[name](self.networks[name].views(agent[name]), inputs["observations"])
        if name == "actor_critic":
            outputs = outputs[:-1]
        return agent, {"actions": self.policy.choose(outputs, inputs["explore"], dict(inputs))}

    def evaluate(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Values of observations (B, …), and log-probabilities of the actions taken at the first of them."""
        outputs, values = self.forward(self._named(agent), inputs["observations"])
        taken = len(inputs["actions"])
        log_probs = self.distribution.log_prob([output[:taken] for output in outputs], inputs["actions"])
        return agent, {"values": values, "log_probs": log_probs}

    def value_loss(self, values: Tensor, targets: Tensor, agent: Agent) -> Tensor:
        """Loss of values (B,) against targets (B,), elementwise, on the scale of the targets seen so far."""
        if self.algorithm.normalize_v_targets:
            scale = (agent["targets.variance"] + 1e-8).sqrt()
            values, targets = values / scale, targets / scale
        return self.value_loss_function(values, targets)

    # --- acting and learning

    def train(self, memory: Memory, clock: Clock, rng: np.random.Generator) -> Metrics | None:
        assert isinstance(memory, Rollout)
        if not memory.full:
            return None
        self.set_hyper(clock.frame)
        metrics = self.learn(memory, clock, rng)
        clock.train_calls += 1
        memory.clear()
        return metrics

    @abstractmethod
    def learn(self, memory: Rollout, clock: Clock, rng: np.random.Generator) -> Metrics:
        """Learn from a full rollout. Returns the mean metrics of the updates."""

    def advantages(self, memory: Rollout, values: Values) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Advantages and value targets of a rollout, (T, N) each: GAE, n-step or whole returns as the spec says."""
        gamma, lam = self.algorithm.gamma, self.algorithm.lam
        if lam is not None:
            advantages = gae(
                memory.rewards, values.values, values.next_values, memory.terminated, memory.done, gamma, lam
            )
            return advantages, advantages + values.values
        if self.algorithm.num_step_returns is not None:
            targets = bootstrapped_returns(memory.rewards, values.next_values, memory.terminated, memory.done, gamma)
        else:
            targets = monte_carlo_returns(memory.rewards, memory.done, gamma)
        return targets - values.values, targets

    def observe_targets(self, agent: Agent, targets: NDArray[np.float32]) -> None:
        """Account for a rollout's value targets (T, N) in their running mean and variance (Chan et al. 1979)."""
        if not self.algorithm.normalize_v_targets:
            return
        mean, variance, count = (agent[f"targets.{name}"] for name in ("mean", "variance", "count"))
        total, delta = float(count) + targets.size, float(targets.mean()) - float(mean)
        between = delta**2 * float(count) * targets.size / total
        variance.fill_((float(variance) * float(count) + float(targets.var()) * targets.size + between) / total)
        mean.add_(delta * targets.size / total)
        count.fill_(total)

    def values_of(self, memory: Rollout) -> Values:
        """Values and log-probabilities of a full rollout under the present networks."""
        T, N = memory.rewards.shape
        observations = memory.observations.reshape((T + 1) * N, *memory.observations.shape[2:])
        actions = memory.actions.reshape(T * N, *memory.actions.shape[2:])
        outputs = self.run("evaluate", tensors({"observations": observations, "actions": actions}))
        values = outputs["values"].numpy().reshape(T + 1, N)
        next_values = values[1:].copy()
        final = memory.final_observations
        if final:
            # Padded to the rollout's shape, so that the same graph serves.
            padded = np.zeros_like(observations)
            padded[: len(final)] = [observation for _, _, observation in final]
            final_values = self.run("evaluate", tensors({"observations": padded, "actions": actions}))["values"]
            for (t, n, _), value in zip(final, final_values.tolist(), strict=False):
                next_values[t, n] = value
        return Values(values[:-1], next_values, outputs["log_probs"].numpy().reshape(T, N))

    # --- binding

    def scheduled(self, frame: int) -> dict[str, float]:
        return {"entropy_coef": self._entropy_coef(frame)}

    def hyperparameters(self, frame: int) -> dict[str, float]:
        return {"entropy_coef": self._entropy_coef(frame), "value_coef": self.algorithm.val_loss_coef}

    def step_functions(self, agent: Agent) -> dict[str, tuple[StepFunction, Inputs]]:
        spaces, rows = self.spaces, self.horizon * self.spaces.num_envs
        (shape, kind), (action_shape, action_kind) = spaces.observation_type, spaces.action_type
        noise = self.policy.noise(np.random.default_rng(0), spaces.num_envs)
        seen = {"observations": np.zeros((spaces.num_envs, *shape), kind), **noise}
        rollout = {
            "observations": np.zeros((rows + spaces.num_envs, *shape), kind),
            "actions": np.zeros((rows, *action_shape), action_kind),
        }
        return {
            "choose": (self.choose, {**tensors(seen), "explore": torch.tensor(0.0)}),
            "evaluate": (self.evaluate, tensors(rollout)),
            "update": (self.update, {**self.example_batch(), **self.hyper()}),
        }

    def example_batch(self) -> dict[str, Tensor]:
        """Example of the rollout as `update` sees it: T·N transitions."""
        rows = self.horizon * self.spaces.num_envs
        (shape, kind), (action_shape, action_kind) = self.spaces.observation_type, self.spaces.action_type
        arrays: dict[str, NDArray[Any]] = {
            "observations": np.zeros((rows, *shape), kind),
            "actions": np.zeros((rows, *action_shape), action_kind),
        }
        floats = {name: np.zeros(rows, np.float32) for name in ("log_probs", "advantages", "targets", "values")}
        return tensors({**arrays, **floats})

    def batch(self, memory: Rollout, values: Values, advantages: NDArray[Any], targets: NDArray[Any]) -> Inputs:
        """A full rollout as T·N transitions, the form of `example_batch`."""
        arrays = {
            "observations": memory.observations[:-1],
            "actions": memory.actions,
            "log_probs": values.log_probs,
            "advantages": advantages,
            "targets": targets,
            "values": values.values,
        }
        return tensors({name: array.reshape(-1, *array.shape[2:]) for name, array in arrays.items()})

    @abstractmethod
    def update(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """One gradient step."""


def standardize(x: Tensor) -> Tensor:
    """Zero mean and unit (sample) deviation."""
    return (x - x.mean()) / (x.std() + 1e-8)
