"""By order of size: sort, topk, kthvalue, median and mode. NaN counts as the greatest."""

from __future__ import annotations

from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import EXACT, RAW, Array, Out, canonical_dim
from flambeau._core.dispatch import apply, function, op
from flambeau._core.return_types import named_result
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, meta_of
from flambeau._ops.gather import positions
from flambeau._ops.placing import placed

# -- on arrays -------------------------------------------------------------------------------------


def _line(xp: Any, array: Array) -> Array:
    return xp.reshape(array, (1,)) if array.ndim == 0 else array


def sorted_order(xp: Any, input: Array, dim: int, descending: bool) -> Array:
    """The indices that sort an array; equal elements keep their order, NaN is the greatest."""
    if not descending:
        return xp.argsort(input, axis=dim, stable=True)
    # Sorting backwards and turning round keeps equal elements in order.
    order = xp.argsort(xp.flip(input, dim), axis=dim, stable=True)
    return input.shape[dim] - 1 - xp.flip(order, dim)


def _put_back(xp: Any, g: Array, indices: Array, dim: int, shape: tuple[int, ...]) -> Array:
    """The gradient of elements that were picked along `dim`, each at most once."""
    if not shape:
        return g.reshape(())
    zeros = xp.zeros(shape, g.dtype)
    return placed(xp, zeros, positions(xp, dim, indices), g) if indices.size else zeros


def _kept_dim(xp: Any, array: Array, dim: int, keepdim: bool, ndim: int) -> Array:
    return array if keepdim or not ndim else xp.expand_dims(array, dim % ndim)


def _pair(meta: Meta, shape: tuple[int, ...]) -> list[Meta]:
    return [meta.with_shape(shape), meta_of(shape, dtypes.int64, meta.device)]


def _refuses(kinds: str, message: Any) -> Any:
    """A `dtypes=` rule: bool ("b") or complex ("c") input raises `message(dtype)`."""

    def rule(name: str, input: Meta, *_: Any) -> None:
        if ("b" in kinds and input.dtype is dtypes.bool_) or ("c" in kinds and input.dtype.is_complex):
            raise message(input.dtype)

    return rule


def _lacks(kernel: str) -> Any:
    return lambda dtype: NotImplementedError(f"\"{kernel}\" not implemented for '{dtype.scalar_type}'")


# -- sort ------------------------------------------------------------------------------------------


def _sorted_shape(input: Meta, dim: int, descending: bool, stable: bool | None = None) -> list[Meta]:
    canonical_dim(dim, input.ndim)
    return _pair(input, input.shape)


def _sort_cost(inputs: Any, results: Any) -> int:
    return 16 * inputs[0].numel


@op(
    promote=RAW, node="SortBackward", outputs=("values", "indices"), shape=_sorted_shape, cost=_sort_cost,
    dtypes=_refuses("c", lambda dtype: RuntimeError(" Sort does not support complex dtypes on CPU")),
)  # fmt: skip
def sort_pair(xp: Any, input: Array, dim: int, descending: bool) -> Any:
    """Sorted values, and where they came from."""
    shape = input.shape
    line = _line(xp, input)
    order = sorted_order(xp, line, dim, descending)
    return xp.take_along_axis(line, order, axis=dim).reshape(shape), order.reshape(shape)


@sort_pair.gradient("input")
def _(xp: Any, g: Any, indices: Array, dim: int, input_meta: Meta) -> Array:
    return _put_back(xp, g[0], indices, dim, input_meta.shape)


@function("sort", "Tensor.sort", out=EXACT)
def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = False) -> Any:
    """The elements in order along `dim`, and where they came from. Equal elements keep their order.

    >>> import flambeau
    >>> values, indices = flambeau.sort(flambeau.tensor([3, 1, 2]), descending=True)
    >>> indices
    tensor([0, 2, 1])
    """
    _no_flag("sort", dim)
    return named_result("sort", apply(sort_pair, (input, dim, bool(descending))))


