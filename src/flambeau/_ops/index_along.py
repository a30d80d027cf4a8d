"""Whole slices along one dimension, named by a vector of indices: index_select, index_add, index_copy ..."""

from __future__ import annotations

from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import (
    EXACT,
    EXACT_APART,
    KEEP,
    RAW,
    Array,
    Index,
    Operand,
    Out,
    Scalar,
    canonical_dim,
)
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, Value
from flambeau._core.warn import warn
from flambeau._ops.bounds import check_index, out_of_bounds
from flambeau._ops.gather import INDEX_DTYPES, reduced, reduction_gradients
from flambeau._ops.numbers import as_number
from flambeau._ops.placing import add_rows, combined, picked, placed


def _key(dim: int, ndim: int, index: Array) -> tuple[Any, ...]:
    return (*(slice(None),) * (dim % max(ndim, 1)), index)


def _vector(xp: Any, index: Array) -> Array:
    return xp.reshape(index, (1,)) if index.ndim == 0 else index


def _line(xp: Any, array: Array) -> Array:
    return xp.reshape(array, (1,)) if array.ndim == 0 else array


def _size(meta: Meta, dim: int) -> int:
    return meta.shape[canonical_dim(dim, meta.ndim)] if meta.shape else 1


def _add(xp: Any, target: Array, dim: int, index: Array, values: Array) -> Array:
    """`target` with slices added at an index; several times the same index adds up."""
    key = _key(dim, target.ndim, index)
    if xp is not np or target.dtype == bool:
        return combined(xp, target, key, values, "sum")
    moved = np.moveaxis(np.array(target), dim, 0)
    add_rows(moved, index, np.moveaxis(values, dim, 0))
    return np.moveaxis(moved, 0, dim)


# -- index_select ----------------------------------------------------------------------------------


def _selected_shape(input: Meta, dim: int, index: Meta) -> Meta:
    dim = canonical_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if index.dtype not in INDEX_DTYPES:
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    if not input.shape:
        if index.numel != 1:
            raise RuntimeError(
                f"index_select(): Index to scalar can have only 1 value, got {index.numel} value(s)"
            )
        return input
    return input.with_shape((*input.shape[:dim], index.numel, *input.shape[dim + 1 :]))


def _check_selected(input: Value, dim: int, index: Value) -> None:
    size = _size(input.meta, dim)
    check_index(
        index,
        size,
        0,
        lambda found: IndexError("index out of range in self"),
        _range_note(input.meta, dim, size),
    )


def _range_note(meta: Meta, dim: int, size: int) -> str:
    where = f"Dimension {canonical_dim(dim, meta.ndim)} of the tensor of shape {list(meta.shape)}"
    return f"{where} takes indices from 0 to {size - 1}."


@op(
    "index_select",
    "Tensor.index_select",
    out=Out("index_select(): self and result must have the same scalar type", apart=True),
    promote=RAW,
    shape=_selected_shape,
    check=_check_selected,
)
def index_select(xp: Any, input: Array, dim: int, index: Index) -> Array:
    """The slices of `input` along `dim` that a vector of indices names, as a copy.

    >>> import flambeau
    >>> flambeau.index_select(flambeau.tensor([[1, 2], [3, 4]]), 1, flambeau.tensor([1, 1]))
    tensor([[2, 2],
            [4, 4]])
    """
    if not input.ndim:
        return input
    return picked(xp, input, _key(dim, input.ndim, _vector(xp, index)))


@index_select.gradient("input")
def _(xp: Any, g: Array, dim: int, index: Array, input_meta: Meta) -> Array:
    if not input_meta.shape:
        return g
    return _add(xp, xp.zeros(input_meta.shape, g.dtype), dim % input_meta.ndim, _vector(xp, index), g)


# -- index_add -------------------------------------------------------------------------------------


def _check_source(name: str, input: Meta, dim: int, index: Meta, source: Meta) -> None:
    dim = canonical_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError(
            f"{name}(): Index is supposed to be a vector, but got dim: {index.ndim} with type: "
            f"{index.dtype.scalar_type} and size: {list(index.shape)}"
        )
    if index.dtype not in INDEX_DTYPES:
        raise RuntimeError(
            f"{name}(): Expected dtype int32/int64 for index but got: {index.dtype.scalar_type}"
        )
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"{name}(): self ({input.dtype.scalar_type}) and source ({source.dtype.scalar_type}) must have "
            "the same scalar type"
        )
    if source.ndim and dim >= source.ndim:
        raise RuntimeError(
            f"{name}(): Indexing dim {dim} is out of bounds of the source tensor with shape "
            f"{list(source.shape)}"
        )
    size = source.shape[dim] if source.shape else 1
    if index.numel != size:
        raise RuntimeError(
            f"{name}(): Number of indices ({index.numel}) should be equal to source.size(dim): ({size}), for "
            f"dim: {dim}"
        )
    own = input.shape[:dim] + input.shape[dim + 1 :]
    other = source.shape[:dim] + source.shape[dim + 1 :]
    if own != other:
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got "
            f"self.shape = {list(input.shape)} source.shape = {list(source.shape)}"
        )


