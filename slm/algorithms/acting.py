"""Acting at every step, with as little between the environments and the network as there can be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from slm.algorithms.policies import Policy
from slm.backend import Inputs, Program


class Acting:
    """A bound ``choose`` on tensors of its own, which each call fills.

    New tensors for every step, and the comparison of their shapes, were measured to take twice as long as choosing.
    """

    def __init__(self, program: Program, inputs: Inputs, policy: Policy) -> None:
        """``inputs``: tensors for the observations (B, …), the scalar ``explore`` and the policy's noise."""
        self._arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        self._policy = policy
        self._choose = program.on(inputs)

    def __call__(self, observations: NDArray[Any], explore: float, rng: np.random.Generator) -> NDArray[Any]:
        """Actions (B, …) for observations (B, …)."""
        arrays = self._arrays
        np.copyto(arrays["observations"], observations)
        arrays["explore"][...] = explore
        for name, values in self._policy.noise(rng, len(observations)).items():
            arrays[name][...] = values
        return self._choose()["actions"].numpy()
