"""Mistakes that would only show while a session trains, found before it begins."""

from __future__ import annotations

from slm.algorithms.base import Algorithm
from slm.algorithms.on_policy import OnPolicy
from slm.algorithms.replay_based import ReplayBased
from slm.algorithms.schedules import TorchSchedule


def check_training(algorithm: Algorithm, frames: int) -> None:
    """Raise UserError where training for so many frames would fail: of an algorithm whose networks are made.

    What depends on when episodes end can't be known, and is found while training.
    """
    if not isinstance(algorithm, OnPolicy | ReplayBased):
        return
    if (rows := algorithm.smallest_batch()) is not None:
        for network in algorithm.networks.values():
            network.check_batch(rows)
    limited = [rate for rate in algorithm.learning_rates if isinstance(rate, TorchSchedule)]
    if limited and (calls := algorithm.trainings(frames)) is not None:
        for rate in limited:
            rate.check(calls)
