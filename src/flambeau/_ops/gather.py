"""Picking and placing along one dimension with an index for each element: gather, scatter, reductions."""

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
    Scalar,
    broadcast_shapes,
    canonical_dim,
    registry,
)  # fmt: skip
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, Value
from flambeau._core.warn import warn
from flambeau._ops.bounds import check_index, out_of_bounds
from flambeau._ops.numbers import as_number
from flambeau._ops.placing import combined, picked, placed

INDEX_DTYPES = (dtypes.int64, dtypes.int32)
REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")

# -- positions on arrays ---------------------------------------------------------------------------


def positions(xp: Any, dim: int, index: Array) -> tuple[Any, ...]:
    """The key under which an array has the elements that `index` names along `dim`."""
    dim = dim % index.ndim
    return tuple([
        index if axis == dim else xp.arange(size).reshape((size,) + (1,) * (index.ndim - axis - 1))
        for axis, size in enumerate(index.shape)
    ])  # fmt: skip


def _flat(xp: Any, *arrays: Any) -> list[Any]:
    """0-d arrays as 1-d ones of one element."""
    return [xp.reshape(a, (1,)) if getattr(a, "ndim", 1) == 0 else a for a in arrays]


def _corner(array: Array, index: Array) -> Array:
    """The part of the source that an index of this shape uses."""
    if array.shape == index.shape:
        return array
    return array[tuple([slice(0, size) for size in index.shape])]


def _uncorner(xp: Any, g: Array, shape: tuple[int, ...]) -> Array:
    if g.shape == shape:
        return g
    return placed(xp, xp.zeros(shape, g.dtype), tuple([slice(0, size) for size in g.shape]), g)


# -- checks ----------------------------------------------------------------------------------------


def _check_dtype(name: str, index: Meta) -> None:
    if index.dtype not in INDEX_DTYPES:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")


def _sizes(meta: Meta) -> tuple[int, ...]:
    return meta.shape or (1,)


def _check_index(input: Value, dim: int, index: Value, *_: Any) -> None:
    dim = canonical_dim(dim, input.meta.ndim)
    size = _sizes(input.meta)[dim]
    check_index(index, size, 0, out_of_bounds(dim, size, RuntimeError))


def _gathered_shape(input: Meta, dim: int, index: Meta, sparse_grad: bool) -> Meta:
    dim = canonical_dim(dim, input.ndim)
    if index.numel:
        _check_dtype("gather", index)
        if len(_sizes(input)) != len(_sizes(index)):
            raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
        for axis, (own, limit) in enumerate(zip(_sizes(index), _sizes(input), strict=True)):
            if axis != dim and own > limit:
                raise RuntimeError(
                    f"Size does not match at dimension {axis} expected index {list(index.shape)} to be no "
                    f"larger than self {list(input.shape)} apart from dimension {dim}"
                )
    return input.with_shape(index.shape)


def _scattered_shape(input: Meta, dim: int, index: Meta, src: Any, *_: Any) -> Meta:
    dim = canonical_dim(dim, input.ndim)
    if index.numel:
        _check_dtype("scatter", index)
    if isinstance(src, Meta) and src.dtype is not input.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    if not index.numel:
        return input
    own, limits = _sizes(index), _sizes(input)
    if len(own) != len(limits):
        raise RuntimeError("Index tensor must have the same number of dimensions as self tensor")
    fits = all(axis == dim or n <= limit for axis, (n, limit) in enumerate(zip(own, limits, strict=True)))
    if not isinstance(src, Meta):
        if not fits:
            raise RuntimeError(
                f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} apart "
                f"from dimension {dim}"
            )
        return input
    if len(own) != len(_sizes(src)):
        canonical_dim(max(len(own) - 1, 0), src.ndim)
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    if not fits or any(n > limit for n, limit in zip(own, _sizes(src), strict=True)):
        raise RuntimeError(
            f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} apart from "
            f"dimension {dim} and to be no larger size than src {list(src.shape)}"
        )
    return input


# -- gather ----------------------------------------------------------------------------------------


