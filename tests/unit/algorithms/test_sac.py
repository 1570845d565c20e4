"""The soft actor-critic against an independent implementation, and its parts against hand-computed values."""

import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from soft_reference import BATCH, CONTINUOUS, DISCRETE, Reference, assert_same_parameters, fill, make

from slm.algorithms import Clock
from slm.algorithms.sac import SoftActorCritic
from slm.algorithms.squashed import squashed_log_prob
from slm.backend import Inputs
from slm.compiled import CompiledBackend
from slm.errors import UserError
from slm.memory import PrioritizedReplay

SPACES = pytest.mark.parametrize("space", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
ALL = ("actor", "critic1", "critic2", "critic1_target", "critic2_target")


def batch(algorithm: SoftActorCritic, space: gym.Space, seed: int = 0) -> Inputs:
    """Inputs of an update: places and noise drawn from the seed, hyperparameters of frame 100."""
    rng = np.random.default_rng(seed)
    memory = fill(algorithm.make_memory(), space)
    algorithm.set_hyper(Clock(frame=100))
    places = rng.integers(memory.size, size=BATCH)
    return {**algorithm.batch(memory, places, 100), **algorithm.update_noise(rng), **algorithm.hyper()}


# --- the update as a whole


@SPACES
def test_three_updates_match_plain_autograd(space: gym.Space) -> None:
    algorithm = make(space)
    reference = Reference(algorithm)
    for seed in range(3):
        inputs = batch(algorithm, space, seed)
        metrics = dict(zip(algorithm.METRICS, algorithm.run("update", inputs)["metrics"].tolist(), strict=True))
        algorithm.move_target(100)
        expected = reference.step(inputs, algorithm.target_entropy(100))
        assert {name: metrics[name] for name in expected} == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert_same_parameters(algorithm, reference, ALL)
    assert algorithm.agent["log_alpha"].item() == pytest.approx(reference.log_alpha.item(), rel=1e-5)
    assert algorithm.agent["log_alpha"].item() != 0


@SPACES
def test_symlog_and_the_specs_loss_shape_the_critics(space: gym.Space) -> None:
    def loss(q: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        q, y = (torch.sign(x) * torch.log(1 + x.abs()) for x in (q, y))
        return torch.nn.functional.smooth_l1_loss(q, y)

    algorithm = make(space, {"symlog": True}, {"loss_spec": {"name": "SmoothL1Loss"}})
    reference = Reference(algorithm, loss)
    inputs = batch(algorithm, space)
    algorithm.run("update", inputs)
    reference.step(inputs, algorithm.target_entropy(0))
    assert_same_parameters(algorithm, reference, ("actor", "critic1", "critic2"))


@SPACES
def test_errors_are_the_distance_of_the_smaller_q_and_weights_scale_the_loss(space: gym.Space) -> None:
    algorithm = make(space)
    reference = Reference(algorithm)
    inputs = batch(algorithm, space)
    with torch.no_grad():
        value, _ = reference.value(reference.targets, inputs["next_observations"], inputs["next_noise"])
        y = inputs["rewards"] + 0.9 * (1 - inputs["terminated"].float()) * value
        q1, q2 = (reference.q(name, inputs["observations"], inputs["actions"]) for name in
                  ("critic1", "critic2"))  # fmt: skip
    weights = torch.linspace(0.1, 1, BATCH)
    outputs = algorithm.run("update", {**inputs, "weights": weights})
    torch.testing.assert_close(outputs["errors"], (torch.min(q1, q2) - y).abs(), rtol=1e-5, atol=1e-5)
    expected = (weights * ((q1 - y) ** 2 + (q2 - y) ** 2)).mean()
    torch.testing.assert_close(outputs["metrics"][0], expected, rtol=1e-5, atol=1e-5)


def test_a_prioritised_memory_gets_the_errors() -> None:
    algorithm = make(DISCRETE, memory={"name": "PrioritizedReplay", "alpha": 1.0, "epsilon": 1e-3})
    memory = algorithm.make_memory()
    assert isinstance(memory, PrioritizedReplay)
    fill(memory, DISCRETE)
    memory.update_priorities(np.arange(32), np.ones(32))
    algorithm.learn(memory, Clock(frame=100), np.random.default_rng(0))
    priorities = memory.state()["priorities"]
    assert 0 < (np.abs(priorities - 1.001) > 1e-6).sum() <= BATCH


@pytest.mark.slow
@SPACES
def test_compiled_and_eager_agree(space: gym.Space) -> None:
    eager, compiled = make(space), make(space)
    compiled.bind(compiled.init(seed=3), CompiledBackend())
    inputs = batch(eager, space)
    compiled.set_hyper(Clock(frame=100))
    for algorithm in (eager, compiled):
        algorithm.run("update", inputs)
    for name, value in eager.agent.items():
        torch.testing.assert_close(compiled.agent[name], value, rtol=1e-4, atol=1e-5, msg=name, equal_nan=True)


# --- squashed actions


def test_squashed_density_integrates_to_one() -> None:
    u = torch.linspace(-12, 12, 200_001, dtype=torch.float64)[:, None]
    a = torch.tanh(u).squeeze(1)
    density = squashed_log_prob(u, torch.tensor([0.3], dtype=torch.float64), torch.tensor([-0.5])).exp()
    assert torch.trapezoid(density, a).item() == pytest.approx(1.0, abs=1e-4)


def test_squashed_log_prob_is_the_density_of_the_transformed_normal() -> None:
    # N(0.5; 0, 1) = 0.3520653 and da/du = 1 − tanh² 0.5 = 0.7864477 in each of two dimensions.
    u = torch.full((1, 2), 0.5)
    expected = 2 * math.log(0.3520653 / 0.7864477)
    assert squashed_log_prob(u, torch.zeros(2), torch.zeros(2)).item() == pytest.approx(expected, rel=1e-5)


def test_squashed_log_prob_stays_finite_where_tanh_is_one() -> None:
    log_prob = squashed_log_prob(torch.tensor([[30.0]]), torch.tensor([30.0]), torch.tensor([0.0])).item()
    # 1 − tanh² 30 = 4 e^−60 to first order.
    assert log_prob == pytest.approx(-0.5 * math.log(2 * math.pi) - (math.log(4) - 60), rel=1e-5)


# --- temperature


def test_log_alpha_stays_within_its_bounds() -> None:
    algorithm = make(DISCRETE, {"log_alpha_min": -0.001, "log_alpha_max": 0.002, "target_entropy": 100})
    algorithm.run("update", batch(algorithm, DISCRETE))
    assert algorithm.agent["log_alpha"].item() == pytest.approx(0.002)
    algorithm = make(DISCRETE, {"log_alpha_min": -0.001, "log_alpha_max": 0.002, "target_entropy": -100})
    algorithm.run("update", batch(algorithm, DISCRETE))
    assert algorithm.agent["log_alpha"].item() == pytest.approx(-0.001)


def test_alpha_has_a_learning_rate_of_its_own() -> None:
    algorithm = make(DISCRETE, {"alpha_lr": 0.05})
    algorithm.run("update", batch(algorithm, DISCRETE))
    # Adam's first step has the length of the learning rate.
    assert abs(algorithm.agent["log_alpha"].item()) == pytest.approx(0.05, rel=1e-4)


def test_fixed_alpha_is_not_learned_and_falls_to_zero() -> None:
    algorithm = make(DISCRETE, {"fixed_alpha": 0.2, "alpha_anneal_frames": 400})
    assert "log_alpha" not in algorithm.agent
    assert [algorithm.hyperparameters(frame)["alpha"] for frame in (0, 100, 400, 900)] == pytest.approx(
        [0.2, 0.15, 0, 0]
    )
    outputs = algorithm.run("update", batch(algorithm, DISCRETE))
    assert outputs["metrics"][algorithm.METRICS.index("alpha")].item() == pytest.approx(0.15)
    assert make(DISCRETE, {"fixed_alpha": 0.2}).hyperparameters(10**6)["alpha"] == 0.2


def test_automatic_target_entropy() -> None:
    assert make(CONTINUOUS).target_entropy(0) == -2
    annealed = make(DISCRETE, {"entropy_anneal": {"start_ratio": 0.8, "end_ratio": 0.2, "frames": 100}})
    ratios = [annealed.target_entropy(frame) / math.log(4) for frame in (0, 50, 100, 200)]
    assert ratios == pytest.approx([0.8, 0.5, 0.2, 0.2])
    assert make(DISCRETE).target_entropy(10**6) == pytest.approx(0.6 * math.log(4))
    assert make(DISCRETE, {"target_entropy": 0.3}).target_entropy(0) == 0.3


def test_entropy_penalty_pulls_the_policy_towards_its_average_entropy() -> None:
    coefficient = 5.0
    algorithm, plain = make(DISCRETE, {"entropy_penalty_coef": coefficient}), make(DISCRETE)
    inputs = batch(algorithm, DISCRETE)
    names = list(algorithm.METRICS)
    loss, entropy = names.index("policy_loss"), names.index("entropy")
    first, without = (a.run("update", inputs)["metrics"] for a in (algorithm, plain))
    torch.testing.assert_close(first, without)  # the average starts at the first entropy
    start = first[entropy].item()
    assert algorithm.agent["entropy_average"].item() == pytest.approx(start)
    inputs = batch(algorithm, DISCRETE, seed=1)
    second, without = (a.run("update", inputs)["metrics"] for a in (algorithm, plain))
    expected = without[loss].item() + 0.5 * coefficient * (start - second[entropy].item()) ** 2
    assert second[loss].item() == pytest.approx(expected, rel=1e-6)
    assert (algorithm.agent["actor"] - plain.agent["actor"]).abs().max() > 1e-3
    average = 0.99 * start + 0.01 * second[entropy].item()
    assert algorithm.agent["entropy_average"].item() == pytest.approx(average)


# --- when what moves


def test_policy_delay_moves_the_policy_at_every_third_critic_step() -> None:
    algorithm = make(CONTINUOUS, {"policy_delay": 3, "training_iter": 2})
    memory, clock, rng = fill(algorithm.make_memory(), CONTINUOUS), Clock(frame=100), np.random.default_rng(0)
    moved = []
    for _ in range(3):
        before = {name: algorithm.agent[name].clone() for name in (*ALL, "log_alpha")}
        algorithm.learn(memory, clock, rng)
        moved.append({name for name, value in before.items() if not torch.equal(value, algorithm.agent[name])})
    critics, rest = {"critic1", "critic2"}, {"actor", "critic1_target", "critic2_target", "log_alpha"}
    assert moved == [critics, critics | rest, critics | rest]
    assert clock.opt_step == 6
    assert algorithm.agent["actor.t"] == 2
    assert algorithm.agent["critic1.t"] == 6


def test_targets_start_equal_and_follow_slowly() -> None:
    algorithm = make(CONTINUOUS)
    before = algorithm.agent["critic1"].clone()
    assert torch.equal(before, algorithm.agent["critic1_target"])
    algorithm.learn(fill(algorithm.make_memory(), CONTINUOUS), Clock(frame=100), np.random.default_rng(0))
    expected = 0.9 * before + 0.1 * algorithm.agent["critic1"]
    torch.testing.assert_close(algorithm.agent["critic1_target"], expected)


def test_replaced_targets_wait_for_a_multiple_of_the_frequency_and_miss_none() -> None:
    algorithm = make(CONTINUOUS, net={"update_type": "replace", "update_frequency": 100})
    agent = algorithm.agent
    replaced = []
    for frame in (40, 90, 130, 190, 430, 460):  # 200 to 400 pass between two policy steps
        agent["critic1"].add_(1.0)
        algorithm.move_target(frame)
        replaced.append(torch.equal(agent["critic1"], agent["critic1_target"]))
    assert replaced == [False, False, True, False, True, False]


def test_training_follows_the_frames() -> None:
    algorithm = make(CONTINUOUS, {"training_frequency": 8, "training_start_step": 10})
    memory, rng, trained = fill(algorithm.make_memory(), CONTINUOUS), np.random.default_rng(0), []
    for frame in range(2, 41, 2):
        if algorithm.train(memory, Clock(frame=frame), rng) is not None:
            trained.append(frame)
    assert trained == [16, 24, 32, 40]


@SPACES
def test_actions_are_uniform_first_and_the_policys_afterwards(space: gym.Space) -> None:
    algorithm = make(space, {"training_start_step": 50})
    observations = np.random.default_rng(0).standard_normal((4000, 3)).astype(np.float32)
    early = algorithm.act(observations, 49, np.random.default_rng(1))
    for frame in (50, math.inf):
        later = algorithm.act(observations, frame, np.random.default_rng(1))
        assert not np.array_equal(early, later)
        draws = algorithm.policy.noise(np.random.default_rng(1), 4000)
        outputs = algorithm.networks["actor"](
            algorithm.networks["actor"].views(algorithm.agent["actor"]), torch.from_numpy(observations)
        )
        expected = algorithm.actions.act(outputs, torch.from_numpy(draws["noise"]))
        np.testing.assert_array_equal(later, expected.detach().numpy())
    if isinstance(space, gym.spaces.Discrete):
        assert np.bincount(early, minlength=4) / 4000 == pytest.approx(np.full(4, 0.25), abs=0.03)
    else:
        assert np.abs(early).max() <= 1
        assert early.mean(0) == pytest.approx(np.zeros(2), abs=0.03)
        assert early.std(0) == pytest.approx(np.full(2, 1 / math.sqrt(3)), abs=0.02)


# --- what is refused


def test_distributions_that_do_not_fit_are_refused() -> None:
    make(DISCRETE, {"action_pdtype": "GumbelSoftmax"})
    with pytest.raises(UserError, match=r"action_pdtype: 'Normal' is not allowed .*default, Categorical"):
        make(DISCRETE, {"action_pdtype": "Normal"})
    with pytest.raises(UserError, match=r"action_pdtype: 'Beta' is not allowed .*default, Normal"):
        make(CONTINUOUS, {"action_pdtype": "Beta"})
    with pytest.raises(UserError, match="Box and Discrete"):
        make(gym.spaces.MultiBinary(3))
    with pytest.raises(UserError, match="entropy_penalty_coef"):
        make(CONTINUOUS, {"entropy_penalty_coef": 0.5})
