"""Steps made by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from slm.env import Step


@pytest.fixture
def make_step() -> Callable[..., tuple[np.ndarray, np.ndarray, Step]]:
    """``make_step(first, count)``: observations, actions and the step of transitions number first, first + 1, …

    Transition i observes i, acts i % 3, and is rewarded 10 i. It leads to the next that its environment observes,
    i + count; every third ends an episode and leads to i + 0.5.
    """

    def make(first: int, count: int, done: bool = False) -> tuple[np.ndarray, np.ndarray, Step]:
        number = np.arange(first, first + count)
        observations = number[:, None].astype(np.float32)
        ends, over = np.full(count, done), number % 3 == 0
        return (
            observations,
            number % 3,
            Step(
                observations=observations + count,
                rewards=(10.0 * number).astype(np.float32),
                raw_rewards=10.0 * number,
                terminated=ends,
                truncated=np.zeros(count, bool),
                done=ends,
                next_observations=np.where(over[:, None], observations + 0.5, observations + count),
                episode_over=over,
            ),
        )

    return make
