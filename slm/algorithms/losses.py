"""Losses of single elements, and the scale that they are taken on."""

from __future__ import annotations

from torch import Tensor, nn

from slm.errors import UserError
from slm.spec import NetSpec


def elementwise_loss(spec: NetSpec) -> nn.Module:
    """The torch.nn loss of a net spec, without reduction: algorithms weight and average the elements themselves.

    Raises UserError for a reduction other than the mean.
    """
    kwargs = dict(spec.loss_spec)
    if (reduction := kwargs.pop("reduction", "mean")) != "mean":
        raise UserError(f"agent.net.loss_spec.reduction: '{reduction}' is not supported; allowed: mean")
    names = {name.lower(): name for name in nn.modules.loss.__all__}
    return getattr(nn, names[kwargs.pop("name").lower()])(**kwargs, reduction="none")


def symlog(x: Tensor) -> Tensor:
    """sign(x) ln(1 + |x|)."""
    return x.sign() * x.abs().log1p()
