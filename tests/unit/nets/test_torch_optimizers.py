"""torch's own optimizers as functions: the same steps, with the state outside."""

import logging
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import Tensor

from slm.algorithms import Algorithm, Clock, Spaces, make_algorithm
from slm.backend import EagerProgram
from slm.compiled import CompiledBackend
from slm.spec import parse_spec
from slm.torch_optim import TorchOptimizer, optimizer_for

CASES = [
    {"name": "ASGD"},
    {"name": "Adadelta", "rho": 0.8},
    {"name": "Adafactor"},
    {"name": "Adagrad", "lr_decay": 0.1},
    {"name": "Adamax"},
    {"name": "NAdam"},
    {"name": "RAdam", "betas": [0.5, 0.9]},
    {"name": "Rprop"},
]


def split(flat: Tensor) -> dict[str, Tensor]:
    return {"weight": flat[:6].view(2, 3), "bias": flat[6:]}


def join(named: Any) -> Tensor:
    return torch.cat([named["weight"].reshape(-1), named["bias"]])


@pytest.mark.parametrize("spec", CASES, ids=[case["name"] for case in CASES])
def test_steps_are_those_of_torch(spec: dict[str, Any]) -> None:
    optimizer, _ = optimizer_for(spec, split, join, (8,))
    generator = torch.Generator().manual_seed(0)
    theta = torch.randn(8, generator=generator)
    parameters = {name: value.clone() for name, value in split(theta).items()}
    arguments = {key: value for key, value in spec.items() if key != "name"}
    reference = getattr(torch.optim, spec["name"])(list(parameters.values()), **arguments, lr=0.05)
    state = optimizer.init(theta)
    for _ in range(5):
        slope = torch.randn(8, generator=generator)
        for name, part in split(slope).items():
            parameters[name].grad = part.clone()
        reference.step()
        theta, state = optimizer.step(theta, slope, state, torch.tensor(0.05))
        assert set(state) == {"t", *optimizer.slots}
    torch.testing.assert_close(theta, join(parameters), rtol=1e-6, atol=1e-6)


def test_learning_rate_is_the_specs_or_torchs() -> None:
    assert optimizer_for({"name": "Adadelta"}, split, join, (8,))[1] == 1.0
    assert optimizer_for({"name": "Adamax", "lr": 3}, split, join, (8,))[1] == 3.0


def test_a_step_changes_none_of_its_arguments() -> None:
    optimizer, lr = optimizer_for({"name": "Adamax"}, split, join, (8,))
    theta, slope, rate = torch.ones(8), torch.full((8,), 2.0), torch.tensor(lr)
    _, state = optimizer.step(theta, slope, optimizer.init(theta), rate)
    before = {name: value.clone() for name, value in state.items()}
    optimizer.step(theta, slope, state, rate)
    assert theta.tolist() == [1.0] * 8
    assert slope.tolist() == [2.0] * 8
    assert all(torch.equal(before[name], state[name]) for name in before)


def dqn(optimizer: str) -> Algorithm:
    raw = {
        "agent": {
            "name": "small",
            "algorithm": {"name": "DQN", "gamma": 0.9, "training_frequency": 1, "training_iter": 1,
                          "training_batch_iter": 1},
            "memory": {"name": "Replay", "batch_size": 4, "max_size": 8},
            "net": {"type": "MLPNet", "hid_layers": [4], "hid_layers_activation": "tanh",
                    "optim_spec": {"name": optimizer, "lr": 0.01},
                    "lr_scheduler_spec": {"name": "ExponentialLR", "gamma": 0.5}},
        },
        "env": {"name": "CartPole-v1", "num_envs": 2, "max_frame": 100},
        "meta": {"distributed": False, "max_session": 1},
    }  # fmt: skip
    space = gym.spaces.Box(-1, 1, (3,), np.float32)
    return make_algorithm(parse_spec("small", raw), Spaces(space, gym.spaces.Discrete(2), 2))


def test_an_algorithm_with_one_runs_eagerly_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    algorithm = dqn("Adamax")
    with caplog.at_level(logging.WARNING):
        algorithm.bind(algorithm.init(0), CompiledBackend())
    (record,) = caplog.records
    assert "optimizer Adamax can't be compiled" in record.message
    assert isinstance(algorithm._programs["update"], EagerProgram)
    assert isinstance(algorithm._optimizers["q"], TorchOptimizer)
    before = algorithm.agent["q"].clone()
    memory = algorithm.make_memory()
    memory.store(rewards=np.ones(8))
    assert algorithm.train(memory, Clock(frame=8), np.random.default_rng(0)) is not None
    assert not torch.equal(before, algorithm.agent["q"])
    assert algorithm.agent["q.t"] == 1


def test_the_rate_follows_the_trainings() -> None:
    algorithm = dqn("Adam")
    algorithm.init(0)
    rates = [algorithm.learning_rate(Clock(frame=50, train_calls=k)) for k in range(3)]
    assert rates == pytest.approx([0.01, 0.005, 0.0025])
