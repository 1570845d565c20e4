"""Every net type: shapes and formulas."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from net_specs import IMAGE, arc, attention, body, conv, dueling, dueling_conv, hydra, initial, mlp, outputs, recurrent
from torch import nn

from slm.nets import build_network, sequence_length
from slm.nets.layout import ALIGNMENT
from slm.spec import NetSpec, load_spec


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        (mlp(), (5,)),
        (mlp(layer_norm=True), (5,)),
        (mlp(batch_norm=True), (3, 2)),
        (hydra([[4], [6], [3]]), (5,)),
        (hydra([[[4]], [6], [[3], [2]]]), (5,)),
        (hydra([[4], [], []]), (5,)),
        (conv(), IMAGE),
        (conv(batch_norm=True, fc_hid_layers=[]), IMAGE),
        (recurrent(), (3, 5)),
        (recurrent(cell_type="LSTM", bidirectional=True, rnn_num_layers=2), (3, 5)),
        (recurrent(cell_type="RNN", fc_hid_layers=[]), (4, 2, 2)),
        (body({"LazyLinear": {"out_features": 6}}, {"LazyBatchRenorm1d": None}, {"SiLU": None}), (5,)),
        (body({"LazyConv2d": {"out_channels": 3, "kernel_size": 5, "stride": 2}}, {"ReLU": None}), IMAGE),
    ],
    ids=lambda value: getattr(value, "type", None),
)
def test_outputs_have_the_heads_sizes(spec: NetSpec, shape: tuple[int, ...]) -> None:
    network = build_network(spec, shape, [3, 1], seed=0)
    x = torch.randn(4, *shape)
    assert [output.shape for output in outputs(network, x)] == [(4, 3), (4, 1)]
    trained, _ = network.train(initial(network), x)
    assert [output.shape for output in trained] == [(4, 3), (4, 1)]


@pytest.mark.parametrize(("spec", "shape"), [(dueling(), (5,)), (dueling_conv(), IMAGE)])
def test_dueling_nets_add_values_and_centred_advantages(spec: NetSpec, shape: tuple[int, ...]) -> None:
    network = build_network(spec, shape, [3], seed=0)
    named = initial(network)
    x = torch.randn(4, *shape)
    (q,) = network(named, x)
    assert q.shape == (4, 3)
    # Adding the same to all advantages changes nothing, adding it to the value shifts Q; the mean of Q is V.
    (shifted,) = network({**named, "heads.0.advantage.bias": named["heads.0.advantage.bias"] + 2}, x)
    torch.testing.assert_close(shifted, q)
    (raised,) = network({**named, "heads.0.value.bias": named["heads.0.value.bias"] + 2}, x)
    torch.testing.assert_close(raised, q + 2)
    zeroed = {**named, "heads.0.advantage.weight": torch.zeros_like(named["heads.0.advantage.weight"]),
              "heads.0.advantage.bias": torch.tensor([3.0, 0.0, 0.0])}  # fmt: skip
    (values,) = network(zeroed, x)
    torch.testing.assert_close(values - values.mean(1, keepdim=True), torch.tensor([2.0, -1.0, -1.0]).expand(4, 3))
    torch.testing.assert_close(values.mean(1), q.mean(1))


def test_hydra_tails_are_apart_and_the_body_is_shared() -> None:
    network = build_network(hydra([[4], [6], [3]]), (5,), [2, 1], seed=0)
    named, x = initial(network), torch.randn(4, 5)
    before = network(named, x)
    changed = {**named, "heads.1.0.weight": named["heads.1.0.weight"] + 1}
    after = network(changed, x)
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])
    shapes = {name: tuple(value.shape) for name, value in named.items() if name.endswith("weight")}
    assert list(shapes.values()) == [(4, 5), (6, 4), (3, 6), (2, 3), (3, 6), (1, 3)]


def test_convolution_is_torchs_with_the_specs_geometry() -> None:
    layers = [[8, 5, 2, 2, 1], [4, [3, 1], 1, 0, 2]]
    network = build_network(conv(conv_hid_layers=layers, fc_hid_layers=[6]), IMAGE, [2], seed=0)
    named, x = initial(network), torch.randn(3, *IMAGE)
    weights = list(named.values())
    h = torch.relu(nn.functional.conv2d(x, weights[0], weights[1], 2, 2, 1))
    h = torch.relu(nn.functional.conv2d(h, weights[2], weights[3], 1, 0, 2)).flatten(1)
    h = torch.relu(nn.functional.linear(h, weights[4], weights[5]))
    torch.testing.assert_close(network(named, x)[0], nn.functional.linear(h, weights[6], weights[7]))


@pytest.mark.parametrize(
    "build",
    [conv, dueling_conv, lambda **keys: body({"Flatten": None}, {"LazyLinear": {"out_features": 4}}, **keys)],
)
def test_bytes_are_read_as_floats_and_divided_by_255_on_request(build: Callable[..., NetSpec]) -> None:
    x = torch.randint(0, 256, (2, *IMAGE), dtype=torch.uint8)
    normalised = build_network(build(normalize=True), IMAGE, [3], seed=0)
    plain = build_network(build(), IMAGE, [3], seed=0)
    torch.testing.assert_close(outputs(normalised, x), outputs(plain, x.float() / 255))
    torch.testing.assert_close(outputs(plain, x), outputs(plain, x.float()))
    assert not torch.allclose(outputs(plain, x)[0], outputs(normalised, x)[0])


def test_recurrent_net_is_the_cell_over_the_last_observations_from_a_zero_state() -> None:
    network = build_network(recurrent(fc_hid_layers=[]), (4, 5), [2], seed=0)
    named, x = initial(network), torch.randn(6, 4, 5)
    cell = nn.GRU(5, 7, batch_first=True)
    cell.load_state_dict({name[len("body.cell.") :]: value for name, value in named.items() if "cell" in name})
    _, hidden = cell(x[:, 1:])  # seq_len 3 of the 4 that are given
    expected = nn.functional.linear(hidden[-1], named["heads.0.weight"], named["heads.0.bias"])
    torch.testing.assert_close(network(named, x)[0], expected)


def test_bidirectional_features_are_those_of_both_directions() -> None:
    one = build_network(recurrent(), (3, 5), [2], seed=0)
    both = build_network(recurrent(bidirectional=True), (3, 5), [2], seed=0)
    assert initial(one)["heads.0.weight"].shape == (2, 7)
    assert initial(both)["heads.0.weight"].shape == (2, 14)
    named, x = initial(both), torch.randn(4, 3, 5)
    reverse = {**named, "body.cell.weight_ih_l0_reverse": named["body.cell.weight_ih_l0_reverse"] + 1}
    assert not torch.allclose(both(named, x)[0], both(reverse, x)[0])


def test_arc_joins_modules_by_their_graph() -> None:
    modules = {"a": {"Linear": {"in_features": 5, "out_features": 5}}, "b": {"Tanh": None},
               "c": {"LazyLinear": {"out_features": 4, "bias": False}}}  # fmt: skip
    network = build_network(
        arc(modules, {"input": "x", "modules": {"b": ["x"], "a": ["b"], "c": "a"}, "output": "c"}), (5,), [2], 0
    )
    named, x = initial(network), torch.randn(3, 5)
    h = nn.functional.linear(torch.tanh(x), named["body.parts.a.weight"], named["body.parts.a.bias"])
    h = h @ named["body.parts.c.weight"].T
    torch.testing.assert_close(
        network(named, x)[0], nn.functional.linear(h, named["heads.0.weight"], named["heads.0.bias"])
    )


def test_arc_has_modules_of_several_inputs() -> None:
    modules = {"a": {"Linear": {"in_features": 5, "out_features": 3}}, "b": {"Tanh": None},
               "c": {"Bilinear": {"in1_features": 3, "in2_features": 5, "out_features": 4}}}  # fmt: skip
    graph = {"input": "x", "modules": {"a": "x", "b": "x", "c": ["a", "b"]}, "output": "c"}
    network = build_network(arc(modules, graph), (5,), [2], 0)
    named, x = initial(network), torch.randn(3, 5)
    a = nn.functional.linear(x, named["body.parts.a.weight"], named["body.parts.a.bias"])
    c = nn.functional.bilinear(a, x.tanh(), named["body.parts.c.weight"], named["body.parts.c.bias"])
    torch.testing.assert_close(
        network(named, x)[0], nn.functional.linear(c, named["heads.0.weight"], named["heads.0.bias"])
    )
    x = torch.randn(6, 3, 4)
    network = build_network(attention(), (3, 4), [2], 0)
    found, moved = outputs(network, x)[0], outputs(network, x + torch.tensor([1.0, 0, 0])[:, None])[0]
    assert found.shape == (6, 2)
    assert (found != moved).all()


@pytest.mark.parametrize("cell", ["RNNCell", "GRUCell", "LSTMCell"])
def test_arc_takes_one_step_of_a_recurrent_cell(cell: str) -> None:
    """From a zero state; of a cell with two states the hidden one counts."""
    network = build_network(body({cell: {"input_size": 5, "hidden_size": 4}}), (5,), [2], 0)
    assert outputs(network, torch.randn(3, 5))[0].shape == (3, 2)


def test_output_activations_belong_to_their_heads() -> None:
    x = torch.randn(4, 5) * 10
    plain = outputs(build_network(mlp(), (5,), [3, 1], 0), x)
    one = outputs(build_network(mlp(out_layer_activation="sigmoid"), (5,), [3, 1], 0), x)
    first = outputs(build_network(mlp(out_layer_activation=["tanh", None]), (5,), [3, 1], 0), x)
    torch.testing.assert_close(one, tuple(torch.sigmoid(output) for output in plain))
    torch.testing.assert_close(first, (torch.tanh(plain[0]), plain[1]))


@pytest.mark.parametrize("spec", [mlp(out_layer_activation="tanh"), hydra([[4], [6], [3]])])
def test_head_gains_reach_the_last_linear_layer(spec: NetSpec) -> None:
    network = build_network(spec, (5,), [2, 1], seed=0, head_gains=[0.01, None])
    named = initial(network)
    weights = [value for name, value in named.items() if name.startswith("heads.0") and name.endswith("weight")]
    torch.testing.assert_close(weights[-1] @ weights[-1].T, 1e-4 * torch.eye(2))
    plain = initial(build_network(spec, (5,), [2, 1], seed=0))
    assert [name for name in named if not torch.equal(named[name], plain[name])] == [
        name for name in named if name.startswith("heads.0")
    ][-2:]


def test_init_fn_reaches_linear_conv_recurrent_and_weight_norm_layers() -> None:
    spec = recurrent(init_fn="orthogonal_")
    named = initial(build_network(spec, (3, 5), [2], seed=0))
    hidden = named["body.cell.weight_hh_l0"]
    torch.testing.assert_close(hidden.T @ hidden, 2 * torch.eye(7), atol=1e-5, rtol=0)  # gain √2 of ReLU
    assert all((value == 0).all() for name, value in named.items() if "bias" in name)
    spec = body({"LazyWeightNormLinear": {"out_features": 3}}, init_fn="orthogonal_")
    named = initial(build_network(spec, (5,), [2], seed=0))
    torch.testing.assert_close(named["body.parts.body.0.magnitude"], torch.full((3, 1), 2**0.5))
    kernel = initial(build_network(conv(init_fn="orthogonal_"), IMAGE, [2], seed=0))["body.0.0.weight"].flatten(1)
    torch.testing.assert_close(kernel @ kernel.T, 2 * torch.eye(8), atol=1e-5, rtol=0)


def test_spectral_norm_is_of_the_second_to_last_linear_layer() -> None:
    network = build_network(mlp(), (5,), [2], seed=0, spectral_norm=True)
    plain = build_network(mlp(), (5,), [2], seed=0)
    assert list(initial(network)) == [*initial(plain), "body.2.u"]
    named, x = initial(network), torch.randn(4, 5)
    h = torch.tanh(nn.functional.linear(x, named["body.0.weight"], named["body.0.bias"]))
    scaled = named["body.2.weight"] / torch.linalg.matrix_norm(named["body.2.weight"], 2)
    h = torch.tanh(nn.functional.linear(h, scaled, named["body.2.bias"]))
    expected = nn.functional.linear(h, named["heads.0.weight"], named["heads.0.bias"])
    torch.testing.assert_close(network(named, x)[0], expected, atol=1e-2, rtol=0)


def test_the_seed_decides_the_weights_and_torchs_generator_stays() -> None:
    state = torch.random.get_rng_state()
    first, again, other = (build_network(conv(), IMAGE, [2], seed).initial_parameters() for seed in (1, 1, 2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_flat_vectors_are_aligned_and_round_trip() -> None:
    network = build_network(conv(batch_norm=True), IMAGE, [2], seed=0)
    flat = torch.randn(network.size)
    views = network.views(flat)
    assert torch.equal(
        network.flatten(views)[network.flatten(views) != 0], torch.cat([v.flatten() for v in views.values()])
    )
    assert all(view.storage_offset() % ALIGNMENT == 0 for view in views.values())
    buffers = network.buffer_views(torch.arange(float(network.buffer_size)))
    assert list(buffers) == ["body.0.4.running_mean", "body.0.4.running_var"]


def test_sequence_length_is_the_longest_of_the_nets(tmp_path: Any) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(
        """
a2c:
  agent:
    name: A2C
    algorithm: {name: ActorCritic, gamma: 0.99, lam: 0.9, training_frequency: 8}
    memory: {name: OnPolicyBatchReplay}
    net: {type: RecurrentNet, hid_layers_activation: relu, fc_hid_layers: [8], rnn_hidden_size: 8, actor_seq_len: 3,
          critic_seq_len: 5, shared: false, use_same_optim: false}
  env: {name: CartPole-v1, num_envs: 2, max_frame: 100}
  meta: {distributed: false, max_session: 1, max_trial: 1}
"""
    )
    assert sequence_length(load_spec(file, "a2c")) == 5
