"""GAE, PPO, A2C, DQN, Double DQN and SAC against Stable-Baselines3, on the same random batches from the same weights.

Its own ``train`` methods run, with plain gradient descent: parameters then move by the learning rate times the
gradient, so that equal parameters mean equal gradients.
"""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import soft_reference
import torch
from actor_critic_reference import Experience, make_experience, remember
from filled_replay import fill_with
from stable_baselines3 import A2C, DQN, PPO, SAC
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import Tensor, nn

from slm.algorithms import Algorithm, Clock
from slm.algorithms.returns import gae
from slm.memory import Replay

T, N, GAMMA, LAM, LR = 5, 2, 0.9, 0.8, 0.05
TOLERANCE = 1e-5
"""Absolute and relative."""
Bound = Callable[..., Any]
"""Makes a small algorithm with its parameters."""
Parameters = list[tuple[Tensor, nn.Parameter]]
"""Tensors of an agent with the parameters that stand for them in the other implementation."""


class Idle(gym.Env):
    """An environment of which only the spaces are used."""

    def __init__(self, observation: gym.Space, action: gym.Space) -> None:
        self.observation_space, self.action_space = observation, action


def model_of(kind: type, algorithm: Algorithm, net_arch: Any, **arguments: Any) -> Any:
    """A Stable-Baselines3 model for the spaces of an algorithm, with tanh networks and plain gradient descent."""
    spaces = algorithm.spaces
    envs = DummyVecEnv([lambda: Idle(spaces.observation, spaces.action)] * (N if kind in (PPO, A2C) else 1))
    policy = {"net_arch": net_arch, "activation_fn": nn.Tanh, "optimizer_class": torch.optim.SGD}
    model = kind("MlpPolicy", envs, learning_rate=LR, gamma=GAMMA, policy_kwargs=policy, device="cpu", **arguments)
    model.set_logger(Logger(None, []))
    return model


def paired(algorithm: Algorithm, name: str, modules: Iterable[nn.Module], *, of: str | None = None) -> Parameters:
    """The agent's parameters ``name`` of network ``of`` (default: of that name) with those of modules in turn."""
    views = algorithm.networks[of or name].views(algorithm.agent[name]).values()
    return list(zip(views, (one for module in modules for one in module.parameters()), strict=True))


def copy_weights(pairs: Parameters) -> None:
    with torch.no_grad():
        for ours, theirs in pairs:
            theirs.copy_(ours)


def assert_equal_weights(pairs: Parameters) -> None:
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs.detach(), atol=TOLERANCE, rtol=TOLERANCE)


def assert_moved(pairs: Parameters, before: list[Tensor]) -> None:
    """Every tensor has changed by far more than the tolerance, so that comparing them says something."""
    assert all((ours - old).abs().max() > 1e-3 for (ours, _), old in zip(pairs, before, strict=True))


def recorded(monkeypatch: pytest.MonkeyPatch, loss: str) -> list[Tensor]:
    """The targets that torch's functional loss of that name is given from now on."""
    targets, original = [], getattr(nn.functional, loss)

    def record(prediction: Tensor, target: Tensor, **arguments: Any) -> Tensor:
        targets.append(target.detach())
        return original(prediction, target, **arguments)

    monkeypatch.setattr(nn.functional, loss, record)
    return targets


# --- GAE


@pytest.mark.parametrize("seed", range(3))
def test_gae(seed: int) -> None:
    """There a truncated step's reward is raised by γ V(final observation) instead, and then treated as terminal."""
    rng, steps, envs = np.random.default_rng(seed), 40, 3
    rewards, values, final = rng.normal(size=(3, steps, envs)).astype(np.float32)
    last_values = rng.normal(size=envs).astype(np.float32)
    ends = rng.random((steps, envs))
    terminated, done = ends < 0.1, ends < 0.2
    next_values = np.where(done, final, np.concatenate([values[1:], last_values[None]]))
    advantages = gae(rewards, values, next_values, terminated, done, GAMMA, LAM)

    box = gym.spaces.Box(-1, 1, (1,), np.float32)
    buffer = RolloutBuffer(steps, box, box, "cpu", gae_lambda=LAM, gamma=GAMMA, n_envs=envs)
    buffer.values[:], buffer.episode_starts[1:] = values, done[:-1]
    buffer.rewards[:] = rewards + GAMMA * np.where(done & ~terminated, final, 0)
    buffer.compute_returns_and_advantage(torch.from_numpy(last_values), done[-1])
    np.testing.assert_allclose(advantages, buffer.advantages, atol=TOLERANCE, rtol=TOLERANCE)
    assert (done & ~terminated).any()
    assert terminated.any()


# --- PPO and A2C


def actor_critic_pairs(algorithm: Algorithm, policy: Any) -> Parameters:
    extractor = policy.mlp_extractor
    actor = [extractor.policy_net, policy.action_net]
    if hasattr(policy, "log_std"):
        actor.insert(0, nn.ParameterList([policy.log_std]))
    critic = [extractor.value_net, policy.value_net]
    return paired(algorithm, "actor", actor) + paired(algorithm, "critic", critic)


