"""Running sums, products, maxima and minima; differences; integrals by the trapezoidal rule."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core import xla
from flambeau._core.declare import KEEP, LEADING, RAW, Array, Out, canonical_dim, registry
from flambeau._core.dispatch import apply, function, op
from flambeau._core.return_types import named_result
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.reduce import integers_widen
from flambeau._ops.supported import kind


def _same_shape(input: Meta, dim: int, *_: Any) -> tuple[int, ...]:
    canonical_dim(dim, input.ndim)
    return input.shape


_EXACT = Out("expected scalar_type {wanted} but found {found}")


def reverse_cumsum(xp: Any, x: Any, dim: int) -> Any:
    """Sums from each element to the last."""
    return xp.flip(xp.cumsum(xp.flip(x, dim), axis=dim, dtype=x.dtype), dim)


# -- sums and products -----------------------------------------------------------------------------


def _no_bools(name: str, input: Meta, dim: int, dtype: Any) -> None:
    if dtype is dtypes.bool_:
        raise NotImplementedError(f"\"{name}_out_cpu\" not implemented for 'Bool'")


@op(
    "cumsum",
    "Tensor.cumsum",
    "Tensor.cumsum_",
    out=LEADING,
    dtypes=_no_bools,
    promote=integers_widen,
    shape=_same_shape,
)
def cumsum(xp: Any, input: Array, dim: int, *, dtype: Any = None) -> Array:
    """Running sums along `dim`."""
    return xp.cumsum(input, axis=dim, dtype=input.dtype) if input.ndim else input


@cumsum.gradient("input")
def _(xp: Any, g: Array, dim: int) -> Array:
    return reverse_cumsum(xp, g, dim) if g.ndim else g


@op(
    "cumprod",
    "Tensor.cumprod",
    "Tensor.cumprod_",
    out=LEADING,
    dtypes=_no_bools,
    promote=integers_widen,
    shape=_same_shape,
)
def cumprod(xp: Any, input: Array, dim: int, *, dtype: Any = None) -> Array:
    """Running products along `dim`."""
    return xp.cumprod(input, axis=dim, dtype=input.dtype) if input.ndim else input


@cumprod.gradient("input")
def _(xp: Any, g: Array, input: Array, output: Array, dim: int) -> Array:
    """Without a zero: sum over k >= i of `g[k] output[k] / input[i]`. Past the first zero every product is
    zero, and at it the products are those of the other elements.
    """
    if input.ndim == 0:
        return g
    zero = input == 0
    zeros_so_far = xp.cumsum(zero, axis=dim, dtype="int32")
    first = zero & (zeros_so_far == 1)
    one = xp.ones((), input.dtype)
    plain = reverse_cumsum(xp, g * xp.conj(output), dim) / xp.conj(xp.where(zero, one, input))
    others = xp.cumprod(xp.where(first, one, input), axis=dim, dtype=input.dtype)
    after = xp.where(zeros_so_far > 0, g * xp.conj(others), xp.zeros((), g.dtype))
    at_first = reverse_cumsum(xp, after, dim)
    return xp.where(first, at_first, xp.where(zeros_so_far > 0, xp.zeros((), g.dtype), plain))


def _check_logcumsumexp(name: str, input: Meta, dim: int) -> None:
    if kind(input.dtype) not in "hfc":
        raise NotImplementedError(f"\"logcumsumexp_out_cpu\" not implemented for '{input.dtype.scalar_type}'")


def _complex_log_running_sum(xp: Any, x: Any, dim: int) -> Any:
    """One after the other, as in PyTorch: which turn the angle is on (2 pi higher or lower) follows from the order."""

    def add(total: Any, item: Any) -> Any:
        larger = xp.real(total) > xp.real(item)
        high, low = xp.where(larger, total, item), xp.where(larger, item, total)
        return xp.where(xp.isneginf(xp.real(high)), low, xp.log1p(xp.exp(low - high)) + high)

    items = xp.moveaxis(x, dim, 0)
    nothing = xp.full(items.shape[1:], -np.inf, x.dtype)
    if xp is np:
        with np.errstate(all="ignore"):
            found = np.stack(list(itertools.accumulate(items, add, initial=nothing))[1:])
    else:
        found = jax.lax.scan(lambda total, item: (add(total, item),) * 2, nothing, items)[1]
    return xp.moveaxis(found, 0, dim)


# As PyTorch does on a CPU: where positive and negative gradients cancel, what is in between shows.
_WIDE = {np.dtype(np.float32): np.dtype(np.float64), np.dtype(np.complex64): np.dtype(np.complex128)}


def _log_running_sum(xp: Any, x: Any, dim: int) -> Any:
    if x.ndim == 0 or x.size == 0:
        return x
    dim = dim % x.ndim
    wide = x.astype(_WIDE.get(x.dtype, x.dtype)) if xp is np or xla.for_cpu() else x
    if wide.dtype.kind == "c":
        found = _complex_log_running_sum(xp, wide, dim)
    elif xp is np:
        found = np.logaddexp.accumulate(wide, axis=dim)
    else:
        found = jax.lax.cumlogsumexp(wide, axis=dim)
    return found.astype(x.dtype)


@op(
    "logcumsumexp",
    "Tensor.logcumsumexp",
    out=_EXACT,
    promote=KEEP,
    dtypes=_check_logcumsumexp,
    shape=_same_shape,
)
def logcumsumexp(xp: Any, input: Array, dim: int) -> Array:
    """The logarithm of running sums of exponentials along `dim`, without overflow."""
    return _log_running_sum(xp, input, dim)


@logcumsumexp.gradient("input")
def _(xp: Any, g: Array, input: Array, output: Array, dim: int) -> Array:
    """`sum over k >= i of g[k] * exp(input[i] - output[k])`."""
    if g.ndim == 0 or g.size == 0:
        return g
    if g.dtype.kind == "c":
        part = _log_running_sum(xp, xp.flip(xp.log(g) - xp.conj(output), dim), dim)
        return xp.exp(xp.flip(part, dim) + xp.conj(input))
    return _pulled_in_logarithms(xp, g, input, output, dim) if xp is np else _pulled(g, input, output, dim)


def _pulled_in_logarithms(xp: Any, g: Any, input: Any, output: Any, dim: int) -> Any:
    """As PyTorch computes it: in logarithms, positive and negative g apart."""
    total = xp.zeros((), g.dtype)
    for sign in (1, -1):
        size = xp.where(sign * g > 0, sign * g, xp.zeros((), g.dtype))
        part = xp.flip(_log_running_sum(xp, xp.flip(xp.log(size) - output, dim), dim), dim)
        total = total + sign * xp.exp(part + input)
    return total


def _pulled_by_sums(g: Any, input: Any, output: Any, dim: int) -> Any:
    """The same as JAX can differentiate it, where g is 0 as well: from one sum to the one before it.

    The outputs never fall, so no factor is above one.
    """
    items, sums = jnp.moveaxis(output, dim, 0), jnp.moveaxis(g, dim, 0)
    factors = jnp.concatenate([jnp.exp(items[:-1] - items[1:]), jnp.zeros_like(items[:1])])
    sums = jax.lax.associative_scan(
        lambda later, now: (now[0] * later[0], now[1] + now[0] * later[1]), (factors, sums), reverse=True
    )[1]
    return jnp.exp(input - output) * jnp.moveaxis(sums, 0, dim)


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def _pulled(g: Any, input: Any, output: Any, dim: int) -> Any:
    return _pulled_in_logarithms(jnp, g, input, output, dim)


@_pulled.defjvp
def _(dim: int, given: Any, changes: Any) -> Any:
    _, change = jax.jvp(lambda g, input, output: _pulled_by_sums(g, input, output, dim), given, changes)
    return _pulled(*given, dim), change


# -- maxima and minima -----------------------------------------------------------------------------


def _running(name: str, accumulate: Callable[..., Any], doc: str) -> Any:
    def shape(input: Meta, dim: int) -> list[Meta]:
        canonical_dim(dim, input.ndim)
        if input.dtype.is_complex:
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{input.dtype.scalar_type}'")
        return [input, input.with_dtype(dtypes.int64)]

    def body(xp: Any, input: Array, dim: int) -> tuple[Array, Array]:
        if input.ndim == 0 or input.size == 0:
            return input, xp.zeros(input.shape, "int64")
        at = canonical_dim(dim, input.ndim)
        narrow = input.dtype.kind == "b"
        values = accumulate(xp, input.astype("uint8") if narrow else input, at).astype(input.dtype)
        # The latest of equal ones; a nan stays from its place on, and later nans take over.
        reached = (input == values) | (input != input)
        numbers = xp.arange(input.shape[at], dtype="int64").reshape(-1, *(1,) * (input.ndim - at - 1))
        places = xp.where(reached, numbers, 0)
        indices = np.maximum.accumulate(places, axis=at) if xp is np else jax.lax.cummax(places, axis=at)
        return values, indices

    body.__name__ = name
    declared = op(
        promote=RAW, shape=shape, outputs=("values", "indices"), node=f"{name.capitalize()}Backward0"
    )(body)

    @declared.gradient("input")
    def _(xp: Any, g: Any, indices: Array, dim: int) -> Array:
        return add_along(xp, xp.zeros_like(g[0]), indices, g[0], dim)

    def front(input: Tensor, dim: int) -> Any:
        return named_result(name, apply(declared, (input, dim)))

    front.__name__, front.__qualname__, front.__doc__ = name, name, doc
    return function(name, f"Tensor.{name}", out=_EXACT)(front)


def add_along(xp: Any, base: Any, indices: Any, values: Any, dim: int) -> Any:
    """`base` with `values` added at `indices` along `dim`; equal indices add up."""
    if base.ndim == 0:
        return base + values
    at = canonical_dim(dim, base.ndim)
    where = [xp.arange(n).reshape(-1, *(1,) * (base.ndim - axis - 1)) for axis, n in enumerate(indices.shape)]
    where[at] = indices
    if xp is np:
        result = base.copy()
        np.add.at(result, tuple(where), values)
        return result
    return base.at[tuple(where)].add(values)


def _accumulate(numpy: Any, lax: Any) -> Callable[..., Any]:
    return lambda xp, x, at: numpy.accumulate(x, axis=at) if xp is np else lax(x, axis=at)


cummax = _running(
    "cummax",
    _accumulate(np.maximum, jax.lax.cummax),
    "Running maxima along `dim`, and where they stand (the latest of equal ones).",
)
cummin = _running(
    "cummin",
    _accumulate(np.minimum, jax.lax.cummin),
    "Running minima along `dim`, and where they stand (the latest of equal ones).",
)


# -- differences -----------------------------------------------------------------------------------


def _check_beside(input: Tensor, other: Tensor, dim: int) -> None:
    if other.dim() != input.dim():
        raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    for i, (size, own) in enumerate(zip(other.shape, input.shape, strict=True)):
        if size != own and i != dim:
            raise RuntimeError(
                "diff expects the shape of tensor to prepend or append to match that of input except along "
                "the "
                f"differencing dimension; input.size({i}) = {own}, but got tensor.size({i}) = {size}"
            )


@function("diff", "Tensor.diff", out=True)
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """Differences of neighbours along `dim`, taken `n` times, after joining `prepend` and `append` on."""
    if input.dim() == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = canonical_dim(dim, input.dim())
    if n == 0:
        return input.clone()  # type: ignore[attr-defined]
    for other in (prepend, append):
        if other is not None:
            _check_beside(input, other, dim)
    if prepend is not None or append is not None:
        input = registry["cat"]([part for part in (prepend, input, append) if part is not None], dim)
    result: Any = input
    if n > result.shape[dim]:
        return result.narrow(dim, 0, 0).clone()
    for _ in range(n):
        size = result.shape[dim]
        later, earlier = result.narrow(dim, 1, max(size - 1, 0)), result.narrow(dim, 0, max(size - 1, 0))
        result = later.logical_xor(earlier) if input.dtype is dtypes.bool_ else later - earlier
    return result


# -- integrals -------------------------------------------------------------------------------------


def _refuse_bool(name: str, y: Tensor, x: Tensor | None) -> None:
    for which, tensor in (("y", y), ("x", x)):
        if tensor is not None and tensor.dtype is dtypes.bool_:
            raise RuntimeError(f"{name}: received a bool input for `{which}`, but bool is not supported")


def _steps(name: str, y: Any, x: Any, dx: Any, dim: int) -> Any:
    """The widths of the steps along `dim`, in a shape that broadcasts against y without its last sample."""
    if x is None:
        return 1 if dx is None else dx
    if x.dim() == 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
        x = x.view(-1, *(1,) * (y.dim() - canonical_dim(dim, y.dim()) - 1))
        return diff(x, dim=0)
    if x.dim() < y.dim():
        x = x.view(*(1,) * (y.dim() - x.dim()), *x.shape)
    return diff(x, dim=dim)


def _neighbour_sums(y: Any, dim: int) -> Any:
    count = max(y.shape[dim] - 1, 0)
    return y.narrow(dim, 0, count) + y.narrow(dim, min(1, y.shape[dim]), count)


def _points(name: str, y: Tensor, x: Tensor | None, dx: Any, dim: int) -> Any:
    _refuse_bool(name, y, x)
    if y.dim() == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    canonical_dim(dim, y.dim())
    return _steps(name, y, x, dx, dim)


@function("trapezoid", "trapz")
def trapezoid(y: Tensor, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral of samples `y` along `dim` by the trapezoidal rule, at points `x` or `dx` (1) apart."""
    if x is not None and not isinstance(x, Tensor):
        x, dx = None, x
    if y.dim() and y.shape[canonical_dim(dim, y.dim())] == 0 and x is None:
        return y.sum(dim) * 1.0  # type: ignore[attr-defined]
    steps = _points("trapezoid", y, x, dx, dim)
    return (_neighbour_sums(y, dim) * steps).sum(dim) / 2.0


