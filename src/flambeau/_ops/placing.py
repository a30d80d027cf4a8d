"""Picking elements of arrays, and placing them: what indexing, gather and scatter compute with.

NumPy wants copies and ufuncs, JAX `array.at`. Out of range JAX fills in NaN and drops what was to be written;
indices are checked before, wherever the host can see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flambeau._core.declare import Array


def picked(xp: Any, array: Array, key: Any) -> Array:
    """The elements under a key; NaN for an index that is out of range and could not be checked beforehand."""
    return array[key] if xp is np else array.at[key].get(mode="fill")


def placed(xp: Any, array: Array, key: Any, values: Any) -> Array:
    """The array with other elements under a key."""
    if xp is not np:
        return array.at[key].set(values, mode="drop")
    result = np.array(array)
    result[key] = values
    return result


def combined(xp: Any, array: Array, key: Any, values: Any, how: str) -> Array:
    """The array with values added ("sum") to the elements under a key, or "prod", "amax", "amin"."""
    if xp is np:
        result = np.array(array)
        {"sum": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}[how].at(
            result, key, values
        )
        return result
    if array.dtype == bool:
        how = {"sum": "amax", "prod": "amin"}.get(how, how)
    place = array.at[key]
    return {"sum": place.add, "prod": place.multiply, "amax": place.max, "amin": place.min}[how](
        values, mode="drop"
    )


def key_of(indices: Sequence[Any]) -> Any:
    """Index arrays, None for a whole dimension, as arrays take them."""
    return tuple([slice(None) if index is None else index for index in indices])


def put(xp: Any, base: Array, indices: Sequence[Any], values: Array, accumulate: bool) -> Array:
    """`base` with values written, or added, at integer positions."""
    key = key_of(indices)
    if xp is not np:
        if not accumulate:
            return base.at[key].set(values, mode="drop")
        return (
            base.at[key].max(values, mode="drop")
            if base.dtype == bool
            else base.at[key].add(values, mode="drop")
        )
    result = np.array(base)
    if not base.size:
        return result
    if not accumulate:
        result[key] = values
    elif len(indices) == 1:
        add_rows(result, indices[0], np.broadcast_to(values, indices[0].shape + base.shape[1:]))
    else:
        np.add.at(result, key, values)
    return result


def add_rows(target: Any, rows: Any, values: Any) -> None:
    """Adds `values[i]` to `target[rows[i]]` in NumPy; several times the same row adds up."""
    flat = rows.reshape(-1)
    values = values.reshape(flat.size, *target.shape[1:])
    if target.ndim == 1 or flat.size < 2 or target.dtype == bool:
        np.add.at(target, flat, values)
        return
    flat = np.where(flat < 0, flat + target.shape[0], flat)
    # By runs of equal rows: ufunc.at would walk through the elements one by one.
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    if starts.size == flat.size:
        target[flat] += values
    else:
        target[ordered[starts]] += np.add.reduceat(values[order], starts, axis=0, dtype=target.dtype)
