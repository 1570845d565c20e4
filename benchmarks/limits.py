"""The limit of one core: the matrix products of the updates at the rate measured for their shapes, plus bare stepping.

    python benchmarks/limits.py [--seconds 0.5] [CASE ...]

Counted are the multiply-adds of one update, layer by layer: a forward pass counts 1 and a backward pass 2 (the
gradients of the layer's input and of its weights, the first layer's input included, whose gradient nobody asks for),
or 1 where it only passes through to the input. Each layer's products are timed by themselves, and so is one step of
gymnasium's own vector environment with random actions. Nothing else is in the limit: no activations, no optimizer, no
acting, no replay.

There are two limits, of the shortest and of the median times: where a machine changes its speed (clock rates, or other
guests on its cores), a session, which lasts, can only be held against the second.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import gymnasium as gym
import numpy as np
import torch
from cases import chosen
from numpy.typing import NDArray

from slm.algorithms import Algorithm, Spaces, make_algorithm
from slm.algorithms.dqn import DQN
from slm.algorithms.ppo import PPO
from slm.algorithms.sac import SoftActorCritic
from slm.backend import configure_process
from slm.env import make_world
from slm.spec import Spec


@dataclass(frozen=True)
class Pass:
    """How often one update runs a network forward, and backward, on a batch."""

    network: str
    forward: int
    backward: int
    through: int = 0
    """Backward passes that only go through to the input: they count 1."""


@dataclass(frozen=True)
class Work:
    """What one update computes, and how many updates there are for each frame."""

    batch: int
    passes: list[Pass]
    updates_per_frame: float


def work_of(algorithm: Algorithm, spec: Spec) -> Work:
    """The passes that the algorithm's definition asks for in one update."""
    settings, num_envs = spec.agent.algorithm, spec.env.num_envs
    if isinstance(algorithm, PPO):
        steps = settings.training_epoch * -(-algorithm.rows // algorithm.minibatch)
        return Work(algorithm.minibatch, [Pass(name, 1, 1) for name in algorithm.networks], steps / algorithm.rows)
    if isinstance(algorithm, DQN):
        # The values of s with their gradient, those of s' from the target net and, with Double DQN, from its own.
        forward = 3 if settings.name == "DoubleDQN" else 2
        updates = settings.training_iter * settings.training_batch_iter / max(num_envs, settings.training_frequency)
        return Work(spec.agent.memory.batch_size, [Pass("q", forward, 1)], updates)
    if isinstance(algorithm, SoftActorCritic):
        # Actor: actions at s', and at s with their gradient. Each critic: the target's value of s', its own of s with
        # the gradient, and its value of the actor's action with the gradient that goes back to the actor.
        critics = [Pass(name, 3, 1, through=1) for name in algorithm.networks if name != "actor"]
        passes = [Pass("actor", 2, 1), *critics]
        return Work(spec.agent.memory.batch_size, passes, settings.training_iter / num_envs)
    rows = algorithm.horizon * num_envs
    return Work(rows, [Pass(name, 1, 1) for name in algorithm.networks], 1 / rows)


def layers(algorithm: Algorithm, name: str) -> list[tuple[int, int]]:
    """(inputs, outputs) of each linear layer of a network. Raises SystemExit for other layers with weights."""
    network, found = algorithm.networks[name], []
    for parameter, weights in network.views(network.initial_parameters()).items():
        if weights.dim() == 2 and parameter.endswith(".weight"):
            found.append((weights.shape[1], weights.shape[0]))
        elif weights.dim() > 1:
            raise SystemExit(f"limits are known for linear layers only; {name} has {parameter} {tuple(weights.shape)}")
    return found


Times = NDArray[np.float64]
"""The shortest and the median time, in seconds."""


def timed(call: Callable[[], object], seconds: float, calls: int = 10) -> Times:
    """Times of one call, over as many batches of calls as fit into the given seconds."""
    times, end = [], time.process_time() + seconds
    while not times or time.process_time() < end:
        start = time.process_time()
        for _ in range(calls):
            call()
        times.append((time.process_time() - start) / calls)
    return np.array([min(times), np.median(times)])


def product(m: int, k: int, n: int, seconds: float) -> Times:
    """A matrix product (m, k) × (k, n) into memory that is there."""
    a, b, out = torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)
    return timed(lambda: torch.mm(a, b, out=out), seconds)


def update_limit(algorithm: Algorithm, work: Work, seconds: float) -> tuple[int, Times]:
    """Multiply-adds and times of one update; prints each layer with its shortest time."""
    total, time_of_all = 0, np.zeros(2)
    for part in work.passes:
        for inputs, outputs in layers(algorithm, part.network):
            # The products for the outputs, for the gradient of the inputs, and for that of the weights.
            products = part.forward, part.backward + part.through, part.backward
            taken = sum((n * product(*shape, seconds) for n, shape in zip(products, (
                (work.batch, inputs, outputs), (work.batch, outputs, inputs), (inputs, work.batch, outputs),
            ), strict=True)), start=np.zeros(2))  # fmt: skip
            count = work.batch * inputs * outputs * sum(products)
            print(f"  {part.network:<8} {inputs:>4} → {outputs:<4} products {products} {count:>12,} multiply-adds"
                  f" {taken[0] * 1e6:>8.1f} µs")  # fmt: skip
            total, time_of_all = total + count, time_of_all + taken
    return total, time_of_all


def stepping_limit(env: str, num_envs: int, seconds: float) -> Times:
    """One frame of gymnasium's own vector environment."""
    envs = gym.make_vec(env, num_envs=num_envs, vectorization_mode="sync")
    envs.reset(seed=0)
    envs.action_space.seed(0)
    actions = [envs.action_space.sample() for _ in range(100)]

    def play() -> None:
        for action in actions:
            envs.step(action)

    return timed(play, 5 * seconds, calls=1) / (len(actions) * num_envs)


def main() -> int:
    """Print the limits of the cases named on the command line, of all without one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--seconds", type=float, default=0.5, help="spent on each product")
    options = parser.parse_args()
    configure_process(threads=1)
    for name, case in chosen(options.cases).items():
        spec = case.spec(frames=1)
        world = make_world(spec.env, gamma=0.99)
        algorithm = make_algorithm(spec, Spaces(world.observation_space, world.action_space, spec.env.num_envs))
        algorithm.init(seed=0)
        work = work_of(algorithm, spec)
        print(f"{name}: one update of {work.batch} rows, {work.updates_per_frame:.3f} updates a frame")
        count, update = update_limit(algorithm, work, options.seconds)
        step = stepping_limit(spec.env.name, spec.env.num_envs, options.seconds)
        for which, of_update, of_step in zip(("shortest", "median"), update, step, strict=True):
            frame = of_update * work.updates_per_frame + of_step
            print(f"  {which}: {count:,} multiply-adds an update in {of_update * 1e6:.1f} µs "
                  f"({count / of_update / 1e9:.1f} G/s), {of_step * 1e6:.2f} µs a frame of stepping: "
                  f"limit {1 / frame:,.0f} frames/s", flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
