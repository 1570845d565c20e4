"""Random: the baseline that takes every action with equal probability and learns nothing."""

from __future__ import annotations

import math

import numpy as np

from slm.algorithms.base import Algorithm, Memory, Metrics
from slm.algorithms.policies import Uniform
from slm.algorithms.schedules import make_schedule
from slm.algorithms.task import Clock, Spaces
from slm.backend import Agent, Inputs, Outputs, StepFunction
from slm.memory import NoMemory
from slm.spec import Spec


class Random(Algorithm):
    """No network, no memory, no update."""

    def __init__(self, spec: Spec, spaces: Spaces) -> None:
        super().__init__(spec, spaces)
        self.policy = Uniform(spaces.action)
        self.explore = make_schedule(None, default=0.0)

    def init(self, seed: int) -> Agent:
        return {}

    def make_memory(self) -> Memory:
        return NoMemory()

    def choose(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Actions for N observations, whatever they are."""
        return agent, {"actions": self.policy.choose((), inputs["explore"], dict(inputs))}

    def train(self, memory: Memory, clock: Clock, rng: np.random.Generator) -> Metrics | None:
        return None

    def learning_rate(self, clock: Clock) -> float:
        return math.nan

    def hyperparameters(self, frame: int) -> dict[str, float]:
        return {}

    def step_functions(self, agent: Agent) -> dict[str, tuple[StepFunction, Inputs]]:
        return {"choose": (self.choose, self.example_observations(self.spaces.num_envs))}