def _no_flag(name: str, dim: Any) -> None:
    if isinstance(dim, bool):
        raise TypeError(
            f"{name}() received an invalid combination of arguments: argument 'dim' must be int, not bool. "
            f"Name the flag: {name}(descending={dim})"
        )


@function("argsort", "Tensor.argsort")
def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    """The indices that sort `input` along `dim`."""
    _no_flag("argsort", dim)
    return apply(sort_pair, (input, dim, bool(descending)))[1]


@function("msort", "Tensor.msort", out=EXACT)
def msort(input: Tensor) -> Tensor:
    """The elements in order along the first dimension."""
    return apply(sort_pair, (input, 0, False))[0]


# -- topk, kthvalue --------------------------------------------------------------------------------


def _top_shape(input: Meta, k: int, dim: int, largest: bool) -> list[Meta]:
    dim = canonical_dim(dim, input.ndim)
    size = input.shape[dim] if input.shape else 1
    if not 0 <= k <= size:
        error = RuntimeError("selected index k out of range")
        error.add_note(
            f"k={k}, but dimension {dim} of the tensor of shape {list(input.shape)} has {size} elements."
        )
        raise error
    return _pair(input, (*input.shape[:dim], k, *input.shape[dim + 1 :]) if input.shape else ())


def _top_dtypes(name: str, input: Meta, *_: Any) -> None:
    if input.dtype is dtypes.bool_:
        raise RuntimeError("topk does not support bool dtypes on CPU")
    if input.dtype.is_complex:
        raise RuntimeError(" topk does not support complex dtypes on CPU")


@op(
    promote=RAW, node="TopkBackward", outputs=("values", "indices"), shape=_top_shape, cost=_sort_cost,
    dtypes=_top_dtypes,
)  # fmt: skip
def top_pair(xp: Any, input: Array, k: int, dim: int, largest: bool) -> Any:
    """The `k` largest or smallest, in order, and where they came from."""
    if not input.ndim:
        return input, xp.zeros((), np.int64)
    order = sorted_order(xp, input, dim, largest)
    order = order[(*(slice(None),) * (dim % input.ndim), slice(0, k))]
    return xp.take_along_axis(input, order, axis=dim), order


@top_pair.gradient("input")
def _(xp: Any, g: Any, indices: Array, dim: int, input_meta: Meta) -> Array:
    return _put_back(xp, g[0], indices, dim, input_meta.shape)


@function("topk", "Tensor.topk", out=EXACT)
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The `k` largest elements along `dim` (the smallest with `largest=False`), in order, and their indices.

    >>> import flambeau
    >>> flambeau.topk(flambeau.tensor([1, 5, 3]), 2).values
    tensor([5, 3])
    """
    if isinstance(k, float) or not hasattr(k, "__index__"):
        raise TypeError(f"topk(): argument 'k' (position 2) must be int, not {type(k).__name__}")
    return named_result("topk", apply(top_pair, (input, k.__index__(), dim, largest)))


def _reduced(input: Meta, dim: int, keepdim: bool, name: str) -> list[Meta]:
    at = canonical_dim(dim, input.ndim)
    if input.shape and input.shape[at] == 0:
        raise IndexError(f"{name}(): Expected reduction dim {at} to have non-zero size.")
    if not input.shape:
        return _pair(input, ())
    return _pair(input, (*input.shape[:at], *((1,) if keepdim else ()), *input.shape[at + 1 :]))


def _kth_shape(input: Meta, k: int, dim: int, keepdim: bool) -> list[Meta]:
    found = _reduced(input, dim, keepdim, "kthvalue")
    at = canonical_dim(dim, input.ndim)
    if not 1 <= k <= (input.shape[at] if input.shape else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {at}")
    return found


def _at_rank(xp: Any, input: Array, dim: int, keepdim: bool, rank: Any) -> Any:
    """The element of this rank (an int, or an array for each line) along `dim`, and its index."""
    if not input.ndim:
        return input, xp.zeros((), np.int64)
    order = sorted_order(xp, input, dim, False)
    if isinstance(rank, int):
        at = xp.take(order, xp.asarray([rank]), axis=dim)
    else:
        at = xp.take_along_axis(order, rank, axis=dim)
    values = xp.take_along_axis(input, at, axis=dim)
    return (values, at) if keepdim else (xp.squeeze(values, dim), xp.squeeze(at, dim))


@op(
    promote=RAW, node="KthvalueBackward", outputs=("values", "indices"), shape=_kth_shape, cost=_sort_cost,
    dtypes=_refuses("bc", _lacks("kthvalue_cpu")),
)  # fmt: skip
def kth_pair(xp: Any, input: Array, k: int, dim: int, keepdim: bool) -> Any:
    """The `k`-th smallest along `dim`, and its index."""
    return _at_rank(xp, input, dim, keepdim, k - 1)


@kth_pair.gradient("input")
def _(xp: Any, g: Any, indices: Array, dim: int, keepdim: bool, input_meta: Meta) -> Array:
    return _select_back(xp, g, indices, dim, keepdim, input_meta)


def _select_back(xp: Any, g: Any, indices: Array, dim: int, keepdim: bool, meta: Meta) -> Array:
    g, indices = _kept_dim(xp, g[0], dim, keepdim, meta.ndim), _kept_dim(xp, indices, dim, keepdim, meta.ndim)
    return _put_back(xp, g, indices, dim, meta.shape)


@function("kthvalue", "Tensor.kthvalue", out=Out("output values must be of same type as input", apart=True))
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The `k`-th smallest element along `dim` (1 is the smallest), and its index."""
    return named_result("kthvalue", apply(kth_pair, (input, k, dim, keepdim)))


