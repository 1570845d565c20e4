"""From a net spec to a network: a body, and one linear head for each output."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from slm.errors import UserError
from slm.nets.arc import ArcNetwork
from slm.nets.initialization import activation, initialize, initialize_head
from slm.nets.network import Network
from slm.spec import MLPNetSpec, NetSpec, TorchArcNetSpec


class BodyWithHeads(nn.Module):
    """A body whose features feed one linear layer per output; ``log_std`` is a further, input-independent output."""

    def __init__(self, body: nn.Module, features: int, heads: Sequence[int], log_std: Tensor | None) -> None:
        super().__init__()
        self.body = body
        self.heads = nn.ModuleList(nn.Linear(features, size) for size in heads)
        self.log_std = None if log_std is None else nn.Parameter(log_std)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        features = self.body(x)
        outputs = [head(features) for head in self.heads]
        if self.log_std is not None:
            outputs.insert(1, self.log_std.expand_as(outputs[0]))
        return tuple(outputs)


def build_network(
    spec: NetSpec,
    observation_shape: tuple[int, ...],
    heads: Sequence[int],
    seed: int,
    *,
    log_std_size: int | None = None,
    head_gains: Sequence[float | None] = (),
) -> Network:
    """A network for observations of the given shape with linear heads of the given sizes.

    With ``log_std_size`` a learned vector of that size, starting at the spec's ``log_std_init``, is output after the
    first head. ``head_gains`` gives the orthogonal gain of each head, None for the layer's ordinary start. The same
    seed gives the same initial weights; torch's global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = build_body(spec, observation_shape)
        body.eval()
        with torch.no_grad():
            features = body(torch.zeros(2, *observation_shape)).shape[1]
        log_std = None if log_std_size is None else torch.full((log_std_size,), float(spec.log_std_init or 0.0))
        module = BodyWithHeads(body, features, heads, log_std)
        if spec.init_fn:
            initialize(module, spec.init_fn, spec.hid_layers_activation)
        for head, gain in zip(module.heads, head_gains, strict=False):
            if gain is not None:
                initialize_head(head, gain)  # type: ignore[arg-type]
        module.train()
        return Network(module)


def build_body(spec: NetSpec, observation_shape: tuple[int, ...]) -> nn.Module:
    """The layers before the heads; lazy layers take their sizes from the first input."""
    if isinstance(spec, TorchArcNetSpec):
        return ArcNetwork(spec.arc)
    if not isinstance(spec, MLPNetSpec):
        raise UserError(f"agent.net.type: '{spec.type}' can't be trained yet; implemented: MLPNet, TorchArcNet")
    return mlp(spec.hid_layers, observation_shape, spec.hid_layers_activation, spec.layer_norm, spec.batch_norm)


def mlp(
    sizes: Sequence[int], observation_shape: tuple[int, ...], activation_name: str, layer_norm: bool, batch_norm: bool
) -> nn.Sequential:
    """Linear layers of the given sizes, each followed by its normalisation, if any, and the activation."""
    layers: list[nn.Module] = [nn.Flatten()] if len(observation_shape) != 1 else []
    width = int(torch.Size(observation_shape).numel())
    for size in sizes:
        layers.append(nn.Linear(width, size))
        if batch_norm:
            layers.append(nn.BatchNorm1d(size))
        elif layer_norm:
            layers.append(nn.LayerNorm(size))
        layers.append(activation(activation_name)())
        width = size
    return nn.Sequential(*layers)
