"""Small on-policy agents, experience made by hand, and their networks once more in plain autograd."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from slm.algorithms import Algorithm, Spaces, make_algorithm
from slm.backend import Backend, EagerBackend
from slm.env import Step
from slm.memory import Memory
from slm.spec import parse_spec

ACTIONS, SIZE, GAMMA, LR = 3, 4, 0.9, 0.01
NET = {
    "type": "MLPNet",
    "hid_layers": [5],
    "hid_layers_activation": "tanh",
    "clip_grad_val": 0.5,
    "optim_spec": {"name": "Adam", "lr": LR},
}
EPISODES, STEPS = {"name": "OnPolicyReplay"}, {"name": "OnPolicyBatchReplay"}


def make(
    algorithm: dict[str, Any],
    memory: dict[str, Any],
    *,
    net: dict[str, Any] | None = None,
    action: gym.Space | None = None,
    num_envs: int = 2,
    backend: Backend | None = None,
) -> Algorithm:
    """An agent with the given keys of its spec, bound to a backend (default: eager)."""
    agent = {"name": "x", "algorithm": {"gamma": GAMMA, **algorithm}, "memory": memory, "net": {**NET, **(net or {})}}
    env = {"name": "CartPole-v1", "num_envs": num_envs, "max_frame": 1000}
    spec = parse_spec("x", {"agent": agent, "env": env, "meta": {"distributed": False, "max_session": 1}})
    observation = gym.spaces.Box(-np.inf, np.inf, (SIZE,), np.float32)
    made = make_algorithm(spec, Spaces(observation, action or gym.spaces.Discrete(ACTIONS), num_envs))
    made.bind(made.init(seed=1), backend or EagerBackend())
    return made


def experience(ends: Sequence[str], seed: int = 0, discrete: bool = True) -> list[tuple[np.ndarray, np.ndarray, Step]]:
    """Steps of N environments with random observations, actions and rewards.

    ``ends`` has a word for each step with a letter for each environment: ``-`` goes on, ``T`` terminates, ``t`` is
    truncated. Successors are the next observations within an episode, and others at its end.
    """
    rng = np.random.default_rng(seed)
    num_envs = len(ends[0])
    observations = rng.standard_normal((len(ends) + 1, num_envs, SIZE)).astype(np.float32)
    steps = []
    for t, word in enumerate(ends):
        terminated, truncated = (np.array([letter == kind for letter in word]) for kind in "Tt")
        done = terminated | truncated
        final = rng.standard_normal((num_envs, SIZE)).astype(np.float32)
        successors = np.where(done[:, None], final, observations[t + 1])
        rewards = rng.standard_normal(num_envs).astype(np.float32)
        if discrete:
            actions: np.ndarray = rng.integers(ACTIONS, size=num_envs)
        else:
            actions = rng.standard_normal((num_envs, 2)).astype(np.float32)
        step = Step(observations[t + 1], rewards, rewards, terminated, truncated, done, successors, episode_over=done)
        steps.append((observations[t], actions, step))
    return steps


def remember(memory: Memory, steps: list[tuple[np.ndarray, np.ndarray, Step]]) -> None:
    for observations, actions, step in steps:
        memory.add(observations, actions, step)


class PlainNet:
    """A network of `make` with its present parameters as leaves of autograd, and its own torch optimizer."""

    def __init__(self, algorithm: Algorithm, name: str) -> None:
        views = algorithm.networks[name].views(algorithm.agent[name])
        self.leaves = {key: view.clone().requires_grad_() for key, view in views.items()}
        self.optimizer = torch.optim.Adam(list(self.leaves.values()), lr=LR)

    def __call__(self, x: np.ndarray | Tensor) -> list[Tensor]:
        """The outputs of all heads."""
        p = self.leaves
        hidden = torch.tanh(torch.as_tensor(x) @ p["body.0.weight"].T + p["body.0.bias"])
        count = sum(key.startswith("heads") and key.endswith("weight") for key in p)
        return [hidden @ p[f"heads.{i}.weight"].T + p[f"heads.{i}.bias"] for i in range(count)]

    def step(self, loss: Tensor, retain: bool = False) -> None:
        """One optimizer step with the gradient's norm clipped."""
        self.optimizer.zero_grad()
        loss.backward(retain_graph=retain, inputs=list(self.leaves.values()))
        torch.nn.utils.clip_grad_norm_(list(self.leaves.values()), NET["clip_grad_val"])
        self.optimizer.step()

    def assert_same(self, algorithm: Algorithm, name: str) -> None:
        """The algorithm's parameters are these."""
        for key, view in algorithm.networks[name].views(algorithm.agent[name]).items():
            torch.testing.assert_close(view, self.leaves[key].detach(), rtol=1e-5, atol=1e-5, msg=f"{name}: {key}")


def episodes_of(steps: list[tuple[np.ndarray, np.ndarray, Step]]) -> list[dict[str, Any]]:
    """The finished episodes, by end and then by environment, each cut out of one environment's steps."""
    found = []
    for end, (_, _, last) in enumerate(steps):
        for n in np.flatnonzero(last.done):
            start = max((t + 1 for t in range(end) if steps[t][2].done[n]), default=0)
            part = steps[start : end + 1]
            found.append({
                "observations": np.stack([observations[n] for observations, _, _ in part]),
                "actions": np.stack([actions[n] for _, actions, _ in part]),
                "rewards": [float(step.rewards[n]) for _, _, step in part],
                "terminated": bool(last.terminated[n]),
                "final": last.next_observations[n],
            })  # fmt: skip
    return found


def discounted(rewards: list[float], last: float = 0.0) -> list[float]:
    """Discounted sums of the rewards to the end, which ``last`` is worth."""
    returns: list[float] = []
    for reward in reversed(rewards):
        last = reward + GAMMA * last
        returns.insert(0, last)
    return returns
