"""Sequences packed step by step, and side by side: which row of the one is where in the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import RAW, Array, Index
from flambeau._core.dispatch import constant, op
from flambeau._core.tensor import Tensor


@op(
    promote=RAW,
    shape=lambda input, rows, back: (rows.shape[0], *input.shape[1:]),
    result=lambda input, *_: input.dtype,
)
def rows_at(xp: Any, input: Array, rows: Index, back: Index) -> Array:
    """The rows of these numbers, zeros for -1. `back` has the place of each row of the input in the result, or -1."""
    return _rows_or_zeros(xp, input, rows)


@rows_at.gradient("input")
def _(xp: Any, g: Array, back: Array) -> Array:
    return _rows_or_zeros(xp, g, back)


def _rows_or_zeros(xp: Any, array: Array, rows: Array) -> Array:
    found = array[xp.maximum(rows, 0)]
    there = (rows >= 0).reshape(-1, *(1,) * (array.ndim - 1))
    return xp.where(there, found, 0).astype(array.dtype)


def steps_there(counts: Any, steps: int) -> np.ndarray[Any, Any]:
    """For each of so many steps and each sequence whether it is there; `counts` says how many have each step."""
    found = np.zeros((steps, int(counts[0])), np.bool_)
    found[: len(counts)] = np.arange(found.shape[1]) < np.asarray(counts)[:, None]
    return found


def places(there: np.ndarray[Any, Any], like: Tensor) -> tuple[Tensor, Tensor]:
    """For `rows_at`, on the device of `like`: for each padded step its row in the packed data, or -1; and the way back."""
    to_padded = np.full(there.shape, -1, np.int64)
    to_padded[there] = np.arange(there.sum())
    return (
        constant(to_padded.reshape(-1), dtypes.int64, like._meta),
        constant(np.flatnonzero(there), dtypes.int64, like._meta),
    )
