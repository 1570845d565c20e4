"""The layers before the heads, by type of net: from observations (B, …) to features (B, F)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from slm.errors import UserError
from slm.nets.arc import ArcNetwork
from slm.nets.initialization import activation
from slm.spec import (
    ConvNetSpec,
    DuelingConvNetSpec,
    DuelingMLPNetSpec,
    HydraMLPNetSpec,
    MLPNetSpec,
    NetSpec,
    RecurrentNetSpec,
    TorchArcNetSpec,
)

Shape = tuple[int, ...]


def build_body(spec: NetSpec, shape: Shape) -> nn.Module:
    """The body of a net for observations of the given shape; lazy layers take their sizes from the first input.

    Raises UserError where the net can't read such observations.
    """
    match spec:
        case TorchArcNetSpec():
            return ArcNetwork(spec.arc)
        case MLPNetSpec():
            return mlp(spec.hid_layers, shape, spec.hid_layers_activation, spec.layer_norm, spec.batch_norm)
        case DuelingMLPNetSpec():
            return mlp(spec.hid_layers, shape, spec.hid_layers_activation)
        case HydraMLPNetSpec():
            return hydra_body(spec, shape)
        case ConvNetSpec() | DuelingConvNetSpec():
            return conv_body(spec, shape)
        case RecurrentNetSpec():
            return RecurrentBody(spec, shape)
    raise UserError(f"agent.net.type: '{spec.type}' has nothing to train")


def mlp(
    sizes: Sequence[int], shape: Shape, activation_name: str, layer_norm: bool = False, batch_norm: bool = False
) -> nn.Sequential:
    """Linear layers of the given sizes, each followed by its normalisation, if any, and the activation."""
    layers: list[nn.Module] = [nn.Flatten()] if len(shape) != 1 else []
    width = torch.Size(shape).numel()
    for size in sizes:
        layers.append(nn.Linear(width, size))
        if batch_norm:
            layers.append(nn.BatchNorm1d(size))
        elif layer_norm:
            layers.append(nn.LayerNorm(size))
        layers.append(activation(activation_name)())
        width = size
    return nn.Sequential(*layers)


def hydra_body(spec: HydraMLPNetSpec, shape: Shape) -> nn.Sequential:
    """The hydra's head for its one input, the observation, and its body; `head` builds the tails."""
    heads, (body,), _ = spec.hid_layers
    if len(heads) != 1:
        raise UserError(
            f"agent.net.hid_layers: {len(heads)} heads are given, and an environment has one observation; allowed: 1"
        )
    return mlp([*heads[0], *body], shape, spec.hid_layers_activation)


def conv_body(spec: ConvNetSpec | DuelingConvNetSpec, shape: Shape) -> nn.Sequential:
    """Convolutions over images (C, H, W), each followed by the activation, then fully connected layers.

    With ``batch_norm`` all convolutions but the first are followed by BatchNorm2d, after the activation.
    """
    if len(shape) != 3:
        raise UserError(
            f"agent.net.type: {spec.type} reads images of shape (channels, height, width), not observations of "
            f"shape {shape}; MLPNet reads vectors"
        )
    try:
        convolutions = nn.Sequential(*conv_layers(spec, shape[0]), nn.Flatten())
        with torch.no_grad():
            width = convolutions.eval()(torch.zeros(1, *shape)).shape[1]
    except (RuntimeError, TypeError, ValueError) as error:
        layers = [list(layer) for layer in spec.conv_hid_layers]
        raise UserError(
            f"agent.net.conv_hid_layers: {layers} don't fit observations of shape {shape}: {error}"
        ) from error
    return nn.Sequential(convolutions, mlp(spec.fc_hid_layers, (width,), spec.hid_layers_activation))


def conv_layers(spec: ConvNetSpec | DuelingConvNetSpec, channels: int) -> list[nn.Module]:
    """The convolutions with what follows each, for images with that number of channels."""
    layers: list[nn.Module] = []
    for layer in spec.conv_hid_layers:
        out_channels, *geometry = cast(tuple[Any, ...], layer)  # then kernel, stride, padding, dilation
        normalised = bool(layers) and spec.batch_norm
        layers += [nn.Conv2d(channels, out_channels, *geometry), activation(spec.hid_layers_activation)()]
        if normalised:
            layers.append(nn.BatchNorm2d(out_channels))
        channels = out_channels
    return layers


class RecurrentBody(nn.Module):
    """Fully connected layers on each of the last L observations (B, ≥ L, …), then recurrent layers from a zero state.

    The features are the last layer's final hidden state; of a bidirectional one, those of both directions.
    """

    def __init__(self, spec: RecurrentNetSpec, shape: Shape) -> None:
        super().__init__()
        if len(shape) < 2 or shape[0] < spec.seq_len:
            raise UserError(
                f"agent.net.type: RecurrentNet reads the last {spec.seq_len} observations (seq_len), and can't read "
                f"inputs of shape {shape}"
            )
        width = torch.Size(shape[1:]).numel()
        self.seq_len = spec.seq_len
        self.directions = 2 if spec.bidirectional else 1
        self.embed = mlp(spec.fc_hid_layers, (width,), spec.hid_layers_activation)
        self.cell = getattr(nn, spec.cell_type)(
            [width, *spec.fc_hid_layers][-1], spec.rnn_hidden_size, spec.rnn_num_layers,
            batch_first=True, bidirectional=spec.bidirectional,
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        _, state = self.cell(self.embed(x[:, -self.seq_len :].flatten(2)))
        hidden = state[0] if isinstance(state, tuple) else state  # an LSTM's state has two parts
        return torch.cat(list(hidden[-self.directions :]), dim=1)

    def extra_repr(self) -> str:
        return f"seq_len={self.seq_len}"
