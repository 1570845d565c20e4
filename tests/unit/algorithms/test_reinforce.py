"""REINFORCE against plain autograd with returns computed episode by episode."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from on_policy_agents import EPISODES, STEPS, PlainNet, discounted, episodes_of, experience, make, remember
from torch.distributions import Categorical

from slm.algorithms import Algorithm, Clock
from slm.backend import EagerBackend
from slm.compiled import CompiledBackend

ENDS = ["--", "T-", "--", "tT", "-T", "-t", "--"]
ENTROPY, POLICY = 0.2, 1.3


def reinforce(
    memory: dict, center: bool = True, frequency: int = 5, pdtype: str = "default", **keys: object
) -> Algorithm:
    algorithm = {
        "name": "Reinforce",
        "action_pdtype": pdtype,
        "training_frequency": frequency,
        "center_return": center,
        "entropy_coef_spec": {"name": "no_decay", "start_val": ENTROPY},
        "policy_loss_coef": POLICY,
    }
    return make(algorithm, memory, **keys)  # type: ignore[arg-type]


def continued(episodes: list[dict]) -> list[float]:
    """Returns in which truncated episodes go on with the mean of all of them, found by iteration."""
    average = 0.0
    for _ in range(1000):
        returns = [G for e in episodes for G in discounted(e["rewards"], 0.0 if e["terminated"] else average)]
        average = float(np.mean(returns))
    return returns


def expected_loss(net: PlainNet, episodes: list[dict], center: bool) -> torch.Tensor:
    """−c_π mean(log π G) − c_H mean(H), with returns centred on request and divided by their scale."""
    observations, actions = (np.concatenate([e[name] for e in episodes]) for name in ("observations", "actions"))
    returns = torch.tensor(continued(episodes))
    if center:
        returns = (returns - returns.mean()) / returns.std()
    else:
        returns = returns / (returns.pow(2).sum() / (len(returns) - 1)).sqrt()
    policy = Categorical(logits=net(observations)[0])
    log_probs = policy.log_prob(torch.from_numpy(actions))
    return -POLICY * (log_probs * returns).mean() - ENTROPY * policy.entropy().mean()


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("kind", [EPISODES, STEPS], ids=["episodes", "steps"])
def test_three_updates_match_plain_autograd(kind: dict, center: bool) -> None:
    algorithm = reinforce(kind, center)
    memory, net, clock, rng = algorithm.make_memory(), PlainNet(algorithm, "actor"), Clock(), np.random.default_rng(0)
    for seed in range(3):
        steps = experience([*ENDS, "TT"], seed)  # nothing is left over for the next round
        remember(memory, steps)
        metrics = algorithm.train(memory, clock, rng)
        assert metrics is not None
        loss = expected_loss(net, episodes_of(steps), center)
        net.step(loss)
        assert metrics["loss"] == metrics["policy_loss"] == pytest.approx(loss.item(), rel=1e-5)
        net.assert_same(algorithm, "actor")
    assert (clock.opt_step, clock.train_calls) == (3, 3)


def test_with_batch_memory_an_update_takes_the_episodes_finished_since_the_last() -> None:
    algorithm = reinforce(STEPS, frequency=3)
    memory, net, clock, rng = algorithm.make_memory(), PlainNet(algorithm, "actor"), Clock(), np.random.default_rng(0)
    steps = experience(ENDS)
    finished = episodes_of(steps)
    trained = []
    for t, step in enumerate(steps, start=1):
        remember(memory, [step])
        if algorithm.train(memory, clock, rng) is not None:
            trained.append(t)
    assert trained == [3, 6]
    # By step 3 environment 0 has finished one episode; by step 6 three more have ended, one of which began before.
    for batch in (finished[:1], finished[1:5]):
        net.step(expected_loss(net, batch, center=True))
    net.assert_same(algorithm, "actor")


def test_nothing_is_learned_before_an_episode_ends() -> None:
    algorithm = reinforce(STEPS, frequency=2)
    memory = algorithm.make_memory()
    remember(memory, experience(["--"] * 6))
    assert algorithm.train(memory, Clock(), np.random.default_rng(0)) is None


BOX = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
MULTI = gym.spaces.MultiDiscrete([3, 2])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "pdtype"),
    [(gym.spaces.Discrete(3), "Categorical"), (BOX, "Beta"), (BOX, "NormalTanh"), (MULTI, "MultiCategorical")],
)
def test_compiled_and_eager_agree(space: gym.Space, pdtype: str) -> None:
    eager, compiled = (
        reinforce(EPISODES, pdtype=pdtype, action=space, backend=backend)
        for backend in (EagerBackend(), CompiledBackend())
    )
    observations = experience(["--"])[0][0]
    chosen = [algorithm.act(observations, 0, np.random.default_rng(0)) for algorithm in (eager, compiled)]
    np.testing.assert_allclose(chosen[0], chosen[1], rtol=1e-4, atol=1e-5)
    for algorithm in (eager, compiled):
        memory, rng = algorithm.make_memory(), np.random.default_rng(1)
        for observations, _, step in experience([*ENDS, "TT"]):
            memory.add(observations, eager.act(observations, 0, rng), step)
        assert algorithm.train(memory, Clock(), rng) is not None
        if algorithm is eager:
            # Both learn from the actions of the same parameters.
            learned = eager.agent["actor"].clone()
            eager.agent["actor"].copy_(compiled.agent["actor"])
    torch.testing.assert_close(compiled.agent["actor"], learned, rtol=1e-4, atol=1e-5)
