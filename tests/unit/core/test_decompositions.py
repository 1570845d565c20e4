"""Cheaper forms of operations, against the exact ones."""

from __future__ import annotations

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from slm.decompositions import DECOMPOSITIONS, tanh


def test_tanh_is_near_the_exact_one() -> None:
    x = torch.cat([torch.linspace(-20, 20, 100_001), torch.logspace(-30, 1, 10_000)])
    exact = x.double().tanh()
    assert ((tanh(x).double() - exact).abs() <= 5e-7 * exact.abs()).all()
    assert tanh(x).abs().max() <= 1.0


@pytest.mark.parametrize(("x", "expected"), [(0.0, 0.0), (float("inf"), 1.0), (float("-inf"), -1.0)])
def test_tanh_at_the_ends(x: float, expected: float) -> None:
    assert tanh(torch.tensor(x)).item() == pytest.approx(expected, abs=5e-7)


def test_tanh_hands_on_what_is_no_number() -> None:
    assert tanh(torch.tensor(float("nan"))).isnan()


def test_graphs_have_it_in_place_of_the_operation() -> None:
    x = torch.linspace(-3, 3, 7)
    graph = make_fx(lambda x: torch.func.grad(lambda x: x.tanh().sum())(x), decomposition_table=DECOMPOSITIONS)(x)
    assert torch.ops.aten.tanh.default not in {node.target for node in graph.graph.nodes}
    torch.testing.assert_close(graph(x), 1 - x.tanh() ** 2)


def test_other_types_keep_the_operation() -> None:
    x = torch.linspace(-3, 3, 7, dtype=torch.float64)
    graph = make_fx(lambda x: x.tanh(), decomposition_table=DECOMPOSITIONS)(x)
    assert torch.equal(graph(x), x.tanh())
