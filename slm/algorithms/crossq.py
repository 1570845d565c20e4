"""CrossQ: soft actor-critic without target networks (Bhatt et al. 2024, arXiv:1902.05605).

Target networks keep the values of (s', a') from running away. CrossQ does without them by normalising the critics'
layers over batches that hold (s, a) and (s', a') together, so that both meet the same statistics.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from slm.algorithms.sac import SoftActorCritic
from slm.backend import Agent, Inputs, Outputs
from slm.nets.network import Parameters


class CrossQ(SoftActorCritic):
    """A stochastic policy, two critics with batch (re)normalisation, and the temperature α.

    The policy step is the soft actor-critic's: there the critics are in evaluation mode and use running statistics.
    """

    HAS_TARGETS: ClassVar = False

    def critic_step(self, agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        """Descend J_Q with the values of both moments from one forward pass in training mode (section 3, figure 3).

        [Q(s, a); Q(s', a')] = Q([s; s'], [a; a']), of which the second half is held constant and gives y.
        """
        actions, next_observations = inputs["actions"], inputs["next_observations"]
        draw = self.draw(agent, next_observations, inputs["next_noise"])
        now = self.actions.critic_input(inputs["observations"], actions)
        both = torch.cat([now, self.actions.critic_input(next_observations, draw.actions)])

        def loss(named: dict[str, Parameters]) -> tuple[Tensor, dict[str, Tensor]]:
            joint, buffers = self.train_q(named, both)
            values, next_values = zip(*(value.chunk(2) for value in joint), strict=True)
            y = self.bootstrap(agent, inputs, draw, [value.detach() for value in next_values])
            total, metrics = self.critic_loss(values, actions, y, inputs["weights"])
            return total, {**metrics, **buffers}

        return self.descend(agent, inputs, loss, ["critic1", "critic2"])