@function("cumulative_trapezoid")
def cumulative_trapezoid(y: Tensor, x: Any = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """Running integrals of samples `y` along `dim` by the trapezoidal rule."""
    if x is not None and not isinstance(x, Tensor):
        x, dx = None, x
    steps = _points("cumulative_trapezoid", y, x, dx, dim)
    return (_neighbour_sums(y, dim) * steps).cumsum(dim) / 2.0


# -- numerical gradients ---------------------------------------------------------------------------


def _spacings(input: Tensor, spacing: Any, dims: list[int], given: bool) -> list[Any]:
    if spacing is None or not isinstance(spacing, (tuple, list)):
        return [1.0 if spacing is None else spacing] * len(dims)
    if len(spacing) != len(dims):
        wanted = (
            f"'dim.size() = {len(dims)}'"
            if given
            else f"'self.dim() = {input.dim()}', since dim argument was not given"
        )
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to "
            f"{wanted}, but got a list of length {len(spacing)}"
        )
    for dim, each in zip(dims, spacing, strict=True):
        if isinstance(each, Tensor) and each.numel() != input.shape[dim]:
            raise RuntimeError(
                "torch.gradient expected each element of spacing to have the same length as the "
                "corresponding dimension "
                f"of self, but got {each.numel()} points for dimension {dim} of size {input.shape[dim]}"
            )
    return list(spacing)


