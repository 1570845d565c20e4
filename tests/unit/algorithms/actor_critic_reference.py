"""PPO and A2C written out with torch autograd and loops, for networks with one hidden tanh layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Normal

from slm.algorithms import Algorithm
from slm.env import Step
from slm.memory import Memory


@dataclass
class Experience:
    """A rollout of T steps of N environments."""

    observations: Tensor
    """(T + 1, N, D)."""
    final: Tensor
    """True successors (T, N, D)."""
    actions: Tensor
    rewards: Tensor
    terminated: Tensor
    done: Tensor


def make_experience(seed: int, T: int, N: int, continuous: bool) -> Experience:
    """Random experience in which episodes end in both ways; what follows an end is a new episode's observation."""
    rng = np.random.default_rng(seed)
    observations = rng.normal(size=(T + 1, N, 3)).astype(np.float32)
    ends = rng.random((T, N))
    ends[1, 0], ends[2, 1], ends[T - 1, 1] = 0.1, 0.3, 0.3
    terminated, done = ends < 0.2, ends < 0.4
    final = np.where(done[..., None], rng.normal(size=(T, N, 3)).astype(np.float32), observations[1:])
    actions = rng.normal(size=(T, N, 2)).astype(np.float32) if continuous else rng.integers(3, size=(T, N))
    rewards = (10 * rng.normal(size=(T, N))).astype(np.float32)
    return Experience(*(torch.from_numpy(x) for x in (observations, final, actions, rewards, terminated, done)))


def remember(memory: Memory, experience: Experience) -> None:
    """Put experience into a memory step by step."""
    arrays = {name: tensor.numpy() for name, tensor in vars(experience).items()}
    for t in range(len(experience.rewards)):
        terminated, done = arrays["terminated"][t], arrays["done"][t]
        rewards = arrays["rewards"][t]
        step = Step(
            observations=arrays["observations"][t + 1],
            rewards=rewards,
            raw_rewards=rewards,
            terminated=terminated,
            truncated=done & ~terminated,
            done=done,
            next_observations=arrays["final"][t],
            episode_over=done,
        )
        memory.add(arrays["observations"][t], arrays["actions"][t], step)


