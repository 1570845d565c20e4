"""SARSA: on-policy temporal-difference control (Rummery & Niranjan 1994; Sutton & Barto 2018, section 6.4)."""

from __future__ import annotations

from typing import ClassVar

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, stack

from slm.algorithms.base import Metrics, tensors
from slm.algorithms.losses import elementwise_loss
from slm.algorithms.masked import mean
from slm.algorithms.on_policy import OnPolicy
from slm.algorithms.task import Clock, Spaces
from slm.backend import Agent, Inputs, Outputs
from slm.errors import UserError
from slm.memory import Rollout
from slm.nets import build_network
from slm.nets.network import Parameters
from slm.spec import SARSASpec, Spec


class SARSA(OnPolicy):
    """One gradient step of Q(s, a) on each batch, towards the value of the action that was taken next."""

    METRICS: ClassVar = ("loss", "q_mean")

    def __init__(self, spec: Spec, spaces: Spaces) -> None:
        """Raises UserError where the actions can't be valued one by one."""
        algorithm = spec.agent.algorithm
        assert isinstance(algorithm, SARSASpec)
        if not isinstance(spaces.action, gym.spaces.Discrete):
            raise UserError(f"agent.algorithm.name: 'SARSA' needs a Discrete action space, not {spaces.action}")
        super().__init__(spec, spaces, horizon=algorithm.training_frequency)
        self.loss_function = elementwise_loss(spec.agent.net)

    def init(self, seed: int) -> Agent:
        net = self.spec.agent.net
        self.add_network("q", build_network(net, self.spaces.observation.shape, self.distribution.heads, seed), net)
        return self.initial_agent()

    def choose(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Actions for observations (N, …)."""
        q = self.networks["q"]
        outputs = q(q.named(agent, "q"), inputs["observations"])
        return agent, {"actions": self.policy.choose(outputs, inputs["explore"], dict(inputs))}

    def learn(self, rollout: Rollout, clock: Clock, rng: np.random.Generator) -> Metrics:
        next_actions = np.concatenate([rollout.actions[1:], np.zeros_like(rollout.actions[:1])])
        arrays = {
            "observations": rollout.observations,
            "actions": rollout.actions,
            "next_actions": next_actions,
            "rewards": rollout.rewards,
            "terminated": rollout.terminated,
            "mask": known_targets(rollout).astype(np.float32),
        }
        batch = tensors({name: array.reshape(-1, *array.shape[2:]) for name, array in arrays.items()})
        outputs = self.run_sized(self.update, {**batch, **self.hyper()}, rows=rollout.rewards.size)
        clock.opt_step += 1
        return self.mean_metrics([outputs], clock.frame)

    def update(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Step along ∇ ℓ(Q(s, a), y) with y = r + γ Q(s', a'), and y = r after a terminal state; y is held fixed.

        ``observations`` are those of T + 1 rows, so that the successor of a step is one row, N places, further on.
        """
        actions, mask = inputs["actions"], inputs["mask"]
        row = len(inputs["observations"]) - len(actions)

        def loss(named: dict[str, Parameters]) -> tuple[Tensor, dict[str, Tensor]]:
            (values,), buffers = self.train_forward("q", named, inputs["observations"])
            q = values[: len(actions)].gather(1, actions[:, None]).squeeze(1)
            next_q = values[row:].detach().gather(1, inputs["next_actions"][:, None]).squeeze(1)
            y = inputs["rewards"] + inputs["gamma"] * torch.where(inputs["terminated"], 0.0, next_q)
            total = mean(self.loss_function(q, y), mask)
            return total, {"metrics": stack([total, mean(q, mask)]), **buffers}

        return self.descend(agent, inputs, loss)

    def scheduled(self, frame: int) -> dict[str, float]:
        return {"explore_var": self.explore(frame)}

    def hyperparameters(self, frame: int) -> dict[str, float]:
        return {"gamma": self.algorithm.gamma}


def known_targets(rollout: Rollout) -> np.ndarray:
    """Which steps (T, N) have a target: those that ended in a terminal state, and those followed by another one.

    The action after the last row is not taken yet, and after a truncated step it belongs to another episode.
    """
    followed = rollout.counted & ~rollout.done
    followed[rollout.rows - 1 :] = False
    return followed | rollout.terminated
