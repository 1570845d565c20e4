"""What the on-policy actor-critic algorithms share: networks, acting, values of a rollout, value targets."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slm.algorithms.base import tensors
from slm.algorithms.losses import elementwise_loss
from slm.algorithms.on_policy import OnPolicy, sized
from slm.algorithms.returns import bootstrapped_returns, gae
from slm.algorithms.schedules import make_schedule
from slm.algorithms.task import Spaces
from slm.backend import Agent, Inputs, Outputs, StepFunction
from slm.memory import Rollout
from slm.nets import build_network
from slm.nets.network import Parameters
from slm.spec import Spec, actor_net_spec, critic_net_spec


@dataclass(frozen=True)
class Values:
    """What the networks say of a rollout, all of shape (T, N)."""

    values: NDArray[np.float32]
    """V(s_t)."""
    next_values: NDArray[np.float32]
    """V of the true successor of s_t; meaningless where the episode terminated."""
    log_probs: NDArray[np.float32]
    """log π(a_t | s_t)."""


class PolicyGradient(OnPolicy):
    """Actor and critic, in two networks or one, learning from rollouts of T steps of N environments."""

    def __init__(self, spec: Spec, spaces: Spaces, horizon: int) -> None:
        super().__init__(spec, spaces, horizon)
        self._entropy_coef = make_schedule(self.algorithm.entropy_coef_spec, default=0.0)
        own = critic_net_spec(spec) if "critic_loss_spec" in spec.agent.net.model_fields_set else None
        self.value_loss_function = elementwise_loss(own or actor_net_spec(spec))

    def init(self, seed: int) -> Agent:
        actor_spec, critic_spec = actor_net_spec(self.spec), critic_net_spec(self.spec)
        shape, policy = self.spaces.observation.shape, self.policy_heads(actor_spec)
        if critic_spec is None:
            policy["heads"] += [1]
            policy["head_gains"] += [actor_spec.critic_init_std]
            self.add_network("actor_critic", build_network(actor_spec, shape, seed=seed, **policy), actor_spec)
        else:
            critic = build_network(critic_spec, shape, [1], seed + 1, head_gains=[critic_spec.critic_init_std])
            self.add_network("actor", build_network(actor_spec, shape, seed=seed, **policy), actor_spec)
            self.add_network("critic", critic, critic_spec)
        agent = self.initial_agent()
        if self.algorithm.normalize_v_targets:
            agent.update({"targets.mean": torch.zeros(()), "targets.variance": torch.ones(()),
                          "targets.count": torch.zeros(())})  # fmt: skip
        return agent

    # --- the networks as functions

    def forward(self, named: dict[str, Parameters], observations: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Policy outputs, each (B, head size), and values V(s) (B,)."""
        return split({name: network(named[name], observations) for name, network in self.networks.items()})

    def forward_to_learn(
        self, named: dict[str, Parameters], observations: Tensor
    ) -> tuple[tuple[Tensor, ...], Tensor, dict[str, Tensor]]:
        """As `forward`, in training mode; and the networks' new buffers, for the loss function's metrics."""
        outputs, buffers = {}, {}
        for name in self.networks:
            outputs[name], moved = self.train_forward(name, named, observations)
            buffers.update(moved)
        return *split(outputs), buffers

    def _named(self, agent: Agent) -> dict[str, Parameters]:
        return {name: network.named(agent, name) for name, network in self.networks.items()}

    def choose(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Actions for observations (N, …)."""
        name = "actor_critic" if "actor_critic" in self.networks else "actor"
        outputs = self.networks[name](self.networks[name].named(agent, name), inputs["observations"])
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

    # --- learning

    def advantages(self, memory: Rollout, values: Values) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Advantages and value targets of a rollout, (T, N) each: GAE, n-step or whole returns as the spec says.

        Whole returns end with the rollout's last reward; like the others they bootstrap where an episode is truncated.
        """
        gamma, lam = self.algorithm.gamma, self.algorithm.lam
        if lam is not None:
            advantages = gae(
                memory.rewards, values.values, values.next_values, memory.terminated, memory.done, gamma, lam
            )
            return advantages, advantages + values.values
        if self.algorithm.num_step_returns is not None:
            targets = bootstrapped_returns(memory.rewards, values.next_values, memory.terminated, memory.done, gamma)
        else:
            edge, cut = np.zeros_like(values.next_values), memory.done & ~memory.terminated
            edge[cut] = values.next_values[cut]
            targets = bootstrapped_returns(memory.rewards, edge, memory.terminated, memory.done, gamma)
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
        inputs = to_evaluate(memory)
        rows = len(inputs["observations"])
        outputs = self.run_sized(self.evaluate, inputs, rows)
        values = outputs["values"].numpy().reshape(T + 1, N)
        next_values = values[1:].copy()
        final = memory.final_observations
        if final:
            # Padded to the rollout's shape, so that the same graph serves.
            padded = np.zeros_like(inputs["observations"].numpy())
            padded[: len(final)] = [observation for _, _, observation in final]
            inputs = {**inputs, "observations": torch.from_numpy(padded)}
            final_values = self.run_sized(self.evaluate, inputs, rows)["values"]
            for (t, n, _), value in zip(final, final_values.tolist(), strict=False):
                next_values[t, n] = value
        return Values(values[:-1], next_values, outputs["log_probs"].numpy().reshape(T, N))

    # --- binding

    def scheduled(self, frame: int) -> dict[str, float]:
        return {"entropy_coef": self._entropy_coef(frame)}

    def hyperparameters(self, frame: int) -> dict[str, float]:
        return {"entropy_coef": self._entropy_coef(frame), "value_coef": self.algorithm.val_loss_coef}

    def batch(self, memory: Rollout, values: Values, advantages: NDArray[Any], targets: NDArray[Any]) -> Inputs:
        """A rollout as T·N transitions."""
        arrays = {
            "observations": memory.observations[:-1],
            "actions": memory.actions,
            "log_probs": values.log_probs,
            "advantages": advantages,
            "targets": targets,
            "values": values.values,
            **self.mask(memory),
        }
        return tensors({name: array.reshape(-1, *array.shape[2:]) for name, array in arrays.items()})

    def step_functions(self, agent: Agent) -> dict[str, tuple[StepFunction, Inputs]]:
        functions = super().step_functions(agent)
        if self.whole_episodes:  # their lengths are not known beforehand
            return functions
        rollout = self.example_rollout()
        zeros = np.zeros_like(rollout.rewards)
        batch = {**self.batch(rollout, Values(zeros, zeros, zeros), zeros, zeros), **self.hyper()}
        inputs = to_evaluate(rollout)
        rows = len(inputs["observations"])
        return {**functions, sized("evaluate", rows): (self.evaluate, inputs), **self.updates(batch)}

    def updates(self, batch: Inputs) -> dict[str, tuple[StepFunction, Inputs]]:
        """The step functions that learn from a batch of T·N transitions."""
        return {sized("update", len(batch["observations"])): (self.update, batch)}

    @abstractmethod
    def update(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """One gradient step."""


def to_evaluate(memory: Rollout) -> Inputs:
    """The inputs of `PolicyGradient.evaluate`: observations of all T + 1 rows, actions of the first T."""
    T, N = memory.rewards.shape
    observations = memory.observations.reshape((T + 1) * N, *memory.observations.shape[2:])
    return tensors({"observations": observations, "actions": memory.actions.reshape(T * N, *memory.actions.shape[2:])})


def split(outputs: dict[str, tuple[Tensor, ...]]) -> tuple[tuple[Tensor, ...], Tensor]:
    """The outputs of actor and critic, apart or in one network, as policy outputs and values (B,)."""
    if "actor_critic" in outputs:
        *policy, values = outputs["actor_critic"]
    else:
        policy, (values,) = list(outputs["actor"]), outputs["critic"]
    return tuple(policy), values.squeeze(-1)