def fill_rollout(model: Any, experience: Experience) -> None:
    """What the model's own collection of a rollout would put into its buffer."""
    buffer, policy = model.rollout_buffer, model.policy
    starts = np.ones(N, np.float32)
    with torch.no_grad():
        for t in range(T):
            observations, actions = experience.observations[t], experience.actions[t]
            values, log_probs, _ = policy.evaluate_actions(observations, actions)
            truncated = experience.done[t] & ~experience.terminated[t]
            rewards = experience.rewards[t] + GAMMA * truncated * policy.predict_values(experience.final[t]).flatten()
            buffer.add(observations.numpy(), actions.numpy(), rewards.numpy(), starts, values, log_probs)
            starts = experience.done[t].numpy()
        buffer.compute_returns_and_advantage(policy.predict_values(experience.observations[T]), starts)


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("name", ["ppo", "a2c"])
def test_actor_critics(bound: Bound, name: str, continuous: bool) -> None:
    """One rollout with both kinds of ends: all epochs of PPO with the whole rollout as minibatch, or A2C's one step."""
    net = {"net.optim_spec": {"name": "SGD", "lr": LR}, "net.clip_grad_val": ..., "net.log_std_init": -0.5}
    coefficient = {} if name == "ppo" else {"algorithm.policy_loss_coef": 1.0}
    algorithm = bound(name, {**net, **coefficient}, continuous=continuous)
    own = {"batch_size": T * N, "n_epochs": 4, "clip_range": 0.05} if name == "ppo" else {"use_rms_prop": False}
    model = model_of(
        PPO if name == "ppo" else A2C, algorithm, {"pi": [5], "vf": [5]}, n_steps=T, gae_lambda=LAM,
        ent_coef=0.1, vf_coef=0.7, normalize_advantage=True, max_grad_norm=1e9, **own,
    )  # fmt: skip
    pairs = actor_critic_pairs(algorithm, model.policy)
    before = [ours.clone() for ours, _ in pairs]
    copy_weights(pairs)
    experience = make_experience(3, T, N, continuous)
    fill_rollout(model, experience)
    model.train()
    log = model.logger.name_to_value

    memory = algorithm.make_memory()
    remember(memory, experience)
    metrics = algorithm.train(memory, Clock(frame=T * N), np.random.default_rng(0))
    assert metrics is not None
    assert_moved(pairs, before)
    assert_equal_weights(pairs)
    gain = log["train/policy_gradient_loss" if name == "ppo" else "train/policy_loss"]
    assert metrics["policy_loss"] == pytest.approx(gain + 0.1 * log["train/entropy_loss"], rel=TOLERANCE, abs=TOLERANCE)
    assert metrics["value_loss"] == pytest.approx(0.7 * log["train/value_loss"], rel=TOLERANCE)
    assert metrics["entropy"] == pytest.approx(-log["train/entropy_loss"], rel=TOLERANCE)
    if name == "ppo":
        assert log["train/clip_fraction"] > 0.05


# --- DQN and SAC


def give_batch(model: Any, memory: Replay, places: np.ndarray) -> None:
    """Let the model draw these places of the memory."""
    rows = {name: torch.from_numpy(values.copy()) for name, values in memory.transitions(places).items()}
    column = {name: rows[name].reshape(len(places), -1).float() for name in ("actions", "rewards", "terminated")}
    samples = ReplayBufferSamples(
        rows["observations"], column["actions"], rows["next_observations"], column["terminated"], column["rewards"]
    )
    model.replay_buffer = SimpleNamespace(sample=lambda batch_size, env: samples)


def some_places(memory: Replay, count: int, rng: np.random.Generator) -> np.ndarray:
    """Places of two terminal transitions and of others drawn at random."""
    return np.concatenate([np.flatnonzero(memory.rings["terminated"])[:2], rng.integers(memory.size, size=count - 2)])


def push_apart(algorithm: Algorithm, names: Iterable[str]) -> None:
    """Move target networks away from the networks they follow."""
    generator = torch.Generator().manual_seed(1)
    for name in names:
        algorithm.agent[name] += torch.randn(algorithm.agent[name].shape, generator=generator)


def fill_randomly(memory: Replay, seed: int = 5) -> None:
    """Random transitions in every place for three discrete actions, a third of them terminal."""
    rng = np.random.default_rng(seed)
    size = memory.max_size
    observations, next_observations = rng.normal(size=(2, size, 3))
    actions, rewards, terminated = rng.integers(3, size=size), 2 * rng.normal(size=size), rng.random(size) < 0.3
    fill_with(memory, observations, actions, rewards, terminated, next_observations)


