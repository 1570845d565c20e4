"""Small nets of every type, for tests to change in one place."""

from typing import Any

from torch import Tensor

from slm.nets import Network
from slm.spec import (
    ConvNetSpec,
    DuelingConvNetSpec,
    DuelingMLPNetSpec,
    HydraMLPNetSpec,
    MLPNetSpec,
    RecurrentNetSpec,
    TorchArcNetSpec,
)

IMAGE = (4, 36, 36)
CONV = [[8, 8, 4, 0, 1], [16, 4, 2, 0, 1]]


def mlp(**keys: Any) -> MLPNetSpec:
    return MLPNetSpec(**{"type": "MLPNet", "hid_layers": [8, 6], "hid_layers_activation": "tanh", **keys})


def dueling(**keys: Any) -> DuelingMLPNetSpec:
    return DuelingMLPNetSpec(type="DuelingMLPNet", hid_layers=[8], hid_layers_activation="relu", **keys)


def hydra(hid_layers: list[Any]) -> HydraMLPNetSpec:
    return HydraMLPNetSpec(type="HydraMLPNet", hid_layers=hid_layers, hid_layers_activation="relu")


def conv(**keys: Any) -> ConvNetSpec:
    defaults = {"conv_hid_layers": CONV, "fc_hid_layers": [32], "hid_layers_activation": "relu", "batch_norm": False}
    return ConvNetSpec(**{"type": "ConvNet", **defaults, **keys})


def dueling_conv(**keys: Any) -> DuelingConvNetSpec:
    defaults = {"conv_hid_layers": CONV, "fc_hid_layers": [32], "hid_layers_activation": "relu"}
    return DuelingConvNetSpec(**{"type": "DuelingConvNet", **defaults, **keys})


def recurrent(**keys: Any) -> RecurrentNetSpec:
    defaults = {"fc_hid_layers": [5], "rnn_hidden_size": 7, "seq_len": 3, "hid_layers_activation": "relu"}
    return RecurrentNetSpec(**{"type": "RecurrentNet", **defaults, **keys})


def arc(modules: dict[str, Any], graph: dict[str, Any], **keys: Any) -> TorchArcNetSpec:
    return TorchArcNetSpec(type="TorchArcNet", arc={"modules": modules, "graph": graph}, **keys)


def body(*layers: dict[str, Any], **keys: Any) -> TorchArcNetSpec:
    graph = {"input": "x", "modules": {"body": ["x"]}, "output": "body"}
    return arc({"body": {"Sequential": list(layers)}}, graph, **keys)


def initial(network: Network) -> dict[str, Tensor]:
    agent = {"net": network.initial_parameters()}
    if network.buffer_size:
        agent["net.buffers"] = network.initial_buffers()
    return network.named(agent, "net")


def outputs(network: Network, x: Tensor) -> tuple[Tensor, ...]:
    return network(initial(network), x)


def attention(**keys: Any) -> TorchArcNetSpec:
    """Each row of a sequence of 4 features attends to all."""
    modules = {"a": {"MultiheadAttention": {"embed_dim": 4, "num_heads": 2, "batch_first": True, **keys}}}
    return arc(modules, {"input": "x", "modules": {"a": ["x", "x", "x"]}, "output": "a"})
