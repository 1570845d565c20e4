"""How agents learn: one file for each algorithm."""

from slm.algorithms.actor_critic import ActorCritic
from slm.algorithms.base import Algorithm, DivergedError
from slm.algorithms.crossq import CrossQ
from slm.algorithms.dqn import DQN
from slm.algorithms.ppo import PPO
from slm.algorithms.random import Random
from slm.algorithms.reinforce import Reinforce
from slm.algorithms.sac import SoftActorCritic
from slm.algorithms.sarsa import SARSA
from slm.algorithms.sil import PPOSIL, SIL
from slm.algorithms.task import Clock, Spaces
from slm.errors import UserError
from slm.spec import Spec

ALGORITHMS: dict[str, type[Algorithm]] = {
    "Random": Random,
    "Reinforce": Reinforce,
    "SARSA": SARSA,
    "ActorCritic": ActorCritic,
    "PPO": PPO,
    "SIL": SIL,
    "PPOSIL": PPOSIL,
    "VanillaDQN": DQN,
    "DQNBase": DQN,
    "DQN": DQN,
    "DoubleDQN": DQN,
    "SoftActorCritic": SoftActorCritic,
    "CrossQ": CrossQ,
}

__all__ = ["ALGORITHMS", "Algorithm", "Clock", "DivergedError", "Spaces", "make_algorithm"]


def make_algorithm(spec: Spec, spaces: Spaces) -> Algorithm:
    """The algorithm that a spec names. Raises UserError for one that can't be trained yet."""
    name = spec.agent.algorithm.name
    if name not in ALGORITHMS:
        raise UserError(f"agent.algorithm.name: '{name}' can't be trained yet; implemented: {', '.join(ALGORITHMS)}")
    return ALGORITHMS[name](spec, spaces)
