"""How weights start: ``init_fn``, and the heads' own gains."""

from __future__ import annotations

from torch import Tensor, nn

GAINS = {"tanh", "relu", "leaky_relu", "selu", "sigmoid"}


def activation(name: str) -> type[nn.Module]:
    """The torch.nn activation of that name; names are compared without case."""
    return {key.lower(): getattr(nn, key) for key in nn.modules.activation.__all__}[name.lower()]


def initialize(module: nn.Module, init_fn: str, activation_name: str) -> None:
    """Apply ``torch.nn.init.<init_fn>`` to the weights of all linear and convolutional layers; biases become 0.

    Xavier and orthogonal initialisation take the gain that torch recommends for the activation, 1 where it has none.
    """
    nonlinearity = {"leakyrelu": "leaky_relu"}.get(activation_name.lower(), activation_name.lower())
    kwargs: dict[str, object] = {}
    if init_fn.startswith(("xavier", "orthogonal")):
        kwargs["gain"] = nn.init.calculate_gain(nonlinearity) if nonlinearity in GAINS else 1.0  # type: ignore[arg-type]
    elif init_fn.startswith("kaiming"):
        kwargs["nonlinearity"] = nonlinearity if nonlinearity in {"relu", "leaky_relu"} else "relu"
    function = getattr(nn.init, init_fn)
    for layer in module.modules():
        if any(kind in type(layer).__name__ for kind in ("Linear", "Conv")):
            function(layer.weight, **kwargs)
            if isinstance(layer.bias, Tensor):
                nn.init.zeros_(layer.bias)


def initialize_head(head: nn.Linear, gain: float) -> None:
    """Orthogonal weights with the given gain and zero biases (Engstrom et al. 2020, section 3)."""
    nn.init.orthogonal_(head.weight, gain=gain)
    nn.init.zeros_(head.bias)
