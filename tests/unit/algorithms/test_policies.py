"""Action distributions against torch.distributions, and exploration by frequency."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest
from torch import Tensor

from slm.algorithms.distributions import Distribution, make_distribution
from slm.algorithms.policies import Policy, make_policy
from slm.errors import UserError

DISCRETE = gym.spaces.Discrete(4)
BOX = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
LOGITS = torch.tensor([[0.3, -1.0, 2.0, 0.0], [50.0, -50.0, 0.0, 49.0]])
SAMPLES = 20_000


def discrete(name: str = "Categorical") -> Distribution:
    return make_distribution(name, DISCRETE)


def chosen(policy: Policy, outputs: list[Tensor], explore: float, batch: int = SAMPLES) -> Tensor:
    """Actions for the same outputs, ``batch`` times."""
    rng = np.random.default_rng(0)
    noise = {name: torch.from_numpy(array) for name, array in policy.noise(rng, batch).items()}
    repeated = [output.expand(batch, -1) for output in outputs]
    return policy.choose(repeated, torch.tensor(explore), noise)


def frequencies(actions: Tensor) -> np.ndarray:
    return np.bincount(actions.numpy(), minlength=4)


def test_categorical_is_that_of_torch() -> None:
    reference = torch.distributions.Categorical(logits=LOGITS)
    for action in range(4):
        actions = torch.full((2,), action)
        torch.testing.assert_close(discrete().log_prob([LOGITS], actions), reference.log_prob(actions))
    torch.testing.assert_close(discrete().entropy([LOGITS]), reference.entropy())
    assert discrete().heads == [4]


def test_normal_is_that_of_torch() -> None:
    normal = make_distribution("Normal", BOX)
    mean, log_std = torch.randn(2, 6, 2, generator=torch.Generator().manual_seed(0)).clamp(-2.0, 1.9)
    reference = torch.distributions.Normal(mean, log_std.exp())
    actions = mean + 2 * log_std
    torch.testing.assert_close(normal.log_prob([mean, log_std], actions), reference.log_prob(actions).sum(-1))
    torch.testing.assert_close(normal.entropy([mean, log_std]), reference.entropy().sum(-1))
    assert normal.heads == [2, 2]


def test_log_deviation_is_bounded() -> None:
    normal = make_distribution("Normal", BOX)
    outputs = [torch.zeros(1, 2), torch.tensor([[-99.0, 99.0]])]
    sample = normal.sample(outputs, torch.ones(1, 2))
    torch.testing.assert_close(sample, torch.tensor([[-5.0, 2.0]]).exp())


def test_categorical_samples_by_chi_square() -> None:
    actions = chosen(make_policy("default", discrete(), DISCRETE), [LOGITS[:1]], 0.0)
    expected = torch.softmax(LOGITS[0], -1).double().numpy()
    assert actions.dtype == torch.int64
    assert chisquare(frequencies(actions), expected / expected.sum() * SAMPLES).pvalue > 0.01


def test_categorical_sampling_is_the_inverse_of_the_cumulative_distribution() -> None:
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log().expand(6, -1)
    noise = torch.tensor([[0.0], [0.0999], [0.101], [0.299], [0.601], [0.9999999]])
    assert discrete().sample([logits], noise).tolist() == [0, 0, 1, 1, 3, 3]


def test_normal_samples() -> None:
    outputs = [torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, -1.0]])]
    actions = chosen(make_policy("default", make_distribution("Normal", BOX), BOX), outputs, 0.0).double().numpy()
    assert kstest(actions[:, 0], "norm", (1.0, 1.0)).pvalue > 0.01
    assert kstest(actions[:, 1], "norm", (-2.0, np.exp(-1.0))).pvalue > 0.01
    assert abs(np.corrcoef(actions.T)[0, 1]) < 0.03


def test_argmax_is_greedy() -> None:
    assert discrete("Argmax").sample([LOGITS], torch.zeros(2, 1)).tolist() == [2, 0]


@pytest.mark.parametrize(("epsilon", "share"), [(0.0, 0.0), (0.4, 0.1), (1.0, 0.25)])
def test_epsilon_greedy(epsilon: float, share: float) -> None:
    """Each action is drawn with ε/4, the best one with 1 − ε beside; every environment flips its own coin."""
    actions = chosen(make_policy("epsilon_greedy", discrete("Argmax"), DISCRETE), [LOGITS[:1]], epsilon)
    counts = frequencies(actions)
    if epsilon == 0:
        assert counts.tolist() == [0, 0, SAMPLES, 0]
    else:
        expected = np.array([share, share, 1 - 3 * share, share])
        assert chisquare(counts, expected * SAMPLES).pvalue > 0.01


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_boltzmann_temperature(temperature: float) -> None:
    actions = chosen(make_policy("boltzmann", discrete(), DISCRETE), [LOGITS[:1]], temperature)
    expected = torch.softmax(LOGITS[0].double() / temperature, -1).numpy()
    assert chisquare(frequencies(actions), expected / expected.sum() * SAMPLES).pvalue > 0.01


def test_random_policy() -> None:
    actions = chosen(make_policy("random", discrete(), DISCRETE), [LOGITS[:1]], 0.0)
    assert chisquare(frequencies(actions)).pvalue > 0.01
    continuous = chosen(make_policy("random", make_distribution("Normal", BOX), BOX), [torch.zeros(1, 2)], 0.0)
    for dimension in continuous.double().numpy().T:
        assert kstest(dimension, "uniform", (-1.0, 2.0)).pvalue > 0.01


def test_noise_is_a_function_of_the_generator() -> None:
    policy = make_policy("epsilon_greedy", discrete("Argmax"), DISCRETE)
    first, second, other = (policy.noise(np.random.default_rng(seed), 5) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not any(np.array_equal(first[name], other[name]) for name in first)
    assert all(len(array) == 5 for array in first.values())


@pytest.mark.parametrize(
    ("name", "space", "parts"),
    [
        ("Normal", DISCRETE, ("action_pdtype: 'Normal' is not allowed", "Discrete(4)", "Categorical")),
        ("Categorical", BOX, ("action_pdtype: 'Categorical' is not allowed", "Normal")),
        ("default", gym.spaces.Text(3), ("Text", "not supported", "Discrete, Box")),
    ],
)
def test_distribution_without_meaning(name: str, space: gym.Space, parts: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as caught:
        make_distribution(name, space)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


@pytest.mark.parametrize("name", ["epsilon_greedy", "boltzmann"])
def test_policy_without_meaning(name: str) -> None:
    with pytest.raises(UserError, match=f"action_policy: '{name}'"):
        make_policy(name, make_distribution("Normal", BOX), BOX)
