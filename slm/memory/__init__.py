"""What agents remember: rollouts and episodes for on-policy algorithms, replay memories for off-policy ones."""

from slm.memory.episodes import Episodes
from slm.memory.imitation import ImitationMemory
from slm.memory.memory import Memory, NoMemory
from slm.memory.prioritized import PrioritizedReplay, PrioritizedRing
from slm.memory.replay import Replay
from slm.memory.ring import Ring
from slm.memory.rollout import Rollout
from slm.memory.rows import Rows

__all__ = [
    "Episodes",
    "ImitationMemory",
    "Memory",
    "NoMemory",
    "PrioritizedReplay",
    "PrioritizedRing",
    "Replay",
    "Ring",
    "Rollout",
    "Rows",
]
