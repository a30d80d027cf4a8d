"""Cholesky factors of random correlation matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from flambeau._core.dtype import finfo
from flambeau._core.tensor import Tensor
from flambeau._ops.choice import clamp
from flambeau._ops.join import cat
from flambeau._ops.random_new import randn
from flambeau._ops.ranges import arange
from flambeau._ops.rearrange import diag_embed
from flambeau._ops.special import lgamma, mvlgamma
from flambeau.distributions import constraints
from flambeau.distributions.beta import Beta
from flambeau.distributions.distribution import Distribution
from flambeau.distributions.utils import broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """The lower Cholesky factor of a random correlation matrix.

    Args:
        dim: how many variables.
        concentration: at 1 all matrices are equally likely; the higher, the weaker the correlations.

    Raises: ValueError for a `dim` below 2.
    Source: the onion method of Lewandowski, Kurowicka and Joe 2009, doi:10.1016/j.jmva.2009.04.008.

    >>> LKJCholesky(3, 0.5).event_shape
    torch.Size([3, 3])
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(
        self, dim: int, concentration: Tensor | float = 1.0, validate_args: bool | None = None
    ) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        # How much of each row lies off the diagonal.
        rows = arange(dim - 1, dtype=self.concentration.dtype, device=self.concentration.device)
        rows = cat([rows.new_zeros((1,)), rows])
        last = self.concentration + 0.5 * (dim - 2)
        self._beta = Beta(rows + 0.5, last.unsqueeze(-1) - 0.5 * rows)
        super().__init__(self.concentration.size(), (dim, dim), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        parts = {
            "dim": self.dim,
            "concentration": self.concentration.expand(batch_shape),
            "_beta": self._beta.expand((*batch_shape, self.dim)),
        }
        return self._expanded(LKJCholesky, _instance, batch_shape, parts, self.event_shape)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        share = self._beta.sample(sample_shape).unsqueeze(-1)
        normal = randn(self._extended_shape(sample_shape), dtype=share.dtype, device=share.device).tril(-1)
        direction = normal / normal.norm(dim=-1, keepdim=True)
        direction[..., 0, :].fill_(0.0)  # the first row has nothing below the diagonal
        factor = share.sqrt() * direction
        left = clamp(1 - (factor**2).sum(-1), min=finfo(factor.dtype).tiny)
        return factor + diag_embed(left.sqrt())

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = arange(2, self.dim + 1, device=self.concentration.device)
        order = 2 * (self.concentration - 1).unsqueeze(-1) + self.dim - order
        unnormalized = (order * diagonal.log()).sum(-1)
        free = self.dim - 1
        alpha = self.concentration + 0.5 * free
        normalizer = 0.5 * free * math.log(math.pi) + mvlgamma(alpha - 0.5, free) - lgamma(alpha) * free
        return unnormalized - normalizer
