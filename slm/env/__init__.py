"""The worlds that agents act in: gymnasium environments, vectorised, with an explicit state."""

from slm.env.make import make_world
from slm.env.world import Step, World

__all__ = ["Step", "World", "make_world"]
