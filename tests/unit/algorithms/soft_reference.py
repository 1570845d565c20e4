"""Soft actor-critic once more, written with autograd and torch's own distributions and optimizers, to compare with."""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from filled_replay import fill_with
from torch import Tensor
from torch.distributions import Categorical, Normal
from torch.distributions.transforms import TanhTransform

from slm.algorithms import Spaces, make_algorithm
from slm.algorithms.sac import SoftActorCritic
from slm.backend import EagerBackend, Inputs
from slm.memory import Replay
from slm.spec import parse_spec

OBSERVATION = gym.spaces.Box(-np.inf, np.inf, (3,), np.float32)
CONTINUOUS = gym.spaces.Box(-2.0, 2.0, (2,), np.float32)
DISCRETE = gym.spaces.Discrete(4)
BATCH, GAMMA, LR = 8, 0.9, 1e-2
CRITICS = ("critic1", "critic2")

Leaves = list[Tensor]


def make(space: gym.Space, algorithm: dict[str, Any] | None = None, net: dict[str, Any] | None = None,
         memory: dict[str, Any] | None = None, **agent: Any) -> SoftActorCritic:  # fmt: skip
    """A small agent for the action space, bound to the eager backend; keyword arguments change its spec."""
    raw = {
        "agent": {
            "name": "soft",
            "algorithm": {
                "name": "SoftActorCritic",
                "gamma": GAMMA,
                "training_frequency": 1,
                "training_iter": 1,
                "training_start_step": 10,
                **(algorithm or {}),
            },
            "memory": {"name": "Replay", "batch_size": BATCH, "max_size": 32, **(memory or {})},
            "net": {
                "type": "MLPNet",
                "hid_layers": [16],
                "hid_layers_activation": "tanh",
                "optim_spec": {"name": "Adam", "lr": LR},
                "update_type": "polyak",
                "polyak_coef": 0.1,
                **(net or {}),
            },
            **agent,
        },
        "env": {"name": "Pendulum-v1", "num_envs": 2, "max_frame": 1000},
        "meta": {"distributed": False, "max_session": 1},
    }
    made = make_algorithm(parse_spec("soft", raw), Spaces(OBSERVATION, space, 2))
    assert isinstance(made, SoftActorCritic)
    made.bind(made.init(seed=3), EagerBackend())
    return made


def fill(memory: Replay, space: gym.Space, seed: int = 0) -> Replay:
    """Random transitions in every place, a third of them terminal."""
    rng = np.random.default_rng(seed)
    size = memory.max_size
    observations, next_observations = rng.standard_normal((2, size, *OBSERVATION.shape))
    rewards, terminated = rng.standard_normal(size), rng.random(size) < 0.3
    if isinstance(space, gym.spaces.Discrete):
        actions = rng.integers(space.n, size=size)
    else:
        actions = rng.uniform(-1, 1, (size, *space.shape))
    fill_with(memory, observations, actions, rewards, terminated, next_observations)
    return memory


def leaves(algorithm: SoftActorCritic, name: str) -> Leaves:
    """The parameters of a network as leaves of autograd: weight and bias of each layer in turn."""
    return [view.clone().requires_grad_() for view in algorithm.networks[name].views(algorithm.agent[name]).values()]


def forward(parameters: Leaves, x: Tensor) -> list[Tensor]:
    """Outputs of a network with one hidden layer of tanh units."""
    weight, bias, *heads = parameters
    features = torch.tanh(x @ weight.T + bias)
    return [features @ w.T + b for w, b in zip(heads[::2], heads[1::2], strict=True)]


