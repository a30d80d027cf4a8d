"""Sums, means, products and logical reductions.

The public functions choose among PyTorch's overloads; whole-tensor and per-dimension forms are two
operations with one body, because PyTorch's graph has a node for each (SumBackward0, SumBackward1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from flambeau._core import dtype as dtypes
from flambeau._core.declare import FLOATING, RAW, Array, Dims, Op, canonical_dim, canonical_dims
from flambeau._core.dispatch import apply, function, op
from flambeau._core.dtype import dtype as DType
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.sums import total


def reduced_shape(input: Meta, dim: Any = None, keepdim: bool = False, *_: Any) -> tuple[int, ...]:
    """The shape after reducing `dim` (all dimensions for None)."""
    if dim is None and not keepdim:
        return ()
    dims = canonical_dims((dim,) if isinstance(dim, int) else dim, input.ndim)
    if keepdim:
        return tuple([1 if i in dims else n for i, n in enumerate(input.shape)])
    return tuple([n for i, n in enumerate(input.shape) if i not in dims])


def restored(xp: Any, reduced: Any, dim: Any, keepdim: bool, ndim: int) -> Any:
    """A reduced array with the lost dimensions back as ones, so that it broadcasts against the input."""
    dims = canonical_dims((dim,) if isinstance(dim, int) else dim, ndim)
    return reduced if keepdim or not dims else xp.expand_dims(reduced, dims)


def integers_widen(input: Meta, *rest: Any) -> DType:
    """The dtype of sums and products: `dtype` (the last argument) if given, int64 for integers and bools."""
    wanted = rest[-1] if rest else None
    if wanted is not None:
        return wanted
    return input.dtype if input.dtype.is_floating_point or input.dtype.is_complex else dtypes.int64


def no_overload(name: str, **given: Any) -> TypeError:
    """The error for arguments that fit none of a function's overloads."""
    kinds = ", ".join(f"{key}={type(value).__name__}" for key, value in given.items())
    return TypeError(f"{name}() received an invalid combination of arguments - got ({kinds})")


def _is_flag(value: Any) -> bool:
    return value is True or value is False


def _twins(name: str, **options: Any) -> Callable[[Callable[..., Any]], tuple[Op, Op]]:
    """Two operations from one body: over the whole tensor, and over dimensions."""

    def declare(body: Callable[..., Any]) -> tuple[Op, Op]:
        return op(node=f"{name}Backward0", **options)(body), op(node=f"{name}Backward1", **options)(body)

    return declare


# -- sums and means --------------------------------------------------------------------------------


@_twins("Sum", promote=integers_widen, shape=reduced_shape)
def sum_(xp: Any, input: Array, dim: Dims | None = None, keepdim: bool = False, dtype: Any = None) -> Array:
    return total(xp, input, canonical_dims(dim, input.ndim), keepdim)


def _spread(xp: Any, g: Array, input_meta: Meta, dim: Any, keepdim: bool) -> Array:
    return xp.broadcast_to(restored(xp, g, dim, keepdim, input_meta.ndim), input_meta.shape)


sum_all, sum_dims = sum_
sum_all.gradient("input")(_spread)
sum_dims.gradient("input")(_spread)
_sum_all, _sum_dims = sum_all.function, sum_dims.function


@function("sum", "Tensor.sum", out=True)
def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """The sum over `dim`, or over everything; integers add up in int64.

    >>> import flambeau
    >>> flambeau.ones(2, 3).sum(dim=1)
    tensor([3., 3.])
    """
    if dim is None and keepdim is False:
        return _sum_all(input, None, False, dtype)
    if not _is_flag(keepdim):
        raise TypeError(f"sum(): argument 'keepdim' (position 2) must be bool, not {type(keepdim).__name__}")
    return _sum_dims(input, dim, keepdim, dtype)


def _mean_dtype(input: Meta, dim: Any, keepdim: bool, dtype: DType | None) -> DType:
    found = input.dtype if dtype is None else dtype
    if not (found.is_floating_point or found.is_complex):
        which = "Input" if dtype is None else "Optional"
        raise RuntimeError(
            f"mean(): could not infer output dtype. {which} dtype must be either a floating point or "
            "complex dtype. "
            f"Got: {found.scalar_type}"
        )
    return found