@op(
    "gather",
    "Tensor.gather",
    out=EXACT_APART,
    promote=RAW,
    shape=_gathered_shape,
    check=_check_index,
    guards=("input",),
)
def gather(xp: Any, input: Array, dim: int, index: Index, *, sparse_grad: bool = False) -> Array:
    """For each element of `index` the element of `input` that it names along `dim`; the other positions stay.

    Args:
        index: int64, with as many dimensions as `input`.
        sparse_grad: accepted; gradients are dense here.

    Raises: RuntimeError for an index out of range.

    >>> import flambeau
    >>> flambeau.gather(flambeau.tensor([[1, 2], [3, 4]]), 1, flambeau.tensor([[0, 0], [1, 0]]))
    tensor([[1, 1],
            [4, 3]])
    """
    shape = index.shape
    input, index = _flat(xp, input, index)
    if not index.size:
        return xp.zeros(shape, input.dtype)
    return picked(xp, input, positions(xp, dim, index)).reshape(shape)


@gather.gradient("input")
def _(xp: Any, g: Array, index: Array, dim: int, input_meta: Meta) -> Array:
    zeros = xp.zeros(_sizes(input_meta), g.dtype)
    if not index.size:
        return zeros.reshape(input_meta.shape)
    g, index = _flat(xp, g, index)
    key = positions(xp, dim, index)
    # With one index along `dim` no element is named twice.
    found = placed(xp, zeros, key, g) if index.shape[dim] == 1 else combined(xp, zeros, key, g, "sum")
    return found.reshape(input_meta.shape)


@function("take_along_dim", "Tensor.take_along_dim", out=EXACT_APART)
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with broadcasting; `dim=None` indexes the flat input. Negative indices count from the end.

    >>> import flambeau
    >>> flambeau.take_along_dim(flambeau.tensor([[1, 2], [3, 4]]), flambeau.tensor([[-1]]), dim=1)
    tensor([[2],
            [4]])
    """
    if dim is None:
        return registry["gather"](
            registry["reshape"](input, (-1,)),
            0,
            _wrapped(registry["reshape"](indices, (-1,)), input._meta.numel),
        )
    own, wanted = input._meta, indices._meta
    if own.ndim != wanted.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{own.ndim} dimensions for input, and {wanted.ndim} dimensions for indices"
        )
    if wanted.dtype is not dtypes.int64:
        raise RuntimeError(
            f"torch.take_along_dim(): dtype of indices should be Long but got {wanted.dtype.scalar_type}"
        )
    dim = canonical_dim(dim, own.ndim)
    without = (*own.shape[:dim], wanted.shape[dim], *own.shape[dim + 1 :])
    index_shape = broadcast_shapes(without, wanted.shape)
    input_shape = broadcast_shapes(own.shape, (*wanted.shape[:dim], own.shape[dim], *wanted.shape[dim + 1 :]))
    wrapped = _wrapped(indices, own.shape[dim])
    return registry["gather"](_expanded(input, input_shape), dim, _expanded(wrapped, index_shape))


def _expanded(input: Tensor, shape: tuple[int, ...]) -> Tensor:
    return input if input._meta.shape == shape else registry["broadcast_to"](input, shape)


@op(promote=RAW, differentiable=False, shape=lambda index, size: index)
def wrap_index(xp: Any, index: Index, size: Scalar) -> Array:
    """Negative indices counted from the front; PyTorch takes those of `take_along_dim` modulo the size."""
    return index % xp.asarray(size).astype(index.dtype)


def _wrapped(index: Tensor, size: int) -> Tensor:
    return apply(wrap_index, (index, size)) if index._meta.numel and size else index


# -- scatter ---------------------------------------------------------------------------------------


@op(promote=RAW, node="ScatterBackward0", shape=_scattered_shape, check=_check_index)
def scatter_source(xp: Any, input: Array, dim: int, index: Index, src: Array) -> Array:
    """`input` with elements of `src` at the positions that `index` names along `dim`."""
    return _scatter(xp, input, dim, index, src)


def _scatter(xp: Any, input: Array, dim: int, index: Array, src: Any) -> Array:
    if not index.size:
        return input
    shape = input.shape
    input, index, src = _flat(xp, input, index, src)
    if getattr(src, "shape", ()) and src.ndim == index.ndim:
        src = _corner(src, index)
    return placed(xp, input, positions(xp, dim, index), src).reshape(shape)


@scatter_source.gradient("input")
def _(xp: Any, g: Array, dim: int, index: Array) -> Array:
    return _scatter(xp, g, dim, index, xp.zeros((1,) * max(index.ndim, 1), g.dtype)) if index.size else g


@scatter_source.gradient("src")
def _(xp: Any, g: Array, dim: int, index: Array, src_meta: Meta) -> Array:
    return _gathered(xp, g, dim, index, src_meta.shape)


def _gathered(xp: Any, g: Array, dim: int, index: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of a source: what arrived where its elements went."""
    if not index.size:
        return xp.zeros(shape, g.dtype)
    g, index = _flat(xp, g, index)
    found = picked(xp, g, positions(xp, dim, index))
    return _uncorner(xp, found, shape) if shape else found.reshape(())


