"""All action distributions against torch.distributions and SciPy, and their samples by test of fit."""

from collections.abc import Callable
from itertools import product

import gymnasium as gym
import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch import distributions as td
from torch.nn.functional import softplus

from slm.algorithms.distributions import Distribution, NormalTanh, make_distribution
from slm.algorithms.distributions.continuous import gamma_sample
from slm.algorithms.policies import make_policy
from slm.errors import UserError

BOX = gym.spaces.Box(-2.0, 3.0, (2,), np.float32)
DISCRETE, MULTI, BITS = gym.spaces.Discrete(4), gym.spaces.MultiDiscrete([3, 2, 4]), gym.spaces.MultiBinary(3)
SAMPLES = 20_000


def outputs(distribution: Distribution, batch: int = 6) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [0.7 * torch.randn(batch, size, generator=generator) for size in distribution.heads]


def draw(distribution: Distribution, parameters: list[Tensor], count: int = SAMPLES) -> Tensor:
    """Samples for the first row of the parameters."""
    noise = torch.from_numpy(distribution.noise(np.random.default_rng(11), count))
    return distribution.sample([output[:1].expand(count, -1) for output in parameters], noise)


def squashed(out: list[Tensor]) -> td.Distribution:
    return td.TransformedDistribution(td.Normal(out[0], out[1].exp()), [td.transforms.TanhTransform(cache_size=1)])


def beta(out: list[Tensor]) -> td.Distribution:
    scale = td.transforms.AffineTransform(-1.0, 2.0)
    return td.TransformedDistribution(td.Beta(1 + softplus(out[0]), 1 + softplus(out[1])), [scale])


CONTINUOUS: dict[str, Callable[[list[Tensor]], td.Distribution]] = {
    "Normal": lambda out: td.Normal(out[0], out[1].exp()),
    "MultivariateNormal": lambda out: td.Normal(out[0], out[1].exp().sqrt()),
    "LogNormal": lambda out: td.LogNormal(out[0], out[1].exp()),
    "Gumbel": lambda out: td.Gumbel(out[0], out[1].exp()),
    "NormalTanh": squashed,
    "Beta": beta,
}


# --- Box spaces