@pytest.mark.parametrize("name", ["DQN", "DoubleDQN"])
def test_dqn(bound: Bound, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = bound("dqn", {"algorithm.name": name, "net.optim_spec": {"name": "SGD", "lr": LR}})
    push_apart(algorithm, ["q_target"])
    model = model_of(DQN, algorithm, [5], max_grad_norm=0.5)
    pairs = paired(algorithm, "q", [model.q_net.q_net])
    before = [ours.clone() for ours, _ in pairs]
    copy_weights(pairs + paired(algorithm, "q_target", [model.q_net_target.q_net], of="q"))
    online, target = model.q_net, model.q_net_target
    if name == "DoubleDQN":
        # It has no Double DQN: a target "network" of one output, the value of the online network's best action.
        model.q_net_target = lambda x: target(x).gather(1, online(x).argmax(1, keepdim=True))
    memory = algorithm.make_memory()
    fill_randomly(memory)
    places = some_places(memory, 8, np.random.default_rng(0))
    successors = torch.from_numpy(memory.transitions(places)["next_observations"].copy())
    assert (online(successors).argmax(1) != target(successors).argmax(1)).any(), "else the two cases would be one"
    give_batch(model, memory, places)
    their_targets = recorded(monkeypatch, "smooth_l1_loss")
    model.train(gradient_steps=1, batch_size=8)

    algorithm.set_hyper(Clock(frame=100))
    inputs = {**algorithm.batch(memory, places, 100), **algorithm.hyper()}
    our_targets = algorithm.targets(algorithm.agent, inputs)
    torch.testing.assert_close(our_targets, their_targets[0].squeeze(1), atol=TOLERANCE, rtol=TOLERANCE)
    loss = float(algorithm.run("update", inputs)["metrics"][0])
    assert loss == pytest.approx(model.logger.name_to_value["train/loss"], rel=TOLERANCE)
    assert_moved(pairs, before)
    assert_equal_weights(pairs)


def test_soft_actor_critic(monkeypatch: pytest.MonkeyPatch) -> None:
    """One update of critics, policy, temperature and targets.

    There half of the critics' summed squared errors is descended, and J(α) along log α without the factor α of the
    chain rule; its learning rates make up for both.
    """
    space, alpha = soft_reference.CONTINUOUS, 0.3
    algorithm = soft_reference.make(space, net={"optim_spec": {"name": "SGD", "lr": LR}, "polyak_coef": 0.1})
    push_apart(algorithm, ["critic1_target", "critic2_target"])
    algorithm.agent["log_alpha"].fill_(np.log(alpha))
    model = model_of(SAC, algorithm, {"pi": [16], "qf": [16]}, ent_coef=f"auto_{alpha}", tau=0.1)
    model.critic.optimizer = torch.optim.SGD(model.critic.parameters(), lr=2 * LR)
    model.ent_coef_optimizer = torch.optim.SGD([model.log_ent_coef], lr=alpha * LR)
    model._update_learning_rate = lambda optimizers: None
    # It adds this to 1 − tanh² u; the exact logarithm needs nothing added.
    model.actor.action_dist.epsilon = 0.0
    pairs = paired(algorithm, "actor", [model.actor.latent_pi, model.actor.mu, model.actor.log_std])
    for i in (1, 2):
        pairs += paired(algorithm, f"critic{i}", [model.critic.q_networks[i - 1]])
        target = model.critic_target.q_networks[i - 1]
        pairs += paired(algorithm, f"critic{i}_target", [target], of=f"critic{i}")
    before = [ours.clone() for ours, _ in pairs]
    copy_weights(pairs)

    rng, memory = np.random.default_rng(0), soft_reference.fill(algorithm.make_memory(), space)
    places = some_places(memory, soft_reference.BATCH, rng)
    algorithm.set_hyper(Clock(frame=100))
    inputs = {**algorithm.batch(memory, places, 100), **algorithm.update_noise(rng), **algorithm.hyper()}
    draws = iter([inputs["noise"], inputs["next_noise"]])
    monkeypatch.setattr(torch.distributions.Normal, "rsample", lambda normal: normal.loc + normal.scale * next(draws))
    give_batch(model, memory, places)
    their_targets = recorded(monkeypatch, "mse_loss")
    model.train(gradient_steps=1, batch_size=soft_reference.BATCH)

    our_targets = algorithm.targets(algorithm.agent, inputs)
    torch.testing.assert_close(our_targets, their_targets[0].squeeze(1), atol=TOLERANCE, rtol=TOLERANCE)
    metrics = dict(zip(algorithm.METRICS, algorithm.run("update", inputs)["metrics"].tolist(), strict=True))
    algorithm.move_target(100)
    log = model.logger.name_to_value
    found = [metrics["loss"], metrics["policy_loss"], metrics["alpha"]]
    expected = [2 * log["train/critic_loss"], log["train/actor_loss"], log["train/ent_coef"]]
    assert found == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE)
    assert_moved(pairs, before)
    assert_equal_weights(pairs)
    assert abs(float(algorithm.agent["log_alpha"]) - np.log(alpha)) > 1e-3
    assert float(algorithm.agent["log_alpha"]) == pytest.approx(model.log_ent_coef.item(), abs=TOLERANCE)