# -- median ----------------------------------------------------------------------------------------


def _median_rank(xp: Any, input: Array, dim: int, ignore_nan: bool) -> Array:
    """For each line the rank of its lower median. A NaN is the median, unless they are ignored."""
    size = input.shape[dim]
    if not np.issubdtype(input.dtype, np.integer):
        numbers = xp.sum(~xp.isnan(input), axis=dim, keepdims=True)
        middle = xp.maximum(numbers - 1, 0) // 2
        # The first NaN stands right behind the numbers.
        return middle if ignore_nan else xp.where(numbers < size, numbers, (size - 1) // 2)
    return xp.full(
        tuple([1 if i == dim % input.ndim else n for i, n in enumerate(input.shape)]), (size - 1) // 2
    )


@op(
    promote=RAW, node="MedianBackward1", outputs=("values", "indices"), cost=_sort_cost,
    shape=lambda input, dim, keepdim: _reduced(input, dim, keepdim, "median"),
    dtypes=_refuses("bc", _lacks("median_cpu")),
)  # fmt: skip
def median_pair(xp: Any, input: Array, dim: int, keepdim: bool) -> Any:
    """The lower median along `dim`, and its index."""
    return _at_rank(xp, input, dim, keepdim, _median_rank(xp, input, dim, False) if input.ndim else 0)


@op(
    promote=RAW, node="NanmedianBackward1", outputs=("values", "indices"), cost=_sort_cost,
    shape=lambda input, dim, keepdim: _reduced(input, dim, keepdim, "nanmedian"),
    dtypes=_refuses("bc", _lacks("median_cpu")),
)  # fmt: skip
def nanmedian_pair(xp: Any, input: Array, dim: int, keepdim: bool) -> Any:
    """The same, of the elements that are not NaN."""
    return _at_rank(xp, input, dim, keepdim, _median_rank(xp, input, dim, True) if input.ndim else 0)


for _each in (median_pair, nanmedian_pair):

    @_each.gradient("input")
    def _(xp: Any, g: Any, indices: Array, dim: int, keepdim: bool, input_meta: Meta) -> Array:
        return _select_back(xp, g, indices, dim, keepdim, input_meta)


def _overall(xp: Any, input: Array, ignore_nan: bool) -> Array:
    flat = input.reshape(-1)
    if not flat.size:
        whole = np.issubdtype(input.dtype, np.integer)
        return xp.asarray(np.iinfo(input.dtype).min if whole else np.nan, input.dtype)
    return _at_rank(xp, flat, 0, False, _median_rank(xp, flat, 0, ignore_nan))[0]


@op(
    promote=RAW, node="MedianBackward0", shape=lambda input: input.with_shape(()), cost=_sort_cost,
    dtypes=_refuses("bc", _lacks("median_cpu")),
)  # fmt: skip
def overall_median(xp: Any, input: Array) -> Array:
    """The lower median of all elements."""
    return _overall(xp, input, False)


@op(
    promote=RAW, node="NanmedianBackward0", shape=lambda input: input.with_shape(()), cost=_sort_cost,
    dtypes=_refuses("bc", _lacks("median_cpu")),
)  # fmt: skip
def overall_nanmedian(xp: Any, input: Array) -> Array:
    """The same, of the elements that are not NaN."""
    return _overall(xp, input, True)


for _each in (overall_median, overall_nanmedian):

    @_each.gradient("input")
    def _(xp: Any, g: Any, input: Array, output: Array) -> Array:
        """Evenly to all elements that equal the median."""
        equal = xp.where(xp.isnan(output), xp.isnan(input), input == output)
        return xp.where(equal, g / xp.sum(equal), 0).astype(g.dtype)


@function("median", "Tensor.median", out=True)
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower of the two middle elements: of all, or along `dim` together with its index.

    >>> import flambeau
    >>> flambeau.median(flambeau.tensor([1.0, 4.0, 2.0, 8.0]))
    tensor(2.)
    """
    if dim is None:
        return apply(overall_median, (input,))
    return named_result("median", apply(median_pair, (input, dim, keepdim)))


@function("nanmedian", "Tensor.nanmedian", out=True)
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """`median` of the elements that are not NaN."""
    if dim is None:
        return apply(overall_nanmedian, (input,))
    return named_result("nanmedian", apply(nanmedian_pair, (input, dim, keepdim)))


# -- mode ------------------------------------------------------------------------------------------


@op(
    promote=RAW, node="ModeBackward", outputs=("values", "indices"), cost=_sort_cost,
    shape=lambda input, dim, keepdim: _reduced(input, dim, keepdim, "mode"),
    dtypes=_refuses("c", _lacks("mode_cpu")),
)  # fmt: skip
def mode_pair(xp: Any, input: Array, dim: int, keepdim: bool) -> Any:
    """The value that comes most often along `dim` (the smallest of several), and where it comes last."""
    if not input.ndim:
        return input, xp.zeros((), np.int64)
    lines = xp.moveaxis(input, dim, -1)
    order = sorted_order(xp, lines, -1, False)
    values = xp.take_along_axis(lines, order, axis=-1)
    place = xp.arange(values.shape[-1])
    starts = xp.concatenate(
        [xp.ones((*values.shape[:-1], 1), bool), values[..., 1:] != values[..., :-1]], axis=-1
    )
    # How far each place lies into its run of equal values; the first longest run ends where this is greatest.
    started = _running_maximum(xp, xp.where(starts, place, 0))
    end = xp.argmax(place - started, axis=-1)[..., None]
    at = xp.take_along_axis(order, end, axis=-1)
    values = xp.take_along_axis(values, end, axis=-1)
    if keepdim:
        return xp.moveaxis(values, -1, dim), xp.moveaxis(at, -1, dim)
    return values[..., 0], at[..., 0]


def _running_maximum(xp: Any, array: Array) -> Array:
    if xp is np:
        return np.maximum.accumulate(array, axis=-1)
    from jax import lax

    return lax.cummax(array, axis=array.ndim - 1)


@mode_pair.gradient("input")
def _(xp: Any, g: Any, indices: Array, dim: int, keepdim: bool, input_meta: Meta) -> Array:
    return _select_back(xp, g, indices, dim, keepdim, input_meta)


@function(
    "mode", "Tensor.mode", out=Out("expected scalar type '{wanted}' but got '{found}' for values output")
)
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The element that comes most often along `dim`, and an index where it does."""
    return named_result("mode", apply(mode_pair, (input, dim, keepdim)))
