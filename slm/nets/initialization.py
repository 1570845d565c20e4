"""How weights start: ``init_fn``, and the heads' own gains."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from slm.errors import UserError
from slm.nets.layers import WeightNormLinear

GAINS = {"tanh", "relu", "leaky_relu", "selu", "sigmoid"}


def activation(name: str) -> type[nn.Module]:
    """The torch.nn activation of that name; names are compared without case."""
    return {key.lower(): getattr(nn, key) for key in nn.modules.activation.__all__}[name.lower()]


def initialize(module: nn.Module, init_fn: str, activation_name: str) -> None:
    """Apply ``torch.nn.init.<init_fn>`` to the weights of all linear, conv and recurrent layers; biases become 0.

    Xavier and orthogonal initialisation take the gain that torch recommends for the activation, 1 where it has none.
    Raises UserError for a function that the layers' weights don't suit.
    """
    nonlinearity = {"leakyrelu": "leaky_relu"}.get(activation_name.lower(), activation_name.lower())
    kwargs: dict[str, object] = {}
    if init_fn.startswith(("xavier", "orthogonal")):
        kwargs["gain"] = nn.init.calculate_gain(nonlinearity) if nonlinearity in GAINS else 1.0  # type: ignore[arg-type]
    elif init_fn.startswith("kaiming"):
        kwargs["nonlinearity"] = nonlinearity if nonlinearity in {"relu", "leaky_relu"} else "relu"
    function = getattr(nn.init, init_fn)
    try:
        for layer in module.modules():
            initialize_layer(layer, lambda weight: function(weight, **kwargs))
    except (TypeError, ValueError) as error:
        raise UserError(f"agent.net.init_fn: '{init_fn}' can't start this net: {error}") from error


def initialize_layer(layer: nn.Module, function: Callable[[Tensor], object]) -> None:
    """Apply ``function`` to the weights of one layer, if it is linear, convolutional or recurrent; biases become 0."""
    if isinstance(layer, nn.RNNBase):
        for name, parameter in layer.named_parameters():
            if name.startswith("weight"):
                function(parameter)
            else:
                nn.init.zeros_(parameter)
    elif any(kind in type(layer).__name__ for kind in ("Linear", "Conv")):
        function(layer.direction if isinstance(layer, WeightNormLinear) else layer.weight)  # type: ignore[arg-type]
        if isinstance(layer.bias, Tensor):
            nn.init.zeros_(layer.bias)
        if isinstance(layer, WeightNormLinear):
            layer.reset_magnitude()


def initialize_head(head: nn.Module, gain: float) -> None:
    """Orthogonal weights with the given gain and zero biases for a head's last linear layer.

    See Engstrom et al. 2020, section 3. A head's hidden layers stay as they are.
    """
    linear = [part for part in head.modules() if isinstance(part, nn.Linear)]
    nn.init.orthogonal_(linear[-1].weight, gain=gain)
    nn.init.zeros_(linear[-1].bias)
