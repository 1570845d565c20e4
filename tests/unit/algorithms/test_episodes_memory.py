"""The memory of whole episodes, with episodes of two environments written out."""

import numpy as np
import pytest
from on_policy_agents import EPISODES, experience, make, remember

from slm.checkpoint import from_bytes, to_bytes
from slm.memory import Episodes
from slm.memory.episodes import capacity

SHAPES = (2, ((4,), np.float32), ((), np.int64))
# Environment 0 terminates after 2 steps and is truncated after 2 more; environment 1 terminates after 4.
ENDS = ["--", "T-", "--", "tT", "--"]


def test_episodes_follow_each_other_in_one_column() -> None:
    memory, steps = Episodes(*SHAPES), experience(ENDS)
    remember(memory, steps)
    rollout = memory.rollout()
    # (step, environment) of each row.
    order = [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (1, 1), (2, 1), (3, 1)]
    assert rollout.rewards.shape == (128, 1)
    assert rollout.rows == 8
    for row, (t, n) in enumerate(order):
        observations, actions, step = steps[t]
        np.testing.assert_array_equal(rollout.observations[row, 0], observations[n])
        assert rollout.actions[row, 0] == actions[n]
        assert rollout.rewards[row, 0] == step.rewards[n]
    assert np.flatnonzero(rollout.done[:, 0]).tolist() == [1, 3, 7]
    assert np.flatnonzero(rollout.terminated[:, 0]).tolist() == [1, 7]
    ((row, column, final),) = rollout.final_observations
    assert (row, column) == (3, 0)
    np.testing.assert_array_equal(final, steps[3][2].next_observations[0])
    assert rollout.counted[:, 0].tolist() == [True] * 8 + [False] * 120


def test_rows_that_do_not_count_repeat_observations() -> None:
    memory = Episodes(*SHAPES)
    remember(memory, experience(ENDS))
    observations = memory.rollout().observations[:, 0]
    np.testing.assert_array_equal(observations[8:16], observations[:8])
    np.testing.assert_array_equal(observations[128], observations[0])


def test_full_after_enough_episodes() -> None:
    memory = Episodes(*SHAPES, min_episodes=2)
    fullness = []
    for step in experience(ENDS):
        remember(memory, [step])
        fullness.append(memory.full)
    assert fullness == [False, False, False, True, True]


def test_full_after_enough_steps_and_an_episode() -> None:
    memory = Episodes(*SHAPES, min_steps=3)
    steps = experience(["--", "--", "--", "-T", "--"])
    fullness = []
    for step in steps:
        remember(memory, [step])
        fullness.append(memory.full)
    assert fullness == [False, False, False, True, True]
    memory.clear()
    remember(memory, experience(["T-", "T-"]))
    assert not memory.full


def test_an_episode_that_goes_on_is_kept_for_the_next_use() -> None:
    memory, steps = Episodes(*SHAPES), experience(["T-", "--", "-T"])
    remember(memory, steps[:1])
    assert memory.rollout().rows == 1
    memory.clear()
    remember(memory, steps[1:])
    rollout = memory.rollout()
    assert rollout.rows == 3
    assert rollout.rewards[:3, 0].tolist() == [step.rewards[1] for _, _, step in steps]


@pytest.mark.parametrize(("quantile", "kept"), [(0.0, [1, 2, 3, 4]), (0.5, [3, 4]), (0.99, [4]), (1.0, [1, 2, 3, 4])])
def test_cross_entropy_drops_the_share_of_lower_returns(quantile: float, kept: list[int]) -> None:
    algorithm = make(
        {"name": "Reinforce", "training_frequency": 4},
        {"name": "OnPolicyCrossEntropy", "cross_entropy": quantile}, num_envs=4,
    )  # fmt: skip
    memory = algorithm.make_memory()
    assert isinstance(memory, Episodes)
    ((observations, actions, step),) = experience(["TTtT"])
    step.rewards[:] = [3, 1, 4, 2]
    memory.add(observations, actions, step)
    assert memory.full
    rollout = memory.rollout()
    assert sorted(rollout.rewards[: rollout.rows, 0].tolist()) == kept


def test_restored_memory_goes_on_alike() -> None:
    steps = experience([*ENDS, "--", "TT"])
    for cut in range(len(steps) + 1):
        memory, restored = Episodes(*SHAPES, min_episodes=2), Episodes(*SHAPES, min_episodes=2)
        remember(memory, steps[:cut])
        restored.restore(from_bytes(to_bytes(memory.state())))
        for one in (memory, restored):
            remember(one, steps[cut:])
        assert restored.full
        first, second = memory.rollout(), restored.rollout()
        for name in ("observations", "actions", "rewards", "terminated", "done"):
            np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        assert first.rows == second.rows == 14
        assert [place[:2] for place in first.final_observations] == [place[:2] for place in second.final_observations]


def test_few_shapes_occur() -> None:
    assert [capacity(steps) for steps in (1, 128, 129, 256, 257, 5000)] == [128, 128, 256, 256, 512, 8192]


def test_reinforce_counts_episodes_with_this_memory() -> None:
    algorithm = make({"name": "Reinforce", "training_frequency": 3}, EPISODES)
    memory = algorithm.make_memory()
    remember(memory, experience(ENDS[:2]))
    assert isinstance(memory, Episodes)
    assert not memory.full
    remember(memory, experience(ENDS[2:]))
    assert memory.full
