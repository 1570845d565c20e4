"""What happens where a loss is no longer a finite number."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from slm.backend import Agent, Inputs, Outputs, StepFunction


class DivergedError(Exception):
    """The loss is no longer a finite number."""


def left_out_where_diverged(update: StepFunction) -> StepFunction:
    """The step function, which now changes nothing where its loss, or what it would change, is not finite.

    What was not finite before (an average that nothing has entered yet) may stay so.
    """

    @functools.wraps(update)
    def guarded(agent: Agent, inputs: Inputs) -> tuple[Agent, Outputs]:
        new, outputs = update(agent, inputs)
        if "metrics" not in outputs:  # acts or evaluates
            return new, outputs
        changed = [name for name in agent if new[name] is not agent[name]]
        finite: Tensor = outputs["metrics"][0].isfinite()
        for name in changed:
            finite = finite & (new[name].isfinite() | ~agent[name].isfinite()).all()
        kept = {name: torch.where(finite, new[name], agent[name]) for name in changed}
        return {**agent, **kept}, outputs

    return guarded
