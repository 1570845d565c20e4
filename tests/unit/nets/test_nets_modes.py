"""Evaluation and training mode: buffers are read in the one, and moved in the other, as inputs and outputs."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from net_specs import recurrent
from torch import Tensor, nn
from torch.func import functional_call

from slm.errors import UserError
from slm.nets import Network, build_network
from slm.nets.network import gradients
from slm.spec import MLPNetSpec, TorchArcNetSpec

BATCH_NORM = MLPNetSpec(type="MLPNet", hid_layers=[8, 6], hid_layers_activation="tanh", batch_norm=True)
PLAIN = MLPNetSpec(type="MLPNet", hid_layers=[8, 6], hid_layers_activation="tanh")


def renorm(**kwargs: Any) -> TorchArcNetSpec:
    layers = [{"LazyBatchRenorm1d": kwargs}, {"LazyLinear": {"out_features": 8}}, {"ReLU": None}]
    graph = {"input": "x", "modules": {"body": ["x"]}, "output": "body"}
    return TorchArcNetSpec(type="TorchArcNet", arc={"modules": {"body": {"Sequential": layers}}, "graph": graph})


def initial_agent(network: Network) -> dict[str, Tensor]:
    agent = {"net": network.initial_parameters()}
    if network.buffer_size:
        agent["net.buffers"] = network.initial_buffers()
    return agent


@pytest.mark.parametrize("spec", [BATCH_NORM, renorm(momentum=0.1)], ids=["batch_norm", "batch_renorm"])
def test_buffers_move_in_training_mode_only_and_as_outputs(spec: MLPNetSpec | TorchArcNetSpec) -> None:
    network = build_network(spec, (5,), [2], seed=0)
    agent = initial_agent(network)
    before = {name: value.clone() for name, value in agent.items()}
    named, x = network.named(agent, "net"), torch.randn(16, 5) * 3 + 1
    network(named, x)
    outputs, buffers = network.train(named, x)
    assert all(torch.equal(agent[name], before[name]) for name in agent)
    assert all(not torch.equal(buffers[name], named[name]) for name in buffers)
    again, same = network.train(named, x)
    torch.testing.assert_close((again, same), (outputs, buffers), rtol=0, atol=0)


def test_evaluation_reads_the_buffers_and_training_the_batch() -> None:
    network = build_network(renorm(), (5,), [2], seed=0)
    named = network.named(initial_agent(network), "net")
    x = torch.randn(16, 5)
    moved = {**named, "body.parts.body.0.running_mean": torch.full((5,), 0.5)}
    assert not torch.allclose(network(named, x)[0], network(moved, x)[0])
    # Row by row in evaluation mode; in training mode a row's output depends on the others.
    torch.testing.assert_close(network(named, x[:1])[0], network(named, x)[0][:1])
    assert not torch.allclose(network.train(named, x[:4])[0][0][:1], network.train(named, x)[0][0][:1])


def test_batch_norm_running_statistics_are_torchs() -> None:
    network = build_network(BATCH_NORM, (5,), [2], seed=0)
    named = network.named(initial_agent(network), "net")
    layers = []
    for width, size in ((5, 8), (8, 6)):
        layers += [nn.Linear(width, size), nn.BatchNorm1d(size), nn.Tanh()]
    reference = nn.Sequential(*layers)
    parameters = {name[len("body.") :]: value for name, value in named.items() if name.startswith("body.")}
    reference.load_state_dict(parameters, strict=False)
    for _ in range(3):
        x = torch.randn(16, 5) + 1
        reference(x)
        _, buffers = network.train(named, x)
        named = {**named, **buffers}
    reference.eval()
    state = reference.state_dict()
    for name in buffers:
        torch.testing.assert_close(named[name], state[name[len("body.") :]])
    expected = nn.functional.linear(reference(x), named["heads.0.weight"], named["heads.0.bias"])
    torch.testing.assert_close(network(named, x)[0], expected)


def test_networks_without_buffers_are_alike_in_both_modes() -> None:
    network = build_network(PLAIN, (5,), [2], seed=0)
    named, x = network.views(network.initial_parameters()), torch.randn(4, 5)
    assert network.buffer_size == 0
    outputs, buffers = network.train(named, x)
    assert buffers == {}
    torch.testing.assert_close(outputs, network(named, x), rtol=0, atol=0)


def test_spectral_norm_moves_its_vector_in_training_mode() -> None:
    network = build_network(PLAIN, (5,), [2], seed=0, spectral_norm=True)
    agent = initial_agent(network)
    agent["net"] = agent["net"] + 0.1 * torch.randn(network.size)  # away from where u has converged
    named, x = network.named(agent, "net"), torch.randn(4, 5)
    _, buffers = network.train(named, x)
    weight = named["body.2.weight"]
    expected = nn.functional.normalize(weight @ nn.functional.normalize(weight.T @ named["body.2.u"], dim=0), dim=0)
    torch.testing.assert_close(buffers["body.2.u"], expected)
    assert not torch.equal(buffers["body.2.u"], named["body.2.u"])


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("spec", [BATCH_NORM, renorm(warmup_steps=2)], ids=["batch_norm", "batch_renorm"])
def test_gradients_in_training_mode_are_autograds(spec: MLPNetSpec | TorchArcNetSpec, spectral: bool) -> None:
    network = build_network(spec, (5,), [2], seed=0, spectral_norm=spectral)
    agent, x = initial_agent(network), torch.randn(16, 5)

    def loss(named: Any) -> tuple[Tensor, dict[str, Tensor]]:
        (output,), buffers = network.train(named["net"], x)
        return output.square().sum(), {"buffers": network.flatten_buffers(buffers)}

    slopes, metrics = gradients(loss, {"net": network}, agent)
    leaf = agent["net"].clone().requires_grad_()
    buffers = {name: view.clone() for name, view in network.buffer_views(agent["net.buffers"]).items()}
    (output,) = functional_call(network._training, {**network.views(leaf), **buffers}, (x,))
    (expected,) = torch.autograd.grad(output.square().sum(), leaf)
    torch.testing.assert_close(slopes["net"], expected)
    torch.testing.assert_close(metrics["buffers"], network.flatten_buffers(buffers))
    assert not metrics["buffers"].requires_grad


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell_type", ["RNN", "GRU", "LSTM"])
def test_gradients_of_recurrent_nets_are_autograds_at_the_given_parameters(cell_type: str, bidirectional: bool) -> None:
    network = build_network(recurrent(cell_type=cell_type, bidirectional=bidirectional), (3, 5), [2], seed=0)
    agent = {"net": network.initial_parameters() + 0.3 * torch.randn(network.size)}
    x = torch.randn(6, 3, 5)
    slopes, _ = gradients(lambda named: (network(named["net"], x)[0].square().sum(), {}), {"net": network}, agent)
    module = deepcopy(network._training)
    module.load_state_dict(network.views(agent["net"]))
    module(x)[0].square().sum().backward()
    expected = network.flatten({name: parameter.grad for name, parameter in module.named_parameters()})
    torch.testing.assert_close(slopes["net"], expected, atol=1e-5, rtol=1e-4)


def test_missing_buffers_are_an_error() -> None:
    network = build_network(BATCH_NORM, (5,), [2], seed=0)
    with pytest.raises(KeyError, match="running_mean"):
        network(network.views(network.initial_parameters()), torch.randn(4, 5))


def test_batch_norm_refuses_to_train_on_one_row_and_batch_renorm_does_not() -> None:
    network = build_network(BATCH_NORM, (5,), [2], seed=0)
    with pytest.raises(UserError, match="batch of one"):
        network.train(network.named(initial_agent(network), "net"), torch.randn(1, 5))
    network = build_network(renorm(), (5,), [2], seed=0)
    network.train(network.named(initial_agent(network), "net"), torch.randn(1, 5))


def test_the_text_of_a_network_tells_architectures_apart() -> None:
    specs = [PLAIN, BATCH_NORM, renorm(), renorm(r_max=2.0), renorm(warmup_steps=5)]
    texts = {repr(build_network(spec, (5,), [2], seed=0)) for spec in specs}
    assert len(texts) == len(specs)
    assert repr(build_network(PLAIN, (5,), [2], seed=0)) == repr(build_network(PLAIN, (5,), [2], seed=1))
