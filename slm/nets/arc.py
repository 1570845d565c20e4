"""The ``arc`` language: networks written as named modules and the graph that joins them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from slm.errors import UserError

# Registered layers beside those of torch.nn.
EXTRA_LAYERS: dict[str, type[nn.Module]] = {}


class ArcNetwork(nn.Module):
    """Modules joined by a graph: ``graph.modules`` names each module's inputs, in the order of evaluation."""

    def __init__(self, arc: dict[str, Any]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict({name: build_layer(spec) for name, spec in arc["modules"].items()})
        graph = arc["graph"]
        self.inputs: list[str] = _as_list(graph["input"])
        self.wiring = [(name, _as_list(sources)) for name, sources in graph["modules"].items()]
        self.outputs: list[str] = _as_list(graph["output"])

    def forward(self, x: Tensor) -> Tensor:
        values: dict[str, Any] = dict.fromkeys(self.inputs, x)
        for name, sources in self.wiring:
            value = self.parts[name](*(values[source] for source in sources))
            values[name] = value[0] if isinstance(value, tuple) else value
        outputs = [values[name].flatten(1) for name in self.outputs]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)


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


def _as_list(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
