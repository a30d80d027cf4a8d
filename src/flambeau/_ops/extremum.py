"""The largest and smallest elements, and where they stand.

Ties: `max(dim)` gives the gradient to the one index it returns; `amax`, `aminmax` and whole-tensor `max`
share it evenly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import (
    EXACT,
    RAW,
    Array,
    Dims,
    Index,
    Out,
    canonical_dim,
    canonical_dims,
    registry,
)
from flambeau._core.dispatch import apply, function, op, write_out
from flambeau._core.return_types import named_result
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.reduce import no_overload, reduced_shape, restored


def _check_not_empty(
    name: str, input: Meta, dim: Any, which: str = "", error: type[Exception] = RuntimeError
) -> None:
    """There is no largest of nothing: the dimensions to reduce must not be empty."""
    if input.numel:
        return
    if dim is None or dim == ():
        advice = " Specify the reduction dim with the 'dim' argument." if error is RuntimeError else ""
        raise error(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.{advice}")
    for each in canonical_dims((dim,) if isinstance(dim, int) else dim, input.ndim):
        if input.shape[each] == 0:
            raise IndexError(f"{which or name + '()'}: Expected reduction dim {each} to have non-zero size.")


def _evenly(xp: Any, g: Any, chosen: Any, axes: Any) -> Any:
    """The gradient, shared among the chosen elements along `axes`."""
    return xp.where(chosen, g, xp.zeros((), g.dtype)) / xp.sum(chosen, axis=axes, keepdims=True).astype(
        g.dtype
    )


# -- over the whole tensor -------------------------------------------------------------------------


def _whole(name: str, reduce: Callable[[Any, Any], Any]) -> Any:
    def shape(input: Meta) -> tuple[int, ...]:
        if input.dtype.is_complex:
            raise NotImplementedError(f"\"{name}_all\" not implemented for '{input.dtype.scalar_type}'")
        _check_not_empty(name, input, None)
        return ()

    def body(xp: Any, input: Array) -> Array:
        return reduce(xp, input)

    body.__name__ = name
    declared = op(
        promote=RAW, shape=shape, result=lambda input: input.dtype, node=f"{name.capitalize()}Backward1"
    )(body)

    @declared.gradient("input")
    def _(xp: Any, g: Array, input: Array, output: Array) -> Array:
        chosen = (input == output) | (xp.isnan(input) & xp.isnan(output))
        # As a number of float32 even where the tensor is narrower, so that a count is exact.
        wide = g.astype("float32") if g.dtype.itemsize < 4 else g
        return _evenly(xp, wide, chosen, None).reshape(input.shape)

    return declared


max_all = _whole("max", lambda xp, x: xp.max(x))
min_all = _whole("min", lambda xp, x: xp.min(x))


# -- along one dimension, with indices -------------------------------------------------------------


def _along(name: str, find: Callable[..., Any], extreme: Callable[..., Any]) -> Any:
    def shape(input: Meta, dim: int, keepdim: bool) -> list[Meta]:
        at = canonical_dim(dim, input.ndim)
        if input.dtype.is_complex:
            raise RuntimeError(f"{name}(): does not support complex input")
        _check_not_empty(name, input, at)
        values = input.with_shape(reduced_shape(input, at, keepdim))
        return [values, values.with_dtype(dtypes.int64)]

    def body(xp: Any, input: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
        if input.ndim == 0:
            return input, xp.zeros((), "int64")
        at = canonical_dim(dim, input.ndim)
        if input.size == 0:
            reduced = xp.sum(input, axis=at, keepdims=keepdim)
            return reduced.astype(input.dtype), reduced.astype("int64")
        indices = xp.expand_dims(find(xp, input, at), at)
        # XLA reduces faster than it gathers.
        values = xp.take_along_axis(input, indices, at) if xp is np else extreme(xp, input, at)
        return (values, indices) if keepdim else (xp.squeeze(values, at), xp.squeeze(indices, at))

    body.__name__ = name
    declared = op(
        promote=RAW,
        shape=shape,
        outputs=("values", "indices"),
        node=f"{name.capitalize()}Backward0",
        result=(None, dtypes.int64),
    )(body)

    @declared.gradient("input")
    def _(xp: Any, g: Any, input_meta: Meta, indices: Array, dim: int, keepdim: bool) -> Array:
        return spread_to_index(xp, g[0], indices, input_meta, dim, keepdim)

    return declared


def spread_to_index(xp: Any, g: Any, indices: Any, meta: Meta, dim: int, keepdim: bool) -> Any:
    """Zeros like `meta` with `g` at `indices` along `dim`: the gradient of taking one element along it."""
    if not meta.shape:
        return g
    at = canonical_dim(dim, meta.ndim)
    if not keepdim:
        g, indices = xp.expand_dims(g, at), xp.expand_dims(indices, at)
    numbers = xp.arange(meta.shape[at]).reshape(-1, *(1,) * (meta.ndim - at - 1))
    return xp.where(numbers == indices, g, xp.zeros((), g.dtype))


max_dim = _along(
    "max", lambda xp, x, at: xp.argmax(x, axis=at), lambda xp, x, at: xp.max(x, axis=at, keepdims=True)
)
min_dim = _along(
    "min", lambda xp, x, at: xp.argmin(x, axis=at), lambda xp, x, at: xp.min(x, axis=at, keepdims=True)
)

_MISSING: Any = object()


def _overloads(name: str, whole: Any, along: Any, pairwise: str) -> Callable[..., Any]:
    def choose(
        input: Tensor, dim: Any = _MISSING, keepdim: bool = False, *, other: Any = _MISSING, out: Any = None
    ) -> Any:
        if isinstance(dim, Tensor):
            dim, other = _MISSING, dim
        if other is not _MISSING:
            if dim is not _MISSING or not isinstance(other, Tensor):
                raise no_overload(name, input=input, dim=dim, other=other)
            return registry[pairwise](input, other, out=out)
        if dim is _MISSING:
            if keepdim is not False:
                raise no_overload(name, input=input, keepdim=keepdim)
            result = apply(whole, (input,))
            return result if out is None else write_out(out, result, name)
        if not hasattr(dim, "__index__") or not isinstance(keepdim, bool):
            raise no_overload(name, input=input, dim=dim, keepdim=keepdim)
        if out is not None and (not isinstance(out, (tuple, list)) or len(out) != 2):
            raise no_overload(name, input=input, dim=dim, out=out)
        found = apply(along, (input, dim, keepdim))
        if out is not None:
            found = [
                write_out(target, item, name, (input,), EXACT)
                for target, item in zip(out, found, strict=True)
            ]
        return named_result(name, found)

    choose.__name__ = choose.__qualname__ = name
    return choose


_max = _overloads("max", max_all, max_dim, "maximum")
_max.__doc__ = """The largest element: of all, along `dim` with its indices, or of each pair of two tensors.

    >>> import flambeau
    >>> flambeau.tensor([[1.0, 5.0], [7.0, 3.0]]).max(dim=1).indices
    tensor([1, 0])
    """
_min = _overloads("min", min_all, min_dim, "minimum")
_min.__doc__ = "The smallest element: of all, along `dim` with its indices, or of each pair of two tensors."
max = function("max", "Tensor.max")(_max)
min = function("min", "Tensor.min")(_min)


# -- argmax and argmin -----------------------------------------------------------------------------


def _arg(name: str, find: Callable[..., Any], doc: str) -> Any:
    def shape(input: Meta, dim: int | None, keepdim: bool) -> tuple[int, ...]:
        if dim is not None:
            canonical_dim(dim, input.ndim)
        if input.dtype.is_complex or input.dtype is dtypes.bool_:
            raise RuntimeError(
                f"{name}(): does not support {'complex' if input.dtype.is_complex else 'bool'} input"
            )
        _check_not_empty(name, input, dim, error=IndexError)
        return reduced_shape(input, dim, keepdim)

    def body(xp: Any, input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
        if input.ndim == 0:
            return xp.zeros((), "int64")
        if input.size == 0:
            return xp.zeros(reduced_shape(input, dim, keepdim), "int64")
        return find(xp, input, axis=dim, keepdims=keepdim)

    body.__name__, body.__doc__ = name, doc
    return op(
        name, f"Tensor.{name}", out=EXACT, promote=RAW, result=dtypes.int64, shape=shape, differentiable=False
    )(body)


argmax = _arg(
    "argmax",
    lambda xp, x, **how: xp.argmax(x, **how),
    "The index of the first largest element, flat or along `dim`.",
)
argmin = _arg(
    "argmin",
    lambda xp, x, **how: xp.argmin(x, **how),
    "The index of the first smallest element, flat or along `dim`.",
)


# -- amax, amin, aminmax ---------------------------------------------------------------------------


_LIKE_INPUT = Out(
    "Expected the dtype for input and out to match, but got {wanted} for input's dtype and {found} for out's dtype."
)


def _plain(name: str, reduce: Callable[..., Any], doc: str) -> Any:
    def shape(input: Meta, dim: Any, keepdim: bool) -> tuple[int, ...]:
        found = reduced_shape(input, dim, keepdim)
        if input.dtype.is_complex:
            raise NotImplementedError(
                f"\"{name[1:]}_values_cpu\" not implemented for '{input.dtype.scalar_type}'"
            )
        _check_not_empty(name, input, dim)
        return found

    def body(xp: Any, input: Array, dim: Dims | None = (), keepdim: bool = False) -> Array:
        if input.size == 0:
            return xp.zeros(reduced_shape(input, dim, keepdim), input.dtype)
        return reduce(xp, input, axis=canonical_dims(dim, input.ndim), keepdims=keepdim)

    body.__name__, body.__doc__ = name, doc
    declared = op(
        name,
        f"Tensor.{name}",
        out=_LIKE_INPUT,
        promote=RAW,
        shape=shape,
        result=lambda input, *_: input.dtype,
    )(body)

    @declared.gradient("input")
    def _(xp: Any, g: Array, input: Array, output: Array, dim: Any, keepdim: bool) -> Array:
        return _shared(xp, g, input, output, dim, keepdim)

    return declared


def _shared(xp: Any, g: Any, input: Any, extreme: Any, dim: Any, keepdim: bool) -> Any:
    axes = canonical_dims((dim,) if isinstance(dim, int) else dim, input.ndim)
    chosen = input == restored(xp, extreme, dim, keepdim, input.ndim)
    return _evenly(xp, restored(xp, g, dim, keepdim, input.ndim), chosen, axes)


amax = _plain(
    "amax", lambda xp, x, **how: xp.max(x, **how), "The largest element over `dim`; ties share the gradient."
)
amin = _plain(
    "amin", lambda xp, x, **how: xp.min(x, **how), "The smallest element over `dim`; ties share the gradient."
)


def _aminmax_shape(input: Meta, dim: int | None, keepdim: bool) -> list[Meta]:
    found = input.with_shape(reduced_shape(input, dim, keepdim))
    if input.dtype.is_complex:
        raise NotImplementedError(f"\"aminmax_cpu\" not implemented for '{input.dtype.scalar_type}'")
    if dim is None and not input.numel:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    _check_not_empty("aminmax", input, dim, "aminmax")
    return [found, found]


@op(promote=RAW, shape=_aminmax_shape, outputs=("smallest", "largest"), node="AminmaxBackward0")
def both_extremes(xp: Any, input: Index, dim: int | None, keepdim: bool) -> tuple[Array, Array]:
    if input.size == 0:
        found = xp.zeros(reduced_shape(input, dim, keepdim), input.dtype)
        return found, found
    axes = canonical_dims(None if dim is None else (dim,), input.ndim)
    return xp.min(input, axis=axes, keepdims=keepdim), xp.max(input, axis=axes, keepdims=keepdim)


@both_extremes.gradient("input")
def _(xp: Any, g: Any, input: Array, smallest: Array, largest: Array, dim: Any, keepdim: bool) -> Array:
    return _shared(xp, g[0], input, smallest, dim, keepdim) + _shared(xp, g[1], input, largest, dim, keepdim)


@function("aminmax", "Tensor.aminmax", out=EXACT)
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """The smallest and the largest element, over `dim` or over everything."""
    return named_result("aminmax", apply(both_extremes, (input, dim, keepdim)))
