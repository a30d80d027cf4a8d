"""Interim view primitives."""

from __future__ import annotations

from typing import Any

import numpy as np
from jax import lax

from flambeau._core import strides as stride_rules
from flambeau._core.declare import RAW, Array, Dims, Scalar, Sizes
from flambeau._core.dispatch import op
from flambeau._core.dtype import dtype as DType
from flambeau._core.value import Meta, meta_of
from flambeau._ops.views import select_view, slice_view

Shape = tuple[int, ...]

# -- the same elements in another order of dimensions ----------------------------------------------


def _permuted(input: Meta, dims: Shape) -> Meta:
    return input.with_shape(tuple(input.shape[d] for d in dims))


def _inverse(dims: Shape) -> Shape:
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


@op(promote=RAW, view=True, node="PermuteBackward", shape=_permuted)
def permute_view(xp: Any, input: Array, dims: Dims) -> Array:
    """The dimensions in another order; `dims` says which one comes at each place."""
    return xp.transpose(input, dims)


@op(promote=RAW, view=True, node="TransposeBackward", shape=_permuted)
def transpose_view(xp: Any, input: Array, dims: Dims) -> Array:
    """`permute_view` that exchanges two dimensions."""
    return xp.transpose(input, dims)


@op(promote=RAW, view=True, node="TBackward", shape=_permuted)
def t_view(xp: Any, input: Array, dims: Dims) -> Array:
    """`permute_view` of a matrix."""
    return xp.transpose(input, dims)


for _op in (permute_view, transpose_view, t_view):

    @_op.strides
    def _(shape: Shape, stride: Shape, dims: Shape) -> Shape:
        return tuple(stride[d] for d in dims)

    @_op.scatter
    def _(xp: Any, base: Array, value: Array, dims: Shape) -> Array:
        return xp.transpose(value, _inverse(dims))

    @_op.gradient("input")
    def _(xp: Any, g: Array, dims: Shape) -> Array:
        return xp.transpose(g, _inverse(dims))


# -- other shapes of the same elements -------------------------------------------------------------


def _sized(input: Meta, size: Shape) -> Meta:
    return input.with_shape(size)


def _declare_reshaping(name: str, node: str) -> Any:
    """A view of another shape. They differ in the name of their node alone; strides decide before whether it can be."""

    def body(xp: Any, input: Array, size: Sizes) -> Array:
        return xp.reshape(input, size)

    body.__name__ = name
    declared = op(promote=RAW, view=True, node=node, shape=_sized)(body)

    @declared.strides
    def _(shape: Shape, stride: Shape, size: Shape) -> Shape | None:
        return stride_rules.of_reshape(shape, stride, size)

    @declared.scatter
    def _(xp: Any, base: Array, value: Array, size: Shape) -> Array:
        return xp.reshape(value, base.shape)

    @declared.gradient("input")
    def _(xp: Any, g: Array, input_meta: Meta) -> Array:
        return xp.reshape(g, input_meta.shape)

    return declared


view_as_size = _declare_reshaping("view_as_size", "ViewBackward")
unsafe_view_as_size = _declare_reshaping("unsafe_view_as_size", "UnsafeViewBackward")


def _unsqueezed(input: Meta, dim: int) -> Meta:
    return input.with_shape((*input.shape[:dim], 1, *input.shape[dim:]))


@op(promote=RAW, view=True, node="UnsqueezeBackward", shape=_unsqueezed)
def unsqueeze_view(xp: Any, input: Array, dim: int) -> Array:
    """A new dimension of size 1 before `dim`."""
    return xp.expand_dims(input, dim)


@unsqueeze_view.strides
def _(shape: Shape, stride: Shape, dim: int) -> Shape:
    step = shape[dim] * stride[dim] if dim < len(shape) else 1
    return (*stride[:dim], step, *stride[dim:])


@unsqueeze_view.scatter
def _(xp: Any, base: Array, value: Array, dim: int) -> Array:
    return xp.reshape(value, base.shape)


@unsqueeze_view.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta) -> Array:
    return xp.reshape(g, input_meta.shape)


def _squeezed(input: Meta, dims: Shape) -> Meta:
    return input.with_shape(tuple(n for d, n in enumerate(input.shape) if d not in dims))


def _declare_squeezing(name: str, node: str) -> Any:
    """A view without the dimensions `dims`, all of size 1."""

    def body(xp: Any, input: Array, dims: Dims) -> Array:
        return xp.squeeze(input, dims)

    body.__name__ = name
    declared = op(promote=RAW, view=True, node=node, shape=_squeezed)(body)

    @declared.strides
    def _(shape: Shape, stride: Shape, dims: Shape) -> Shape:
        return tuple(s for d, s in enumerate(stride) if d not in dims)

    @declared.scatter
    def _(xp: Any, base: Array, value: Array, dims: Shape) -> Array:
        return xp.reshape(value, base.shape)

    @declared.gradient("input")
    def _(xp: Any, g: Array, input_meta: Meta) -> Array:
        return xp.reshape(g, input_meta.shape)

    return declared


