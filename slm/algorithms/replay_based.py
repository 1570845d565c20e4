"""What the algorithms that learn from replayed transitions share: the memory, when to train, what a batch is."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from slm.algorithms.base import Algorithm, Memory, Metrics, tensors
from slm.algorithms.schedules import make_schedule
from slm.algorithms.task import Clock, Spaces
from slm.backend import Inputs, Outputs
from slm.memory import PrioritizedReplay, Replay
from slm.memory.ring import allocation
from slm.spec import PrioritizedReplaySpec, ReplaySpec, Spec


class ReplayBased(Algorithm):
    """Learns from batches of transitions drawn from a replay memory."""

    algorithm: Any
    """Spec of the algorithm; it has ``training_frequency`` and ``training_start_step``, both in frames."""

    def __init__(self, spec: Spec, spaces: Spaces) -> None:
        super().__init__(spec, spaces)
        memory = spec.agent.memory
        assert isinstance(memory, ReplaySpec | PrioritizedReplaySpec)
        self.memory_spec = memory
        beta_spec = memory.beta_spec if isinstance(memory, PrioritizedReplaySpec) else None
        self._beta = None if beta_spec is None else make_schedule(beta_spec)
        self._arrays: dict[str, NDArray[Any]] = {}
        self._batch: dict[str, Tensor] = {}

    def make_memory(self) -> Replay:
        spec, spaces = self.memory_spec, self.spaces
        arguments = (spec.max_size, spec.batch_size, spaces.num_envs, spaces.observation_type, spaces.action_type,
                     spec.use_cer, spaces.stacked)  # fmt: skip
        with allocation(spec.max_size):
            if isinstance(spec, PrioritizedReplaySpec):
                return PrioritizedReplay(*arguments, alpha=spec.alpha, epsilon=spec.epsilon)
            return Replay(*arguments)

    def train(self, memory: Memory, clock: Clock, rng: np.random.Generator) -> Metrics | None:
        """Learn whenever a multiple of ``training_frequency`` frames has passed, after ``training_start_step``."""
        assert isinstance(memory, Replay)
        if not self.is_due(clock.frame):
            return None
        self.set_hyper(clock)
        metrics = self.learn(memory, clock, rng)
        clock.train_calls += 1
        return metrics

    def is_due(self, frame: Any) -> Any:
        """Whether it trains at a frame, or at each of an array of frames."""
        frequency, start = self.algorithm.training_frequency, self.algorithm.training_start_step
        return (frame > start) & (frame // frequency != (frame - self.spaces.num_envs) // frequency)

    def trainings(self, frames: int) -> int:
        """How often a session of so many frames trains."""
        steps = -(-frames // self.spaces.num_envs)
        return int(self.is_due(np.arange(1, steps + 1) * self.spaces.num_envs).sum())

    def smallest_batch(self) -> int:
        """Rows of the smallest batch that it trains on."""
        return self.memory_spec.batch_size

    @abstractmethod
    def learn(self, memory: Replay, clock: Clock, rng: np.random.Generator) -> Metrics:
        """Learn from freshly drawn batches, and count the gradient steps. Returns the mean metrics of the updates."""

    # --- batches

    def batch(self, memory: Replay, places: NDArray[np.int64], frame: int) -> Inputs:
        """The inputs that stand for a batch: the transitions at the places (B,) drawn, and the losses' weights (B,):
        importance-sampling weights where the memory's spec asks for them, else 1.

        The memory writes to the same arrays each time, so the tensors, too, are those of the batch before.
        """
        arrays = memory.transitions(places)
        if arrays is not self._arrays:
            self._arrays, self._batch = arrays, {**tensors(arrays), "weights": torch.ones(len(places))}
        if self._beta is not None and isinstance(memory, PrioritizedReplay):
            weights = memory.importance_weights(places, self._beta(frame))
            self._batch["weights"].copy_(torch.from_numpy(weights))
        return self._batch

    def example_batch(self) -> Inputs:
        """A batch to bind the step functions with."""
        size, (shape, kind) = self.memory_spec.batch_size, self.spaces.observation_type
        action_shape, action_kind = self.spaces.action_type
        arrays = {
            "observations": np.zeros((size, *shape), kind),
            "actions": np.zeros((size, *action_shape), action_kind),
            "rewards": np.zeros(size, np.float32),
            "terminated": np.zeros(size, bool),
            "next_observations": np.zeros((size, *shape), kind),
        }
        return {**tensors(arrays), "weights": torch.ones(size)}

    @staticmethod
    def update_priorities(memory: Replay, places: NDArray[np.int64], outputs: Outputs) -> None:
        """Let a prioritised memory know the absolute errors (B,) of the transitions at the given places."""
        if isinstance(memory, PrioritizedReplay):
            memory.update_priorities(places, outputs["errors"].numpy())