def _count(shape: tuple[int, ...], dim: Any) -> int:
    return math.prod(shape[i] for i in canonical_dims((dim,) if isinstance(dim, int) else dim, len(shape)))


@_twins("Mean", promote=_mean_dtype, shape=reduced_shape)
def mean_(xp: Any, input: Array, dim: Dims | None = None, keepdim: bool = False, dtype: Any = None) -> Array:
    count = _count(input.shape, dim)
    found = total(xp, input, canonical_dims(dim, input.ndim), keepdim)
    return found / xp.asarray(count, found.dtype)


def _mean_gradient(xp: Any, g: Array, input_meta: Meta, dim: Any, keepdim: bool) -> Array:
    return _spread(xp, g / max(_count(input_meta.shape, dim), 1), input_meta, dim, keepdim)


mean_all, mean_dims = mean_
mean_all.gradient("input")(_mean_gradient)
mean_dims.gradient("input")(_mean_gradient)
_mean_all, _mean_dims = mean_all.function, mean_dims.function


@function("mean", "Tensor.mean", out=True)
def mean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """The mean over `dim`, or over everything.

    Raises: RuntimeError, for integers: convert them first, or give `dtype`.
    """
    if dim is None and keepdim is False:
        return _mean_all(input, None, False, dtype)
    if not _is_flag(keepdim):
        raise TypeError(f"mean(): argument 'keepdim' (position 2) must be bool, not {type(keepdim).__name__}")
    return _mean_dims(input, dim, keepdim, dtype)


def _refuse_complex_nansum(name: str, input: Meta, *_: Any) -> None:
    if input.dtype.is_complex:
        raise RuntimeError("nansum on CPU does not support complex inputs")


@op(promote=integers_widen, shape=reduced_shape, dtypes=_refuse_complex_nansum, node="NansumBackward0")
def nansum_dims(xp: Any, input: Array, dim: Dims | None, keepdim: bool, dtype: Any) -> Array:
    values = (
        input if input.dtype.kind in "biu" else xp.where(xp.isnan(input), xp.zeros((), input.dtype), input)
    )
    return xp.sum(values, axis=canonical_dims(dim, input.ndim), keepdims=keepdim)


@nansum_dims.gradient("input")
def _(xp: Any, g: Array, input: Array, dim: Any, keepdim: bool) -> Array:
    return xp.where(xp.isnan(input), 0, restored(xp, g, dim, keepdim, input.ndim))


@function("nansum", "Tensor.nansum", out=True)
def nansum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """The sum in which nan counts as zero."""
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex) and input.is_floating_point():
        # PyTorch converts first here, and an integer is never nan; the conversion of nan itself is undefined.
        input = input.nan_to_num(0.0, math.inf, -math.inf)  # type: ignore[attr-defined]
    return apply(nansum_dims, (input, dim, keepdim, dtype))


@function("nanmean", "Tensor.nanmean", out=True)
def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None) -> Tensor:
    """The mean of what is not nan."""
    if not (input.is_floating_point() or input.is_complex()):
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            f"{input.dtype.scalar_type}"
        )
    total: Any = nansum(input, dim, keepdim, dtype=dtype)
    count = sum(input.isnan().logical_not(), dim, keepdim)  # type: ignore[attr-defined]
    return total / count


# -- products --------------------------------------------------------------------------------------


@_twins("Prod", promote=integers_widen, shape=reduced_shape)
def prod_(xp: Any, input: Array, dim: Dims | None = None, keepdim: bool = False, dtype: Any = None) -> Array:
    return xp.prod(input, axis=canonical_dims(dim, input.ndim), keepdims=keepdim)


def product_of_others(xp: Any, x: Any, axis: int) -> Any:
    """For each element the product of all others along `axis`, without dividing, so that zeros do no harm."""
    one = xp.ones((*x.shape[:axis], 1, *x.shape[axis + 1 :]), x.dtype)
    last = x.shape[axis] - 1
    before = xp.cumprod(xp.concatenate([one, _part(x, axis, 0, last)], axis), axis=axis)
    after = xp.cumprod(xp.concatenate([one, xp.flip(_part(x, axis, 1, last + 1), axis)], axis), axis=axis)
    return before * xp.flip(after, axis)