# PyTorch numbers the nodes: without dimensions, with one, with several.
squeeze_all_view = _declare_squeezing("squeeze_all_view", "SqueezeBackward")
squeeze_view = _declare_squeezing("squeeze_view", "SqueezeBackward")


# -- several elements at one place, and elements along a diagonal ----------------------------------


@op(promote=RAW, view=True, node="ExpandBackward", shape=_sized)
def expand_view(xp: Any, input: Array, size: Sizes) -> Array:
    """Dimensions of size 1 repeated, and new ones in front, without a copy."""
    return xp.broadcast_to(input, size)


@expand_view.strides
def _(shape: Shape, stride: Shape, size: Shape) -> Shape:
    new = len(size) - len(shape)
    own = tuple(0 if n == 1 and size[new + d] != 1 else s for d, (n, s) in enumerate(zip(shape, stride, strict=True)))
    lead: list[int] = []
    step = size[new] * own[0] if own else 1
    for n in reversed(size[:new]):
        lead.append(0 if n != 1 else step)
    return (*reversed(lead), *own)


@expand_view.scatter
def _(xp: Any, base: Array, value: Array, size: Shape) -> Array:
    # All copies of an element were written alike (`inplace` refuses anything else): one of them is enough.
    new = value.ndim - base.ndim
    first = (0,) * new + tuple(slice(0, n) for n in base.shape)
    return value[first]


@expand_view.gradient("input")
def _(xp: Any, g: Array) -> Array:
    return g  # summed over the repeated dimensions, as after any broadcast


def _on_diagonal(input: Meta, offset: int, dim1: int, dim2: int) -> Meta:
    rows, columns = input.shape[dim1], input.shape[dim2]
    length = max(min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns), 0)
    return input.with_shape((*(n for d, n in enumerate(input.shape) if d not in (dim1, dim2)), length))


def _diagonal_index(length: int, offset: int) -> tuple[Any, Any]:
    place = np.arange(length)
    return place + max(-offset, 0), place + max(offset, 0)


@op(promote=RAW, view=True, node="DiagonalBackward", shape=_on_diagonal)
def diagonal_view(xp: Any, input: Array, offset: int, dim1: int, dim2: int) -> Array:
    """The elements whose places in `dim1` and `dim2` differ by `offset`, as a last dimension."""
    return xp.diagonal(input, offset, dim1, dim2)


@diagonal_view.strides
def _(shape: Shape, stride: Shape, offset: int, dim1: int, dim2: int) -> Shape:
    return (*(s for d, s in enumerate(stride) if d not in (dim1, dim2)), stride[dim1] + stride[dim2])


@diagonal_view.offset
def _(at: int, stride: Shape, offset: int, dim1: int, dim2: int) -> int:
    return at + (offset * stride[dim2] if offset >= 0 else -offset * stride[dim1])


@diagonal_view.scatter
def _put_diagonal(xp: Any, base: Array, value: Array, offset: int, dim1: int, dim2: int) -> Array:
    rows, columns = _diagonal_index(value.shape[-1], offset)
    moved = xp.moveaxis(base, (dim1, dim2), (-2, -1))
    if xp is np:
        result = np.array(moved)
        result[..., rows, columns] = value
    else:
        result = moved.at[..., rows, columns].set(value)
    return xp.moveaxis(result, (-2, -1), (dim1, dim2))


@diagonal_view.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, offset: int, dim1: int, dim2: int) -> Array:
    return _put_diagonal(xp, xp.zeros(input_meta.shape, g.dtype), g, offset, dim1, dim2)


def _unfolded(input: Meta, dim: int, size: int, step: int) -> Meta:
    if not input.ndim:
        return input.with_shape((size,))
    count = (input.shape[dim] - size) // step + 1
    return input.with_shape((*input.shape[:dim], count, *input.shape[dim + 1 :], size))


def _window_index(input: Meta | Array, dim: int, size: int, step: int) -> Any:
    count = (input.shape[dim] - size) // step + 1
    return np.arange(count)[:, None] * step + np.arange(size)


@op(promote=RAW, view=True, node="UnfoldBackward", shape=_unfolded)
def unfold_view(xp: Any, input: Array, dim: int, size: int, step: int) -> Array:
    """Windows of one dimension, `step` apart, as a last dimension of `size`."""
    if not input.ndim:
        return xp.reshape(input, (1,))[:size]
    if xp is np and size:
        windows = np.lib.stride_tricks.sliding_window_view(input, size, dim)
        return windows[(*(slice(None),) * dim, slice(None, None, step))]
    found = xp.take(input, _window_index(input, dim, size, step), dim)
    return xp.moveaxis(found, dim + 1, -1)


