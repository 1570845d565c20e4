"""Networks of the spec language, as pure functions of one flat parameter vector."""

from slm.nets.build import build_network
from slm.nets.network import Network

__all__ = ["Network", "build_network"]
