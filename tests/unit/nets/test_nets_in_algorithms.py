"""Algorithms with every kind of net: images as bytes, sequences, running statistics; eager and compiled."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from slm.algorithms import Algorithm, Clock, Spaces, make_algorithm
from slm.algorithms.policy_gradient import PolicyGradient
from slm.algorithms.sac import SoftActorCritic
from slm.backend import Backend, EagerBackend, Inputs, Program, StepFunction, make_backend
from slm.env import make_world
from slm.memory import Replay, Rollout
from slm.nets import sequence_length
from slm.spec import Spec, parse_spec

Raw = dict[str, Any]


class TinyImages(gym.Env):
    """Frames of noise as bytes; the reward is for the action 0, and an episode ends after 7 steps."""

    observation_space = gym.spaces.Box(0, 255, (2, 12, 12), np.uint8)
    action_space = gym.spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: Raw | None = None) -> tuple[NDArray[Any], Raw]:
        super().reset(seed=seed)
        self._steps = 0
        return self._frame(), {}

    def step(self, action: int) -> tuple[NDArray[Any], float, bool, bool, Raw]:
        self._steps += 1
        return self._frame(), float(action == 0), self._steps == 7, False, {}

    def _frame(self) -> NDArray[Any]:
        return self.np_random.integers(0, 256, (2, 12, 12), dtype=np.uint8)


gym.register("TinyImages-v0", entry_point=TinyImages)

BATCH_NORM: Raw = {"type": "MLPNet", "hid_layers": [8], "hid_layers_activation": "relu", "batch_norm": True}
CONV: Raw = {"type": "ConvNet", "conv_hid_layers": [[4, 4, 2, 0, 1], [4, 3, 1, 0, 1]], "fc_hid_layers": [8],
             "hid_layers_activation": "relu", "normalize": True, "batch_norm": True}  # fmt: skip
GRU: Raw = {"type": "RecurrentNet", "cell_type": "GRU", "fc_hid_layers": [8], "rnn_hidden_size": 6, "seq_len": 3,
            "hid_layers_activation": "relu"}  # fmt: skip
RENORM: Raw = {
    "type": "TorchArcNet",
    "arc": {
        "modules": {"body": {"Sequential": [{"LazyLinear": {"out_features": 8}},
                                            {"LazyBatchRenorm1d": {"warmup_steps": 3}}, {"ReLU": None}]}},
        "graph": {"input": "x", "modules": {"body": ["x"]}, "output": "body"},
    },
}  # fmt: skip
NETS = {"batch_norm": BATCH_NORM, "conv": CONV, "gru": GRU, "renorm": RENORM}

PPO: Raw = {"name": "PPO", "gamma": 0.99, "lam": 0.95, "clip_eps_spec": {"name": "no_decay", "start_val": 0.2},
            "entropy_coef_spec": {"name": "no_decay", "start_val": 0.01}, "time_horizon": 8, "minibatch_size": 16,
            "training_epoch": 2}  # fmt: skip
A2C: Raw = {"name": "ActorCritic", "gamma": 0.99, "lam": 0.95, "training_frequency": 8}
DQN: Raw = {"name": "DoubleDQN", "gamma": 0.99, "training_frequency": 4, "training_iter": 1, "training_batch_iter": 1,
            "training_start_step": 32,
            "explore_var_spec": {"name": "no_decay", "start_val": 0.3}}  # fmt: skip
ROLES: Raw = {"shared": False, "use_same_optim": False}
ALGORITHMS: dict[str, tuple[Raw, Raw, Raw]] = {
    "PPO": (PPO, {"name": "OnPolicyBatchReplay"}, ROLES),
    "PPO shared": (PPO, {"name": "OnPolicyBatchReplay"}, {**ROLES, "shared": True}),
    "ActorCritic": (A2C, {"name": "OnPolicyBatchReplay"}, ROLES),
    "DoubleDQN": (DQN, {"name": "Replay", "batch_size": 16, "max_size": 64},
                  {"update_type": "replace", "update_frequency": 16}),
    "DoubleDQN polyak": (DQN, {"name": "PrioritizedReplay", "batch_size": 16, "max_size": 64, "alpha": 0.6,
                               "epsilon": 1e-4, "use_cer": True}, {"update_type": "polyak", "polyak_coef": 0.1}),
}  # fmt: skip


def make_spec(algorithm: str, net: str, **keys: Any) -> Spec:
    algorithm_keys, memory, net_keys = ALGORITHMS[algorithm]
    env = "TinyImages-v0" if net == "conv" else "CartPole-v1"
    return parse_spec(
        "test",
        {
            "agent": {
                "name": "test",
                "algorithm": algorithm_keys,
                "memory": memory,
                "net": {**NETS[net], **net_keys, **keys},
            },
            "env": {"name": env, "num_envs": 4, "max_frame": 200},
            "meta": {"distributed": False, "max_session": 1, "max_trial": 1},
        },
    )


def train(spec: Spec, frames: int, backend: Backend | None = None) -> tuple[Algorithm, Any, dict[str, Tensor]]:
    """Algorithm, memory, and a copy of the agent as it began."""
    world = make_world(spec.env, 0.99, sequence_length(spec))
    algorithm = make_algorithm(
        spec, Spaces(world.observation_space, world.action_space, spec.env.num_envs, world.stacked)
    )
    algorithm.bind(algorithm.init(0), backend or EagerBackend())
    initial = {name: value.clone() for name, value in algorithm.agent.items()}
    memory, clock, rng = algorithm.make_memory(), Clock(), np.random.default_rng(0)
    observations = world.reset([0, 1, 2, 3])
    while clock.frame < frames:
        actions = algorithm.act(observations, clock.frame, rng)
        step = world.step(algorithm.to_env(actions))
        memory.add(observations, actions, step)
        observations = step.observations
        clock.frame += spec.env.num_envs
        algorithm.train(memory, clock, rng)
    assert clock.opt_step > 0
    return algorithm, memory, initial


def held(memory: Any) -> np.ndarray:
    """The observations in a memory."""
    if isinstance(memory, Replay):
        return memory.transitions(np.arange(memory.size))["observations"]
    return memory.observations


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_network_and_its_buffers_learn(algorithm: str, net: str) -> None:
    trained, memory, initial = train(make_spec(algorithm, net), frames=64)
    agent = trained.agent
    for name, network in trained.networks.items():
        assert not torch.equal(agent[name], initial[name])
        assert (f"{name}.buffers" in agent) == (net != "gru") == (network.buffer_size > 0)
        if network.buffer_size:
            assert not torch.equal(agent[f"{name}.buffers"], initial[f"{name}.buffers"])
    assert all(value.isfinite().all() for value in agent.values())
    assert held(memory).dtype == (np.uint8 if net == "conv" else np.float32)


@pytest.mark.parametrize("algorithm", ["DoubleDQN", "DoubleDQN polyak"])
def test_target_networks_follow_with_their_buffers(algorithm: str) -> None:
    trained, _, _ = train(make_spec(algorithm, "batch_norm"), frames=64)  # a multiple of update_frequency
    agent = trained.agent
    assert torch.equal(agent["q_target.buffers"], agent["q.buffers"])
    assert torch.equal(agent["q_target"], agent["q"]) == (algorithm == "DoubleDQN")
    assert agent["q_target.buffers"].data_ptr() != agent["q.buffers"].data_ptr()


@pytest.mark.parametrize("algorithm", ["PPO", "DoubleDQN"])
def test_acting_and_valuing_move_no_buffers(algorithm: str) -> None:
    trained, memory, _ = train(make_spec(algorithm, "batch_norm"), frames=64)
    before = {name: value.clone() for name, value in trained.agent.items()}
    observations = held(memory).reshape(-1, 4)[:4]
    trained.act(observations, 0, np.random.default_rng(0))
    if isinstance(trained, PolicyGradient):
        trained.values_of(memory)
    assert all(torch.equal(value, before[name]) for name, value in trained.agent.items())


def test_bytes_are_remembered_as_bytes_and_learned_from_as_numbers() -> None:
    algorithm, memory, _ = train(make_spec("DoubleDQN", "conv"), frames=64)
    assert isinstance(memory, Replay)
    seen = held(memory)[:4]
    assert seen.dtype == np.uint8
    assert seen.max() > 200
    q = algorithm.networks["q"]
    named = q.named(algorithm.agent, "q")
    torch.testing.assert_close(q(named, torch.from_numpy(seen)), q(named, torch.from_numpy(seen.astype(np.float32))))


def test_rollouts_of_sequences_hold_the_last_observations() -> None:
    spec = make_spec("ActorCritic", "gru")
    _, memory, _ = train(spec, frames=64 - 4)  # not emptied by a last training
    assert isinstance(memory, Rollout)
    assert memory.observations.shape == (9, 4, 3, 4)
    for t in range(memory.rows):
        going_on = ~memory.done[t]
        assert going_on.any()
        np.testing.assert_array_equal(
            memory.observations[t + 1][going_on, :-1], memory.observations[t][going_on, 1:], err_msg=str(t)
        )
        ended = memory.observations[t + 1][memory.done[t]]
        assert not ended[:, :-1].any()


class Recorder(EagerBackend):
    """A backend that runs eagerly and keeps each call of ``update``, with the agent before the first."""

    def __init__(self) -> None:
        self.calls: list[tuple[StepFunction, dict[str, Tensor]]] = []
        self.agent: dict[str, Tensor] = {}
        self.static: object = None

    def bind(self, function: StepFunction, agent: dict[str, Tensor], example: Inputs, static: object) -> Program:
        if function.__name__ != "update":
            return super().bind(function, agent, example, static)
        self.static = static

        def recorded(agent: dict[str, Tensor], inputs: Inputs) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
            if not self.calls:
                self.agent = {name: value.clone() for name, value in agent.items()}
            self.calls.append((function, {name: value.clone() for name, value in inputs.items()}))
            return function(agent, inputs)

        return super().bind(recorded, agent, example, static)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "net"), [("PPO shared", "conv"), ("ActorCritic", "gru"), ("DoubleDQN", "renorm")]
)
def test_compiled_updates_agree_with_eager_ones(algorithm: str, net: str) -> None:
    recorder = Recorder()
    # Not Adam: the gradient of a bias before batch normalisation is rounding error, which Adam blows up to full steps.
    spec = make_spec(algorithm, net, optim_spec={"name": "SGD", "lr": 0.01})
    train(spec, frames=100, backend=recorder)
    agents = []
    for backend in (EagerBackend(), make_backend("compiled")):
        agent = {name: value.clone() for name, value in recorder.agent.items()}
        function, example = recorder.calls[0]
        program = backend.bind(function, agent, example, recorder.static)
        for _, inputs in recorder.calls[:3]:
            metrics = program(inputs)["metrics"].clone()
        agents.append({**agent, "metrics": metrics})
    eager, compiled = agents
    for name, value in eager.items():
        torch.testing.assert_close(
            compiled[name], value, atol=1e-5, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )
    moved = {name for name, value in recorder.agent.items() if not torch.equal(value, compiled[name])}
    networks = {"PPO shared": {"actor_critic"}, "ActorCritic": {"actor", "critic"}, "DoubleDQN": {"q"}}[algorithm]
    assert networks <= moved
    assert net == "gru" or {f"{name}.buffers" for name in networks} <= moved


SOFT: Raw = {"gamma": 0.99, "training_frequency": 4, "training_iter": 1, "training_start_step": 32}


@pytest.mark.parametrize("name", ["SoftActorCritic", "CrossQ"])
def test_soft_actor_critics_of_continuous_actions_read_sequences(name: str) -> None:
    """Their critics read the action too: beside each observation of the sequence, in the order of the batch."""
    raw = {
        "agent": {"name": "test", "algorithm": {"name": name, **SOFT}, "net": GRU,
                  "memory": {"name": "Replay", "batch_size": 16, "max_size": 64}},
        "env": {"name": "Pendulum-v1", "num_envs": 4, "max_frame": 200},
        "meta": {"distributed": False, "max_session": 1},
    }  # fmt: skip
    algorithm, memory, initial = train(parse_spec("test", raw), 80)
    assert isinstance(algorithm, SoftActorCritic)
    for network in ("actor", "critic1", "critic2"):
        assert not torch.equal(algorithm.agent[network], initial[network])
    batch = memory.transitions(np.arange(5))
    observations, actions = torch.from_numpy(batch["observations"]), torch.from_numpy(batch["actions"])
    x = algorithm.actions.critic_input(observations, actions)
    assert x.shape == (5, 3, 4)
    for place in range(3):
        assert torch.equal(x[:, place], torch.cat([observations[:, place], actions], dim=1))
