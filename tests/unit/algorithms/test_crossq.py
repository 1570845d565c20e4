"""CrossQ against an independent implementation in plain autograd, statistics of the normalisation included."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from soft_reference import BATCH, CONTINUOUS, CRITICS, DISCRETE, GAMMA, Reference, assert_same_parameters, fill, make
from torch import Tensor

from slm.algorithms import Clock
from slm.algorithms.crossq import CrossQ
from slm.algorithms.sac import SoftActorCritic
from slm.backend import Inputs
from slm.compiled import CompiledBackend

SPACES = pytest.mark.parametrize("space", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
MOMENTUM, EPS, WARMUP, R_MAX, D_MAX = 0.1, 1e-3, 4, 3.0, 5.0
CRITIC_LR = 0.05
CRITIC_NET = {
    "type": "TorchArcNet",
    "arc": {
        "modules": {
            "body": {
                "Sequential": [
                    {"LazyLinear": {"out_features": 16}},
                    {"LazyBatchRenorm1d": {"momentum": MOMENTUM, "eps": EPS, "warmup_steps": WARMUP}},
                    {"Tanh": None},
                ]
            }
        },
        "graph": {"input": "x", "modules": {"body": ["x"]}, "output": "body"},
    },
    # The bias before a normalisation has no gradient but rounding errors, which Adam would blow up to whole steps.
    "optim_spec": {"name": "SGD", "lr": CRITIC_LR},
}


def make_crossq(space: gym.Space, **algorithm: Any) -> SoftActorCritic:
    targetless = {"update_type": "replace", "polyak_coef": 0.0}
    return make(space, {"name": "CrossQ", **algorithm}, targetless, critic_net=CRITIC_NET)


def batch(algorithm: SoftActorCritic, space: gym.Space, seed: int = 0) -> Inputs:
    rng = np.random.default_rng(seed)
    memory = fill(algorithm.make_memory(), space)
    algorithm.set_hyper(Clock(frame=100))
    places = rng.integers(memory.size, size=BATCH)
    return {**algorithm.batch(memory, places, 100), **algorithm.update_noise(rng), **algorithm.hyper()}


class Renormalised:
    """Running statistics of one critic's batch renormalisation, and its forward pass (Ioffe 2017, algorithm 1)."""

    def __init__(self, features: int) -> None:
        self.mean, self.variance, self.steps = torch.zeros(features), torch.ones(features), 0

    def __call__(self, parameters: list[Tensor], x: Tensor, train: bool) -> Tensor:
        weight, bias, gamma, beta, head_weight, head_bias = parameters
        x = x @ weight.T + bias
        mean, deviation = self.mean, (self.variance + EPS).sqrt()
        if train:
            batch_deviation = (x.var(0, correction=0) + EPS).sqrt()
            progress = min(self.steps / WARMUP, 1.0)
            r_max, d_max = 1 + progress * (R_MAX - 1), progress * D_MAX
            r = (batch_deviation / deviation).clamp(1 / r_max, r_max).detach()
            d = ((x.mean(0) - mean) / deviation).clamp(-d_max, d_max).detach()
            normal = (x - x.mean(0)) / batch_deviation * r + d
            self.mean = (1 - MOMENTUM) * mean + MOMENTUM * x.mean(0).detach()
            self.variance = (1 - MOMENTUM) * self.variance + MOMENTUM * x.var(0, correction=0).detach()
            self.steps += 1
        else:
            normal = (x - mean) / deviation
        return torch.tanh(gamma * normal + beta) @ head_weight.T + head_bias


