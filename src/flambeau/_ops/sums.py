"""Sums and maxima as XLA's CPU compiler computes them fastest.

Its reductions take one element after the other, since it may not reorder additions. Two forms use the whole width of the
processor instead:

* A sum of what lies in memory is a matrix product with ones, on all cores, too: layer norm of 4096 rows of 768 takes 1.5 ms,
  not 4.2. It is also closer to the true sum.
* A sum of what is computed for it alone (squares, say) is taken over `LANES` interleaved series at a time, in the loop that
  computes the elements, which are never written: 1.0 ms. So is a maximum: of 1024 rows of 10,000 it takes 2.0 ms, not
  4.7. Exponentials are the exception, since such a loop computes them one by one: of those rows 7.7 ms beside 3.3 for writing
  and adding them up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jax import lax

from flambeau._core import xla
from flambeau._core.declare import Array

# Below this many elements the time does not matter; so many and more are added by one product.
SMALL, SHORT, LONG = 1 << 14, 16, 4096
# Series that a loop adds up side by side (the fastest of 8, 16, 32 and 64), and how long they are at most.
LANES, LONGEST_SERIES = 32, 32


def total(
    xp: Any, x: Array, axes: int | Sequence[int] | None = None, keepdims: bool = False, computed: bool = False
) -> Array:
    """The sum over `axes` (all for None), which count from the front. A size may be symbolic, where a module is exported.

    Args:
        computed: that `x` is an expression which nothing else needs. It makes a difference over leading and trailing dimensions.
    """
    if not _has_forms(xp, x):
        return x.sum(axes if axes is None or isinstance(axes, int) else tuple(axes), keepdims=keepdims)
    every = range(x.ndim) if axes is None else (axes,) if isinstance(axes, int) else axes
    dims = sorted(every)
    result = _by_products(xp, x, dims, computed)
    return xp.expand_dims(result, dims) if keepdims else result


def channel_total(xp: Any, x: Array, computed: bool = False) -> Array:
    """The sum over all dimensions but the second of an array `(N, C, *)`."""
    if xp is not np and xla.channels_last():
        return total(xp, xp.moveaxis(x, 1, -1).reshape(-1, x.shape[1]), 0, computed=computed)
    return total(xp, x, (0, *range(2, x.ndim)), computed=computed)


def weighted_total(xp: Any, x: Array, weights: Array) -> Array:
    """The sum of `x * weights` over the last dimension, which stays with size 1."""
    if xp is np or _has_forms(xp, x):
        return (x @ weights)[..., None]
    return total(xp, x * weights, x.ndim - 1, keepdims=True)


def largest(xp: Any, x: Array, axis: int) -> Array:
    """The maximum along `axis`, which stays with size 1. Whether NaN counts is left to the compiler, as `xp.max` leaves it."""
    axis = axis % x.ndim
    length = x.shape[axis]
    lanes = next((n for n in (LANES, LANES // 2, LANES // 4) if _has_forms(xp, x) and length % n == 0), 0)
    if not lanes or axis != x.ndim - 1 or length < 2 * lanes:
        return x.max(axis, keepdims=True)
    series = x.reshape(*x.shape[:-1], length // lanes, lanes).max(-2)
    # Without the barrier XLA makes one reduction of the two again.
    return lax.optimization_barrier(series).max(-1, keepdims=True)


def _has_forms(xp: Any, x: Array) -> bool:
    return (
        xp is not np
        and isinstance(x.size, int)
        and x.size >= SMALL
        and x.dtype in (np.float32, np.float64)
        and xla.for_cpu()
    )


def _by_products(xp: Any, x: Array, dims: list[int], computed: bool) -> Array:
    shape = x.shape
    inner = 0  # how many trailing dimensions are summed over
    while inner < len(dims) and dims[-1 - inner] == x.ndim - 1 - inner:
        inner += 1
    length = math.prod(shape[x.ndim - inner :])
    if inner and length == x.size:
        return _whole(xp, x.reshape(-1))
    if inner and length >= SHORT:
        rows = _side_by_side(x.reshape(-1, length)) if computed else x.reshape(-1, length)
        found = rows @ xp.ones(rows.shape[1], x.dtype)
        return total(xp, found.reshape(shape[: x.ndim - inner]), dims[: len(dims) - inner])
    if dims == list(range(len(dims))) and math.prod(shape[: len(dims)]) >= SHORT:
        count = math.prod(shape[: len(dims)])
        if computed and count % LANES == 0:
            # In series that the loop which computes the elements adds up, over all columns side by side.
            x, count = x.reshape(count // LANES, LANES, -1).sum(1), count // LANES
        return (xp.ones(count, x.dtype) @ x.reshape(count, -1)).reshape(shape[len(dims) :])
    return x.sum(tuple(dims))


def _side_by_side(rows: Array) -> Array:
    """Each row's elements added up to some multiple of `LANES` of them."""
    count, length = rows.shape
    if length % LANES:
        return rows
    series = next(n for n in range(LONGEST_SERIES, 0, -1) if length // LANES % n == 0)
    return rows.reshape(-1, series, LANES).sum(1).reshape(count, -1)


def _whole(xp: Any, flat: Array) -> Array:
    length = next((n for n in range(LONG, SHORT - 1, -1) if flat.size % n == 0), 0)
    return total(xp, flat.reshape(-1, length) @ xp.ones(length, flat.dtype)) if length else flat.sum()
