"""Scheduled values of replay-based algorithms are those of the frame at which they train."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soft_reference
import torch
from filled_replay import fill_with

from slm.algorithms import Clock


def test_learning_rate(bound: Callable[..., Any]) -> None:
    """A step of plain gradient descent at 30 of 100 frames to zero has 0.7 of its length."""
    moves = []
    for schedule in (None, {"name": "LinearToZero", "frame": 100}):
        net = {"net.optim_spec": {"name": "SGD", "lr": 0.05}, "net.lr_scheduler_spec": schedule}
        algorithm = bound("dqn", {**net, "algorithm.training_batch_iter": 1})
        memory, rng = algorithm.make_memory(), np.random.default_rng(0)
        size = memory.max_size
        observations, ends = rng.normal(size=(size, 3)), np.zeros(size, bool)
        fill_with(memory, observations, np.zeros(size, int), np.ones(size), ends, np.zeros((size, 3)))
        before = algorithm.agent["q"].clone()
        algorithm.train(memory, Clock(frame=30), rng)
        moves.append(algorithm.agent["q"] - before)
    assert moves[0].abs().max() > 1e-3
    torch.testing.assert_close(moves[1], 0.7 * moves[0], rtol=1e-4, atol=1e-6)


def test_annealed_target_entropy() -> None:
    """From α = 1 a step of log α differs by the learning rate times the difference of the targets."""
    lr, steps, targets = 0.1, [], []
    for frame in (20, 60):
        anneal = {"entropy_anneal": {"start_ratio": 0.8, "end_ratio": 0.2, "frames": 100}}
        net = {"optim_spec": {"name": "SGD", "lr": lr}}
        algorithm = soft_reference.make(soft_reference.DISCRETE, anneal, net)
        memory = soft_reference.fill(algorithm.make_memory(), soft_reference.DISCRETE)
        algorithm.train(memory, Clock(frame=frame), np.random.default_rng(0))
        steps.append(algorithm.agent["log_alpha"].item())
        targets.append(algorithm.target_entropy(frame))
    assert targets == pytest.approx([0.68 * np.log(4), 0.44 * np.log(4)])
    assert steps[1] - steps[0] == pytest.approx(lr * (targets[1] - targets[0]), rel=1e-4)
