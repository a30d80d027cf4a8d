"""Sums as XLA's CPU compiler computes them fastest.

Its reductions add one element after the other, since it may not reorder additions; its matrix products use the whole width of
the processor and all cores. So a large sum there is a product with ones: four times faster (layer norm of 4096 rows of 768:
1.5 ms instead of 4.2), and closer to the true sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from flambeau._core import xla
from flambeau._core.declare import Array

# Below this many elements the time does not matter; so many and more are added by one product.
SMALL, SHORT, LONG = 1 << 14, 16, 4096


def total(xp: Any, x: Array, axes: int | Sequence[int] | None = None, keepdims: bool = False) -> Array:
    """The sum over `axes` (all for None), which count from the front. A size may be symbolic, where a module is exported."""
    if (
        xp is np
        or not isinstance(x.size, int)
        or x.size < SMALL
        or x.dtype not in (np.float32, np.float64)
        or not xla.for_cpu()
    ):
        return x.sum(axes if axes is None or isinstance(axes, int) else tuple(axes), keepdims=keepdims)
    every = range(x.ndim) if axes is None else (axes,) if isinstance(axes, int) else axes
    dims = sorted(every)
    result = _by_products(xp, x, dims)
    return xp.expand_dims(result, dims) if keepdims else result


def _by_products(xp: Any, x: Array, dims: list[int]) -> Array:
    shape = x.shape
    inner = 0  # how many trailing dimensions are summed over
    while inner < len(dims) and dims[-1 - inner] == x.ndim - 1 - inner:
        inner += 1
    length = math.prod(shape[x.ndim - inner :])
    if inner and length == x.size:
        return _whole(xp, x.reshape(-1))
    if inner and length >= SHORT:
        rows = x.reshape(-1, length) @ xp.ones(length, x.dtype)
        return total(xp, rows.reshape(shape[: x.ndim - inner]), dims[: len(dims) - inner])
    if dims == list(range(len(dims))) and math.prod(shape[: len(dims)]) >= SHORT:
        count = math.prod(shape[: len(dims)])
        return (xp.ones(count, x.dtype) @ x.reshape(count, -1)).reshape(shape[len(dims) :])
    return x.sum(tuple(dims))


def _whole(xp: Any, flat: Array) -> Array:
    length = next((n for n in range(LONG, SHORT - 1, -1) if flat.size % n == 0), 0)
    return total(xp, flat.reshape(-1, length) @ xp.ones(length, flat.dtype)) if length else flat.sum()
