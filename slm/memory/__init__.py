"""What agents remember: rollouts for on-policy algorithms, replay memories for off-policy ones."""

from slm.memory.prioritized import PrioritizedReplay
from slm.memory.replay import Replay
from slm.memory.rollout import Rollout

__all__ = ["PrioritizedReplay", "Replay", "Rollout"]
