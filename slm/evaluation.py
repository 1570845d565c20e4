"""Rigorous evaluation: whole episodes in environments of their own, beside the training and without touching it."""

from __future__ import annotations

import math

import numpy as np

from slm.algorithms import Algorithm
from slm.env import World, make_world
from slm.spec import EnvSpec
from slm.streams import Streams


class Evaluator:
    """Plays a fixed number of fresh episodes with exploration at its end value."""

    def __init__(self, spec: EnvSpec, episodes: int, gamma: float, sequence: int | None) -> None:
        self._world = make_world(spec.model_copy(update={"num_envs": episodes}), gamma, sequence)
        self._episodes = episodes

    def total_reward(self, algorithm: Algorithm, training: World, streams: Streams, frame: int) -> float:
        """Mean return of one episode in each environment.

        Observations are normalised by the training's statistics as they stand; seeds and noise are the frame's own.
        """
        seeds, rng = streams.evaluation_at(frame, self._episodes)
        self._world.freeze_normalisation(training)
        observations = self._world.reset(seeds)
        returns, running = np.zeros(self._episodes), np.ones(self._episodes, bool)
        while running.any():
            actions = algorithm.act(observations, math.inf, rng)
            step = self._world.step(algorithm.to_env(actions))
            returns += np.where(running, step.raw_rewards, 0.0)
            running &= ~step.episode_over
            observations = step.observations
        return float(returns.mean())