class Reference:
    """The same parameters as an algorithm's agent, as leaves of autograd, with torch's own optimizers."""

    def __init__(self, algorithm: Algorithm, continuous: bool) -> None:
        self.spec: Any = algorithm.spec.agent.algorithm
        self.continuous = continuous
        self.parameters = {
            name: [nn.Parameter(view.clone()) for view in network.views(algorithm.agent[name]).values()]
            for name, network in algorithm.networks.items()
        }
        self.optimizers = [torch.optim.Adam(group, lr=0.05) for group in self.parameters.values()]
        self.log: list[Tensor] = []
        self.low = self.high = 0.0

    def outputs(self, x: Tensor) -> tuple[Any, Tensor]:
        """The action distribution and V(s)."""
        if "actor_critic" in self.parameters:
            body = hidden(x, self.parameters["actor_critic"])
            heads = self.parameters["actor_critic"][2:]
            outputs = [body @ w.T + b for w, b in zip(heads[::2], heads[1::2], strict=True)]
            policy, value = outputs[:-1], outputs[-1]
        else:
            actor, critic = self.parameters["actor"], self.parameters["critic"]
            body, heads = hidden(x, actor), actor[2:]
            policy = [body @ w.T + b for w, b in zip(heads[::2], heads[1::2], strict=True)]
            value = hidden(x, critic) @ critic[2].T + critic[3]
        if self.continuous:
            return Normal(policy[0], policy[1].clamp(-5, 2).exp()), value.squeeze(-1)
        return Categorical(logits=policy[0]), value.squeeze(-1)

    def log_prob(self, x: Tensor, actions: Tensor) -> Tensor:
        found = self.outputs(x)[0].log_prob(actions)
        return found.sum(-1) if self.continuous else found

    def entropy(self, x: Tensor) -> Tensor:
        found = self.outputs(x)[0].entropy()
        return (found.sum(-1) if self.continuous else found).mean()

    def descend(self, policy_loss: Tensor, value_loss: Tensor, entropy: Tensor) -> None:
        loss = policy_loss + value_loss
        self.log.append(torch.stack([loss, policy_loss, value_loss, entropy]).detach())
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss.backward()
        for group, optimizer in zip(self.parameters.values(), self.optimizers, strict=True):
            nn.utils.clip_grad_norm_(group, 0.5)
            optimizer.step()

    def targets(self, experience: Experience) -> tuple[Tensor, Tensor, Tensor]:
        """Advantages, value targets and V, each (T, N)."""
        with torch.no_grad():
            values = self.outputs(experience.observations[:-1])[1]
            successors = self.outputs(experience.final)[1]
        T, N = experience.rewards.shape
        advantages, targets = torch.zeros(T, N), torch.zeros(T, N)
        for n in range(N):
            advantage = ret = 0.0
            for t in reversed(range(T)):
                bootstrap = 0.0 if experience.terminated[t, n] else float(successors[t, n])
                ends = bool(experience.done[t, n]) or t == T - 1
                reward, gamma = float(experience.rewards[t, n]), self.spec.gamma
                delta = reward + gamma * bootstrap - float(values[t, n])
                advantage = delta + (0.0 if ends else gamma * (self.spec.lam or 0.0) * advantage)
                ret = reward + gamma * (bootstrap if ends else ret)
                advantages[t, n] = advantage if self.spec.lam is not None else ret - values[t, n]
                targets[t, n] = advantages[t, n] + values[t, n]
        return advantages, targets, values

    def scale(self, advantages: Tensor) -> Tensor:
        if getattr(self.spec, "normalize_advantages", "standardize") == "standardize":
            return (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        low, high = np.percentile(advantages.numpy(), [5, 95])
        self.low, self.high = 0.99 * self.low + 0.01 * low, 0.99 * self.high + 0.01 * high
        return advantages / max(1.0, self.high - self.low)

    def a2c(self, experience: Experience) -> None:
        advantages, targets, _ = self.targets(experience)
        observations = experience.observations[:-1]
        entropy = self.entropy(observations)
        gain = (self.log_prob(observations, experience.actions) * self.scale(advantages)).mean()
        value_loss = ((self.outputs(observations)[1] - targets) / self.deviation(targets)).square().mean()
        policy_loss = -self.spec.policy_loss_coef * gain - 0.1 * entropy
        self.descend(policy_loss, self.spec.val_loss_coef * value_loss, entropy)

    def deviation(self, targets: Tensor) -> float:
        """Of the first rollout's targets."""
        return float((targets.var(unbiased=False) + 1e-8).sqrt()) if self.spec.normalize_v_targets else 1.0

    def ppo(self, experience: Experience) -> None:
        """All epochs with the whole rollout as one minibatch."""
        advantages, targets, old_values = self.targets(experience)
        observations = experience.observations[:-1]
        with torch.no_grad():
            old = self.log_prob(observations, experience.actions)
        squash = symlog if self.spec.symlog else lambda x: x
        deviation = self.deviation(targets)
        for _ in range(self.spec.training_epoch):
            scaled = self.scale(advantages)
            ratio = (self.log_prob(observations, experience.actions) - old).exp()
            surrogate = torch.minimum(ratio * scaled, ratio.clamp(0.95, 1.05) * scaled).mean()
            entropy = self.entropy(observations)
            values = squash(self.outputs(observations)[1])
            losses = ((values - squash(targets)) / deviation).square()
            if self.spec.clip_vloss:
                near = squash(old_values) + (values - squash(old_values)).clamp(-0.05, 0.05)
                losses = torch.maximum(losses, ((near - squash(targets)) / deviation).square())
            self.descend(-surrogate - 0.1 * entropy, self.spec.val_loss_coef * losses.mean(), entropy)


def hidden(x: Tensor, parameters: list[nn.Parameter]) -> Tensor:
    return torch.tanh(x @ parameters[0].T + parameters[1])


def symlog(x: Tensor) -> Tensor:
    return torch.sign(x) * torch.log(1 + torch.abs(x))