class CrossReference(Reference):
    """CrossQ: the targets come from the critics' own forward pass over both moments."""

    def __init__(self, algorithm: SoftActorCritic) -> None:
        super().__init__(algorithm)
        self.norms = {name: Renormalised(16) for name in CRITICS}
        self.optimizers |= {name: torch.optim.SGD(self.nets[name], lr=CRITIC_LR) for name in CRITICS}

    def critic(self, name: str, observations: Tensor, actions: Tensor, train: bool) -> Tensor:
        x = observations if self.discrete else torch.cat([observations, actions], 1)
        return self.norms[name](self.nets[name], x, train)

    def soft(self, q1: Tensor, q2: Tensor, observations: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """V (B,) and the entropy (B,), given both critics' outputs (B, outputs)."""
        alpha = self.log_alpha.detach().exp()
        if self.discrete:
            policy = self.categorical(observations)
            return (policy.probs * (q1 + q2) / 2).sum(1) + alpha * policy.entropy(), policy.entropy()
        _, log_probs = self.sample(observations, noise)
        return torch.min(q1, q2)[:, 0] - alpha * log_probs, -log_probs

    def step(self, inputs: Inputs, target_entropy: float) -> dict[str, float]:
        s, a, s2 = (inputs[name] for name in ("observations", "actions", "next_observations"))
        with torch.no_grad():
            a2 = a if self.discrete else self.sample(s2, inputs["next_noise"])[0]
        joint = [self.critic(name, torch.cat([s, s2]), torch.cat([a, a2]), train=True) for name in CRITICS]
        with torch.no_grad():
            value, _ = self.soft(*(q[BATCH:] for q in joint), s2, inputs["next_noise"])
            y = inputs["rewards"] + GAMMA * (1 - inputs["terminated"].float()) * value
        total = 0.0
        for name, q in zip(CRITICS, joint, strict=True):
            taken = q[torch.arange(BATCH), a] if self.discrete else q[:BATCH, 0]
            loss = ((taken - y) ** 2).mean()
            self.descend(self.optimizers[name], loss)
            total += loss.item()
        action = a if self.discrete else self.sample(s, inputs["noise"])[0]
        values = [self.critic(name, s, action, train=False) for name in CRITICS]
        value, entropy = self.soft(values[0], values[1], s, inputs["noise"])
        self.descend(self.optimizers["actor"], -value.mean())
        self.descend(self.alpha_optimizer, (self.log_alpha.exp() * (entropy.detach() - target_entropy)).mean())
        return {"loss": total, "policy_loss": -value.mean().item(), "entropy": entropy.mean().item()}


@SPACES
def test_updates_match_plain_autograd_through_the_warm_up(space: gym.Space) -> None:
    algorithm = make_crossq(space)
    reference = CrossReference(algorithm)
    for seed in range(6):  # the statistics' bounds move in the first four
        inputs = batch(algorithm, space, seed)
        metrics = dict(zip(algorithm.METRICS, algorithm.run("update", inputs)["metrics"].tolist(), strict=True))
        expected = reference.step(inputs, algorithm.target_entropy(100))
        assert {name: metrics[name] for name in expected} == pytest.approx(expected, rel=2e-5, abs=1e-5)
    assert_same_parameters(algorithm, reference, ("actor", *CRITICS))
    for name in CRITICS:
        buffers = algorithm.networks[name].buffer_views(algorithm.agent[f"{name}.buffers"])
        mean, variance, steps = (
            next(value for key, value in buffers.items() if key.endswith(ending))
            for ending in ("running_mean", "running_var", "steps")
        )
        torch.testing.assert_close(mean, reference.norms[name].mean, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(variance, reference.norms[name].variance, rtol=1e-5, atol=1e-5)
        assert steps == 6
        assert mean.abs().max() > 0.01
    assert algorithm.agent["log_alpha"].item() == pytest.approx(reference.log_alpha.item(), rel=1e-5)


def test_there_are_no_targets() -> None:
    algorithm = make_crossq(CONTINUOUS)
    assert isinstance(algorithm, CrossQ)
    assert not [name for name in algorithm.agent if "target" in name]
    metrics = algorithm.learn(fill(algorithm.make_memory(), CONTINUOUS), Clock(frame=50), np.random.default_rng(0))
    assert np.isfinite(list(metrics.values())).all()


def test_policy_delay_and_statistics_of_the_critics_alone() -> None:
    algorithm = make_crossq(DISCRETE, policy_delay=3)
    before = {name: value.clone() for name, value in algorithm.agent.items()}
    memory, clock = fill(algorithm.make_memory(), DISCRETE), Clock(frame=50)
    for _ in range(2):
        algorithm.learn(memory, clock, np.random.default_rng(0))
    for name in ("actor", "log_alpha"):
        assert torch.equal(algorithm.agent[name], before[name])
    for name in ("critic1", "critic2", "critic1.buffers", "critic2.buffers"):
        assert not torch.equal(algorithm.agent[name], before[name])
    algorithm.learn(memory, clock, np.random.default_rng(0))
    assert not torch.equal(algorithm.agent["actor"], before["actor"])


def test_acting_leaves_the_statistics_alone() -> None:
    algorithm = make_crossq(CONTINUOUS)
    before = algorithm.agent["critic1.buffers"].clone()
    algorithm.act(np.ones((2, 3), np.float32), 10**6, np.random.default_rng(0))
    assert torch.equal(before, algorithm.agent["critic1.buffers"])


@pytest.mark.slow
@SPACES
def test_compiled_and_eager_agree(space: gym.Space) -> None:
    eager, compiled = make_crossq(space), make_crossq(space)
    compiled.bind(compiled.init(seed=3), CompiledBackend())
    inputs = batch(eager, space)
    compiled.set_hyper(Clock(frame=100))
    for algorithm in (eager, compiled):
        algorithm.run("update", inputs)
    for name, value in eager.agent.items():
        torch.testing.assert_close(compiled.agent[name], value, rtol=1e-4, atol=1e-5, msg=name, equal_nan=True)
