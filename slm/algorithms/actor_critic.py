"""Advantage actor-critic: A2C (Mnih et al. 2016, arXiv:1602.01783, algorithm S3, synchronous), with GAE on request."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import Tensor, stack

from slm.algorithms.base import Clock, Metrics, Spaces
from slm.algorithms.policy_gradient import PolicyGradient, standardize
from slm.backend import Agent, Inputs, Outputs
from slm.memory import Rollout
from slm.nets.network import Parameters
from slm.spec import ActorCriticSpec, Spec


class ActorCritic(PolicyGradient):
    """One gradient step on each rollout, all of it at once."""

    METRICS: ClassVar = ("loss", "policy_loss", "value_loss", "entropy")

    def __init__(self, spec: Spec, spaces: Spaces) -> None:
        algorithm = spec.agent.algorithm
        assert isinstance(algorithm, ActorCriticSpec)
        # With n-step returns the rollout is n steps long, so that its end is where the returns bootstrap.
        n_step = algorithm.num_step_returns if algorithm.lam is None else None
        super().__init__(spec, spaces, horizon=n_step or algorithm.training_frequency)

    def learn(self, memory: Rollout, clock: Clock, rng: np.random.Generator) -> Metrics:
        values = self.values_of(memory)
        advantages, targets = self.advantages(memory, values)
        self.observe_targets(self.agent, targets)
        outputs = self.run("update", {**self.batch(memory, values, advantages, targets), **self.hyper()})
        clock.opt_step += len(self.networks)
        return self.mean_metrics([outputs], clock.frame)

    def update(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Step along ∇ [ −c_π log π(a|s) Â − c_H H(π(·|s)) + c_V ℓ(V(s), R) ] over the rollout's T·N transitions."""
        advantages = standardize(inputs["advantages"])

        def loss(named: dict[str, Parameters]) -> tuple[Tensor, dict[str, Tensor]]:
            outputs, values = self.forward(named, inputs["observations"])
            log_probs = self.distribution.log_prob(outputs, inputs["actions"])
            entropy = self.distribution.entropy(outputs).mean()
            policy_loss = -inputs["policy_coef"] * (log_probs * advantages).mean() - inputs["entropy_coef"] * entropy
            value_loss = inputs["value_coef"] * self.value_loss(values, inputs["targets"], agent).mean()
            total = policy_loss + value_loss
            return total, {"metrics": stack([total, policy_loss, value_loss, entropy])}

        return self.descend(agent, inputs, loss)

    def hyperparameters(self, frame: int) -> dict[str, float]:
        return {**super().hyperparameters(frame), "policy_coef": self.algorithm.policy_loss_coef}
