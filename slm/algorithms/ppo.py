"""Proximal policy optimisation with the clipped surrogate (Schulman et al. 2017, arXiv:1707.06347)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, stack

from slm.algorithms.base import Metrics
from slm.algorithms.losses import symlog
from slm.algorithms.masked import standardize
from slm.algorithms.on_policy import sized
from slm.algorithms.policy_gradient import PolicyGradient
from slm.algorithms.schedules import make_schedule
from slm.algorithms.task import Clock, Spaces
from slm.backend import Agent, Inputs, Outputs, StepFunction
from slm.memory import Rollout
from slm.nets.network import Parameters
from slm.spec import PPOSILSpec, PPOSpec, Spec

MAX_LOG_RATIO = 20.0
PERCENTILE_DECAY = 0.99


class PPO(PolicyGradient):
    """Several epochs of minibatch steps on each rollout, held near the policy that collected it."""

    METRICS: ClassVar[tuple[str, ...]] = ("loss", "policy_loss", "value_loss", "entropy")

    def __init__(self, spec: Spec, spaces: Spaces) -> None:
        algorithm = spec.agent.algorithm
        assert isinstance(algorithm, PPOSpec | PPOSILSpec)
        super().__init__(spec, spaces, horizon=algorithm.time_horizon)
        self._clip_eps = make_schedule(algorithm.clip_eps_spec)
        self.rows = self.horizon * spaces.num_envs
        self.minibatch = min(algorithm.minibatch_size, self.rows)

    def init(self, seed: int) -> Agent:
        agent = super().init(seed)
        if self.algorithm.normalize_advantages == "percentile":
            agent.update({"advantages.low": torch.zeros(()), "advantages.high": torch.zeros(())})
        return agent

    def learn(self, memory: Rollout, clock: Clock, rng: np.random.Generator) -> Metrics:
        values = self.values_of(memory)
        advantages, targets = self.advantages(memory, values)
        self.observe_targets(self.agent, targets)
        batch = self.place({**self.batch(memory, values, advantages, targets), **self.hyper()})
        order = torch.empty(self.rows, dtype=torch.long)
        updates = [self.prepare_sized(self.update, {**batch, "index": index}, rows=len(index))
                   for index in order.split(self.minibatch)]  # fmt: skip
        outputs = []
        for _ in range(self.algorithm.training_epoch):
            order.copy_(torch.from_numpy(rng.permutation(self.rows)))
            outputs += [update() for update in updates]
        clock.opt_step += len(outputs) * len(self.networks)
        return self.mean_metrics(outputs, clock.frame, PPO.METRICS)

    def smallest_batch(self) -> int | None:
        return self.rows % self.minibatch or self.minibatch

    def updates(self, batch: Inputs) -> dict[str, tuple[StepFunction, Inputs]]:
        sizes = {self.minibatch, self.rows % self.minibatch or self.minibatch}
        return {sized("update", size): (self.update, {**batch, "index": torch.arange(size)}) for size in sorted(sizes)}

    def update(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """One minibatch step along the gradient of −L^{CLIP+VF+S} (eq. 9), whose ratio ρ is π(a|s) / π_old(a|s)."""
        index = inputs["index"]
        observations, actions = inputs["observations"][index], inputs["actions"][index]
        old_log_probs, old_values = inputs["log_probs"][index], inputs["values"][index]
        targets, eps = inputs["targets"][index], inputs["clip_eps"]
        agent, advantages = self.scale_advantages(agent, inputs["advantages"][index])

        def loss(named: dict[str, Parameters]) -> tuple[Tensor, dict[str, Tensor]]:
            outputs, values, buffers = self.forward_to_learn(named, observations)
            log_ratio = self.distribution.log_prob(outputs, actions) - old_log_probs
            ratio = log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
            clipped = torch.maximum(torch.minimum(ratio, 1 + eps), 1 - eps)
            surrogate = torch.minimum(ratio * advantages, clipped * advantages).mean()
            entropy = self.distribution.entropy(outputs).mean()
            policy_loss = -surrogate - inputs["entropy_coef"] * entropy
            value_loss = inputs["value_coef"] * self.clipped_value_loss(values, targets, old_values, eps, agent)
            total = policy_loss + value_loss
            return total, {"metrics": stack([total, policy_loss, value_loss, entropy]), **buffers}

        return self.descend(agent, inputs, loss)

    def scale_advantages(self, agent: Agent, advantages: Tensor) -> tuple[Agent, Tensor]:
        """Advantages of a minibatch (B,) on a common scale: standardised, or divided by their running 5–95% range."""
        if self.algorithm.normalize_advantages == "standardize":
            return agent, standardize(advantages)
        # Hafner et al. 2023, arXiv:2301.04104, eq. 12: small returns are not blown up.
        low, high = torch.quantile(advantages, 0.05), torch.quantile(advantages, 0.95)
        low = PERCENTILE_DECAY * agent["advantages.low"] + (1 - PERCENTILE_DECAY) * low
        high = PERCENTILE_DECAY * agent["advantages.high"] + (1 - PERCENTILE_DECAY) * high
        return {**agent, "advantages.low": low, "advantages.high": high}, advantages / (high - low).clamp(min=1.0)

    def clipped_value_loss(
        self, values: Tensor, targets: Tensor, old_values: Tensor, eps: Tensor, agent: Agent
    ) -> Tensor:
        """Mean value loss of a minibatch; with ``clip_vloss`` no better for moving further than ε from old values."""
        if self.algorithm.symlog:
            values, targets, old_values = symlog(values), symlog(targets), symlog(old_values)
        loss = self.value_loss(values, targets, agent)
        if self.algorithm.clip_vloss:
            near = old_values + torch.maximum(torch.minimum(values - old_values, eps), -eps)
            loss = torch.maximum(loss, self.value_loss(near, targets, agent))
        return loss.mean()

    def scheduled(self, frame: int) -> dict[str, float]:
        return {**super().scheduled(frame), "clip_eps": self._clip_eps(frame)}

    def hyperparameters(self, frame: int) -> dict[str, float]:
        return {**super().hyperparameters(frame), "clip_eps": self._clip_eps(frame)}
