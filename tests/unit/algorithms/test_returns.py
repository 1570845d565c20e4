"""Returns and advantages by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slm.algorithms.returns import bootstrapped_returns, continued_returns, gae, monte_carlo_returns, td_errors

# Environment 0 terminates at step 1, environment 1 is truncated there; both go on to the rollout's edge.
REWARDS = np.array([[1, 1], [2, 2], [4, 4], [8, 8]], np.float32)
VALUES = np.array([[10, 10], [20, 20], [30, 30], [40, 40]], np.float32)
# Of the true successors: 100 is the truncated episode's final observation, 60 lies beyond the edge.
NEXT_VALUES = np.array([[20, 20], [70, 100], [40, 40], [60, 60]], np.float32)
TERMINATED = np.array([[0, 0], [1, 0], [0, 0], [0, 0]], bool)
DONE = np.array([[0, 0], [1, 1], [0, 0], [0, 0]], bool)


def test_td_errors() -> None:
    deltas = td_errors(REWARDS, VALUES, NEXT_VALUES, TERMINATED, 0.5)
    np.testing.assert_array_equal(deltas, [[1, 1], [-18, 32], [-6, -6], [-2, -2]])


def test_gae() -> None:
    """γ = λ = 1/2: A_t = δ_t + A_{t+1}/4 within an episode."""
    advantages = gae(REWARDS, VALUES, NEXT_VALUES, TERMINATED, DONE, 0.5, 0.5)
    np.testing.assert_array_equal(advantages, [[1 - 4.5, 1 + 8], [-18, 32], [-6.5, -6.5], [-2, -2]])
    assert advantages.dtype == np.float32


def test_gae_with_lambda_zero_is_the_td_error() -> None:
    advantages = gae(REWARDS, VALUES, NEXT_VALUES, TERMINATED, DONE, 0.5, 0.0)
    np.testing.assert_array_equal(advantages, td_errors(REWARDS, VALUES, NEXT_VALUES, TERMINATED, 0.5))


def test_bootstrapped_returns() -> None:
    """γ = 1/2. Truncation and the edge go on with the value of the true successor, termination with nothing."""
    returns = bootstrapped_returns(REWARDS, NEXT_VALUES, TERMINATED, DONE, 0.5)
    np.testing.assert_array_equal(returns, [[2, 27], [2, 52], [23, 23], [38, 38]])


def test_gae_with_lambda_one_is_the_return_less_the_value() -> None:
    advantages = gae(REWARDS, VALUES, NEXT_VALUES, TERMINATED, DONE, 0.5, 1.0)
    returns = bootstrapped_returns(REWARDS, NEXT_VALUES, TERMINATED, DONE, 0.5)
    np.testing.assert_array_equal(advantages, returns - VALUES)


def test_monte_carlo_returns_never_bootstrap() -> None:
    returns = monte_carlo_returns(REWARDS, DONE, 0.5)
    np.testing.assert_array_equal(returns, [[2, 2], [2, 2], [8, 8], [8, 8]])


def test_a_time_limit_is_followed_by_an_average_step() -> None:
    """γ = 1/2; one episode terminates, one is truncated, the last row is empty.

    G = [2, 2] and [2 + Ḡ/4, 2 + Ḡ/2] with Ḡ their mean: 4 Ḡ = 8 + 3/4 Ḡ.
    """
    rewards, rows = REWARDS[:3], np.array([[1, 1], [1, 1], [0, 0]], bool)
    average = 8 / 3.25
    returns = continued_returns(rewards, TERMINATED[:3], DONE[:3], rows, 0.5)[:2]
    np.testing.assert_allclose(returns, [[2, 2 + average / 4], [2, 2 + average / 2]], rtol=1e-6)
    assert returns.mean() == pytest.approx(average)
    assert returns.dtype == np.float32


def test_without_discount_and_end_there_is_no_average_to_continue_with() -> None:
    truncated = np.array([[0], [1]], bool)
    one = np.ones((2, 1), np.float32)
    returns = continued_returns(one, np.zeros_like(truncated), truncated, np.ones_like(truncated), 1.0)
    np.testing.assert_array_equal(returns, [[2], [1]])


def test_episode_that_ends_at_the_edge() -> None:
    one = np.array([[3.0, 3.0]], np.float32)
    terminated, done = np.array([[True, False]]), np.array([[True, True]])
    np.testing.assert_array_equal(bootstrapped_returns(one, 2 * one, terminated, done, 0.5), [[3, 6]])
    np.testing.assert_array_equal(gae(one, one, 2 * one, terminated, done, 0.5, 0.9), [[0, 3]])


@given(st.integers(0, 2**31), st.integers(1, 9), st.sampled_from([0.0, 0.5, 0.97, 1.0]), st.floats(0, 1))
def test_gae_is_the_discounted_sum_of_td_errors(seed: int, steps: int, gamma: float, lam: float) -> None:
    """Equation 16 as it stands: a sum over the episode's remaining steps."""
    rng = np.random.default_rng(seed)
    rewards, values, successors = rng.normal(size=(3, steps, 2)).astype(np.float32)
    done = rng.random((steps, 2)) < 0.3
    terminated = done & (rng.random((steps, 2)) < 0.5)
    deltas = td_errors(rewards, values, successors, terminated, gamma)
    advantages = gae(rewards, values, successors, terminated, done, gamma, lam)
    for n in range(2):
        for t in range(steps):
            end = next((k for k in range(t, steps) if done[k, n]), steps - 1)
            expected = sum((gamma * lam) ** (k - t) * deltas[k, n] for k in range(t, end + 1))
            assert advantages[t, n] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_arguments_are_left_alone() -> None:
    before = [array.copy() for array in (REWARDS, VALUES, NEXT_VALUES)]
    gae(REWARDS, VALUES, NEXT_VALUES, TERMINATED, DONE, 0.5, 0.5)
    bootstrapped_returns(REWARDS, NEXT_VALUES, TERMINATED, DONE, 0.5)
    for array, copy in zip((REWARDS, VALUES, NEXT_VALUES), before, strict=True):
        np.testing.assert_array_equal(array, copy)
