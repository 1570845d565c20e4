"""Action distributions as pure functions of a network's outputs.

Randomness enters as an argument: `noise` draws it from a NumPy generator, and `sample` maps it to actions, so that
sampling is part of the compiled graph and exactly repeatable. Outputs have a leading batch axis B.
"""

from slm.algorithms.distributions.continuous import (
    LOG_STD_RANGE,
    Beta,
    Gumbel,
    LogNormal,
    MultivariateNormal,
    Normal,
    NormalTanh,
    log_tanh_slope,
)
from slm.algorithms.distributions.discrete import Argmax, Bernoulli, Categorical, GumbelSoftmax, MultiCategorical
from slm.algorithms.distributions.distribution import Distribution, Outputs, action_count
from slm.algorithms.distributions.make import make_distribution, warn_of_log_std_init

__all__ = [
    "LOG_STD_RANGE",
    "Argmax",
    "Bernoulli",
    "Beta",
    "Categorical",
    "Distribution",
    "Gumbel",
    "GumbelSoftmax",
    "LogNormal",
    "MultiCategorical",
    "MultivariateNormal",
    "Normal",
    "NormalTanh",
    "Outputs",
    "action_count",
    "log_tanh_slope",
    "make_distribution",
    "warn_of_log_std_init",
]