class Reference:
    """The soft actor-critic of Haarnoja et al. 2018, and of Christodoulou 2019 for discrete actions."""

    def __init__(self, algorithm: SoftActorCritic, loss: Any = torch.nn.functional.mse_loss) -> None:
        self.loss = loss
        self.discrete = isinstance(algorithm.spaces.action, gym.spaces.Discrete)
        self.nets = {name: leaves(algorithm, name) for name in ("actor", *CRITICS)}
        self.targets = {name: [leaf.detach().clone() for leaf in self.nets[name]] for name in CRITICS}
        self.log_alpha = torch.zeros((), requires_grad=True)
        self.optimizers = {name: torch.optim.Adam(net, lr=LR) for name, net in self.nets.items()}
        self.alpha_optimizer = torch.optim.Adam([self.log_alpha], lr=LR)

    def sample(self, observations: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Squashed actions (B, A) and their log-probabilities (B,)."""
        mean, log_std = forward(self.nets["actor"], observations)
        normal = Normal(mean, log_std.clamp(-5, 2).exp())
        u = mean + normal.scale * noise
        actions = torch.tanh(u)
        return actions, (normal.log_prob(u) - TanhTransform().log_abs_det_jacobian(u, actions)).sum(1)

    def categorical(self, observations: Tensor) -> Categorical:
        """The policy over discrete actions."""
        return Categorical(logits=forward(self.nets["actor"], observations)[0])

    def value(self, critics: dict[str, Leaves], observations: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """V(s) (B,) by the given critics, and the entropy (B,)."""
        alpha = self.log_alpha.detach().exp()
        if self.discrete:
            policy = self.categorical(observations)
            q1, q2 = (forward(critics[name], observations)[0] for name in CRITICS)
            return (policy.probs * (q1 + q2) / 2).sum(1) + alpha * policy.entropy(), policy.entropy()
        actions, log_probs = self.sample(observations, noise)
        q1, q2 = (forward(critics[name], torch.cat([observations, actions], 1))[0][:, 0] for name in CRITICS)
        return torch.min(q1, q2) - alpha * log_probs, -log_probs

    def q(self, name: str, observations: Tensor, actions: Tensor) -> Tensor:
        if self.discrete:
            return forward(self.nets[name], observations)[0][torch.arange(len(actions)), actions]
        return forward(self.nets[name], torch.cat([observations, actions], 1))[0][:, 0]

    def step(self, inputs: Inputs, target_entropy: float) -> dict[str, float]:
        """One update of critics, policy, temperature and, with coefficient 0.1, targets."""
        batch = inputs
        with torch.no_grad():
            value, _ = self.value(self.targets, batch["next_observations"], inputs["next_noise"])
            y = batch["rewards"] + GAMMA * (1 - batch["terminated"].float()) * value
        critic_loss = 0.0
        for name in CRITICS:
            loss = self.loss(self.q(name, batch["observations"], batch["actions"]), y)
            self.descend(self.optimizers[name], loss)
            critic_loss += loss.item()
        value, entropy = self.value(self.nets, batch["observations"], inputs["noise"])
        self.descend(self.optimizers["actor"], -value.mean())
        alpha = self.log_alpha.exp().item()
        self.descend(self.alpha_optimizer, (self.log_alpha.exp() * (entropy.detach() - target_entropy)).mean())
        for name in CRITICS:
            for target, leaf in zip(self.targets[name], self.nets[name], strict=True):
                target.copy_(0.9 * target + 0.1 * leaf.detach())
        return {"loss": critic_loss, "policy_loss": -value.mean().item(), "entropy": entropy.mean().item(),
                "alpha": alpha}  # fmt: skip

    @staticmethod
    def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def assert_same_parameters(algorithm: SoftActorCritic, reference: Reference, names: tuple[str, ...]) -> None:
    """Compare networks by name; ``critic1_target`` is the reference's target of critic1."""
    for name in names:
        expected = reference.targets[name[:-7]] if name.endswith("_target") else reference.nets[name]
        network = algorithm.networks[name.removesuffix("_target")]
        for view, leaf in zip(network.views(algorithm.agent[name]).values(), expected, strict=True):
            torch.testing.assert_close(view, leaf.detach(), rtol=1e-5, atol=1e-5)