def _part(x: Any, axis: int, start: int, stop: int) -> Any:
    return x[(slice(None),) * axis + (slice(start, stop),)]


def _prod_gradient(xp: Any, g: Array, input: Array, dim: Any, keepdim: bool) -> Array:
    if input.ndim == 0:
        return g
    if input.size == 0:
        return xp.zeros_like(input)
    if dim is None:
        others = product_of_others(xp, input.reshape(-1), 0).reshape(input.shape)
    else:
        others = product_of_others(xp, input, canonical_dim(dim[0], input.ndim))
    return restored(xp, g, dim, keepdim, input.ndim) * xp.conj(others)


prod_all, prod_dim = prod_
prod_all.gradient("input")(_prod_gradient)
prod_dim.gradient("input")(_prod_gradient)


@function("prod", "Tensor.prod", out=True)
def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """The product over one dimension, or over everything; integers multiply in int64."""
    if dim is None:
        if keepdim:
            raise no_overload("prod", dim=dim, keepdim=keepdim)
        return apply(prod_all, (input, None, False, dtype))
    if isinstance(dim, (tuple, list)):
        raise no_overload("prod", input=input, dim=dim)
    return apply(prod_dim, (input, dim, keepdim, dtype))


# -- logic -----------------------------------------------------------------------------------------


def _bool_or_byte(input: Meta, *_: Any) -> DType:
    return dtypes.uint8 if input.dtype is dtypes.uint8 else dtypes.bool_


def _logic_shape(input: Meta, dim: Any, keepdim: bool) -> tuple[int, ...]:
    return input.shape if dim == () else reduced_shape(input, dim, keepdim)


_LOGIC: dict[str, Any] = {
    "promote": RAW,
    "result": _bool_or_byte,
    "shape": _logic_shape,
    "differentiable": False,
}


@op("all", "Tensor.all", out=True, **_LOGIC)
def all(xp: Any, input: Array, dim: Dims | None = None, keepdim: bool = False) -> Array:
    """Whether all elements are other than zero, over `dim` or over everything; uint8 for uint8."""
    truth = input != 0
    return truth if dim == () else xp.all(truth, axis=canonical_dims(dim, input.ndim), keepdims=keepdim)


@op("any", "Tensor.any", out=True, **_LOGIC)
def any(xp: Any, input: Array, dim: Dims | None = None, keepdim: bool = False) -> Array:
    """Whether any element is other than zero, over `dim` or over everything; uint8 for uint8."""
    truth = input != 0
    return truth if dim == () else xp.any(truth, axis=canonical_dims(dim, input.ndim), keepdims=keepdim)


# -- logsumexp -------------------------------------------------------------------------------------


@op(
    "logsumexp",
    "special.logsumexp",
    "Tensor.logsumexp",
    out=True,
    promote=FLOATING,
    shape=reduced_shape,
)
def logsumexp(xp: Any, input: Array, dim: Dims, keepdim: bool = False) -> Array:
    """`log(sum(exp(input)))` over `dim`, without overflow."""
    axes = canonical_dims(dim, input.ndim)
    if input.size == 0:
        return xp.log(xp.sum(xp.exp(input), axis=axes, keepdims=keepdim))
    real = xp.real(input) if input.dtype.kind == "c" else input
    highest = xp.max(real, axis=axes, keepdims=True)
    highest = xp.where(xp.isinf(highest), xp.zeros((), real.dtype), highest)
    total = xp.log(xp.sum(xp.exp(input - highest), axis=axes, keepdims=True)) + highest
    return total if keepdim else total.reshape(reduced_shape(input, dim))


@logsumexp.gradient("input")
def _(xp: Any, g: Array, input: Array, output: Array, dim: Any, keepdim: bool) -> Array:
    share = xp.exp(input - restored(xp, output, dim, keepdim, input.ndim))
    return restored(xp, g, dim, keepdim, input.ndim) * xp.conj(share)