@pytest.mark.parametrize("name", CONTINUOUS)
def test_log_prob_of_continuous_actions(name: str) -> None:
    distribution = make_distribution(name, BOX)
    out = outputs(distribution)
    reference = CONTINUOUS[name](out)
    torch.manual_seed(0)
    samples = reference.sample()
    actions = samples.atanh() if name == "NormalTanh" else samples
    torch.testing.assert_close(
        distribution.log_prob(out, actions), reference.log_prob(samples).sum(-1), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", ["Normal", "MultivariateNormal", "LogNormal", "Gumbel"])
def test_entropy_of_continuous_actions(name: str) -> None:
    distribution = make_distribution(name, BOX)
    out = outputs(distribution)
    torch.testing.assert_close(distribution.entropy(out), CONTINUOUS[name](out).entropy().sum(-1))


def test_entropy_of_beta_on_its_wider_interval() -> None:
    distribution = make_distribution("Beta", BOX)
    out = outputs(distribution)
    a, b = (1 + softplus(output) for output in out)
    torch.testing.assert_close(distribution.entropy(out), (td.Beta(a, b).entropy() + np.log(2)).sum(-1))


def test_entropy_of_the_squashed_normal_by_integration() -> None:
    distribution = make_distribution("NormalTanh", gym.spaces.Box(-1.0, 1.0, (1,), np.float32))
    for mean, log_std in product((0.0, 1.5, -4.0), (-3.0, -0.5, 0.5)):
        u = np.linspace(mean - 12 * np.exp(log_std), mean + 12 * np.exp(log_std), 200_001)
        log_density = stats.norm.logpdf(u, mean, np.exp(log_std))
        slope = np.log(4) - 2 * np.abs(u) - 2 * np.log1p(np.exp(-2 * np.abs(u)))
        expected = -np.trapezoid(np.exp(log_density) * (log_density - slope), u)
        entropy = distribution.entropy([torch.tensor([[mean]]), torch.tensor([[log_std]])]).item()
        assert entropy == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_samples_of_continuous_actions(name: str) -> None:
    distribution = make_distribution(name, BOX)
    out = outputs(distribution)
    actions = distribution.to_env(draw(distribution, out).numpy()).astype(np.float64)
    mean, scale = (output[0].double().numpy() for output in out)
    laws = {
        "Normal": lambda i: stats.norm(mean[i], np.exp(scale[i])),
        "MultivariateNormal": lambda i: stats.norm(mean[i], np.exp(scale[i] / 2)),
        "LogNormal": lambda i: stats.lognorm(np.exp(scale[i]), scale=np.exp(mean[i])),
        "Gumbel": lambda i: stats.gumbel_r(mean[i], np.exp(scale[i])),
        "Beta": lambda i: stats.beta(1 + np.log1p(np.exp(mean[i])), 1 + np.log1p(np.exp(scale[i])), -1, 2),
    }
    for i in range(2):
        if name == "NormalTanh":
            fit = stats.kstest(np.arctanh(actions[:, i]), stats.norm(mean[i], np.exp(scale[i])).cdf)
        else:
            fit = stats.kstest(actions[:, i], laws[name](i).cdf)
        assert fit.pvalue > 0.01, name
    assert abs(np.corrcoef(actions.T)[0, 1]) < 0.03


@pytest.mark.parametrize("concentration", [1.0001, 1.5, 4.0, 60.0])
def test_gamma_samples(concentration: float) -> None:
    rng = np.random.default_rng(2)
    shape = (SAMPLES, 8)
    noise = torch.from_numpy(np.stack([rng.standard_normal(shape, np.float32), rng.random(shape, np.float32)], -1))
    samples = gamma_sample(torch.full((SAMPLES,), concentration), noise).double().numpy()
    assert stats.kstest(samples, stats.gamma(concentration).cdf).pvalue > 0.01


def test_a_gamma_sample_takes_the_first_accepted_attempt() -> None:
    # v = (1 + x / √(9 d))³ with d = 5/3 for concentration 2: x = −9 makes it negative, which is refused.
    attempts = torch.tensor([[-9.0, 0.5], [0.0, 0.5], [1.0, 0.5]])
    assert gamma_sample(torch.tensor(2.0), attempts).item() == pytest.approx(5 / 3)
    # At x = 2 the bound on log u is 2 + d − d v + d log v = −0.007.
    attempts = torch.tensor([[2.0, 0.9999], [0.0, 0.5]])
    assert gamma_sample(torch.tensor(2.0), attempts).item() == pytest.approx(5 / 3)


def test_squashed_actions_are_kept_unsquashed() -> None:
    distribution = make_distribution("NormalTanh", BOX)
    assert isinstance(distribution, NormalTanh)
    out = [torch.tensor([[9.0, -9.0]]), torch.zeros(1, 2)]
    sample = distribution.sample(out, torch.zeros(1, 2))
    torch.testing.assert_close(sample, out[0])
    np.testing.assert_allclose(distribution.to_env(sample.numpy()), np.tanh([[9.0, -9.0]]), rtol=1e-6)
    assert torch.isfinite(distribution.log_prob(out, sample)).all()


@pytest.mark.parametrize("name", CONTINUOUS)
def test_gradients_are_finite_at_the_edges(name: str) -> None:
    distribution = make_distribution(name, BOX)
    out = [torch.full((4, 2), edge, requires_grad=True) for edge in (20.0, -20.0)]
    noise = torch.from_numpy(distribution.noise(np.random.default_rng(0), 4))
    actions = distribution.sample(out, noise).detach()
    (distribution.log_prob(out, actions) + distribution.entropy(out)).sum().backward()
    assert all(torch.isfinite(output.grad).all() for output in out if output.grad is not None)
    assert out[0].grad is not None


# --- discrete spaces


@pytest.mark.parametrize("name", ["Categorical", "GumbelSoftmax"])
def test_discrete_actions(name: str) -> None:
    distribution = make_distribution(name, DISCRETE)
    (logits,) = outputs(distribution)
    reference = td.Categorical(logits=logits)
    actions = torch.tensor([0, 1, 2, 3, 0, 1])
    torch.testing.assert_close(distribution.log_prob([logits], actions), reference.log_prob(actions))
    torch.testing.assert_close(distribution.entropy([logits]), reference.entropy())
    counts = np.bincount(draw(distribution, [logits]).numpy(), minlength=4)
    assert stats.chisquare(counts, SAMPLES * reference.probs[0].double().numpy(), sum_check=False).pvalue > 0.01


def test_argmax_is_certain() -> None:
    distribution = make_distribution("Argmax", DISCRETE)
    (logits,) = outputs(distribution)
    reference = td.Categorical(probs=torch.nn.functional.one_hot(logits.argmax(-1), 4).float())
    actions = torch.tensor([0, 1, 2, 3, 0, 1])
    torch.testing.assert_close(distribution.log_prob([logits], actions), reference.log_prob(actions), atol=1e-5, rtol=0)
    torch.testing.assert_close(distribution.entropy([logits]), torch.zeros(6))
    assert (draw(distribution, [logits], 50) == logits[0].argmax()).all()


def test_components_of_multi_discrete_actions_are_independent() -> None:
    distribution = make_distribution("default", MULTI)
    assert distribution.heads == [9]
    (logits,) = outputs(distribution)
    references = [td.Categorical(logits=part) for part in logits.split([3, 2, 4], dim=-1)]
    actions = torch.tensor([[0, 1, 3], [2, 0, 0], [1, 1, 1], [0, 0, 2], [2, 1, 0], [1, 0, 3]])
    log_prob = sum(reference.log_prob(actions[:, i]) for i, reference in enumerate(references))
    torch.testing.assert_close(distribution.log_prob([logits], actions), log_prob)
    torch.testing.assert_close(distribution.entropy([logits]), sum(reference.entropy() for reference in references))
    samples = draw(distribution, [logits]).numpy()
    assert samples.shape == (SAMPLES, 3)
    joint = np.einsum("i,j,k->ijk", *(reference.probs[0].double().numpy() for reference in references)).reshape(-1)
    counts = np.bincount(np.ravel_multi_index(tuple(samples.T), (3, 2, 4)), minlength=24)
    assert stats.chisquare(counts, SAMPLES * joint, sum_check=False).pvalue > 0.01


def test_bits_are_independent() -> None:
    distribution = make_distribution("default", BITS)
    assert distribution.heads == [3]
    (logits,) = outputs(distribution)
    reference = td.Bernoulli(logits=logits)
    actions = torch.tensor([[0, 0, 1], [1, 1, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 0]])
    torch.testing.assert_close(distribution.log_prob([logits], actions), reference.log_prob(actions.float()).sum(-1))
    torch.testing.assert_close(distribution.entropy([logits]), reference.entropy().sum(-1))
    samples = draw(distribution, [logits]).numpy()
    ones = reference.probs[0].double().numpy()
    joint = np.einsum("i,j,k->ijk", *(np.array([1 - p, p]) for p in ones)).reshape(-1)
    counts = np.bincount(samples @ np.array([4, 2, 1]), minlength=8)
    assert stats.chisquare(counts, SAMPLES * joint, sum_check=False).pvalue > 0.01


# --- policies


def chosen(name: str, space: gym.Space, logits: Tensor, explore: float) -> np.ndarray:
    policy = make_policy(name, make_distribution("default", space), space)
    noise = {key: torch.from_numpy(value) for key, value in policy.noise(np.random.default_rng(4), SAMPLES).items()}
    return policy.choose([logits.expand(SAMPLES, -1)], torch.tensor(explore), noise).numpy()


@pytest.mark.parametrize(("space", "counts"), [(MULTI, [3, 2, 4]), (BITS, [2, 2, 2])], ids=["multi", "bits"])
def test_random_actions_are_uniform_in_each_component(space: gym.Space, counts: list[int]) -> None:
    actions = chosen("random", space, torch.zeros(1, make_distribution("default", space).heads[0]), 0.0)
    joint = np.ravel_multi_index(tuple(actions.T), counts)
    assert stats.chisquare(np.bincount(joint, minlength=int(np.prod(counts)))).pvalue > 0.01


def test_epsilon_greedy_replaces_whole_actions() -> None:
    logits = torch.tensor([[0.0, 5.0, 1.0, 2.0, -1.0, 0.0, 0.0, 0.0, 9.0]])  # greedy: 1, 0, 3
    actions = chosen("epsilon_greedy", MULTI, logits, 0.48)
    greedy = np.ravel_multi_index((1, 0, 3), (3, 2, 4))
    counts = np.bincount(np.ravel_multi_index(tuple(actions.T), (3, 2, 4)), minlength=24)
    expected = np.full(24, 0.02 * SAMPLES)
    expected[greedy] += 0.52 * SAMPLES
    assert stats.chisquare(counts, expected).pvalue > 0.01


def test_boltzmann_of_bits_divides_the_logits() -> None:
    logits = torch.tensor([[1.0, -2.0, 0.0]])
    ones = chosen("boltzmann", BITS, logits, 2.0).mean(axis=0)
    np.testing.assert_allclose(ones, torch.sigmoid(logits[0] / 2).numpy(), atol=0.015)


def test_random_with_squashed_actions_is_refused() -> None:
    with pytest.raises(UserError, match="'random' draws actions as they are taken, but NormalTanh"):
        make_policy("random", make_distribution("NormalTanh", BOX), BOX)