def _added_shape(input: Meta, dim: int, index: Meta, source: Meta, alpha: Any) -> Meta:
    _check_source("index_add_", input, dim, index, source)
    return input


def _check_added(input: Value, dim: int, index: Value, *_: Any) -> None:
    size = _size(input.meta, dim)
    check_index(index, size, 0, out_of_bounds(canonical_dim(dim, input.meta.ndim), size, RuntimeError))


@op(
    "index_add",
    "Tensor.index_add",
    "Tensor.index_add_",
    out=EXACT_APART,
    promote=KEEP,
    shape=_added_shape,
    check=_check_added,
)
def index_add(xp: Any, input: Array, dim: int, index: Index, source: Array, *, alpha: Scalar = 1) -> Array:
    """`input` with `alpha` times the slices of `source` added at the indices along `dim`.

    >>> import flambeau
    >>> flambeau.zeros(2).index_add(0, flambeau.tensor([0, 0]), flambeau.tensor([1.0, 2.0]))
    tensor([3., 0.])
    """
    shape = input.shape
    if type(alpha) is not int:
        source = (source * alpha).astype(input.dtype)
    input, source = _line(xp, input), _line(xp, source)
    return _add(xp, input, dim % input.ndim, _vector(xp, index), source).reshape(shape)


@index_add.gradient("input")
def _(g: Array) -> Array:
    return g


@index_add.gradient("source")
def _(xp: Any, g: Array, dim: int, index: Array, alpha: Any, source_meta: Meta) -> Array:
    found = picked(xp, _line(xp, g), _key(dim, g.ndim, _vector(xp, index))).reshape(source_meta.shape)
    return found if type(alpha) is int else found * alpha


# -- index_copy ------------------------------------------------------------------------------------


def _copied_shape(input: Meta, dim: int, index: Meta, source: Meta) -> Meta:
    name = "index_copy_"
    dim = canonical_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index should have dimension 1 or 0 (got {index.ndim})")
    if not source.shape and index.numel != 1:
        raise IndexError(
            f"{name}(): When source is scalar, index should have one element (got {index.numel})"
        )
    if source.shape and input.shape and source.ndim != input.ndim:
        raise IndexError(
            f"{name}(): When source and destination are not scalars, their dimensionality must match. Source "
            f"dimensionality ({source.ndim}), destination dimensionality ({input.ndim})"
        )
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"{name}(): Expected a long tensor for index, but got {index.dtype.scalar_type}")
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"{name}(): self and source expected to have the same dtype, but got (self) "
            f"{input.dtype.scalar_type} and (source) {source.dtype.scalar_type}"
        )
    own = input.shape[:dim] + input.shape[dim + 1 :]
    other = source.shape[:dim] + source.shape[dim + 1 :]
    if own != other:
        raise RuntimeError(
            f"{name}(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{' '.join(map(str, own))} at dimension {dim} and source slice shape: "
            f"{' '.join(map(str, other))} at dimension 0."
        )
    if source.shape and index.numel != source.shape[dim]:
        raise IndexError(
            f"{name}(): Number of indices ({index.numel}) should be equal to source.size(dim) "
            f"({source.shape[dim]})"
        )
    return input


def _check_copied(input: Value, dim: int, index: Value, source: Value) -> None:
    size = _size(input.meta, dim)
    message = out_of_bounds(canonical_dim(dim, input.meta.ndim), size, IndexError, "index_copy_(): ")
    check_index(index, size, 0, message)


@op(
    "index_copy",
    "Tensor.index_copy",
    "Tensor.index_copy_",
    out=EXACT_APART,
    promote=RAW,
    shape=_copied_shape,
    check=_check_copied,
)
def index_copy(xp: Any, input: Array, dim: int, index: Index, source: Array) -> Array:
    """`input` with the slices of `source` in place of those at the indices along `dim`."""
    line = _line(xp, input)
    return placed(xp, line, _key(dim, input.ndim, _vector(xp, index)), _line(xp, source)).reshape(input.shape)


@index_copy.gradient("input")
def _(xp: Any, g: Array, dim: int, index: Array) -> Array:
    return _cleared(xp, g, dim, index)


@index_copy.gradient("source")
def _(xp: Any, g: Array, dim: int, index: Array, source_meta: Meta) -> Array:
    return picked(xp, _line(xp, g), _key(dim, g.ndim, _vector(xp, index))).reshape(source_meta.shape)


