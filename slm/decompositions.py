"""Cheaper forms of single operations, for compiled graphs.

A compiled update spent a quarter of its time in the vector library's tanh and exp, which are exact to the last bit, and
a compiled policy half of its time in calling the library of matrix products, for a handful of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

TANH_RANGE = 7.95
"""From here on tanh is 1 in float32, but for the last two bits."""
# Minimax coefficients of x P(x²) / Q(x²) ≈ tanh x on that range, for the relative error; the lowest power first.
TANH_P = (0.999999862, 1.29300506e-1, 2.95575615e-3, 1.14801059e-5)
TANH_Q = (1.0, 4.62632719e-1, 2.38348597e-2, 2.39341105e-4, 2.47584541e-7)


def tanh(x: Tensor) -> Tensor:
    """tanh x as a rational function; its relative error is below 5e-7 (four units in the last place of a float32)."""
    if x.dtype != torch.float32:
        return NotImplemented
    x = x.clamp(-TANH_RANGE, TANH_RANGE)
    square = x * x
    return x * polynomial(TANH_P, square) / polynomial(TANH_Q, square)


def polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    """Σ cᵢ xⁱ by Horner's rule."""
    *lower, highest = coefficients
    total = torch.full_like(x, highest)
    for coefficient in reversed(lower):
        total = total * x + coefficient
    return total


def expm1_of_negative(x: Tensor) -> Tensor:
    """eˣ − 1 for x ≤ 0, as 2t / (1 − t) with t = tanh(x/2)."""
    t = tanh(x * 0.5)
    return (t + t) / (1 - t)


def elu(x: Tensor, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Tensor:
    """ELU (Clevert et al. 2016), and SELU (Klambauer et al. 2017) with other numbers."""
    if x.dtype != torch.float32:
        return NotImplemented
    negative = expm1_of_negative((x * input_scale).clamp(max=0.0)) * (alpha * scale)
    return torch.where(x > 0, x * scale, negative)


def elu_backward(slope: Tensor, alpha: float, scale: float, input_scale: float, is_result: bool, x: Tensor) -> Tensor:
    """Slope with respect to the input of ELU; x is that input, or with ``is_result`` the output."""
    if x.dtype != torch.float32:
        return NotImplemented
    if is_result:
        return torch.where(x > 0, slope * scale, slope * input_scale * (x + alpha * scale))
    exponential = expm1_of_negative((x * input_scale).clamp(max=0.0)) + 1
    return torch.where(x > 0, slope * scale, slope * (input_scale * alpha * scale) * exponential)


FEW_ROWS, FEW_COLUMNS, FEW_PRODUCTS = 8, 64, 32_768
"""Up to where a product of matrices is faster within the loops of its graph than by a call of the library."""
FEW_TERMS = 2
"""Up to how many terms a product is worth writing out, as for gradients that go back through a layer of one value or
two. Layers of two inputs stay out: their weights lie across the loops, which could no longer be vectorized."""


def mm(a: Tensor, b: Tensor) -> Tensor:
    """The product of a (M, K) and b (K, N): where K is tiny, or where a has few rows and the columns of b lie one after
    the other, as weights' do."""
    (rows, inner), columns = a.shape, b.shape[1]
    if a.dtype != torch.float32:
        return NotImplemented
    few = rows <= FEW_ROWS and inner <= FEW_COLUMNS and rows * inner * columns <= FEW_PRODUCTS
    if few and b.stride(0) == 1:
        return (a[:, None, :] * b.t()[None]).sum(dim=-1)
    if 0 < inner <= FEW_TERMS and b.stride(1) == 1:
        first, *others = [a[:, k, None] * b[k] for k in range(inner)]
        return sum(others, start=first)
    return NotImplemented


def addmm(bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """`mm` and a bias (N,), which is added in the next loop: the library would first fill its result with copies of it.

    It is subtracted with its sign turned, which gives the same bits: Inductor would make a sum and its product one call
    of the library again.
    """
    if beta != 1 or alpha != 1 or a.dtype != torch.float32:
        return NotImplemented
    product = mm(a, b)
    return (torch.ops.aten.mm.default(a, b) if product is NotImplemented else product) - (-bias)


def cumsum(x: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """Sums of the first 1 … K entries of each row of x (M, K), the probabilities of actions: M and K are small."""
    few = x.dim() == 2 and x.numel() * x.shape[-1] <= FEW_PRODUCTS
    if not few or dim not in (1, -1) or dtype is not None or x.dtype != torch.float32:
        return NotImplemented
    entry = torch.arange(x.shape[1], device=x.device)
    return torch.where(entry <= entry[:, None], x[:, None, :], 0.0).sum(dim=-1)


DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    torch.ops.aten.tanh.default: tanh,
    torch.ops.aten.elu.default: elu,
    torch.ops.aten.elu_backward.default: elu_backward,
    torch.ops.aten.mm.default: mm,
    torch.ops.aten.addmm.default: addmm,
    torch.ops.aten.cumsum.default: cumsum,
}
"""For ``make_fx``."""