@op(promote=RAW, node="ScatterBackward1", shape=_scattered_shape, check=_check_index)
def scatter_number(xp: Any, input: Array, dim: int, index: Index, value: Scalar) -> Array:
    """`input` with one number at the positions that `index` names along `dim`."""
    if not index.size:
        return input
    shape = input.shape
    input, index = _flat(xp, input, index)
    return placed(xp, input, positions(xp, dim, index), xp.asarray(value).astype(input.dtype)).reshape(shape)


@scatter_number.gradient("input")
def _(xp: Any, g: Array, dim: int, index: Array) -> Array:
    if not index.size:
        return g
    flat, index = _flat(xp, g, index)
    return placed(xp, flat, positions(xp, dim, index), xp.zeros((), g.dtype)).reshape(g.shape)


@op(
    "scatter_add", "Tensor.scatter_add", "Tensor.scatter_add_", out=EXACT, promote=KEEP,
    shape=_scattered_shape, check=_check_index,
)  # fmt: skip
def scatter_add(xp: Any, input: Array, dim: int, index: Index, src: Array) -> Array:
    """`input` with the elements of `src` added at the positions that `index` names along `dim`.

    >>> import flambeau
    >>> flambeau.zeros(2).scatter_add(0, flambeau.tensor([0, 0, 1]), flambeau.tensor([1.0, 2.0, 3.0]))
    tensor([3., 3.])
    """
    if not index.size:
        return input
    shape = input.shape
    input, index, src = _flat(xp, input, index, src)
    return combined(xp, input, positions(xp, dim, index), _corner(src, index), "sum").reshape(shape)


@scatter_add.gradient("input")
def _(g: Array) -> Array:
    return g


@scatter_add.gradient("src")
def _(xp: Any, g: Array, dim: int, index: Array, src_meta: Meta) -> Array:
    return _gathered(xp, g, dim, index, src_meta.shape)