@unfold_view.strides
def _(shape: Shape, stride: Shape, dim: int, size: int, step: int) -> Shape:
    if not shape:
        return (1,)
    return (*stride[:dim], stride[dim] * step, *stride[dim + 1 :], stride[dim])


@unfold_view.scatter
def _(xp: Any, base: Array, value: Array, dim: int, size: int, step: int) -> Array:
    if not base.ndim:
        return xp.reshape(value, ()) if size else base
    index = _window_index(base, dim, size, step)
    moved, windows = xp.moveaxis(base, dim, 0), xp.moveaxis(value, (dim, -1), (0, 1))
    if xp is np:
        result = np.array(moved)
        result[index] = windows
    else:
        result = moved.at[index].set(windows)
    return xp.moveaxis(result, 0, dim)


@unfold_view.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, dim: int, size: int, step: int) -> Array:
    if not input_meta.ndim:
        return xp.reshape(g, ()) if size else xp.zeros((), g.dtype)
    index = _window_index(input_meta, dim, size, step)
    windows = xp.moveaxis(g, (dim, -1), (0, 1))
    zeros = xp.zeros((input_meta.shape[dim], *windows.shape[2:]), g.dtype)
    if xp is np:
        np.add.at(zeros, index, windows)
    else:
        zeros = zeros.at[index].add(windows)
    return xp.moveaxis(zeros, 0, dim)


def _strided_index(size: Shape, stride: Shape, start: int) -> Any:
    """Flat positions of the elements of a strided view, in the storage that its input's elements fill in order."""
    index: Any = np.int64(start)
    for n, s in zip(size, stride, strict=True):
        index = np.asarray(index)[..., None] + np.arange(n) * s
    return index


@op(promote=RAW, view=True, node="AsStridedBackward", shape=lambda input, size, stride, start: input.with_shape(size))
def strided_view(xp: Any, input: Array, size: Sizes, stride: Sizes, start: int) -> Array:
    """Elements at `start + sum(place * stride)` of a contiguous input."""
    if xp is np and input.flags.c_contiguous:
        steps = tuple(s * input.itemsize for s in stride)
        return np.lib.stride_tricks.as_strided(input.reshape(-1)[start:], size, steps)
    return xp.reshape(input, (-1,))[_strided_index(size, stride, start)]


@strided_view.strides
def _(shape: Shape, own: Shape, size: Shape, stride: Shape, start: int) -> Shape:
    return stride


@strided_view.offset
def _(at: int, own: Shape, size: Shape, stride: Shape, start: int) -> int:
    return start


@strided_view.scatter
def _(xp: Any, base: Array, value: Array, size: Shape, stride: Shape, start: int) -> Array:
    index, flat = _strided_index(size, stride, start), xp.reshape(base, (-1,))
    if xp is np:
        result = np.array(flat)
        result[index] = value
    else:
        result = flat.at[index].set(value)
    return xp.reshape(result, base.shape)


@strided_view.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, size: Shape, stride: Shape, start: int) -> Array:
    index, zeros = _strided_index(size, stride, start), xp.zeros((input_meta.numel,), g.dtype)
    if xp is np:
        np.add.at(zeros, index, g)
    else:
        zeros = zeros.at[index].add(g)
    return xp.reshape(zeros, input_meta.shape)


def _as_bytes_of(input: Meta, dtype: DType) -> Meta:
    old, new = input.dtype.itemsize, dtype.itemsize
    shape = input.shape if old == new else (*input.shape[:-1], input.shape[-1] * old // new)
    return meta_of(shape, dtype, input.device)


def _reinterpreted(xp: Any, array: Array, wanted: Any) -> Array:
    """The bytes of the last dimension as another dtype."""
    if xp is np:
        return np.ascontiguousarray(array).view(wanted)
    old, new = array.dtype.itemsize, np.dtype(wanted).itemsize
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    if new > old:
        array = array.reshape(*array.shape[:-1], array.shape[-1] * old // new, new // old)
    found = lax.bitcast_convert_type(array, wanted) if wanted != np.bool_ else array != 0
    return found.reshape(*found.shape[:-2], -1) if new < old else found


@op(promote=RAW, view=True, node="ViewBackward", shape=_as_bytes_of, differentiable=False)
def bytes_view(xp: Any, input: Array, dtype: Any) -> Array:
    """The same bytes as another dtype."""
    return _reinterpreted(xp, input, dtype.np)


@bytes_view.strides
def _(shape: Shape, stride: Shape, dtype: Any) -> Shape:
    return stride  # of tensors of equal width; the others are contiguous


@bytes_view.scatter
def _(xp: Any, base: Array, value: Array, dtype: Any) -> Array:
    return _reinterpreted(xp, value, base.dtype)
