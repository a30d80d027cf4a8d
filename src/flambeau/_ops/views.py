"""View primitives: each shows the same storage in another shape, or a part of it.

These take arguments that are worked out already (dimensions counted from the front, lengths, starts within
bounds);
the public functions in `shape.py` and indexing do that. Each has, beside its gradient, a rule for its
strides, one for
how far its first element lies from the input's, and one for writing through it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jax import lax

from flambeau._core import strides as stride_rules
from flambeau._core.declare import RAW, Array, Dims, Op, Scalar, Sizes
from flambeau._core.dispatch import op
from flambeau._core.modes import modes
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, meta_of
from flambeau._core.views import as_view

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
        place: tuple[Any, ...] = (*(slice(None),) * dim, int(index))
        result[place] = value
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


# -- the same elements in another order of dimensions ----------------------------------------------


def _permuted(input: Meta, dims: Shape) -> Meta:
    return input.with_shape(tuple([input.shape[dim] for dim in dims]))


def _inverse(dims: Shape) -> Shape:
    return tuple([dims.index(dim) for dim in range(len(dims))])


@op(promote=RAW, view=True, node="PermuteBackward", shape=_permuted)
def permute_view(xp: Any, input: Array, dims: Dims) -> Array:
    """Dimensions in the order `dims`."""
    return xp.transpose(input, dims)


@permute_view.strides
def _(shape: Shape, stride: Shape, dims: Shape) -> Shape:
    return tuple([stride[dim] for dim in dims])


@permute_view.scatter
def _(xp: Any, base: Array, value: Array, dims: Shape) -> Array:
    return xp.transpose(value, _inverse(dims))


@permute_view.gradient("input")
def _(xp: Any, g: Array, dims: Shape) -> Array:
    return xp.transpose(g, _inverse(dims))


def swapped(items: Shape, a: int, b: int) -> Shape:
    """A tuple with two items exchanged."""
    found = list(items)
    if found:
        found[a], found[b] = found[b], found[a]
    return tuple(found)


def _declare_swap(node: str) -> Op:
    """The exchange of two dimensions, whose node PyTorch calls `node`."""

    @op(
        promote=RAW,
        view=True,
        node=node,
        shape=lambda input, a, b: input.with_shape(swapped(input.shape, a, b)),
    )
    def swap_view(xp: Any, input: Array, a: int, b: int) -> Array:
        """Two dimensions exchanged."""
        return xp.swapaxes(input, a, b) if input.ndim else input

    @swap_view.strides
    def _(shape: Shape, stride: Shape, a: int, b: int) -> Shape:
        return swapped(stride, a, b)

    @swap_view.scatter
    def _(xp: Any, base: Array, value: Array, a: int, b: int) -> Array:
        return xp.swapaxes(value, a, b) if value.ndim else value

    @swap_view.gradient("input")
    def _(xp: Any, g: Array, a: int, b: int) -> Array:
        return xp.swapaxes(g, a, b) if g.ndim else g

    return swap_view


transpose_view, t_view = _declare_swap("TransposeBackward"), _declare_swap("TBackward")


# -- the same elements in another shape ------------------------------------------------------------


def _declare_reshape(node: str, new_shape: Any, new_stride: Any) -> Op:
    """A change of shape that keeps the order of elements. `new_shape` and `new_stride` take (shape,
    argument) and
    (shape, stride, argument).
    """

    @op(
        promote=RAW,
        view=True,
        node=node,
        shape=lambda input, size: input.with_shape(new_shape(input.shape, size)),
    )
    def reshape_view(xp: Any, input: Array, size: Sizes) -> Array:
        """Another shape."""
        return xp.reshape(input, new_shape(input.shape, size))

    reshape_view.stride_rule = new_stride

    @reshape_view.scatter
    def _(xp: Any, base: Array, value: Array, size: Shape) -> Array:
        return xp.reshape(value, base.shape)

    @reshape_view.gradient("input")
    def _(xp: Any, g: Array, input_meta: Meta) -> Array:
        return xp.reshape(g, input_meta.shape)

    return reshape_view


def _without(items: Shape, dims: Shape) -> Shape:
    return tuple([item for i, item in enumerate(items) if i not in dims])


def _squeezed_stride(shape: Shape, stride: Shape, dims: Shape) -> Shape:
    return _without(stride, dims)


def _with_one(shape: Shape, dim: Shape) -> Shape:
    return (*shape[: dim[0]], 1, *shape[dim[0] :])


def _unsqueezed_stride(shape: Shape, stride: Shape, dim: Shape) -> Shape:
    at = dim[0]
    return (*stride[:at], stride[at] * shape[at] if at < len(shape) else 1, *stride[at:])


def _as_given(shape: Shape, size: Shape) -> Shape:
    return size


# Whether the strides allow a view is decided before.
view_as_size = _declare_reshape("ViewBackward", _as_given, stride_rules.of_reshape)
# Dimensions of size 1 left out: all of them, one that was named, several.
squeeze_all = _declare_reshape("SqueezeBackward", _without, _squeezed_stride)
squeeze_dim = _declare_reshape("SqueezeBackward1", _without, _squeezed_stride)
squeeze_dims = _declare_reshape("SqueezeBackward2", _without, _squeezed_stride)
unsqueeze_view = _declare_reshape("UnsqueezeBackward", _with_one, _unsqueezed_stride)


@op(
    promote=RAW,
    view=True,
    overlaps=True,
    node="ExpandBackward",
    shape=lambda input, size: input.with_shape(size),
)
def expand_view(xp: Any, input: Array, size: Sizes) -> Array:
    """Entries repeated along new dimensions and those of size 1."""
    return xp.broadcast_to(input, size)


@expand_view.strides
def _(shape: Shape, stride: Shape, size: Shape) -> Shape:
    new = len(size) - len(shape)
    found = list(size)
    for i in range(len(size) - 1, -1, -1):
        if i >= new and shape[i - new] == size[i]:
            found[i] = stride[i - new]
        elif i < new and size[i] == 1:
            found[i] = found[i + 1] * size[i + 1] if i + 1 < len(size) else 1
        else:
            found[i] = 0
    return tuple(found)


@expand_view.scatter
def _(xp: Any, base: Array, value: Array, size: Shape) -> Array:
    new = value.ndim - base.ndim
    value = value[(0,) * new]
    return value[tuple([slice(0, n) for n in base.shape])] if base.ndim else value


@expand_view.gradient("input")
def _(g: Array) -> Array:
    return g


# -- diagonals and windows -------------------------------------------------------------------------


def diagonal_length(rows: int, columns: int, offset: int) -> int:
    """The number of entries on a diagonal of a matrix."""
    return max(min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns), 0)


def _diagonal_shape(input: Meta, offset: int, dim1: int, dim2: int) -> Meta:
    length = diagonal_length(input.shape[dim1], input.shape[dim2], offset)
    return input.with_shape((*_without(input.shape, (dim1, dim2)), length))


@op(promote=RAW, view=True, node="DiagonalBackward", shape=_diagonal_shape)
def diagonal_view(xp: Any, input: Array, offset: int, dim1: int, dim2: int) -> Array:
    """The diagonal of two dimensions, as the last one."""
    return xp.diagonal(input, offset, dim1, dim2)


@diagonal_view.strides
def _(shape: Shape, stride: Shape, offset: int, dim1: int, dim2: int) -> Shape:
    return (*_without(stride, (dim1, dim2)), stride[dim1] + stride[dim2])


@diagonal_view.offset
def _(start: int, stride: Shape, offset: int, dim1: int, dim2: int) -> int:
    return start + (offset * stride[dim2] if offset >= 0 else -offset * stride[dim1])


@diagonal_view.scatter
def put_diagonal(xp: Any, base: Array, value: Array, offset: int, dim1: int, dim2: int) -> Array:
    """The base with `value` on a diagonal."""
    number = np.arange(value.shape[-1])
    rows, columns = number + max(-offset, 0), number + max(offset, 0)
    if xp is np:
        result = np.array(base)
        np.moveaxis(result, (dim1, dim2), (-2, -1))[..., rows, columns] = value
        return result
    moved = xp.moveaxis(base, (dim1, dim2), (-2, -1)).at[..., rows, columns].set(value)
    return xp.moveaxis(moved, (-2, -1), (dim1, dim2))


@diagonal_view.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, offset: int, dim1: int, dim2: int) -> Array:
    return put_diagonal(xp, xp.zeros(input_meta.shape, g.dtype), g, offset, dim1, dim2)


def _unfolded(input: Meta, dim: int, size: int, step: int) -> Meta:
    if not input.shape:
        return input.with_shape((size,))
    count = (input.shape[dim] - size) // step + 1
    return input.with_shape((*input.shape[:dim], count, *input.shape[dim + 1 :], size))


@op(promote=RAW, view=True, node="UnfoldBackward", shape=_unfolded)
def unfold_view(xp: Any, input: Array, dim: int, size: int, step: int) -> Array:
    """Windows of `size` entries of a dimension, `step` apart; the entries become the last dimension."""
    if not input.ndim:
        return xp.reshape(input, (1,))[:size]
    if xp is np:
        windows = np.lib.stride_tricks.sliding_window_view(input, size, dim) if size else None
        if windows is not None:
            return windows[(*(slice(None),) * dim, slice(None, None, step))]
    index = _window_index(input.shape[dim], size, step)
    return xp.moveaxis(xp.take(input, index, axis=dim), dim + 1, -1)


def _window_index(length: int, size: int, step: int) -> np.ndarray[Any, Any]:
    return np.arange((length - size) // step + 1)[:, None] * step + np.arange(size)


@unfold_view.strides
def _(shape: Shape, stride: Shape, dim: int, size: int, step: int) -> Shape:
    if not shape:
        return (1,)
    return (*stride[:dim], stride[dim] * step, *stride[dim + 1 :], stride[dim])


@unfold_view.scatter
def _(xp: Any, base: Array, value: Array, dim: int, size: int, step: int) -> Array:
    return _put_windows(xp, base, value, dim, size, step, add=False)


def _put_windows(xp: Any, base: Array, value: Array, dim: int, size: int, step: int, add: bool) -> Array:
    """The base with windows set, or added, where overlapping ones all count."""
    if not base.ndim:
        return xp.reshape(value, ()) if size else base
    value = xp.moveaxis(value, -1, dim + 1)
    before = (slice(None),) * dim
    if xp is not np:
        at = base.at[(*before, _window_index(base.shape[dim], size, step))]
        return at.add(value) if add else at.set(value)
    result, count = np.array(base), value.shape[dim]
    for k in range(size):
        where = (*before, slice(k, k + (count - 1) * step + 1, step))
        result[where] = (
            result[where] + value[(*before, slice(None), k)] if add else value[(*before, slice(None), k)]
        )
    return result


@unfold_view.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, dim: int, size: int, step: int) -> Array:
    return _put_windows(xp, xp.zeros(input_meta.shape, g.dtype), g, dim, size, step, add=True)


# -- any geometry ----------------------------------------------------------------------------------


def _positions(size: Shape, stride: Shape, storage_offset: Any) -> Any:
    """Places in the storage, for each element."""
    found: Any = np.zeros((1,) * len(size), np.int64)
    for dim, (n, step) in enumerate(zip(size, stride, strict=True)):
        found = found + (np.arange(n) * step).reshape((n,) + (1,) * (len(size) - dim - 1))
    return found + storage_offset


@op(
    promote=RAW,
    view=True,
    node="AsStridedBackward",
    shape=lambda input, size, stride, start: input.with_shape(size),
)
def as_strided_view(xp: Any, input: Array, size: Sizes, stride: Sizes, storage_offset: Scalar) -> Array:
    """Elements of the whole storage `input` (contiguous) at any strides."""
    flat = xp.reshape(input, (-1,))
    if xp is np:
        if 0 in size:
            return np.zeros(size, input.dtype)
        bytes_ = [step * flat.itemsize for step in stride]
        return np.lib.stride_tricks.as_strided(flat[int(storage_offset) :], size, bytes_)
    return flat[_positions(size, stride, storage_offset)]


Op.by_strides = as_strided_view


@as_strided_view.strides
def _(shape: Shape, old: Shape, size: Shape, stride: Shape, storage_offset: Any) -> Shape:
    return stride


@as_strided_view.offset
def _(start: int, old: Shape, size: Shape, stride: Shape, storage_offset: Any) -> int:
    return int(storage_offset)


@as_strided_view.scatter
def put_strided(xp: Any, base: Array, value: Array, size: Shape, stride: Shape, storage_offset: Any) -> Array:
    """The base with `value` at any strides."""
    index = _positions(size, stride, int(storage_offset) if xp is np else storage_offset)
    if xp is np:
        result = np.array(base, order="C")
        result.reshape(-1)[index] = value
        return result
    return xp.reshape(xp.reshape(base, (-1,)).at[index].set(value), base.shape)


@as_strided_view.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, size: Shape, stride: Shape, storage_offset: Any) -> Array:
    index = _positions(size, stride, int(storage_offset) if xp is np else storage_offset)
    flat = xp.zeros(input_meta.numel, g.dtype)
    if xp is np:
        np.add.at(flat, index, g)
    else:
        flat = flat.at[index].add(g)
    return xp.reshape(flat, input_meta.shape)


# -- the same bits as another dtype ----------------------------------------------------------------


def _pairs_of(xp: Any, z: Array) -> Array:
    """Real and imaginary parts in a last dimension of 2."""
    if xp is np:
        return z.reshape((*z.shape, 1)).view(z.real.dtype)
    return xp.stack([xp.real(z), xp.imag(z)], -1)


def _from_pairs(xp: Any, pairs: Array) -> Array:
    if xp is np:
        if pairs.strides[-1] != pairs.itemsize:
            pairs = np.ascontiguousarray(pairs)
        return pairs.view(np.result_type(pairs.dtype, np.complex64))[..., 0]
    return lax.complex(pairs[..., 0], pairs[..., 1])


def _real_parts(input: Meta) -> Meta:
    return meta_of((*input.shape, 2), input.dtype.to_real(), input.device)


@op(promote=RAW, view=True, node="ViewAsRealBackward", shape=_real_parts)
def real_view(xp: Any, input: Array) -> Array:
    """Complex numbers as pairs of real ones."""
    return _pairs_of(xp, input)


@real_view.strides
def _(shape: Shape, stride: Shape) -> Shape:
    return (*[2 * step for step in stride], 1)


@real_view.offset
def _(start: int, stride: Shape) -> int:
    return 2 * start


@real_view.scatter
def _(xp: Any, base: Array, value: Array) -> Array:
    return _from_pairs(xp, value)


@real_view.gradient("input")
def _(xp: Any, g: Array) -> Array:
    return _from_pairs(xp, g)


def _complex_numbers(input: Meta) -> Meta:
    return meta_of(input.shape[:-1], input.dtype.to_complex(), input.device)


@op(promote=RAW, view=True, node="ViewAsComplexBackward", shape=_complex_numbers)
def complex_view(xp: Any, input: Array) -> Array:
    """Pairs of real numbers as complex ones."""
    return _from_pairs(xp, input)


@complex_view.strides
def _(shape: Shape, stride: Shape) -> Shape:
    return tuple([step // 2 for step in stride[:-1]])


@complex_view.offset
def _(start: int, stride: Shape) -> int:
    return start // 2


@complex_view.scatter
def _(xp: Any, base: Array, value: Array) -> Array:
    return _pairs_of(xp, value)


@complex_view.gradient("input")
def _(xp: Any, g: Array) -> Array:
    return _pairs_of(xp, g)


def _with_bits_of(input: Meta, dtype: Any, old: int) -> Meta:
    shape, new = input.shape, dtype.itemsize
    if old != new:
        shape = (*shape[:-1], shape[-1] * old // new)
    return meta_of(shape, dtype, input.device)


@op(promote=RAW, view=True, differentiable=False, shape=_with_bits_of)
def bits_view(xp: Any, input: Array, dtype: Any, old: int) -> Array:
    """The same bits as elements of another dtype; the last dimension grows or shrinks with their size, which
    was
    `old` bytes.
    """
    return _reinterpreted(xp, input, dtype.np)


def _reinterpreted(xp: Any, array: Array, target: Any) -> Array:
    if xp is np:
        if array.dtype.itemsize != target.itemsize and array.strides[-1] != array.itemsize:
            array = np.ascontiguousarray(array)
        return array.view(target)
    if array.dtype == target:
        return array
    if array.dtype.kind == "c":
        pairs = _pairs_of(xp, array)
        if target.itemsize == array.dtype.itemsize:
            return _reinterpreted(xp, pairs, target)[..., 0]
        return _reinterpreted(xp, xp.reshape(pairs, (*array.shape[:-1], -1)), target)
    if target.kind == "c":
        half = np.dtype(f"f{target.itemsize // 2}")
        if array.dtype.itemsize == target.itemsize:
            return _from_pairs(xp, _reinterpreted(xp, array[..., None], half))
        parts = _reinterpreted(xp, array, half)
        return _from_pairs(xp, xp.reshape(parts, (*parts.shape[:-1], -1, 2)))
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if target.kind == "b":
        return _reinterpreted(xp, array, np.dtype(np.uint8)) != 0
    old, new = array.dtype.itemsize, target.itemsize
    if new > old:
        array = xp.reshape(array, (*array.shape[:-1], -1, new // old))
    found = lax.bitcast_convert_type(array, target)
    return xp.reshape(found, (*found.shape[:-2], -1)) if new < old else found


@bits_view.strides
def _(shape: Shape, stride: Shape, dtype: Any, old: int) -> Shape:
    if old == dtype.itemsize:
        return stride
    return (*[step * old // dtype.itemsize for step in stride[:-1]], 1)


@bits_view.offset
def _(start: int, stride: Shape, dtype: Any, old: int) -> int:
    return int(start * old // dtype.itemsize)


@bits_view.scatter
def _(xp: Any, base: Array, value: Array, dtype: Any, old: int) -> Array:
    return _reinterpreted(xp, value, base.dtype)


# -- several views at once -------------------------------------------------------------------------


def _unbound(input: Meta, dim: int) -> list[Meta]:
    return [input.with_shape(input.shape[:dim] + input.shape[dim + 1 :])] * input.shape[dim]


@op(promote=RAW, many_outputs=True, node="UnbindBackward", shape=_unbound)
def unbind_parts(xp: Any, input: Array, dim: int) -> Any:
    """All entries of a dimension."""
    before = (slice(None),) * dim
    return tuple([input[(*before, i, ...)] for i in range(input.shape[dim])])


@unbind_parts.gradient("input")
def _(xp: Any, g: Any, dim: int) -> Array:
    return xp.stack(g, dim)


def declare_parts(node: str) -> Op:
    """Consecutive slices of a dimension, of the sizes given, whose node PyTorch calls `node`."""

    def shapes(input: Meta, sizes: Shape, dim: int) -> list[Meta]:
        return [input.with_shape((*input.shape[:dim], n, *input.shape[dim + 1 :])) for n in sizes]

    @op(promote=RAW, many_outputs=True, node=node, shape=shapes)
    def parts(xp: Any, input: Array, sizes: Sizes, dim: int) -> Any:
        """Consecutive slices."""
        before, found, start = (slice(None),) * dim, [], 0
        for size in sizes:
            found.append(input[(*before, slice(start, start + size))])
            start += size
        return tuple(found)

    @parts.gradient("input")
    def _(xp: Any, g: Any, dim: int) -> Array:
        return xp.concatenate(g, dim)

    return parts


split_parts = declare_parts("SplitBackward")
split_parts_with_sizes = declare_parts("SplitWithSizesBackward")


def as_views(
    input: Tensor, results: Sequence[Tensor], steps: Sequence[tuple[Any, tuple[Any, ...]]]
) -> tuple[Tensor, ...]:
    """Turns the results of one node into views of its input; autograd forbids writing to them in place."""
    for result, (call, numbers) in zip(results, steps, strict=True):
        as_view(call, input, result, numbers)
        if modes.grad:
            result._made_in = "multi"
            result._made_at = input._storage.version
    return tuple(results)
