"""Advantage actor-critic: A2C (Mnih et al. 2016, arXiv:1602.01783, algorithm S3, synchronous), with GAE on request."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import Tensor, stack

from slm.algorithms.base import Metrics
from slm.algorithms.masked import mean, standardize
from slm.algorithms.policy_gradient import PolicyGradient
from slm.algorithms.task import Clock, Spaces
from slm.backend import Agent, Inputs, Outputs
from slm.memory import Rollout
from slm.nets.network import Parameters
from slm.spec import ActorCriticSpec, SILSpec, Spec


class ActorCritic(PolicyGradient):
    """One gradient step on each rollout, all of it at once."""

    METRICS: ClassVar[tuple[str, ...]] = ("loss", "policy_loss", "value_loss", "entropy")

    def __init__(self, spec: Spec, spaces: Spaces) -> None:
        algorithm = spec.agent.algorithm
        assert isinstance(algorithm, ActorCriticSpec | SILSpec)
        # With n-step returns the rollout is n steps long, so that its end is where the returns bootstrap.
        n_step = algorithm.num_step_returns if algorithm.lam is None else None
        super().__init__(spec, spaces, horizon=n_step or algorithm.training_frequency)

    def learn(self, memory: Rollout, clock: Clock, rng: np.random.Generator) -> Metrics:
        values = self.values_of(memory)
        advantages, targets = self.advantages(memory, values)
        self.observe_targets(self.agent, targets[memory.counted])
        inputs = {**self.batch(memory, values, advantages, targets), **self.hyper()}
        outputs = self.run_sized(self.update, inputs, rows=len(inputs["observations"]))
        clock.opt_step += len(self.networks)
        return self.mean_metrics([outputs], clock.frame, ActorCritic.METRICS)

    def update(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Step along ∇ [ −c_π log π(a|s) Â − c_H H(π(·|s)) + c_V ℓ(V(s), R) ] over the rollout's T·N transitions."""
        mask = inputs.get("mask")
        advantages = standardize(inputs["advantages"], mask)

        def loss(named: dict[str, Parameters]) -> tuple[Tensor, dict[str, Tensor]]:
            outputs, values, buffers = self.forward_to_learn(named, inputs["observations"])
            log_probs = self.distribution.log_prob(outputs, inputs["actions"])
            entropy = mean(self.distribution.entropy(outputs), mask)
            policy_loss = -inputs["policy_coef"] * mean(log_probs * advantages, mask) - inputs["entropy_coef"] * entropy
            value_loss = inputs["value_coef"] * mean(self.value_loss(values, inputs["targets"], agent), mask)
            total = policy_loss + value_loss
            return total, {"metrics": stack([total, policy_loss, value_loss, entropy]), **buffers}

        return self.descend(agent, inputs, loss)

    def hyperparameters(self, frame: int) -> dict[str, float]:
        return {**super().hyperparameters(frame), "policy_coef": self.algorithm.policy_loss_coef}
