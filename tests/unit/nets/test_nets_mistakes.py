"""Nets that can't be: each is refused with a message that names the key."""

from collections.abc import Callable

import pytest
import torch
from net_specs import attention, body, conv, dueling, dueling_conv, hydra, mlp, outputs, recurrent

from slm.errors import UserError
from slm.nets import Network, build_network


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: build_network(conv(), (4,), [2], 0), r"agent\.net\.type: ConvNet reads images .* shape \(4,\)"),
        (lambda: build_network(dueling_conv(), (2, 2), [2], 0), r"agent\.net\.type: DuelingConvNet reads images"),
        (lambda: build_network(conv(), (4, 9, 9), [2], 0), r"agent\.net\.conv_hid_layers: .* don't fit .*\(4, 9, 9\)"),
        (lambda: build_network(dueling(), (4,), [2, 1], 0), r"agent\.net\.type: DuelingMLPNet has one output"),
        (lambda: build_network(recurrent(), (4,), [2], 0), r"agent\.net\.type: RecurrentNet reads the last 3"),
        (lambda: build_network(hydra([[[4], [4]], [6], [3]]), (4,), [2], 0), r"agent\.net\.hid_layers: 2 heads"),
        (lambda: build_network(hydra([[4], [6], [[3], [3]]]), (4,), [2], 0), r"agent\.net\.hid_layers: 2 tails"),
        (
            lambda: build_network(mlp(out_layer_activation=["tanh"]), (4,), [2, 1], 0),
            r"agent\.net\.out_layer_activation: 1 activations .* 2 outputs",
        ),
        (
            lambda: build_network(body({"Linear": {"in_features": 3, "out_features": 2}}), (4,), [2], 0),
            r"agent\.net\.arc: the net can't read observations of shape \(4,\)",
        ),
        (lambda: build_network(body({"Dropout": {"p": 0.5}}), (4,), [2], 0), r"Dropout.* draws random numbers"),
        (lambda: build_network(attention(dropout=0.1), (3, 4), [2], 0), r"(?s)MultiheadAttention.* draws random"),
        (
            lambda: build_network(body({"LazyBatchNorm1d": {"momentum": None}}), (4,), [2], 0),
            "BatchNorm1d: momentum null is not supported",
        ),
        (lambda: build_network(mlp(init_fn="sparse_"), (4,), [2], 0), r"agent\.net\.init_fn: 'sparse_' can't start"),
        (
            lambda: build_network(mlp(hid_layers=[]), (4,), [2], 0, spectral_norm=True),
            r"agent\.algorithm\.spectral_norm: the net has no hidden linear layer",
        ),
    ],
)  # fmt: skip
def test_impossible_nets_are_refused_by_key(build: Callable[[], Network], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build()


def test_dropout_of_zero_is_accepted() -> None:
    assert outputs(build_network(body({"Dropout": {"p": 0.0}}), (4,), [2], 0), torch.randn(3, 4))[0].shape == (3, 2)
