"""Targets of the soft actor-critic at the ends of episodes."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from soft_reference import BATCH, CONTINUOUS, DISCRETE, GAMMA, fill, make

from slm.algorithms import Clock


@pytest.mark.parametrize("space", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
@pytest.mark.parametrize("name", ["SoftActorCritic", "CrossQ"])
def test_terminal_state_is_worth_nothing(name: str, space: gym.Space) -> None:
    """y = r after a terminal state, and r + γ V elsewhere; here both critics say 5 of everything."""
    algorithm = make(space, {"name": name, "fixed_alpha": 0.0})
    memory, rng = fill(algorithm.make_memory(), space), np.random.default_rng(0)
    ends, others = (np.flatnonzero(memory.rings["terminated"] == flag)[: BATCH // 2] for flag in (True, False))
    algorithm.set_hyper(Clock(frame=100))
    places = np.concatenate([ends, others])
    inputs = {**algorithm.batch(memory, places, 100), **algorithm.update_noise(rng), **algorithm.hyper()}
    draw = algorithm.draw(algorithm.agent, inputs["next_observations"], inputs["next_noise"])
    fives = torch.full((BATCH, algorithm.actions.critic_outputs), 5.0)
    y = algorithm.bootstrap(algorithm.agent, inputs, draw, [fives, fives])
    expected = memory.rings["rewards"][places] + np.repeat([0.0, GAMMA * 5.0], BATCH // 2)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-5)
