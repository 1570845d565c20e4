"""Networks of the spec language, as pure functions of flat vectors of parameters and buffers."""

from slm.nets.build import build_network, sequence_length
from slm.nets.network import Network

__all__ = ["Network", "build_network", "sequence_length"]
