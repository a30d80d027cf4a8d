"""Reductions."""

from __future__ import annotations

from typing import Any

from flambeau._core.declare import KEEP, Array, Dims, canonical_dims
from flambeau._core.dispatch import op
from flambeau._core.value import Meta


def reduced_shape(input: Meta, dim: Any = None, keepdim: bool = False, **_: Any) -> tuple[int, ...]:
    """The shape after reducing `dim` (all dimensions for None)."""
    dims = canonical_dims(dim, input.ndim)
    if keepdim:
        return tuple(1 if i in dims else n for i, n in enumerate(input.shape))
    return tuple(n for i, n in enumerate(input.shape) if i not in dims)


@op("sum", "Tensor.sum", promote=KEEP, shape=reduced_shape)
def sum(xp: Any, input: Array, dim: Dims | None = None, keepdim: bool = False) -> Array:
    """The sum over `dim`, or over everything."""
    return xp.sum(input, axis=canonical_dims(dim, input.ndim), keepdims=keepdim)


@sum.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, dim: Any, keepdim: bool) -> Array:
    if not keepdim:
        g = xp.expand_dims(g, canonical_dims(dim, input_meta.ndim))
    return xp.broadcast_to(g, input_meta.shape)
