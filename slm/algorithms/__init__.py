"""How agents learn: one file for each algorithm."""

from slm.algorithms.actor_critic import ActorCritic
from slm.algorithms.base import Algorithm, Clock, DivergedError, Spaces
from slm.algorithms.dqn import DQN
from slm.algorithms.ppo import PPO
from slm.errors import UserError
from slm.spec import Spec

ALGORITHMS: dict[str, type[Algorithm]] = {
    "ActorCritic": ActorCritic,
    "PPO": PPO,
    "VanillaDQN": DQN,
    "DQNBase": DQN,
    "DQN": DQN,
    "DoubleDQN": DQN,
}

__all__ = ["ALGORITHMS", "Algorithm", "Clock", "DivergedError", "Spaces", "make_algorithm"]


def make_algorithm(spec: Spec, spaces: Spaces) -> Algorithm:
    """The algorithm that a spec names. Raises UserError for one that can't be trained yet."""
    name = spec.agent.algorithm.name
    if name not in ALGORITHMS:
        raise UserError(f"agent.algorithm.name: '{name}' can't be trained yet; implemented: {', '.join(ALGORITHMS)}")
    return ALGORITHMS[name](spec, spaces)
