"""The tree of sums against a flat cumulative sum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slm.memory.prioritized import SumTree

SIZES = st.sampled_from([1, 2, 63, 64, 65, 700, 4096, 4097, 5000, 70_000])


@given(SIZES, st.integers(0, 2**31), st.data())
def test_find_is_a_search_in_the_cumulative_sum(size: int, seed: int, data: st.DataObject) -> None:
    """Integer weights, some of them zero, so that both sums are exact."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, 5, size) * (rng.random(size) < data.draw(st.sampled_from([0.02, 0.5, 1.0])))
    weights[rng.integers(size)] = 3
    tree = SumTree(size)
    tree[np.arange(size)] = weights
    assert tree.total == weights.sum()
    points = np.sort(rng.random(50)) * tree.total
    points = np.concatenate([points, np.floor(points), [0.0]])
    expected = np.searchsorted(weights.cumsum(), points, side="right")
    np.testing.assert_array_equal(tree.find(points), expected)


@given(SIZES, st.integers(0, 2**31), st.floats(1e-9, 1e9))
def test_drawn_leaves_always_have_weight(size: int, seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    weights = scale * rng.random(size) ** 8 * (rng.random(size) < 0.3)
    weights[rng.integers(size)] = scale
    tree = SumTree(size)
    tree[np.arange(size)] = weights
    edges = weights.cumsum()
    points = np.concatenate([edges, np.nextafter(edges, 0), rng.random(20) * tree.total, [0.0, tree.total]])
    leaves = tree.find(np.minimum(points, tree.total))
    assert (leaves < size).all()
    assert (tree[leaves] > 0).all()


@given(SIZES, st.integers(0, 2**31))
def test_tree_is_a_function_of_its_leaves(size: int, seed: int) -> None:
    """Whatever the order of the changes, and for a leaf given twice the last weight: no rounding builds up."""
    rng = np.random.default_rng(seed)
    changed, weights = SumTree(size), np.zeros(size)
    for _ in range(20):
        leaves = rng.integers(size, size=rng.integers(1, 70))
        values = rng.random(len(leaves)) ** 3
        changed[leaves] = values
        for leaf, value in zip(leaves, values, strict=True):
            weights[leaf] = value
    fresh = SumTree(size)
    fresh[np.arange(size)] = weights
    np.testing.assert_array_equal(changed[np.arange(size)], weights)
    for level, other in zip(changed.levels, fresh.levels, strict=True):
        np.testing.assert_array_equal(level, other)
    assert changed.total == pytest.approx(weights.sum())
