"""Actor-critic on whole episodes, with advantages computed episode by episode."""

from typing import Any

import numpy as np
import pytest
import torch
from on_policy_agents import EPISODES, GAMMA, STEPS, PlainNet, discounted, episodes_of, experience, make, remember
from torch.distributions import Categorical

from slm.algorithms import Clock
from slm.algorithms.policy_gradient import Values

LAM, ENTROPY, VALUE, POLICY = 0.8, 0.1, 0.7, 1.3
ENDS = ["--", "T-", "--", "tT", "-t", "--"]


def targets_of(episode: dict[str, Any], critic: PlainNet, keys: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Advantages and value targets of one episode's steps."""
    values = critic(episode["observations"])[0][:, 0].tolist()
    final = 0.0 if episode["terminated"] else critic(episode["final"])[0].item()
    rewards = episode["rewards"]
    if keys.get("lam") is None:
        targets = discounted(rewards, final)
        return [target - value for target, value in zip(targets, values, strict=True)], targets
    advantages, running = [], 0.0
    for reward, value, successor in reversed(list(zip(rewards, values, [*values[1:], final], strict=True))):
        running = reward + GAMMA * successor - value + GAMMA * LAM * running
        advantages.insert(0, running)
    return advantages, [advantage + value for advantage, value in zip(advantages, values, strict=True)]


@pytest.mark.parametrize(
    "keys",
    [
        {"lam": LAM, "training_frequency": 4},
        {"lam": None, "num_step_returns": None, "training_frequency": 4},
        {"lam": None, "num_step_returns": 4},
    ],
    ids=["gae", "whole returns", "n-step"],
)
def test_two_updates_match_plain_autograd(keys: dict[str, Any]) -> None:
    algorithm = make(
        {
            "name": "ActorCritic",
            "entropy_coef_spec": {"name": "no_decay", "start_val": ENTROPY},
            "val_loss_coef": VALUE,
            "policy_loss_coef": POLICY,
            **keys,
        },
        EPISODES,
        net={"shared": False, "use_same_optim": True},
    )
    memory, clock, rng = algorithm.make_memory(), Clock(), np.random.default_rng(0)
    actor, critic = PlainNet(algorithm, "actor"), PlainNet(algorithm, "critic")
    for seed in range(2):
        # Both environments end with their rows: one episode of the first round doesn't run into the second.
        steps = experience([*ENDS[:-1], "TT"], seed)
        remember(memory, steps)
        metrics = algorithm.train(memory, clock, rng)
        assert metrics is not None
        episodes = episodes_of(steps)
        pairs = [targets_of(episode, critic, keys) for episode in episodes]
        advantages, targets = (torch.tensor([x for pair in pairs for x in pair[i]]) for i in range(2))
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        observations, actions = (np.concatenate([e[name] for e in episodes]) for name in ("observations", "actions"))
        policy = Categorical(logits=actor(observations)[0])
        log_probs = policy.log_prob(torch.from_numpy(actions))
        policy_loss = -POLICY * (log_probs * advantages).mean() - ENTROPY * policy.entropy().mean()
        value_loss = VALUE * (critic(observations)[0][:, 0] - targets).pow(2).mean()
        assert metrics["policy_loss"] == pytest.approx(policy_loss.item(), rel=1e-5, abs=1e-6)
        assert metrics["value_loss"] == pytest.approx(value_loss.item(), rel=1e-5)
        actor.step(policy_loss)
        critic.step(value_loss)
        actor.assert_same(algorithm, "actor")
        critic.assert_same(algorithm, "critic")
    assert clock.opt_step == 4


def test_whole_returns_go_on_with_a_value_at_truncation_only() -> None:
    """Environment 0 terminates, 1 is truncated, 2 and the others' second episodes are cut by the rollout's edge."""
    keys = {"name": "ActorCritic", "lam": None, "num_step_returns": None, "training_frequency": 3}
    algorithm = make(keys, STEPS, net={"shared": False, "use_same_optim": True}, num_envs=3)
    memory = algorithm.make_memory()
    remember(memory, experience(["---", "Tt-", "---"]))
    values = Values(*(np.full((3, 3), x, np.float32) for x in (1, 10, 0)))
    advantages, targets = algorithm.advantages(memory, values)
    first, second, third = memory.rewards.astype(float)
    second = second + GAMMA * np.array([0, 10, third[2]])
    np.testing.assert_allclose(targets, [first + GAMMA * second, second, third], rtol=1e-5)
    np.testing.assert_array_equal(advantages, targets - 1)
