"""Deep Q-networks: DQN (Mnih et al. 2015), Double DQN (van Hasselt et al. 2016, arXiv:1509.06461) and relatives.

With a `PrioritizedReplay` memory the draws are prioritised (Schaul et al. 2016, arXiv:1511.05952).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, stack

from slm.algorithms.base import Algorithm, Clock, Memory, Metrics, Spaces, elementwise_loss, tensors
from slm.algorithms.distributions import make_distribution
from slm.algorithms.policies import make_policy
from slm.algorithms.schedules import make_schedule
from slm.backend import Agent, Inputs, Outputs, StepFunction
from slm.memory import PrioritizedReplay, Replay
from slm.nets import build_network
from slm.nets.network import Parameters
from slm.spec import DQNSpec, PrioritizedReplaySpec, ReplaySpec, Spec

RINGS = ("observations", "next_observations", "actions", "rewards", "terminated")


class DQN(Algorithm):
    """Q-learning from replayed transitions towards the targets of a slowly moving copy of the network."""

    METRICS: ClassVar = ("loss", "q_mean")

    def __init__(self, spec: Spec, spaces: Spaces) -> None:
        super().__init__(spec, spaces)
        algorithm, memory = spec.agent.algorithm, spec.agent.memory
        assert isinstance(algorithm, DQNSpec)
        assert isinstance(memory, ReplaySpec | PrioritizedReplaySpec)
        self.algorithm, self.memory_spec, self.net_spec = algorithm, memory, spec.agent.net
        self.distribution = make_distribution(algorithm.action_pdtype, spaces.action)
        self.policy = make_policy(algorithm.action_policy, self.distribution, spaces.action)
        # Without a schedule ε-greedy is greedy.
        self.explore = make_schedule(algorithm.explore_var_spec, default=0.0)
        beta_spec = memory.beta_spec if isinstance(memory, PrioritizedReplaySpec) else None
        self._beta = None if beta_spec is None else make_schedule(beta_spec)
        self.loss_function = elementwise_loss(self.net_spec)
        self.has_target = algorithm.name in ("DQN", "DoubleDQN")
        self._places = np.zeros(memory.batch_size, np.int64)

    def init(self, seed: int) -> Agent:
        (actions,) = self.distribution.heads
        network = build_network(self.net_spec, self.spaces.observation.shape, [actions], seed)
        self.add_network("q", network, self.net_spec)
        agent = self.initial_agent()
        if self.has_target:
            agent["q_target"] = agent["q"].clone()
        return agent

    def make_memory(self) -> Replay:
        spec, spaces = self.memory_spec, self.spaces
        arguments = (spec.max_size, spec.batch_size, spaces.observation_type, spaces.action_type, spec.use_cer)
        if isinstance(spec, PrioritizedReplaySpec):
            return PrioritizedReplay(*arguments, alpha=spec.alpha, epsilon=spec.epsilon)
        return Replay(*arguments)

    # --- step functions

    def q_values(self, named: Parameters, observations: Tensor) -> Tensor:
        """Q(s, ·), (B, actions)."""
        (values,) = self.networks["q"](named, observations)
        return values

    def choose(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Actions for observations (N, …)."""
        values = self.q_values(self.networks["q"].views(agent["q"]), inputs["observations"])
        return agent, {"actions": self.policy.choose([values], inputs["explore"], dict(inputs))}

    def update(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """One gradient step on the transitions at ``places`` (B,) of the memory's rings.

        Outputs the absolute temporal-difference errors |y − Q(s, a)| (B,) beside the metrics.
        """
        places = inputs["places"]
        observations, actions = inputs["observations"][places], inputs["actions"][places]
        y = self.targets(agent, inputs, places)

        def loss(named: dict[str, Parameters]) -> tuple[Tensor, dict[str, Tensor]]:
            q = self.q_values(named["q"], observations).gather(1, actions[:, None]).squeeze(1)
            total = (inputs["weights"] * self.loss_function(q, y)).mean()
            return total, {"metrics": stack([total, q.mean()]), "errors": (y - q).abs()}

        return self.descend(agent, inputs, loss)

    def targets(self, agent: Agent, inputs: Inputs, places: Tensor) -> Tensor:
        """y = r + γ Q'(s', a*), and y = r after a terminal state, (B,).

        DQN: a* and its value from the target network; Double DQN: a* from the online network, its value from the
        target network; VanillaDQN: both from the online network; DQNBase: Double DQN without a target network, which
        is the same.
        """
        rewards, terminated = inputs["rewards"][places], inputs["terminated"][places]
        next_observations = inputs["next_observations"][places]
        network = self.networks["q"]
        valued = network.views(agent["q_target" if self.has_target else "q"])
        values = self.q_values(valued, next_observations)
        if self.algorithm.name == "DoubleDQN":
            best = self.q_values(network.views(agent["q"]), next_observations).argmax(1)
        else:
            best = values.argmax(1)
        bootstrap = values.gather(1, best[:, None]).squeeze(1)
        return rewards + inputs["gamma"] * torch.where(terminated, 0.0, bootstrap)

    # --- acting and learning

    def train(self, memory: Memory, clock: Clock, rng: np.random.Generator) -> Metrics | None:
        assert isinstance(memory, Replay)
        frequency, start = self.algorithm.training_frequency, self.algorithm.training_start_step
        before = clock.frame - self.spaces.num_envs
        metrics = None
        if clock.frame > start and clock.frame // frequency > before // frequency:
            self.set_hyper(clock.frame)
            metrics = self.learn(memory, clock, rng)
            clock.train_calls += 1
        self.move_target(before, clock.frame)
        return metrics

    def learn(self, memory: Replay, clock: Clock, rng: np.random.Generator) -> Metrics:
        rings = tensors({name: getattr(memory, name) for name in RINGS})
        outputs: list[Outputs] = []
        for _ in range(self.algorithm.training_iter):
            places = memory.sample(rng)
            batch = {**rings, "places": torch.from_numpy(places), "weights": self.weights(memory, places, clock.frame)}
            for _ in range(self.algorithm.training_batch_iter):
                outputs.append(self.run("update", {**batch, **self.hyper()}))
            if isinstance(memory, PrioritizedReplay):
                memory.update_priorities(places, outputs[-1]["errors"].numpy())
        clock.opt_step += len(outputs)
        return self.mean_metrics(outputs, clock.frame)

    def weights(self, memory: Replay, places: NDArray[np.int64], frame: int) -> Tensor:
        """Weights of the losses (B,): importance-sampling weights where the memory's spec asks for them, else 1."""
        if self._beta is not None and isinstance(memory, PrioritizedReplay):
            return torch.from_numpy(memory.importance_weights(places, self._beta(frame)))
        return torch.ones(len(places))

    def move_target(self, before: int, frame: int) -> None:
        """Move the target network after the step from frame ``before`` to ``frame``.

        ``polyak``: θ' ← (1 − c) θ' + c θ after every step; ``replace``: θ' ← θ whenever ``update_frequency`` frames
        have passed.
        """
        if not self.has_target:
            return
        q, target, spec = self.agent["q"], self.agent["q_target"], self.net_spec
        if spec.update_type == "polyak":
            target.lerp_(q, spec.polyak_coef)
        elif frame // spec.update_frequency > before // spec.update_frequency:
            target.copy_(q)

    # --- binding

    def scheduled(self, frame: int) -> dict[str, float]:
        return {"explore_var": self.explore(frame)}

    def hyperparameters(self, frame: int) -> dict[str, float]:
        return {"gamma": self.algorithm.gamma}

    def step_functions(self, agent: Agent) -> dict[str, tuple[StepFunction, Inputs]]:
        spaces, batch = self.spaces, self.memory_spec.batch_size
        noise = self.policy.noise(np.random.default_rng(0), spaces.num_envs)
        shape, kind = spaces.observation_type
        seen = {"observations": np.zeros((spaces.num_envs, *shape), kind), **noise}
        memory = self.make_memory()
        rings = tensors({name: getattr(memory, name) for name in RINGS})
        example = {**rings, "places": torch.zeros(batch, dtype=torch.long), "weights": torch.ones(batch)}
        return {
            "choose": (self.choose, {**tensors(seen), "explore": torch.tensor(0.0)}),
            "update": (self.update, {**example, **self.hyper()}),
        }
