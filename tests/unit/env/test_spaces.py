"""The quick check of actions, against gymnasium's own."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from slm.env.make import make_env
from slm.env.spaces import QuickDiscrete
from slm.spec import EnvSpec


@pytest.mark.parametrize("space", [gym.spaces.Discrete(3), gym.spaces.Discrete(2, start=-1)])
def test_it_has_the_same_members(space: gym.spaces.Discrete) -> None:
    quick = QuickDiscrete(space)
    values: list[Any] = [
        *range(-3, 5),
        2**70,
        True,
        1.0,
        "1",
        None,
        np.int64(1),
        np.int8(-1),
        np.float32(1),
        np.array(2),
    ]
    assert [quick.contains(value) for value in values] == [space.contains(value) for value in values]
    assert quick == space


def test_environments_check_with_it() -> None:
    env = make_env(EnvSpec(name="CartPole-v1", max_frame=1))
    assert isinstance(env.unwrapped.action_space, QuickDiscrete)
    env.reset(seed=0)
    with pytest.raises(AssertionError, match="invalid"):
        env.step(2)
