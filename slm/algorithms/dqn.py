"""Deep Q-networks: DQN (Mnih et al. 2015), Double DQN (van Hasselt et al. 2016, arXiv:1509.06461) and relatives.

With a `PrioritizedReplay` memory the draws are prioritised (Schaul et al. 2016, arXiv:1511.05952).
"""

from __future__ import annotations

from typing import ClassVar

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, stack

from slm.algorithms.base import Memory, Metrics
from slm.algorithms.distributions import make_distribution
from slm.algorithms.losses import elementwise_loss
from slm.algorithms.policies import make_policy
from slm.algorithms.replay_based import ReplayBased
from slm.algorithms.schedules import make_schedule
from slm.algorithms.task import Clock, Spaces
from slm.backend import Agent, Backend, Call, Inputs, Outputs, StepFunction
from slm.errors import UserError
from slm.memory import Replay
from slm.nets import build_network
from slm.nets.network import Parameters
from slm.spec import DQNSpec, Spec


class DQN(ReplayBased):
    """Q-learning from replayed transitions towards the targets of a slowly moving copy of the network."""

    METRICS: ClassVar = ("loss", "q_mean")

    def __init__(self, spec: Spec, spaces: Spaces) -> None:
        super().__init__(spec, spaces)
        algorithm = spec.agent.algorithm
        assert isinstance(algorithm, DQNSpec)
        if not isinstance(spaces.action, gym.spaces.Discrete):
            name, space = algorithm.name, spaces.action
            raise UserError(f"agent.algorithm.name: '{name}' needs a Discrete action space, not {space}")
        self.algorithm, self.net_spec = algorithm, spec.agent.net
        self.distribution = make_distribution(algorithm.action_pdtype, spaces.action)
        self.policy = make_policy(algorithm.action_policy, self.distribution, spaces.action)
        # Without a schedule ε-greedy is greedy.
        self.explore = make_schedule(algorithm.explore_var_spec, default=0.0)
        self.loss_function = elementwise_loss(self.net_spec)
        self.has_target = algorithm.name in ("DQN", "DoubleDQN")
        self._prepared: tuple[Inputs, Call] | None = None

    def init(self, seed: int) -> Agent:
        (actions,) = self.distribution.heads
        network = build_network(self.net_spec, self.spaces.observation.shape, [actions], seed)
        self.add_network("q", network, self.net_spec)
        agent = self.initial_agent()
        if self.has_target:
            agent["q_target"] = agent["q"].clone()
            if network.buffer_size:
                agent["q_target.buffers"] = agent["q.buffers"].clone()
        return agent

    # --- step functions

    def q_values(self, named: Parameters, observations: Tensor) -> Tensor:
        """Q(s, ·), (B, actions)."""
        (values,) = self.networks["q"](named, observations)
        return values

    def choose(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Actions for observations (N, …)."""
        values = self.q_values(self.networks["q"].named(agent, "q"), inputs["observations"])
        return agent, {"actions": self.policy.choose([values], inputs["explore"], dict(inputs))}

    def update(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """One gradient step on a batch of transitions.

        Outputs the absolute temporal-difference errors |y − Q(s, a)| (B,) beside the metrics.
        """
        observations, actions = inputs["observations"], inputs["actions"]
        y = self.targets(agent, inputs)

        def loss(named: dict[str, Parameters]) -> tuple[Tensor, dict[str, Tensor]]:
            (values,), buffers = self.train_forward("q", named, observations)
            q = values.gather(1, actions[:, None]).squeeze(1)
            total = (inputs["weights"] * self.loss_function(q, y)).mean()
            return total, {"metrics": stack([total, q.mean()]), "errors": (y - q).abs(), **buffers}

        return self.descend(agent, inputs, loss)

    def targets(self, agent: Agent, inputs: Inputs) -> Tensor:
        """y = r + γ Q'(s', a*), and y = r after a terminal state, (B,).

        DQN: a* and its value from the target network; Double DQN: a* from the online network, its value from the
        target network; VanillaDQN: both from the online network; DQNBase: Double DQN without a target network, which
        is the same.
        """
        rewards, terminated = inputs["rewards"], inputs["terminated"]
        next_observations = inputs["next_observations"]
        network = self.networks["q"]
        valued = network.named(agent, "q_target" if self.has_target else "q")
        values = self.q_values(valued, next_observations)
        if self.algorithm.name == "DoubleDQN":
            best = self.q_values(network.named(agent, "q"), next_observations).argmax(1)
        else:
            best = values.argmax(1)
        bootstrap = values.gather(1, best[:, None]).squeeze(1)
        return rewards + inputs["gamma"] * torch.where(terminated, 0.0, bootstrap)

    # --- acting and learning

    def train(self, memory: Memory, clock: Clock, rng: np.random.Generator) -> Metrics | None:
        metrics = super().train(memory, clock, rng)
        self.move_target(clock.frame - self.spaces.num_envs, clock.frame)
        return metrics

    def learn(self, memory: Replay, clock: Clock, rng: np.random.Generator) -> Metrics:
        outputs: list[Outputs] = []
        for _ in range(self.algorithm.training_iter):
            places = memory.sample(rng)
            update = self.update_on(self.batch(memory, places, clock.frame))
            outputs += [update() for _ in range(self.algorithm.training_batch_iter)]
            self.update_priorities(memory, places, outputs[-1])
        clock.opt_step += len(outputs)
        return self.mean_metrics(outputs, clock.frame)

    def update_on(self, batch: Inputs) -> Call:
        """The bound update on a batch; prepared once, since batches come in the same tensors."""
        if self._prepared is None or self._prepared[0] is not batch:
            self._prepared = batch, self.prepare("update", {**batch, **self.hyper()})
        return self._prepared[1]

    def move_target(self, before: int, frame: int) -> None:
        """Move the target network after the step from frame ``before`` to ``frame``.

        ``polyak``: θ' ← (1 − c) θ' + c θ after every step; ``replace``: θ' ← θ whenever ``update_frequency`` frames
        have passed. Buffers are copied with either: running statistics are averages already.
        """
        if not self.has_target:
            return
        q, target, spec = self.agent["q"], self.agent["q_target"], self.net_spec
        if spec.update_type == "polyak":
            target.lerp_(q, spec.polyak_coef)
        elif frame // spec.update_frequency > before // spec.update_frequency:
            target.copy_(q)
        else:
            return
        if "q.buffers" in self.agent:
            self.agent["q_target.buffers"].copy_(self.agent["q.buffers"])

    # --- binding

    def bind(self, agent: Agent, backend: Backend) -> None:
        super().bind(agent, backend)
        self._prepared = None

    def scheduled(self, frame: int) -> dict[str, float]:
        return {"explore_var": self.explore(frame)}

    def hyperparameters(self, frame: int) -> dict[str, float]:
        return {"gamma": self.algorithm.gamma}

    def step_functions(self, agent: Agent) -> dict[str, tuple[StepFunction, Inputs]]:
        return {
            "choose": (self.choose, self.example_observations(self.spaces.num_envs)),
            "update": (self.update, {**self.example_batch(), **self.hyper()}),
        }
