"""Weights as a length and a direction: `torch.norm_except_dim` and `torch._weight_norm`."""

from __future__ import annotations

from typing import Any

from flambeau._core.dispatch import function
from flambeau._core.tensor import Tensor
from flambeau._ops.distance import vector_norm


@function("norm_except_dim")
def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm over all dimensions but `dim`, which keep size 1; over all of them for -1."""
    if dim == -1:
        return vector_norm(v, pow)
    where = dim % v.dim()
    others = [each for each in range(v.dim()) if each != where]
    if not others:
        return v.abs()
    return vector_norm(v, pow, others, keepdim=True)


@function("_weight_norm")
def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Any:
    """The weight of direction `v` and length `g`."""
    return v * (g / norm_except_dim(v, 2, dim))