def _slope(input: Any, dim: int, spacing: Any, edge_order: int) -> Tensor:
    """Central differences, weighted by the distances to both neighbours; at the ends of first or second
    order.
    """
    size = input.shape[dim]

    def at(start: int, length: int = 1) -> Any:
        return input.narrow(dim, start, length)

    if isinstance(spacing, Tensor):
        steps = diff(spacing.to(input.dtype)).view(-1, *(1,) * (input.dim() - dim - 1))  # type: ignore[attr-defined]
        before, after = steps.narrow(0, 0, size - 2), steps.narrow(0, 1, size - 2)
        total = before + after
        inner = (
            at(0, size - 2) * (-after / (before * total))
            + at(1, size - 2) * ((after - before) / (before * after))
            + at(2, size - 2) * (before / (after * total))
        )
        first, second = steps.narrow(0, 0, 1), steps.narrow(0, 1, 1) if size > 2 else None
        last, last_but_one = steps.narrow(0, size - 2, 1), steps.narrow(0, size - 3, 1) if size > 2 else None
    else:
        inner = (at(2, size - 2) - at(0, size - 2)) / (2 * spacing)
        first = second = last = last_but_one = spacing
    if edge_order == 1:
        start, end = (at(1) - at(0)) / first, (at(size - 1) - at(size - 2)) / last
    else:
        start = _edge(at(0), at(1), at(2), first, second)
        end = -_edge(at(size - 1), at(size - 2), at(size - 3), last, last_but_one)
    return registry["cat"]([start, inner, end], dim)


def _edge(a: Any, b: Any, c: Any, near: Any, far: Any) -> Any:
    """The slope at `a`, with `b` and `c` following at distances `near` and `far`: exact for parabolas."""
    total = near + far
    return -(2 * near + far) / (near * total) * a + total / (near * far) * b - near / (far * total) * c


@function("gradient")
def gradient(
    input: Tensor, *, spacing: Any = None, dim: int | Sequence[int] | None = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """The slope of samples along each of `dim` (all dimensions), by central differences.

    Args:
        spacing: the distance of samples, one for each dimension, or the coordinates of the samples as
        tensors. edge_order: 1 or 2, the accuracy at both ends.
    """
    given = dim is not None
    listed = list(range(input.dim())) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    dims = [canonical_dim(each, input.dim()) for each in listed]
    for each in dims:
        if dims.count(each) > 1:
            raise RuntimeError(f"dim {each} appears multiple times in the list of dims")
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    spacings = _spacings(input, spacing, dims, given)
    if any(input.shape[each] < edge_order + 1 for each in dims):
        raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
    return tuple(_slope(input, each, step, edge_order) for each, step in zip(dims, spacings, strict=True))
