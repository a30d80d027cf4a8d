"""View primitives: each shows the same storage in another shape, or a part of it.

These take arguments that are worked out already (dimensions counted from the front, lengths, starts within bounds);
the public functions in `shape.py` and indexing do that. Each has, beside its gradient, a rule for its strides, one for
how far its first element lies from the input's, and one for writing through it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jax import lax

from flambeau._core.declare import RAW, Array, Scalar
from flambeau._core.dispatch import op
from flambeau._core.value import Meta

Shape = tuple[int, ...]

# -- one entry, or several, of one dimension -------------------------------------------------------


def _selected(input: Meta, dim: int, index: Any) -> Meta:
    return input.with_shape(input.shape[:dim] + input.shape[dim + 1 :])


@op(promote=RAW, view=True, node="SelectBackward", shape=_selected)
def select_view(xp: Any, input: Array, dim: int, index: Scalar) -> Array:
    """Entry `index` (0 or more) of dimension `dim`, which disappears."""
    if xp is np:
        return input[(*(slice(None),) * dim, int(index), ...)]  # the ellipsis keeps a 0-d result a view
    return lax.dynamic_index_in_dim(input, index, dim, keepdims=False)


@select_view.strides
def _(shape: Shape, stride: Shape, dim: int, index: Any) -> Shape:
    return stride[:dim] + stride[dim + 1 :]


@select_view.offset
def _(offset: int, stride: Shape, dim: int, index: Any) -> int:
    return offset + int(index * stride[dim])


@select_view.scatter
def _put_selected(xp: Any, base: Array, value: Array, dim: int, index: Any) -> Array:
    if xp is np:
        result = np.array(base)
        result[(*(slice(None),) * dim, int(index))] = value
        return result
    return lax.dynamic_update_index_in_dim(base, value, index, dim)


@select_view.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, dim: int, index: Any) -> Array:
    return _put_selected(xp, xp.zeros(input_meta.shape, g.dtype), g, dim, index)


def _sliced(input: Meta, dim: int, start: Any, length: int, step: int) -> Meta:
    if step < 1:
        raise ValueError("slice step must be positive")
    return input.with_shape((*input.shape[:dim], length, *input.shape[dim + 1 :]))


@op(promote=RAW, view=True, node="SliceBackward", shape=_sliced)
def slice_view(xp: Any, input: Array, dim: int, start: Scalar, length: int, step: int) -> Array:
    """`length` entries of dimension `dim` from `start`, `step` apart."""
    span = (length - 1) * step + 1 if length else 0
    if xp is np:
        return input[(*(slice(None),) * dim, slice(int(start), int(start) + span, step))]
    found = lax.dynamic_slice_in_dim(input, start, span, dim)
    return lax.slice_in_dim(found, 0, None, step, dim) if step != 1 and length else found


@slice_view.strides
def _(shape: Shape, stride: Shape, dim: int, start: Any, length: int, step: int) -> Shape:
    return (*stride[:dim], stride[dim] * step, *stride[dim + 1 :])


@slice_view.offset
def _(offset: int, stride: Shape, dim: int, start: Any, length: int, step: int) -> int:
    return offset + int(start * stride[dim])


@slice_view.scatter
def _put_slice(xp: Any, base: Array, value: Array, dim: int, start: Any, length: int, step: int) -> Array:
    span = (length - 1) * step + 1 if length else 0
    if xp is np:
        result = np.array(base)
        result[(*(slice(None),) * dim, slice(int(start), int(start) + span, step))] = value
        return result
    if step == 1:
        return lax.dynamic_update_slice_in_dim(base, value, start, dim)
    index = (*(slice(None),) * dim, start + xp.arange(length) * step)
    return base.at[index].set(value)


@slice_view.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, dim: int, start: Any, length: int, step: int) -> Array:
    return _put_slice(xp, xp.zeros(input_meta.shape, g.dtype), g, dim, start, length, step)
