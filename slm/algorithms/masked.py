"""Means and scales of batches, in which a mask (B,) of ones and zeros can mark the rows that count."""

from __future__ import annotations

import torch
from torch import Tensor


def mean(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of x (B,) over the rows that count; 0 where none does."""
    if mask is None:
        return x.mean()
    return (x * mask).sum() / mask.sum().clamp(min=1)


def unit_scale(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """x (B,) over the root of its mean square, with the sum of squares divided by the number of rows less one."""
    counted = torch.ones_like(x) if mask is None else mask
    squares = (counted * x * x).sum() / (counted.sum() - 1).clamp(min=1)
    return x / (squares.sqrt() + 1e-8)


def standardize(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Zero mean and unit (sample) deviation; a single value has no deviation and stays as it is."""
    if mask is not None:
        return torch.where(mask.sum() > 1, unit_scale(x - mean(x, mask), mask), x)
    if len(x) == 1:
        return x
    return (x - x.mean()) / (x.std() + 1e-8)
