"""The extra layers against hand-written references and torch's own forms."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from slm.nets.layers import (
    BatchRenorm1d,
    LazyBatchRenorm1d,
    LazyWeightNormLinear,
    SpectralNormLinear,
    WeightNormLinear,
)


class NumpyBatchRenorm:
    """Algorithm 1 of Ioffe 2017, with the bounds' linear warm-up, for inputs (B, F)."""

    def __init__(self, features: int, eps: float, momentum: float, r_max: float, d_max: float, warmup: int) -> None:
        self.mean, self.var, self.steps = np.zeros(features), np.ones(features), 0
        self.eps, self.momentum, self.r_max, self.d_max, self.warmup = eps, momentum, r_max, d_max, warmup

    def train(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        progress = min(self.steps / self.warmup, 1.0)
        r_bound, d_bound = 1 + progress * (self.r_max - 1), progress * self.d_max
        batch_mean, batch_var = x.mean(axis=0), x.var(axis=0)
        deviation, batch_deviation = np.sqrt(self.var + self.eps), np.sqrt(batch_var + self.eps)
        r = np.clip(batch_deviation / deviation, 1 / r_bound, r_bound)
        d = np.clip((batch_mean - self.mean) / deviation, -d_bound, d_bound)
        self.mean = (1 - self.momentum) * self.mean + self.momentum * batch_mean
        self.var = (1 - self.momentum) * self.var + self.momentum * batch_var
        self.steps += 1
        return (x - batch_mean) / batch_deviation * r + d

    def evaluate(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return (x - self.mean) / np.sqrt(self.var + self.eps)


def test_batch_renorm_follows_the_reference_through_warm_up_and_after() -> None:
    settings = (1e-3, 0.2, 2.0, 0.5, 4)
    layer, reference = BatchRenorm1d(3, *settings), NumpyBatchRenorm(3, *settings)
    rng = np.random.default_rng(0)
    for step in range(10):
        # Batches far from the running statistics, so that both bounds bind.
        x = rng.normal([0.0, 3.0, -1.0], [0.1, 4.0, 1.0], size=(16, 3))
        expected = reference.train(x)
        actual = layer(torch.tensor(x, dtype=torch.float32)).detach().numpy()
        np.testing.assert_allclose(actual, expected, atol=1e-4, err_msg=f"step {step}")
        np.testing.assert_allclose(layer.running_mean.numpy(), reference.mean, atol=1e-5)
        np.testing.assert_allclose(layer.running_var.numpy(), reference.var, atol=1e-4)
    layer.eval()
    actual = layer(torch.tensor(x, dtype=torch.float32)).detach().numpy()
    np.testing.assert_allclose(actual, reference.evaluate(x), atol=1e-4)
    np.testing.assert_allclose(layer.running_mean.numpy(), reference.mean, atol=1e-5)
    assert layer.steps == 10


def test_first_step_of_batch_renorm_is_batch_norm() -> None:
    x = torch.randn(32, 5) * 3 + 2
    torch.testing.assert_close(BatchRenorm1d(5)(x), nn.BatchNorm1d(5)(x))


def test_without_warm_up_the_bounds_hold_from_the_first_step() -> None:
    x = torch.tensor([[1.0], [3.0]])
    # μ_B = 2, σ_B = 1, μ = 0, σ = 1: r = 1 and d = 2, so that x̂ = x.
    torch.testing.assert_close(BatchRenorm1d(1, eps=0.0, warmup_steps=0)(x), x)


def test_gradient_of_batch_renorm_holds_r_and_d_constant() -> None:
    layer = BatchRenorm1d(2, warmup_steps=0)
    x = torch.randn(8, 2, requires_grad=True)
    weight = torch.randn(8, 2)
    r = ((x.var(0, correction=0) + layer.eps).sqrt() / (1 + layer.eps) ** 0.5).detach()
    assert ((r > 1 / 3) & (r < 3)).all()
    normal = (x - x.mean(0)) / (x.var(0, correction=0) + layer.eps).sqrt() * r
    (expected,) = torch.autograd.grad((weight * normal).sum(), x)
    (actual,) = torch.autograd.grad((weight * layer(x)).sum(), x)
    torch.testing.assert_close(actual, expected)


def test_batch_renorm_of_sequences_takes_statistics_over_all_but_the_channels() -> None:
    x = torch.randn(4, 3, 7)
    flat = x.transpose(1, 2).reshape(-1, 3)
    expected = BatchRenorm1d(3)(flat).reshape(4, 7, 3).transpose(1, 2)
    torch.testing.assert_close(BatchRenorm1d(3)(x), expected)


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_lazy_batch_renorm_becomes_the_layer_with_the_inputs_features() -> None:
    layer = LazyBatchRenorm1d(momentum=0.1, eps=1e-3, warmup_steps=7)
    x = torch.randn(6, 4)
    torch.testing.assert_close(layer(x), BatchRenorm1d(4, 1e-3)(x))
    assert type(layer) is BatchRenorm1d
    assert (layer.num_features, layer.momentum, layer.eps, layer.warmup_steps) == (4, 0.1, 1e-3, 7)
    torch.testing.assert_close(layer.running_mean, 0.1 * x.mean(0))


def with_torch_weight_norm(layer: WeightNormLinear) -> nn.Module:
    linear = nn.Linear(layer.in_features, layer.out_features)
    linear.weight.data.copy_(layer.direction)
    linear.bias.data.copy_(layer.bias)
    return parametrizations.weight_norm(linear)


def test_weight_norm_linear_is_torchs_in_value_and_gradient() -> None:
    layer = WeightNormLinear(5, 3)
    other = with_torch_weight_norm(layer)
    g, v = other.parametrizations.weight.original0, other.parametrizations.weight.original1
    torch.testing.assert_close(layer.magnitude, g)
    x, weight = torch.randn(7, 5), torch.randn(7, 3)
    torch.testing.assert_close(layer(x), other(x))
    with torch.no_grad():
        for magnitude in (layer.magnitude, g):
            magnitude.mul_(torch.tensor([[0.5], [2.0], [1.5]]))
    actual = torch.autograd.grad((weight * layer(x)).sum(), [layer.magnitude, layer.direction, layer.bias])
    expected = torch.autograd.grad((weight * other(x)).sum(), [g, v, other.bias])
    torch.testing.assert_close(actual, expected)


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_lazy_weight_norm_linear_starts_like_a_linear_layer_of_the_inputs_size() -> None:
    layer = LazyWeightNormLinear(out_features=400)
    x = torch.randn(2, 25)
    assert layer(x).shape == (2, 400)
    assert type(layer) is WeightNormLinear
    bound = 1 / 25**0.5  # of torch's Linear for 25 inputs, weights and biases
    for parameter in (layer.direction, layer.bias):
        assert 0.95 * bound < parameter.abs().max() <= bound


def torch_spectral_norm(layer: SpectralNormLinear) -> nn.Module:
    linear = nn.Linear(*reversed(layer.weight.shape))
    linear.weight.data.copy_(layer.weight)
    linear.bias.data.copy_(layer.bias)
    other = parametrizations.spectral_norm(linear)
    return other


def test_spectral_norm_linear_is_torchs_in_training() -> None:
    layer = SpectralNormLinear(nn.Linear(6, 4))
    other = torch_spectral_norm(layer)
    with torch.no_grad():  # another matrix, for which u hasn't converged
        layer.weight.copy_(torch.randn(4, 6))
        other.parametrizations.weight.original.copy_(layer.weight)
        # torch keeps v beside u, and begins its iteration with it.
        other.parametrizations.weight[0]._v.copy_(nn.functional.normalize(layer.weight.T @ layer.u, dim=0))
    x, weight = torch.randn(5, 6), torch.randn(5, 4)
    expected = torch.autograd.grad((weight * other(x)).sum(), other.parametrizations.weight.original)
    actual = torch.autograd.grad((weight * layer(x)).sum(), layer.weight)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(layer.u, other.parametrizations.weight[0]._u)


def test_spectral_norm_scales_the_largest_singular_value_to_one() -> None:
    torch.manual_seed(1)
    layer = SpectralNormLinear(nn.Linear(6, 4, bias=False))
    layer.train()
    for _ in range(50):
        layer(torch.zeros(1, 6))
    layer.eval()
    before = layer.u.clone()
    matrix: Tensor = layer(torch.eye(6)).T
    assert torch.linalg.matrix_norm(matrix, 2).item() == pytest.approx(1.0, abs=1e-3)
    assert torch.equal(layer.u, before)