def _cleared(xp: Any, g: Array, dim: int, index: Array) -> Array:
    key = _key(dim, g.ndim, _vector(xp, index))
    return placed(xp, _line(xp, g), key, xp.zeros((), g.dtype)).reshape(g.shape)


# -- index_fill ------------------------------------------------------------------------------------


def _filled_shape(input: Meta, dim: int, index: Meta, value: Any) -> Meta:
    canonical_dim(dim, input.ndim)
    if index.dtype is not dtypes.int64:
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if index.ndim > 1:
        raise RuntimeError("Index has to be a vector/scalar")
    if isinstance(value, Meta) and value.shape:
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} "
            "dimension(s)."
        )
    is_complex = value.dtype.is_complex if isinstance(value, Meta) else value is complex
    if is_complex and not input.dtype.is_complex:
        raise RuntimeError("index_fill_(): Converting complex Scalar to non-complex type is not supported")
    return input


def _check_filled(input: Value, dim: int, index: Value, value: Any) -> None:
    size = _size(input.meta, dim)
    check_index(index, size, -size, out_of_bounds(canonical_dim(dim, input.meta.ndim), size))


def _fill_node(inputs: tuple[Meta, ...]) -> str:
    return "IndexFillBackward0" if len(inputs) == 2 else "IndexFillBackward1"


@op(promote=RAW, node=_fill_node, shape=_filled_shape, check=_check_filled)
def fill_slices(xp: Any, input: Array, dim: int, index: Index, value: Operand) -> Array:
    """`input` with one value in the slices at the indices along `dim`."""
    key = _key(dim, input.ndim, _vector(xp, index))
    return placed(xp, _line(xp, input), key, xp.asarray(value).astype(input.dtype)).reshape(input.shape)


@fill_slices.gradient("input")
def _(xp: Any, g: Array, dim: int, index: Array) -> Array:
    return _cleared(xp, g, dim, index)


@fill_slices.gradient("value")
def _(xp: Any, g: Array, dim: int, index: Array) -> Array:
    # Each slice counts once, however often the index names it.
    line = _line(xp, g)
    is_filled = placed(xp, xp.zeros(line.shape, bool), _key(dim, g.ndim, _vector(xp, index)), True)
    return xp.sum(xp.where(is_filled, line, xp.zeros((), g.dtype)))


@function("index_fill", "Tensor.index_fill", "Tensor.index_fill_")
def index_fill(input: Tensor, dim: int, index: Tensor, value: Tensor | complex) -> Tensor:
    """`input` with a number, or a 0-d tensor's value, in the slices at the indices along `dim`."""
    if not isinstance(value, Tensor) and not (
        isinstance(value, complex) and not input._meta.dtype.is_complex
    ):
        value = as_number(value, input._meta.dtype)
    return apply(fill_slices, (input, dim, index, value))


# -- index_reduce ----------------------------------------------------------------------------------


def _reduced_shape(input: Meta, dim: int, index: Meta, source: Meta, reduce: str, include_self: bool) -> Meta:
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}."
        )
    _check_source("index_reduce_", input, dim, index, source)
    return input


def _check_reduced(input: Value, dim: int, index: Value, *_: Any) -> None:
    warn("index_reduce() is in beta and the API may change at any time.")
    size = _size(input.meta, dim)
    check_index(
        index,
        size,
        0,
        lambda found: IndexError("index out of range in self"),
        _range_note(input.meta, dim, size),
    )


@op(
    "index_reduce", "Tensor.index_reduce", "Tensor.index_reduce_", out=EXACT, promote=KEEP,
    shape=_reduced_shape, check=_check_reduced,
)  # fmt: skip
def index_reduce(
    xp: Any, input: Array, dim: int, index: Index, source: Array, reduce: str, *, include_self: bool = True
) -> Array:
    """`input` with the slices of `source` reduced into those at the indices along `dim`.

    Args:
        reduce: "prod", "mean", "amax" or "amin".
        include_self: whether the slice of `input` takes part.
    """
    key = _key(dim, input.ndim, _vector(xp, index))
    return reduced(xp, _line(xp, input), key, _line(xp, source), reduce, include_self).reshape(input.shape)


@index_reduce.gradient("input", "source")
def _(
    xp: Any,
    g: Array,
    input: Array,
    dim: int,
    index: Array,
    source: Array,
    reduce: str,
    include_self: bool,
    output: Array,
) -> Any:
    key = _key(dim, input.ndim, _vector(xp, index))
    own, other = reduction_gradients(
        xp, _line(xp, g), _line(xp, input), _line(xp, source), _line(xp, output), key, reduce, include_self
    )
    return own.reshape(input.shape), other.reshape(source.shape)
