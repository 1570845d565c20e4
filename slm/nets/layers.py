"""Layers beside those of torch.nn.

In training mode they write into the buffers that they are given, so that they are functions of these and pure under
`Network.train`, which hands them copies.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

POWER_ITERATIONS_AT_START = 15


class BatchRenorm1d(nn.Module):
    """Batch renormalisation (Ioffe 2017, arXiv:1702.03275, algorithm 1), over all dimensions but the second.

    Training: y = γ ((x − μ_B) / σ_B · r + d) + β with r = σ_B / σ in [1/r_m, r_m] and d = (μ_B − μ) / σ in
    [−d_m, d_m] held constant for the gradient; μ and σ are the running statistics, of the biased variance. In the
    first ``warmup_steps`` forward passes r_m rises from 1 to ``r_max`` and d_m from 0 to ``d_max``, linearly.
    Evaluation: y = γ (x − μ) / σ + β.
    """

    running_mean: Tensor
    running_var: Tensor
    steps: Tensor

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.01,
        r_max: float = 3.0,
        d_max: float = 5.0,
        warmup_steps: int = 10_000,
    ) -> None:
        super().__init__()
        self.eps, self.momentum, self.r_max, self.d_max = eps, momentum, r_max, d_max
        self.num_features, self.warmup_steps = num_features, warmup_steps
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        # Forward passes in training mode; as float, like the other buffers.
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        shape = (1, -1, *[1] * (x.dim() - 2))
        mean, deviation = self.running_mean, (self.running_var + self.eps).sqrt()
        if not self.training:
            normal = (x - mean.view(shape)) / deviation.view(shape)
        else:
            over = [dim for dim in range(x.dim()) if dim != 1]
            batch_var, batch_mean = torch.var_mean(x, over, correction=0)
            batch_deviation = (batch_var + self.eps).sqrt()
            r_bound, d_bound = self._bounds()
            r = torch.minimum(torch.maximum(batch_deviation.detach() / deviation, 1 / r_bound), r_bound)
            d = torch.minimum(torch.maximum((batch_mean.detach() - mean) / deviation, -d_bound), d_bound)
            normal = (x - batch_mean.view(shape)) / batch_deviation.view(shape) * r.view(shape) + d.view(shape)
            self.running_mean.lerp_(batch_mean.detach(), self.momentum)
            self.running_var.lerp_(batch_var.detach(), self.momentum)
            self.steps.add_(1)
        return self.weight.view(shape) * normal + self.bias.view(shape)

    def _bounds(self) -> tuple[Tensor, Tensor]:
        """r_m and d_m of this forward pass."""
        progress = (self.steps / self.warmup_steps).clamp(max=1.0) if self.warmup_steps else torch.ones_like(self.steps)
        return 1 + progress * (self.r_max - 1), progress * self.d_max

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, r_max={self.r_max}, "
            f"d_max={self.d_max}, warmup_steps={self.warmup_steps}"
        )


class LazyBatchRenorm1d(LazyModuleMixin, BatchRenorm1d):
    """`BatchRenorm1d` that takes its number of features from its first input."""

    cls_to_become = BatchRenorm1d

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float = 0.01,
        r_max: float = 3.0,
        d_max: float = 5.0,
        warmup_steps: int = 10_000,
    ) -> None:
        super().__init__(0, eps, momentum, r_max, d_max, warmup_steps)
        self.weight, self.bias = UninitializedParameter(), UninitializedParameter()  # type: ignore[assignment]
        self.running_mean, self.running_var = UninitializedBuffer(), UninitializedBuffer()

    def initialize_parameters(self, x: Tensor) -> None:
        """Called by torch before the first forward pass."""
        self.num_features = x.shape[1]
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            getattr(self, name).materialize((self.num_features,))
            nn.init.constant_(getattr(self, name), value)


class WeightNormLinear(nn.Module):
    """Linear layer with weights g · v / ‖v‖, row by row (Salimans & Kingma 2016, arXiv:1602.07868, eq. 2)."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        start = nn.Linear(in_features, out_features, bias)
        self.direction = nn.Parameter(start.weight.detach())
        self.magnitude = nn.Parameter(torch.empty(out_features, 1))
        self.bias = start.bias
        self.reset_magnitude()

    def reset_magnitude(self) -> None:
        """Set g to ‖v‖, so that the weights are the directions as they stand."""
        with torch.no_grad():
            self.magnitude.copy_(self.direction.norm(dim=1, keepdim=True))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.direction * (self.magnitude / self.direction.norm(dim=1, keepdim=True))
        return F.linear(x, weight, self.bias)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"


class LazyWeightNormLinear(LazyModuleMixin, WeightNormLinear):
    """`WeightNormLinear` that takes its number of inputs from its first input."""

    cls_to_become = WeightNormLinear

    def __init__(self, out_features: int, bias: bool = True) -> None:
        super().__init__(1, out_features, bias)
        self.direction = UninitializedParameter()  # type: ignore[assignment]

    def initialize_parameters(self, x: Tensor) -> None:
        """Called by torch before the first forward pass."""
        self.in_features = x.shape[-1]
        start = nn.Linear(self.in_features, self.out_features, self.bias is not None)
        self.direction.materialize(start.weight.shape)  # type: ignore[attr-defined]
        with torch.no_grad():
            self.direction.copy_(start.weight)
            if self.bias is not None:
                self.bias.copy_(start.bias)
        self.reset_magnitude()


class SpectralNormLinear(nn.Module):
    """Linear layer with weights W / σ(W), σ the largest singular value (Miyato et al. 2018, arXiv:1802.05957).

    σ ≈ uᵀ W v with v = Wᵀ u / ‖Wᵀ u‖; u (out,) is a buffer, moved by one power iteration in each forward pass in
    training mode. The gradient holds u and v constant.
    """

    u: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.register_buffer("u", F.normalize(torch.randn(linear.out_features), dim=0))
        with torch.no_grad():
            for _ in range(POWER_ITERATIONS_AT_START):
                self.u.copy_(self._iterate(self.u))

    def forward(self, x: Tensor) -> Tensor:
        u = self._iterate(self.u) if self.training else self.u
        v = F.normalize(self.weight.detach().t() @ u, dim=0)
        sigma = u @ (self.weight @ v)
        if self.training:
            self.u.copy_(u)
        return F.linear(x, self.weight / sigma, self.bias)

    def _iterate(self, u: Tensor) -> Tensor:
        """The next u of the power iteration."""
        weight = self.weight.detach()
        return F.normalize(weight @ F.normalize(weight.t() @ u, dim=0), dim=0)

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, bias={self.bias is not None}"


EXTRA_LAYERS: dict[str, type[nn.Module]] = {
    layer.__name__: layer for layer in (BatchRenorm1d, LazyBatchRenorm1d, WeightNormLinear, LazyWeightNormLinear)
}
"""Layers that an arc can name beside those of torch.nn."""
