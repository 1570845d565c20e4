"""Prioritised replay: transitions are drawn in proportion to a power of their last error."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slm.memory.replay import Replay
from slm.memory.ring import Ring

FANOUT = 16
SEARCHED_AT_ONCE = 4096
"""Most sums of a level of the tree that a draw cumulates: so many take about as long as going down one level."""


class SumTree:
    """Non-negative weights under a wide tree of sums, so that drawing and changing take a few array operations.

    Each node is the sum of its 16 children, always recomputed from them: the tree is a pure function of its leaves,
    and no rounding error builds up.
    """

    def __init__(self, size: int) -> None:
        self.levels: list[NDArray[np.float64]] = []
        """Sums from the leaves up, each level as (nodes, 16) blocks of children; the last has one block."""
        blocks = -(-size // FANOUT)
        while True:
            self.levels.append(np.zeros((blocks, FANOUT)))
            if blocks == 1:
                break
            blocks = -(-blocks // FANOUT)

    @property
    def total(self) -> float:
        return float(self.levels[-1].sum())

    def __getitem__(self, leaves: NDArray[np.int64]) -> NDArray[np.float64]:
        """Weights of the given leaves."""
        return self.levels[0].reshape(-1)[leaves]

    def __setitem__(self, leaves: NDArray[np.int64], weights: NDArray[Any] | float) -> None:
        """Set the weights of the given leaves; of a leaf given twice the last weight counts."""
        self.levels[0].reshape(-1)[leaves] = weights
        for level, above in zip(self.levels, self.levels[1:], strict=False):
            leaves = leaves // FANOUT
            above.reshape(-1)[leaves] = level[leaves].sum(axis=1)

    def find(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """The leaf in whose interval of the cumulative weights each point of [0, total) lies.

        The upper levels are passed over: of the lowest that is short enough all sums are cumulated at once.
        """
        start = next(depth for depth, level in enumerate(self.levels) if level.size <= SEARCHED_AT_ONCE)
        sums = self.levels[start].reshape(-1)
        cumulative = np.concatenate([[0.0], sums.cumsum()])
        nodes = cumulative[1:].searchsorted(points, side="right")
        over = nodes == len(sums)
        if over.any():  # the last node with weight takes what rounding leaves over
            nodes[over] = sums.nonzero()[0][-1]
        # Not cumulative − sums: its rounding could leave a point below zero, in a leaf without weight.
        points = points - cumulative[nodes]
        for level in reversed(self.levels[:start]):
            nodes, points = _descend(level[nodes], nodes, points)
        return nodes


def _descend(
    children: NDArray[np.float64], nodes: NDArray[np.int64], points: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """From nodes (B,) with weights of children (B, 16) to the child in which each point lies, and where in it."""
    cumulative = np.zeros((len(points), FANOUT + 1))
    children.cumsum(axis=1, out=cumulative[:, 1:])
    branch = (cumulative[:, 1:] <= points[:, None]).sum(axis=1)
    over = branch == FANOUT
    if over.any():  # the last child with weight takes what rounding leaves over
        branch[over] = FANOUT - 1 - (children[over, ::-1] > 0).argmax(axis=1)
    return nodes * FANOUT + branch, points - cumulative[np.arange(len(points)), branch]


class PrioritizedRing(Ring):
    """Proportional prioritisation (Schaul et al. 2016, arXiv:1511.05952, section 3.3): p = (|δ| + ε)^α.

    New rows enter with the highest priority so far, so that each is likely to be seen.
    """

    def __init__(self, *args: Any, alpha: float, epsilon: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.alpha, self.epsilon = alpha, epsilon
        self._tree = SumTree(self.max_size)
        self._highest = 1.0

    def store(self, **rows: NDArray[Any]) -> None:
        first = self.seen
        super().store(**rows)
        self._tree[np.arange(first, self.seen) % self.max_size] = self._highest

    def sample(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Places (batch_size,) drawn independently in proportion to their priorities."""
        places = self._tree.find(rng.random(self.batch_size) * self._tree.total)
        return self._with_newest(places)

    def importance_weights(self, places: NDArray[np.int64], beta: float) -> NDArray[np.float32]:
        """w_i = (N P(i))^−β, divided by the largest of the batch (section 3.4)."""
        weights = (self.size * self._tree[places] / self._tree.total) ** -beta
        return (weights / weights.max()).astype(np.float32)

    def update_priorities(self, places: NDArray[np.int64], errors: NDArray[Any]) -> None:
        """Set the priorities of the sampled transitions from their absolute errors (batch_size,), the finite ones."""
        finite = np.isfinite(errors)
        if not finite.all():  # the update was left out
            places, errors = places[finite], errors[finite]
        if not len(places):
            return
        priorities = (np.abs(errors).astype(np.float64) + self.epsilon) ** self.alpha
        self._tree[places] = priorities
        self._highest = max(self._highest, float(priorities.max()))

    def state(self) -> dict[str, Any]:
        priorities = self._tree[np.arange(self.size)]
        return {**super().state(), "priorities": priorities, "highest": self._highest}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._tree[np.arange(self.size)] = state["priorities"]
        self._highest = state["highest"]


class PrioritizedReplay(PrioritizedRing, Replay):
    """Single transitions, drawn by priority."""
