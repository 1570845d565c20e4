"""Self-imitation: what is remembered, and its update against plain autograd."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from on_policy_agents import STEPS, PlainNet, discounted, episodes_of, experience, make, remember
from torch import Tensor
from torch.distributions import Categorical

from slm.algorithms import Algorithm, Clock
from slm.algorithms.sil import SelfImitation
from slm.compiled import CompiledBackend
from slm.memory import ImitationMemory, PrioritizedRing

POLICY, VALUE = 0.7, 0.3
ON_POLICY = {
    "SIL": {"lam": 0.8, "training_frequency": 4},
    "PPOSIL": {
        "lam": 0.8,
        "time_horizon": 4,
        "training_epoch": 2,
        "minibatch_size": 4,
        "clip_eps_spec": {"name": "no_decay", "start_val": 0.2},
    },
}
ENDS = ["--", "T-", "--", "t-", "--", "-T", "-t", "T-"]


def sil(name: str = "SIL", shared: bool = False, memory: dict[str, Any] | None = None, **keys: Any) -> SelfImitation:
    imitation = {
        "sil_policy_loss_coef": POLICY,
        "sil_val_loss_coef": VALUE,
        "training_iter": 2,
        "training_batch_iter": 3,
    }
    kept = {**STEPS, "sil_replay_name": "Replay", "batch_size": 6, "max_size": 100, **(memory or {})}
    made = make({"name": name, **ON_POLICY[name], **imitation}, kept,
                net={"shared": shared, "use_same_optim": not shared}, **keys)  # fmt: skip
    assert isinstance(made, SelfImitation)
    return made


def filled(algorithm: SelfImitation) -> ImitationMemory:
    """A memory whose replay holds 20 made-up steps."""
    memory = algorithm.make_memory()
    assert isinstance(memory, ImitationMemory)
    rng = np.random.default_rng(0)
    memory.replay.store(
        observations=rng.standard_normal((20, 4)), actions=rng.integers(3, size=20), returns=rng.standard_normal(20)
    )
    return memory


def outputs_of(nets: dict[str, PlainNet], observations: np.ndarray) -> tuple[Tensor, Tensor]:
    """Logits and values."""
    if "actor_critic" in nets:
        logits, values = nets["actor_critic"](observations)
    else:
        (logits,), (values,) = nets["actor"](observations), nets["critic"](observations)
    return logits, values[:, 0]


@pytest.mark.parametrize("shared", [True, False])
def test_updates_match_plain_autograd(shared: bool) -> None:
    algorithm = sil(shared=shared)
    memory, clock = filled(algorithm), Clock()
    nets = {name: PlainNet(algorithm, name) for name in algorithm.networks}
    metrics = algorithm.imitate(memory.replay, clock, np.random.default_rng(5))
    rng, losses = np.random.default_rng(5), []
    for _ in range(2):
        places = rng.integers(20, size=6)
        rows = {name: ring[places] for name, ring in memory.replay.rings.items()}
        for _ in range(3):
            logits, values = outputs_of(nets, rows["observations"])
            better = torch.relu(torch.from_numpy(rows["returns"]) - values)
            log_probs = Categorical(logits=logits).log_prob(torch.from_numpy(rows["actions"]))
            policy_loss = -POLICY * (log_probs * better.detach()).mean()
            value_loss = VALUE * better.pow(2).mean() / 2
            losses.append([policy_loss.item() + value_loss.item(), policy_loss.item(), value_loss.item()])
            for net in nets.values():
                net.step(policy_loss + value_loss, retain=True)
    for name, net in nets.items():
        net.assert_same(algorithm, name)
    assert list(metrics.values()) == pytest.approx(np.mean(losses, axis=0).tolist(), rel=1e-5)
    assert clock.opt_step == 6 * len(nets)


@pytest.mark.parametrize("name", ["SIL", "PPOSIL"])
def test_returns_of_finished_episodes_are_remembered(name: str) -> None:
    """Episodes run across rollouts of 4 steps; a truncated one continues with the value of its final observation."""
    algorithm = sil(name)
    memory, clock, rng = algorithm.make_memory(), Clock(), np.random.default_rng(0)
    assert isinstance(memory, ImitationMemory)
    steps, seen = experience(ENDS), 0
    for t, step in enumerate(steps, start=1):
        remember(memory, [step])
        if t % 4:
            assert algorithm.train(memory, clock, rng) is None
            continue
        # Values as they are when the returns are computed: after the on-policy update, before self-imitation.
        values: list[float] = []
        original = algorithm.values_of

        def spy(rollout: Any, values: list[float] = values, original: Any = original) -> Any:
            result = original(rollout)
            if rollout.num_envs == 1:
                values += [float(result.next_values[row, 0]) for row, _, _ in rollout.final_observations]
            return result

        algorithm.values_of = spy  # type: ignore[method-assign]
        assert algorithm.train(memory, clock, rng) is not None
        algorithm.values_of = original  # type: ignore[method-assign]
        new = episodes_of(steps[:t])[len(episodes_of(steps[: t - 4])) :]
        for episode in new:
            count = len(episode["rewards"])
            rings = {key: ring[seen : seen + count] for key, ring in memory.replay.rings.items()}
            last = 0.0 if episode["terminated"] else values.pop(0)
            np.testing.assert_allclose(rings["returns"], discounted(episode["rewards"], last), rtol=1e-5, atol=1e-5)
            np.testing.assert_array_equal(rings["observations"], episode["observations"])
            np.testing.assert_array_equal(rings["actions"], episode["actions"])
            seen += count
        assert memory.replay.seen == seen
    assert seen == 15  # all but the last step of environment 1, whose episode goes on


def test_value_of_a_truncated_episodes_end_is_the_critics() -> None:
    algorithm = sil()
    memory = algorithm.make_memory()
    assert isinstance(memory, ImitationMemory)
    steps = experience(["--", "-t"])
    remember(memory, steps)
    algorithm.remember(memory.episodes.rollout(), memory.replay)
    (episode,) = episodes_of(steps)
    last = PlainNet(algorithm, "critic")(episode["final"])[0].item()
    assert abs(last) > 1e-3
    np.testing.assert_allclose(memory.replay.rings["returns"][:2], discounted(episode["rewards"], last), rtol=1e-5)


def test_before_the_first_episode_ends_there_is_nothing_to_imitate() -> None:
    algorithm, clock = sil(), Clock()
    memory = algorithm.make_memory()
    remember(memory, experience(["--"] * 4))
    metrics = algorithm.train(memory, clock, np.random.default_rng(0))
    assert metrics is not None
    assert math.isnan(metrics["sil_loss"])
    assert math.isfinite(metrics["loss"])
    assert list(metrics) == list(algorithm.METRICS)
    assert clock.opt_step == 2


def test_priorities_are_the_clipped_advantages() -> None:
    algorithm = sil(memory={"sil_replay_name": "PrioritizedReplay", "alpha": 1.0, "epsilon": 0.25})
    memory = filled(algorithm)
    assert isinstance(memory.replay, PrioritizedRing)
    rings = {name: torch.from_numpy(ring) for name, ring in memory.replay.rings.items()}
    inputs = {**rings, "places": torch.arange(6), **algorithm.hyper()}
    _, values = outputs_of({n: PlainNet(algorithm, n) for n in ("actor", "critic")}, inputs["observations"][:6].numpy())
    errors = algorithm.run_sized(algorithm.update_by_imitation, inputs, rows=6)["errors"]
    torch.testing.assert_close(errors, torch.relu(inputs["returns"][:6] - values.detach()), rtol=1e-5, atol=1e-5)
    assert (errors == 0).any()
    assert (errors > 0).any()
    memory.replay.update_priorities(np.arange(20), np.full(20, 7.0))
    algorithm.imitate(memory.replay, Clock(), np.random.default_rng(0))
    priorities = memory.replay.state()["priorities"]
    assert 0 < (priorities != 7.25).sum() <= 12
    assert priorities.min() >= 0.25


def test_state_survives_a_checkpoint() -> None:
    def run(cut: int | None) -> Tensor:
        algorithm: Algorithm = sil("PPOSIL")
        memory, clock, rng = algorithm.make_memory(), Clock(), np.random.default_rng(0)
        for t, step in enumerate(experience(ENDS)):
            remember(memory, [step])
            algorithm.train(memory, clock, rng)
            if t == cut:
                before, memory = memory, algorithm.make_memory()
                memory.restore(before.state())
                for name, rows in before.journaled().items():
                    memory.journaled()[name].write(rows.first, rows.read(rows.first, rows.end))
        return algorithm.agent["actor"].clone()

    whole = run(None)
    for cut in range(len(ENDS)):
        torch.testing.assert_close(run(cut), whole, rtol=0, atol=0)


@pytest.mark.slow
def test_compiled_and_eager_agree() -> None:
    eager, compiled = sil(), sil(backend=CompiledBackend())
    for algorithm in (eager, compiled):
        algorithm.imitate(filled(algorithm).replay, Clock(), np.random.default_rng(0))
    for name in ("actor", "critic"):
        torch.testing.assert_close(compiled.agent[name], eager.agent[name], rtol=1e-4, atol=1e-5)
