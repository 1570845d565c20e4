"""From a net spec to a network: a body, and one head for each output."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from slm.errors import UserError
from slm.nets.bodies import build_body, mlp
from slm.nets.initialization import activation, initialize, initialize_head
from slm.nets.layers import SpectralNormLinear
from slm.nets.network import Network
from slm.spec import (
    DuelingConvNetSpec,
    DuelingMLPNetSpec,
    HydraMLPNetSpec,
    NetSpec,
    RecurrentNetSpec,
    Spec,
    actor_net_spec,
    critic_net_spec,
)

MAX_PIXEL = 255.0


class DuelingHead(nn.Module):
    """Q = V + A − mean(A) from features (B, F) (Wang et al. 2016, arXiv:1511.06581, eq. 9)."""

    def __init__(self, features: int, actions: int) -> None:
        super().__init__()
        self.value = nn.Linear(features, 1)
        self.advantage = nn.Linear(features, actions)

    def forward(self, features: Tensor) -> Tensor:
        advantages = self.advantage(features)
        return self.value(features) + advantages - advantages.mean(dim=1, keepdim=True)


class BodyWithHeads(nn.Module):
    """A body whose features feed one head per output; ``log_std`` is a further, input-independent output."""

    def __init__(self, body: nn.Module, heads: Sequence[nn.Module], log_std: Tensor | None, normalize: bool) -> None:
        super().__init__()
        self.body = body
        self.heads = nn.ModuleList(heads)
        self.log_std = None if log_std is None else nn.Parameter(log_std)
        self.normalize = normalize

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = x.float()
        if self.normalize:
            x = x / MAX_PIXEL
        if x.dim() == 4:  # images: with a pixel's channels side by side convolutions are faster
            x = x.contiguous(memory_format=torch.channels_last)
        features = self.body(x)
        outputs = [head(features) for head in self.heads]
        if self.log_std is not None:
            outputs.insert(1, self.log_std.expand_as(outputs[0]))
        return tuple(outputs)

    def extra_repr(self) -> str:
        return f"normalize={self.normalize}, log_std={self.log_std is not None}"


def build_network(
    spec: NetSpec,
    observation_shape: tuple[int, ...],
    heads: Sequence[int],
    seed: int,
    *,
    log_std_size: int | None = None,
    head_gains: Sequence[float | None] = (),
    spectral_norm: bool = False,
) -> Network:
    """A network for observations of the given shape and number type, with linear heads of the given sizes.

    With ``log_std_size`` a learned vector of that size, starting at the spec's ``log_std_init``, is output after the
    first head. ``head_gains`` gives the orthogonal gain of each head, None for the layer's ordinary start.
    ``spectral_norm`` normalises the second-to-last linear layer. The same seed gives the same initial weights;
    torch's global generator is left as it was. Raises UserError where the spec can't make such a network.
    """
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Lazy modules are a new feature", UserWarning)
        torch.manual_seed(seed)
        body = build_body(spec, observation_shape)
        features = count_features(body, spec, observation_shape)
        log_std = None if log_std_size is None else torch.full((log_std_size,), float(spec.log_std_init or 0.0))
        module = BodyWithHeads(body, build_heads(spec, features, heads), log_std, getattr(spec, "normalize", False))
        if spec.init_fn:
            initialize(module, spec.init_fn, spec.hid_layers_activation)
        for head, gain in zip(module.heads, head_gains, strict=False):
            if gain is not None:
                initialize_head(head, gain)
        if spectral_norm:
            add_spectral_norm(module)
        refuse_random_layers(module)
        return Network(module)


def sequence_length(spec: Spec) -> int | None:
    """How many of the last observations the agent's networks read at a time; None where they read one, as it is."""
    nets = (actor_net_spec(spec), critic_net_spec(spec))
    return max((net.seq_len for net in nets if isinstance(net, RecurrentNetSpec)), default=None)


def count_features(body: nn.Module, spec: NetSpec, observation_shape: tuple[int, ...]) -> int:
    """Features that the body gives for such observations; its lazy layers take their sizes here."""
    try:
        with torch.no_grad():
            return body.eval()(torch.zeros(2, *observation_shape)).shape[1]
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        key = "agent.net.arc" if spec.type == "TorchArcNet" else "agent.net"
        raise UserError(f"{key}: the net can't read observations of shape {observation_shape}: {error}") from error


def build_heads(spec: NetSpec, features: int, sizes: Sequence[int]) -> list[nn.Module]:
    """One head for each output, followed by its output activation where the spec names one."""
    if isinstance(spec, DuelingMLPNetSpec | DuelingConvNetSpec):
        if len(sizes) != 1:
            raise UserError(
                f"agent.net.type: {spec.type} has one output, the values of discrete actions; {len(sizes)} are needed"
            )
        linear: list[nn.Module] = [DuelingHead(features, sizes[0])]
    elif isinstance(spec, HydraMLPNetSpec):
        linear = hydra_tails(spec, features, sizes)
    else:
        linear = [nn.Linear(features, size) for size in sizes]
    names = spec.out_layer_activation
    if names is None or isinstance(names, str):
        names = (names,) * len(sizes)
    if len(names) != len(sizes):
        raise UserError(
            f"agent.net.out_layer_activation: {len(names)} activations are given, and the net has {len(sizes)} outputs"
        )
    return [
        head if name is None else nn.Sequential(head, activation(name)())
        for head, name in zip(linear, names, strict=True)
    ]


def hydra_tails(spec: HydraMLPNetSpec, features: int, sizes: Sequence[int]) -> list[nn.Module]:
    """Hidden layers of its own for each output, then its linear layer; one tail given serves for all outputs."""
    tails = spec.hid_layers[2]
    if len(tails) == 1:
        tails = tails * len(sizes)
    if len(tails) != len(sizes):
        raise UserError(f"agent.net.hid_layers: {len(tails)} tails are given, and the net has {len(sizes)} outputs")
    return [
        nn.Sequential(*mlp(tail, (features,), spec.hid_layers_activation), nn.Linear([features, *tail][-1], size))
        for tail, size in zip(tails, sizes, strict=True)
    ]


def add_spectral_norm(module: nn.Module) -> None:
    """Normalise the second-to-last linear layer. Raises UserError for a network with fewer than two."""
    names = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)]
    if len(names) < 2:
        raise UserError("agent.algorithm.spectral_norm: the net has no hidden linear layer to normalise")
    linear = module.get_submodule(names[-2])
    assert isinstance(linear, nn.Linear)
    module.set_submodule(names[-2], SpectralNormLinear(linear))


def refuse_random_layers(module: nn.Module) -> None:
    """Raise UserError for layers that draw random numbers: those of a session come from its own streams."""
    for part in module.modules():
        draws = isinstance(part, nn.RReLU)
        draws |= isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0
        draws |= isinstance(part, nn.RNNBase | nn.MultiheadAttention) and part.dropout > 0
        if draws:
            raise UserError(f"agent.net: {part} draws random numbers in training, which is not supported")
