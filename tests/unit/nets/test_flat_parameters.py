"""Networks on flat parameter vectors: the same functions and gradients as the plain torch.nn modules."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from slm.nets import Network, build_network
from slm.nets.network import gradients
from slm.optim import OPTIMIZERS, make_optimizer
from slm.spec import MLPNetSpec, TorchArcNetSpec

ARC = {
    "modules": {"body": {"Sequential": [{"LazyLinear": {"out_features": 9}}, {"Tanh": None}]}},
    "graph": {"input": "x", "modules": {"body": ["x"]}, "output": "body"},
}


def mlp_spec(**keys: Any) -> MLPNetSpec:
    return MLPNetSpec(type="MLPNet", hid_layers=(9, 5), **{"hid_layers_activation": "Tanh", **keys})


@pytest.fixture
def module() -> nn.Module:
    """Layers whose sizes are no multiples of the alignment."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 9), nn.Tanh(), nn.Linear(9, 5), nn.LayerNorm(5), nn.Linear(5, 1))


def padding_of(network: Network) -> Tensor:
    """True where no parameter lies in the flat vector."""
    return network.flatten({name: torch.ones_like(view) for name, view in named_zeros(network).items()}) == 0


def named_zeros(network: Network) -> dict[str, Tensor]:
    return network.views(torch.zeros(network.size))


def test_views_and_flatten_are_inverse(module: nn.Module) -> None:
    network = Network(module)
    flat = network.initial_parameters()
    views = network.views(flat)
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(views[name], parameter.detach(), rtol=0, atol=0)
    assert views.keys() == dict(module.named_parameters()).keys()
    torch.testing.assert_close(network.flatten(views), flat, rtol=0, atol=0)
    assert network.size == len(flat) > sum(parameter.numel() for parameter in module.parameters())


def test_views_share_memory_and_are_aligned(module: nn.Module) -> None:
    network = Network(module)
    flat = torch.zeros(network.size)
    for number, view in enumerate(network.views(flat).values(), start=1):
        assert view.storage_offset() % 16 == 0
        view.fill_(number)
    assert set(flat.tolist()) == {0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0}


def test_outputs_and_gradient_are_those_of_the_module(module: nn.Module) -> None:
    network = Network(module)
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(1))
    flat = network.initial_parameters()

    def loss(named: dict[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
        (y,) = (network(named["net"], x),)
        return (y**2).sum(), {"y": y}

    slopes, metrics = gradients(loss, {"net": network}, {"net": flat, "other": torch.ones(3)})
    expected = module(x)
    (expected**2).sum().backward()
    torch.testing.assert_close(metrics["y"], expected.detach())
    for name, view in network.views(slopes["net"]).items():
        torch.testing.assert_close(view, module.get_parameter(name).grad)
    assert slopes["net"][padding_of(network)].abs().max() == 0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_padding_stays_zero(module: nn.Module, name: str) -> None:
    """Nothing may drift into the gaps: norms and target updates are taken over the whole vector."""
    network = Network(module)
    gaps = padding_of(network)
    assert gaps.any()
    extra = {"weight_decay": 0.1, **({"momentum": 0.9} if name == "SGD" else {})}
    optimizer, lr = make_optimizer({"name": name, **extra})
    theta = network.initial_parameters()
    state = optimizer.init(theta)
    for seed in range(3):
        slope = network.flatten({key: torch.randn(view.shape) + seed for key, view in named_zeros(network).items()})
        theta, state = optimizer.step(theta, slope, state, torch.tensor(lr))
    assert theta[gaps].abs().max() == 0
    assert theta[~gaps].abs().min() > 0


def test_same_seed_same_weights() -> None:
    first, second, other = (build_network(mlp_spec(), (4,), [2, 1], seed).initial_parameters() for seed in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("spec", [mlp_spec(), TorchArcNetSpec(type="TorchArcNet", arc=ARC)])
def test_global_generator_is_left_alone(spec: Any) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    network = build_network(spec, (4,), [2], seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert torch.equal(build_network(spec, (4,), [2], seed=1).initial_parameters(), network.initial_parameters())


def test_head_sizes_and_learned_deviation() -> None:
    spec = mlp_spec(log_std_init=-0.5)
    network = build_network(spec, (4,), [3, 1], seed=0, log_std_size=3)
    mean, log_std, value = network(network.views(network.initial_parameters()), torch.randn(6, 4))
    assert (mean.shape, value.shape) == ((6, 3), (6, 1))
    torch.testing.assert_close(log_std, torch.full((6, 3), -0.5))


def weights(network: Network) -> dict[str, Tensor]:
    views = network.views(network.initial_parameters())
    return {name: view for name, view in views.items() if name.endswith("weight")}


def test_init_fn_takes_the_gain_of_the_activation() -> None:
    network = build_network(mlp_spec(init_fn="orthogonal_"), (4,), [2], seed=0)
    gain = nn.init.calculate_gain("tanh")
    assert len(weights(network)) == 3
    for weight in weights(network).values():
        small = weight if weight.shape[0] <= weight.shape[1] else weight.T
        torch.testing.assert_close(small @ small.T, gain**2 * torch.eye(len(small)), atol=1e-5, rtol=0)
    views = network.views(network.initial_parameters())
    assert all(view.abs().max() == 0 for name, view in views.items() if name.endswith("bias"))


def test_kaiming_follows_the_activation() -> None:
    wide = MLPNetSpec(
        type="MLPNet", hid_layers=(400, 400), hid_layers_activation="ReLU", init_fn="kaiming_normal_", log_std_init=None
    )
    hidden = weights(build_network(wide, (300,), [2], seed=0))
    for weight in list(hidden.values())[:2]:
        assert weight.std() == pytest.approx((2 / weight.shape[1]) ** 0.5, rel=0.02)


@pytest.mark.parametrize("init_fn", [None, "xavier_uniform_"])
def test_head_gains(init_fn: str | None) -> None:
    """A head with a gain is orthogonal with that gain and has no bias; the others are as without."""
    plain = build_network(mlp_spec(init_fn=init_fn), (4,), [3, 1], seed=0)
    scaled = build_network(mlp_spec(init_fn=init_fn), (4,), [3, 1], seed=0, head_gains=[0.01, None])
    before, after = (network.views(network.initial_parameters()) for network in (plain, scaled))
    (changed,) = [name for name, view in after.items() if name.endswith("weight") and view.shape == (3, 5)]
    torch.testing.assert_close(after[changed] @ after[changed].T, 1e-4 * torch.eye(3), atol=1e-9, rtol=0)
    assert after[changed.replace("weight", "bias")].abs().max() == 0
    for name in after.keys() - {changed, changed.replace("weight", "bias")}:
        assert torch.equal(before[name], after[name]), name
