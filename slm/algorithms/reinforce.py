"""REINFORCE: policy gradient with the returns that followed (Williams 1992, Machine Learning 8; episodic form)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import Tensor, stack

from slm.algorithms.base import Memory, Metrics, tensors
from slm.algorithms.masked import mean, unit_scale
from slm.algorithms.on_policy import OnPolicy
from slm.algorithms.returns import continued_returns
from slm.algorithms.schedules import make_schedule
from slm.algorithms.task import Clock, Spaces
from slm.backend import Agent, Inputs, Outputs
from slm.memory import Episodes, Rollout
from slm.nets import build_network
from slm.nets.network import Parameters
from slm.spec import ReinforceSpec, Spec


class Reinforce(OnPolicy):
    """One gradient step on the steps of whole episodes.

    Without a critic nothing stands in for the rewards after the last step, so returns are only known for finished
    episodes; those that a time limit ended go on as an average step does. With `OnPolicyBatchReplay`,
    ``training_frequency`` vector steps lie between updates, and each learns from the episodes that finished since the
    last one; an unfinished episode waits for a later update.
    """

    METRICS: ClassVar = ("loss", "policy_loss", "entropy")

    def __init__(self, spec: Spec, spaces: Spaces) -> None:
        algorithm = spec.agent.algorithm
        assert isinstance(algorithm, ReinforceSpec)
        super().__init__(spec, spaces, horizon=algorithm.training_frequency)
        self._by_steps, self.whole_episodes = not self.whole_episodes, True
        self._entropy_coef = make_schedule(algorithm.entropy_coef_spec, default=0.0)

    def init(self, seed: int) -> Agent:
        net = self.spec.agent.net
        network = build_network(net, self.spaces.observation.shape, seed=seed, **self.policy_heads(net))
        self.add_network("actor", network, net)
        return self.initial_agent()

    def make_memory(self) -> Memory:
        if not self._by_steps:
            return super().make_memory()
        spaces = self.spaces
        return Episodes(spaces.num_envs, spaces.observation_type, spaces.action_type, min_steps=self.horizon)

    def choose(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Actions for observations (N, …)."""
        actor = self.networks["actor"]
        outputs = actor(actor.named(agent, "actor"), inputs["observations"])
        return agent, {"actions": self.policy.choose(outputs, inputs["explore"], dict(inputs))}

    def learn(self, rollout: Rollout, clock: Clock, rng: np.random.Generator) -> Metrics:
        arrays = {
            "observations": rollout.observations[:-1],
            "actions": rollout.actions,
            "returns": continued_returns(
                rollout.rewards, rollout.terminated, rollout.done, rollout.counted, self.algorithm.gamma
            ),
            **self.mask(rollout),
        }
        batch = tensors({name: array.reshape(-1, *array.shape[2:]) for name, array in arrays.items()})
        outputs = self.run_sized(self.update, {**batch, **self.hyper()}, rows=rollout.length)
        clock.opt_step += 1
        return self.mean_metrics([outputs], clock.frame)

    def update(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Step along ∇ [ −c_π log π(a|s) G − c_H H(π(·|s)) ], averaged over the steps, with returns of unit scale."""
        mask, returns = inputs["mask"], inputs["returns"]
        if self.algorithm.center_return:
            returns = returns - mean(returns, mask)
        returns = unit_scale(returns, mask)

        def loss(named: dict[str, Parameters]) -> tuple[Tensor, dict[str, Tensor]]:
            outputs, buffers = self.train_forward("actor", named, inputs["observations"])
            log_probs = self.distribution.log_prob(outputs, inputs["actions"])
            entropy = mean(self.distribution.entropy(outputs), mask)
            policy_loss = -inputs["policy_coef"] * mean(log_probs * returns, mask) - inputs["entropy_coef"] * entropy
            return policy_loss, {"metrics": stack([policy_loss, policy_loss, entropy]), **buffers}

        return self.descend(agent, inputs, loss)

    def scheduled(self, frame: int) -> dict[str, float]:
        return {"entropy_coef": self._entropy_coef(frame)}

    def hyperparameters(self, frame: int) -> dict[str, float]:
        return {"entropy_coef": self._entropy_coef(frame), "policy_coef": self.algorithm.policy_loss_coef}
