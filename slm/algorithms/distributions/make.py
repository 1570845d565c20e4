"""From an action space and the name in a spec to a distribution."""

from __future__ import annotations

import logging

import gymnasium as gym

from slm.algorithms.distributions.continuous import Beta, Gumbel, LogNormal, MultivariateNormal, Normal, NormalTanh
from slm.algorithms.distributions.discrete import Argmax, Bernoulli, Categorical, GumbelSoftmax, MultiCategorical
from slm.algorithms.distributions.distribution import Distribution
from slm.errors import UserError

log = logging.getLogger(__name__)

FAMILIES: dict[type[gym.Space], dict[str, type]] = {
    gym.spaces.Discrete: {"Categorical": Categorical, "Argmax": Argmax, "GumbelSoftmax": GumbelSoftmax},
    gym.spaces.Box: {
        "Normal": Normal,
        "NormalTanh": NormalTanh,
        "MultivariateNormal": MultivariateNormal,
        "Beta": Beta,
        "Gumbel": Gumbel,
        "LogNormal": LogNormal,
    },
    gym.spaces.MultiDiscrete: {"MultiCategorical": MultiCategorical},
    gym.spaces.MultiBinary: {"Bernoulli": Bernoulli},
}
"""Kind of action space → name → distribution; the first of each is the default."""


def make_distribution(name: str, space: gym.Space) -> Distribution:
    """The distribution that ``action_pdtype`` names for an action space; ``default`` is the space's first.

    Raises UserError for a combination that has no meaning.
    """
    families = next((families for kind, families in FAMILIES.items() if isinstance(space, kind)), None)
    if families is None:
        kinds = ", ".join(kind.__name__ for kind in FAMILIES)
        raise UserError(f"env: action space {space} is not supported; supported: {kinds}")
    if name == "default":
        name = next(iter(families))
    if name not in families:
        raise UserError(
            f"agent.algorithm.action_pdtype: '{name}' is not allowed for the action space {space}; "
            f"allowed: default, {', '.join(families)}"
        )
    return families[name](space)


def warn_of_log_std_init(distribution: str) -> None:
    """Say in the log that a spec's ``log_std_init`` has no effect: whether it has depends on the action space."""
    log.warning("agent.net.log_std_init has no effect: %s has no standard deviation of its own", distribution)
