"""Cheaper forms of operations, against the exact ones."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from slm.decompositions import DECOMPOSITIONS, FEW_PRODUCTS, expm1_of_negative, tanh


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
    assert torch.ops.aten.tanh.default not in targets(graph)
    torch.testing.assert_close(graph(x), 1 - x.tanh() ** 2)


def test_other_types_keep_the_operation() -> None:
    x = torch.linspace(-3, 3, 7, dtype=torch.float64)
    graph = make_fx(lambda x: x.tanh(), decomposition_table=DECOMPOSITIONS)(x)
    assert torch.equal(graph(x), x.tanh())


def test_expm1_is_near_the_exact_one() -> None:
    x = -torch.cat([torch.linspace(0, 100, 100_001), torch.logspace(-30, 1, 10_000)])
    exact = x.double().expm1()
    assert ((expm1_of_negative(x).double() - exact).abs() <= 1e-6 * exact.abs()).all()


@pytest.mark.parametrize("activation", [torch.nn.functional.elu, torch.nn.functional.selu, torch.nn.functional.celu])
def test_elus_and_their_slopes(activation: Callable[[torch.Tensor], torch.Tensor]) -> None:
    x = torch.cat([torch.linspace(-30, 30, 1001), torch.tensor([0.0, -1e-6, 1e-6, -math.inf, math.inf])])

    def both(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return activation(x), torch.func.grad(lambda x: (activation(x) * torch.linspace(-1, 1, len(x))).sum())(x)

    graph = make_fx(both, decomposition_table=DECOMPOSITIONS)(x)
    assert not {torch.ops.aten.elu.default, torch.ops.aten.elu_backward.default} & targets(graph)
    torch.testing.assert_close(graph(x), both(x), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(("rows", "inner", "columns", "replaced"), [
    (1, 64, 64, True), (4, 4, 64, True), (8, 64, 64, True),
    (9, 4, 4, False), (4, 65, 4, False), (8, 64, FEW_PRODUCTS // 512 + 1, False),
])  # fmt: skip
def test_layers_on_few_rows_are_part_of_the_graph(rows: int, inner: int, columns: int, replaced: bool) -> None:
    x, weights, bias = torch.rand(rows, inner), torch.rand(columns, inner), torch.rand(columns)

    def layers(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.nn.functional.linear(x, weights, bias), torch.nn.functional.linear(x, weights)

    graph = make_fx(layers, decomposition_table=DECOMPOSITIONS)(x)
    assert bool({torch.ops.aten.mm.default, torch.ops.aten.addmm.default} & targets(graph)) != replaced
    torch.testing.assert_close(graph(x), layers(x))


@pytest.mark.parametrize(("columns", "replaced"), [(1, True), (2, True), (3, False), (0, False)])
def test_the_way_back_through_one_value_or_two_is_part_of_the_graph(columns: int, replaced: bool) -> None:
    weights, slope = torch.rand(columns, 64), torch.rand(128, columns)
    graph = make_fx(lambda slope: slope @ weights, decomposition_table=DECOMPOSITIONS)(slope)
    assert (torch.ops.aten.mm.default not in targets(graph)) == replaced
    torch.testing.assert_close(graph(slope), slope @ weights)


def test_layers_of_two_inputs_stay_with_the_library() -> None:
    x, weights = torch.rand(128, 2), torch.rand(64, 2)
    graph = make_fx(lambda x: torch.nn.functional.linear(x, weights), decomposition_table=DECOMPOSITIONS)(x)
    assert torch.ops.aten.mm.default in targets(graph)


@pytest.mark.parametrize(("beta", "alpha"), [(1, 1), (2, 1), (1, 2)])
def test_a_bias_is_added_outside_the_library(beta: int, alpha: int) -> None:
    a, b, bias = torch.rand(128, 64), torch.rand(64, 32), torch.rand(32)

    def layer(a: torch.Tensor) -> torch.Tensor:
        return torch.addmm(bias, a, b, beta=beta, alpha=alpha)

    graph = make_fx(layer, decomposition_table=DECOMPOSITIONS)(a)
    assert (torch.ops.aten.addmm.default in targets(graph)) == ((beta, alpha) != (1, 1))
    torch.testing.assert_close(graph(a), layer(a))


@pytest.mark.parametrize(("rows", "columns", "replaced"), [(1, 1, True), (4, 2, True), (16, 18, True), (512, 9, False)])
def test_few_cumulative_sums_are_part_of_the_graph(rows: int, columns: int, replaced: bool) -> None:
    x = torch.rand(rows, columns)
    graph = make_fx(lambda x: x.cumsum(dim=-1), decomposition_table=DECOMPOSITIONS)(x)
    assert (torch.ops.aten.cumsum.default not in targets(graph)) == replaced
    torch.testing.assert_close(graph(x), x.cumsum(dim=-1))


@pytest.mark.parametrize(
    "sums",
    [
        lambda x: x.cumsum(dim=0),
        lambda x: x.cumsum(dim=1, dtype=torch.float64),
        lambda x: x[0].cumsum(dim=0),
        lambda x: x[None].cumsum(dim=-1),
    ],
)
def test_other_cumulative_sums_stay(sums: Callable[[torch.Tensor], torch.Tensor]) -> None:
    x = torch.rand(3, 3)
    graph = make_fx(sums, decomposition_table=DECOMPOSITIONS)(x)
    assert torch.equal(graph(x), sums(x))
    assert graph(x).dtype == sums(x).dtype


def targets(graph: torch.fx.GraphModule) -> set[object]:
    return {node.target for node in graph.graph.nodes}
