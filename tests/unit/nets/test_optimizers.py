"""Optimizers against the torch.optim classes of the same names."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from slm.errors import UserError
from slm.optim import clip_by_global_norm, make_optimizer

STEPS = 20
CASES: list[dict[str, Any]] = [
    {"name": "Adam"},
    {"name": "Adam", "betas": [0.5, 0.9], "eps": 1e-3, "weight_decay": 0.1},
    {"name": "Adam", "betas": [0.0, 0.999], "amsgrad": False},
    {"name": "AdamW"},
    {"name": "AdamW", "weight_decay": 0.2, "betas": [0.8, 0.99]},
    {"name": "RMSprop"},
    {"name": "RMSprop", "alpha": 0.9, "eps": 1e-4, "weight_decay": 0.1},
    {"name": "RMSprop", "centered": True},
    {"name": "RMSprop", "momentum": 0.9},
    {"name": "RMSprop", "centered": True, "momentum": 0.5, "weight_decay": 0.01},
    {"name": "SGD"},
    {"name": "SGD", "momentum": 0.9},
    {"name": "SGD", "momentum": 0.9, "dampening": 0.3},
    {"name": "SGD", "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
]


def slopes() -> list[Tensor]:
    """Gradients of very different sizes."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(12, generator=generator) * torch.logspace(-3, 2, 12) for _ in range(STEPS)]


@pytest.mark.parametrize("spec", CASES)
def test_steps_are_those_of_torch(spec: dict[str, Any]) -> None:
    """The learning rate is an input: it changes halfway."""
    rates = [1e-2] * 10 + [3e-3] * 10
    arguments = {key: value for key, value in spec.items() if key != "name"}
    parameter = nn.Parameter(torch.linspace(-1, 1, 12))
    reference = getattr(torch.optim, spec["name"])([parameter], lr=1.0, **arguments)
    optimizer, _ = make_optimizer(spec)
    theta = parameter.detach().clone()
    state = optimizer.init(theta)
    for slope, rate in zip(slopes(), rates, strict=True):
        reference.param_groups[0]["lr"] = rate
        parameter.grad = slope.clone()
        reference.step()
        theta, state = optimizer.step(theta, slope, state, torch.tensor(rate))
        torch.testing.assert_close(theta, parameter.detach(), atol=1e-6, rtol=1e-6)
    assert float(state["t"]) == STEPS


def test_step_changes_none_of_its_arguments() -> None:
    for spec in CASES:
        optimizer, lr = make_optimizer(spec)
        theta, slope = torch.ones(3), torch.full((3,), 2.0)
        state = optimizer.init(theta)
        optimizer.step(theta, slope, state, torch.tensor(lr))
        assert theta.tolist() == [1.0] * 3
        assert slope.tolist() == [2.0] * 3
        assert all(torch.equal(value, optimizer.init(theta)[name]) for name, value in state.items())


@pytest.mark.parametrize(
    ("spec", "lr"), [({"name": "Adam"}, 1e-3), ({"name": "RMSprop"}, 1e-2), ({"name": "SGD", "lr": 7}, 7.0)]
)
def test_learning_rate_is_the_specs_or_the_default(spec: dict[str, Any], lr: float) -> None:
    assert make_optimizer(spec)[1] == lr


def test_amsgrad_is_refused() -> None:
    with pytest.raises(UserError, match=r"optim_spec\.amsgrad: true is not supported by Adam"):
        make_optimizer({"name": "Adam", "amsgrad": True})


@pytest.mark.parametrize("size", [0.01, 0.4999, 0.5, 3.0, 1e4])
def test_clipping_is_that_of_torch(size: float) -> None:
    generator = torch.Generator().manual_seed(0)
    parameters = [nn.Parameter(torch.zeros(5)), nn.Parameter(torch.zeros(2, 3))]
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    flat = torch.cat([torch.as_tensor(parameter.grad).flatten() for parameter in parameters])
    factor = size / float(flat.norm())
    for parameter in parameters:
        parameter.grad = torch.as_tensor(parameter.grad) * factor
    nn.utils.clip_grad_norm_(parameters, 0.5)
    clipped = clip_by_global_norm(flat * factor, torch.tensor(0.5))
    expected = torch.cat([torch.as_tensor(parameter.grad).flatten() for parameter in parameters])
    torch.testing.assert_close(clipped, expected)
    assert float(clipped.norm()) == pytest.approx(min(size, 0.5), rel=1e-4)


def test_clipping_a_zero_gradient() -> None:
    assert clip_by_global_norm(torch.zeros(3), torch.tensor(0.5)).tolist() == [0.0, 0.0, 0.0]
