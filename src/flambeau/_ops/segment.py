"""`segment_reduce`: sums, products and extremes of stretches along one dimension."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import canonical_dim, registry
from flambeau._core.dispatch import constant, function
from flambeau._core.tensor import Tensor

# By the name of the reduction: that of `scatter_reduce`, and what nothing reduces to.
_REDUCTIONS = {
    "sum": ("sum", 0.0), "mean": ("sum", 0.0), "prod": ("prod", 1.0), "max": ("amax", -math.inf), "amax": ("amax", -math.inf),
    "min": ("amin", math.inf), "amin": ("amin", math.inf),
}  # fmt: skip


@function("segment_reduce")
def segment_reduce(
    data: Tensor, reduce: str, *, lengths: Tensor | None = None, indices: Tensor | None = None,
    offsets: Tensor | None = None, axis: int = 0, unsafe: bool = False, initial: float | None = None,
) -> Tensor:  # fmt: skip
    """Reduces each of the stretches that a dimension is cut into.

    Args:
        reduce: "sum", "mean", "prod", "max" or "min".
        lengths: of the stretches; with more dimensions, one row for each place in the dimensions of `data` before `axis`.
        offsets: instead of lengths, where the stretches begin, and where the last one ends.
        axis: the dimension, which is the last of `lengths` or `offsets`.
        unsafe: lengths are not checked; what they leave over is ignored.
        initial: what each stretch begins with.

    >>> import flambeau
    >>> flambeau.segment_reduce(flambeau.arange(5.0), "sum", lengths=flambeau.tensor([2, 0, 3]))
    tensor([1., 0., 9.])
    """
    axis = canonical_dim(axis, data.ndim)
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    if reduce not in _REDUCTIONS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if not data.is_floating_point():
        raise NotImplementedError(f"\"_segment_reduce_cpu\" not implemented for '{data.dtype.scalar_type}'")
    counts, skipped = _lengths(data, lengths, offsets, axis, unsafe)
    number, size = counts.shape[-1], data._meta.shape[axis]
    places = np.full((*counts.shape[:-1], size), number)
    for row in np.ndindex(counts.shape[:-1]):
        used = np.repeat(np.arange(number), counts[row])[: max(size - skipped[row], 0)]
        places[row][skipped[row] : skipped[row] + len(used)] = used
    how, nothing = _REDUCTIONS[reduce]
    if initial is not None and how in ("sum", "prod"):
        nothing = initial
    found = _reduced(data, places, number, axis, how, nothing)
    rest = (1,) * (data.ndim - axis - 1)
    if reduce == "mean":
        shown = counts.reshape(*counts.shape, *rest)
        mean: Any = found / constant(shown, data.dtype, data._meta)
        if initial is None:
            return mean  # type: ignore[no-any-return]
        return registry["where"](constant(shown == 0, dtypes.bool_, data._meta), found, mean)  # type: ignore[no-any-return]
    if initial is not None and how not in ("sum", "prod"):
        beyond: Any = found < initial if how == "amax" else found > initial
        return registry["where"](beyond, initial, found)  # type: ignore[no-any-return]
    return found


def _reduced(data: Any, places: Any, number: int, axis: int, how: str, nothing: float) -> Any:
    """`data` reduced into `number` places along `axis`; what has the place `number` goes nowhere."""
    shape = data._meta.shape
    index: Any = constant(
        places.reshape(*places.shape, *(1,) * (len(shape) - axis - 1)), dtypes.int64, data._meta
    )
    start = data.new_full((*shape[:axis], number + 1, *shape[axis + 1 :]), nothing)
    return start.scatter_reduce(axis, index.expand(shape), data, how).narrow(axis, 0, number)


def _lengths(
    data: Tensor, lengths: Tensor | None, offsets: Tensor | None, axis: int, unsafe: bool
) -> tuple[Any, Any]:
    """The stretches' lengths, and how many elements come before the first, both on the host."""
    given, name = (lengths, "lengths") if lengths is not None else (offsets, "offsets")
    if given is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    if axis != given.ndim - 1:
        raise RuntimeError(
            f"segment_reduce(): Expected axis to be the last dimension of {name} but got {axis}."
        )
    if given.dtype not in (dtypes.int32, dtypes.int64):
        raise NotImplementedError(
            f"\"_segment_reduce_{name}_cpu_kernel1\" not implemented for '{given.dtype.scalar_type}'"
        )
    array = given._host_array()
    if lengths is None:
        return np.diff(array, axis=-1), array[..., 0]
    if not unsafe:
        if (array < 0).any():
            raise RuntimeError("lengths contains negative value!")
        if (array.sum(-1) != data._meta.shape[axis]).any():
            raise RuntimeError(
                "segment_reduce(): Expected all rows of lengths along axis to sum to data.size(lengths.dim()-1) when !unsafe."
            )
    return array, np.zeros(array.shape[:-1], np.int64)