@function("scatter", "Tensor.scatter", "Tensor.scatter_", out=EXACT)
def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor | complex | None = None,
    *,
    value: complex | None = None,
    reduce: str | None = None,
) -> Tensor:
    """`input` with elements of `src`, or one number, at the positions that `index` names along `dim`.

    Args:
        src: a tensor at least as large as `index`, or a number (also as `value=`).
        reduce: "add" or "multiply" combines with what is there instead of replacing it.

    >>> import flambeau
    >>> flambeau.zeros(2, 2).scatter(1, flambeau.tensor([[1], [0]]), 5.0)
    tensor([[0., 5.],
            [5., 0.]])
    """
    if not isinstance(index, Tensor):
        raise TypeError(
            f"scatter(): argument 'index' (position 2) must be Tensor, not {type(index).__name__}"
        )
    source = value if src is None else src
    if source is None:
        raise TypeError('scatter() missing 1 required positional arguments: "src"')
    if reduce is not None and reduce not in ("add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    if not isinstance(source, Tensor):
        source = as_number(source, input._meta.dtype)
        if reduce is None:
            return apply(scatter_number, (input, dim, index, source))
        source = registry["full_like"](index, source, dtype=input._meta.dtype)
    if reduce is None:
        return apply(scatter_source, (input, dim, index, source))
    if not isinstance(value if src is None else src, (bool, int, float, complex)):
        warn(
            "The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a "
            "future PyTorch release. Use torch.scatter_reduce instead for more reduction options.",
        )  # fmt: skip
    if reduce == "add":
        return scatter_add(input, dim, index, source)
    return scatter_reduce(input, dim, index, source, "prod")


# -- reductions ------------------------------------------------------------------------------------


def reduced(xp: Any, input: Array, key: Any, src: Array, reduce: str, include_self: bool) -> Array:
    """The elements of `src` combined into those of `input` under a key."""
    if not include_self:
        input = placed(xp, input, key, _identity(input.dtype, reduce))
    if reduce != "mean":
        return combined(xp, input, key, src, reduce)
    total = combined(xp, input, key, src, "sum")
    count = _counts(xp, input, key, src, include_self)
    return total / count if np.dtype(input.dtype).kind in "fcV" else total // count


def _identity(dtype: Any, reduce: str) -> Any:
    dtype = np.dtype(dtype)
    if reduce in ("sum", "mean"):
        return np.zeros((), dtype)
    if reduce == "prod":
        return np.ones((), dtype)
    if dtype.kind == "b":
        return np.asarray(reduce == "amin")
    if dtype.kind in "fV":
        return np.asarray(-np.inf if reduce == "amax" else np.inf).astype(dtype)
    limits = np.iinfo(dtype)
    return np.asarray(limits.min if reduce == "amax" else limits.max, dtype)


def _counts(xp: Any, input: Array, key: Any, src: Array, include_self: bool) -> Array:
    """How many elements went into each mean."""
    start = xp.ones(input.shape, input.dtype) if include_self else xp.zeros(input.shape, input.dtype)
    count = combined(xp, start, key, xp.ones(src.shape, input.dtype), "sum")
    return xp.where(count == 0, xp.ones((), input.dtype), count)


def reduction_gradients(
    xp: Any, g: Array, input: Array, src: Array, output: Array, key: Any, reduce: str, include_self: bool
) -> tuple[Array, Array]:
    """Gradients of `reduced`; elements that share the extreme share its gradient evenly, as in PyTorch."""

    def pick(array: Array) -> Array:
        return picked(xp, array, key)

    one, zero = xp.ones((), g.dtype), xp.zeros((), g.dtype)
    if reduce == "sum":
        own, other = g, pick(g)
    elif reduce == "mean":
        own = g / _counts(xp, input, key, src, include_self)
        other = pick(own)
    elif reduce == "prod":
        safe = xp.where(input == 0, one, input)
        own = g * reduced(xp, safe, key, src, "prod", include_self) / safe
        is_zero = src == 0
        zeros = pick(combined(xp, xp.zeros(input.shape, g.dtype), key, is_zero.astype(g.dtype), "sum"))
        alone = is_zero & (zeros == 1)
        without = reduced(xp, input, key, xp.where(alone, one, src), "prod", include_self)
        other = xp.where(alone, pick(g * without), pick(g * output) / xp.where(is_zero, one, src))
    else:
        is_input = (input == output).astype(g.dtype)
        is_source = (src == pick(output)).astype(g.dtype)
        share = combined(xp, is_input, key, is_source, "sum")
        share = xp.where(share == 0, one, share)
        own, other = is_input * g / share, is_source * pick(g / share)
    return (own if include_self else placed(xp, own, key, zero)), other


def _reduced_shape(input: Meta, dim: int, index: Meta, src: Meta, reduce: str, include_self: bool) -> Meta:
    if reduce not in REDUCTIONS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    return _scattered_shape(input, dim, index, src)


@op(
    "scatter_reduce", "Tensor.scatter_reduce", "Tensor.scatter_reduce_", out=EXACT, promote=KEEP,
    shape=_reduced_shape, check=_check_index,
)  # fmt: skip
def scatter_reduce(
    xp: Any, input: Array, dim: int, index: Index, src: Array, reduce: str, *, include_self: bool = True
) -> Array:
    """`input` with the elements of `src` reduced into the positions that `index` names along `dim`.

    Args:
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: whether the element of `input` takes part where something arrives.
    """
    if not index.size:
        return input
    shape = input.shape
    input, index, src = _flat(xp, input, index, src)
    key = positions(xp, dim, index)
    return reduced(xp, input, key, _corner(src, index), reduce, include_self).reshape(shape)


@scatter_reduce.gradient("input", "src")
def _(
    xp: Any,
    g: Array,
    input: Array,
    dim: int,
    index: Array,
    src: Array,
    reduce: str,
    include_self: bool,
    output: Array,
) -> Any:
    if not index.size:
        return g, xp.zeros(src.shape, g.dtype)
    flat = _flat(xp, g, input, src, output, index)
    used = _corner(flat[2], flat[4])
    own, other = reduction_gradients(
        xp, flat[0], flat[1], used, flat[3], positions(xp, dim, flat[4]), reduce, include_self
    )
    return own.reshape(input.shape), _uncorner(xp, other, flat[2].shape).reshape(src.shape)
