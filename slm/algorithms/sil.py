"""Self-imitation learning (Oh et al. 2018, arXiv:1806.05635) on top of ActorCritic (SIL) and of PPO (PPOSIL)."""

from __future__ import annotations

import math
import sys
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, stack

from slm.algorithms.actor_critic import ActorCritic
from slm.algorithms.base import Memory, Metrics, tensors
from slm.algorithms.policy_gradient import PolicyGradient
from slm.algorithms.ppo import PPO
from slm.algorithms.returns import bootstrapped_returns
from slm.algorithms.task import Clock
from slm.backend import Agent, Inputs, Outputs
from slm.memory import Episodes, ImitationMemory, PrioritizedRing, Ring, Rollout
from slm.memory.ring import Layout, allocation
from slm.nets.network import Parameters
from slm.spec import PrioritizedReplaySpec, sil_memory_spec
from slm.spec.memory import OnPolicyBase

IMITATION_METRICS = ("sil_loss", "sil_policy_loss", "sil_value_loss")


class SelfImitation(PolicyGradient):
    """After each on-policy update, learns again from past steps that turned out better than expected."""

    def make_memory(self) -> Memory:
        spaces, spec = self.spaces, self.spec.agent.memory
        assert isinstance(spec, OnPolicyBase)
        on_policy = super().make_memory()
        assert isinstance(on_policy, Rollout | Episodes)
        episodes = Episodes(spaces.num_envs, spaces.observation_type, spaces.action_type)
        layout: Layout = {
            "observations": spaces.observation_type,
            "actions": spaces.action_type,
            "returns": ((), np.float32),
        }
        replay = sil_memory_spec(spec)
        arguments = (replay.max_size, replay.batch_size, layout, replay.use_cer)
        with allocation(replay.max_size):
            if isinstance(replay, PrioritizedReplaySpec):
                ring: Ring = PrioritizedRing(*arguments, alpha=replay.alpha, epsilon=replay.epsilon)
            else:
                ring = Ring(*arguments)
        return ImitationMemory(on_policy, episodes, ring)

    def train(self, memory: Memory, clock: Clock, rng: np.random.Generator) -> Metrics | None:
        assert isinstance(memory, ImitationMemory)
        metrics = super().train(memory.on_policy, clock, rng)
        if metrics is None:
            return None
        if memory.episodes.full:
            self.remember(memory.episodes.rollout(), memory.replay)
            memory.episodes.clear()
        if memory.replay.size == 0:  # before the first episode's end
            return {**metrics, **dict.fromkeys(IMITATION_METRICS, math.nan)}
        return {**metrics, **self.imitate(memory.replay, clock, rng)}

    def remember(self, episodes: Rollout, replay: Ring) -> None:
        """Store the steps of finished episodes with their discounted returns.

        A truncated episode would have gone on: its return continues with the value of the final observation.
        """
        next_values = self.values_of(episodes).next_values
        returns = bootstrapped_returns(
            episodes.rewards, next_values, episodes.terminated, episodes.done, self.algorithm.gamma
        )
        steps = episodes.rows
        replay.store(
            observations=episodes.observations[:steps, 0], actions=episodes.actions[:steps, 0],
            returns=returns[:steps, 0],
        )  # fmt: skip

    def smallest_batch(self) -> int | None:
        spec = self.spec.agent.memory
        assert isinstance(spec, OnPolicyBase)
        return min(super().smallest_batch() or sys.maxsize, sil_memory_spec(spec).batch_size)

    def imitate(self, replay: Ring, clock: Clock, rng: np.random.Generator) -> Metrics:
        """Learn from freshly drawn batches. Returns the mean metrics of the updates."""
        rings = self.place(tensors(replay.rings))
        outputs: list[Outputs] = []
        for _ in range(self.algorithm.training_iter):
            places = replay.sample(rng)
            inputs = {**rings, "places": torch.from_numpy(places), **self.hyper()}
            update = self.prepare_sized(self.update_by_imitation, inputs, rows=len(places))
            outputs += [update() for _ in range(self.algorithm.training_batch_iter)]
            if isinstance(replay, PrioritizedRing):
                replay.update_priorities(places, outputs[-1]["errors"].numpy())
        clock.opt_step += len(outputs) * len(self.networks)
        return self.mean_metrics(outputs, clock.frame, IMITATION_METRICS)

    def update_by_imitation(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Step along ∇ [ −c_π log π(a|s) (R − V(s))₊ + c_V ½ (R − V(s))₊² ] (eqs. 1–3), for places (B,) of the rings.

        The advantage in the policy's term is held fixed. Outputs (R − V)₊ (B,), the priorities' base (section 3).
        """
        places = inputs["places"]
        observations, actions = inputs["observations"][places], inputs["actions"][places]

        def loss(named: dict[str, Parameters]) -> tuple[Tensor, dict[str, Tensor]]:
            outputs, values, buffers = self.forward_to_learn(named, observations)
            better = (inputs["returns"][places] - values).clamp(min=0)
            log_probs = self.distribution.log_prob(outputs, actions)
            policy_loss = -inputs["sil_policy_coef"] * (log_probs * better.detach()).mean()
            value_loss = inputs["sil_value_coef"] * 0.5 * (better * better).mean()
            total = policy_loss + value_loss
            metrics = {"metrics": stack([total, policy_loss, value_loss]), "errors": better}
            return total, {**metrics, **buffers}

        return self.descend(agent, inputs, loss)

    def hyperparameters(self, frame: int) -> dict[str, float]:
        algorithm: Any = self.algorithm
        own = {"sil_policy_coef": algorithm.sil_policy_loss_coef, "sil_value_coef": algorithm.sil_val_loss_coef}
        return {**super().hyperparameters(frame), **own}


class SIL(SelfImitation, ActorCritic):
    """Self-imitation with advantage actor-critic (algorithm 1)."""

    METRICS: ClassVar = (*ActorCritic.METRICS, *IMITATION_METRICS)


class PPOSIL(SelfImitation, PPO):
    """Self-imitation with proximal policy optimisation (section 5.5)."""

    METRICS: ClassVar = (*PPO.METRICS, *IMITATION_METRICS)
