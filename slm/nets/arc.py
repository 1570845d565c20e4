"""The ``arc`` language: networks written as named modules and the graph that joins them."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from slm.errors import UserError
from slm.nets.layers import EXTRA_LAYERS


class ArcNetwork(nn.Module):
    """Modules joined by a graph: ``graph.modules`` names each module's inputs, in the order of evaluation."""

    def __init__(self, arc: dict[str, Any]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({name: build_layer(spec) for name, spec in arc["modules"].items()})
        graph = arc["graph"]
        self.input: str = graph["input"]
        self.wiring: dict[str, list[str]] = graph["modules"]
        self.output: str = graph["output"]

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, F) for inputs (B, …); of a module that returns several values, such as GRU, the first counts."""
        values: dict[str, Any] = {self.input: x}
        for name, sources in self.wiring.items():
            value = self.parts[name](*(values[source] for source in sources))
            values[name] = value[0] if isinstance(value, tuple) else value
        return values[self.output].flatten(1)

    def extra_repr(self) -> str:
        return f"{self.input} -> {self.wiring} -> {self.output}"


def build_layer(spec: dict[str, Any]) -> nn.Module:
    """One layer from ``{Class: kwargs}``, or a sequence from ``{Sequential: [layer, …]}``.

    Raises UserError where torch refuses the arguments.
    """
    (name, kwargs), *_ = spec.items()
    if name == "Sequential":
        return nn.Sequential(*(build_layer(layer) for layer in kwargs))
    layer = EXTRA_LAYERS.get(name) or getattr(nn, name)
    try:
        return layer(**(kwargs or {}))
    except (TypeError, ValueError) as error:
        raise UserError(f"arc: {name}: {kwargs} is not accepted: {error}") from error
