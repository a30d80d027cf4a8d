"""Spread and quantiles: variance, standard deviation, covariance, correlation, quantile."""

from __future__ import annotations

import math
from typing import Any

from flambeau._core import dtype as dtypes
from flambeau._core.declare import Array, Dims, Out, canonical_dim, canonical_dims, registry
from flambeau._core.dispatch import apply, function, op
from flambeau._core.dtype import dtype as DType
from flambeau._core.tensor import Tensor
from flambeau._core.value import META, Meta, Value
from flambeau._core.warn import warn
from flambeau._ops.bounds import when_known
from flambeau._ops.reduce import no_overload, reduced_shape, restored
from flambeau._ops.sums import total

# -- variance and standard deviation ---------------------------------------------------------------


def _count(shape: tuple[int, ...], dim: Any) -> int:
    return math.prod(shape[i] for i in canonical_dims(dim, len(shape)))


def _centred(xp: Any, x: Any, dim: Any) -> tuple[Any, Any]:
    """Values less their mean, and the mean with its dimensions kept."""
    axes = canonical_dims(dim, x.ndim)
    mean = total(xp, x, axes, True) / xp.asarray(_count(x.shape, dim), x.dtype)
    return x - mean, mean


def _variance(xp: Any, x: Any, dim: Any, correction: float, keepdim: bool) -> tuple[Any, Any]:
    """Variance and mean; two passes, because one loses digits."""
    axes = canonical_dims(dim, x.ndim)
    centred, mean = _centred(xp, x, dim)
    square = xp.real(centred * xp.conj(centred)) if x.dtype.kind == "c" else centred * centred
    freedom = max(_count(x.shape, dim) - correction, 0)
    var = total(xp, square, axes, keepdim) / xp.asarray(freedom, square.dtype)
    return var, mean if keepdim else mean.reshape(var.shape)


def _variance_gradient(xp: Any, g: Any, x: Any, dim: Any, correction: float) -> Any:
    """`g`, with its dimensions kept, times `2 (x - mean) / (count - correction)`; at no freedom infinite as
    PyTorch's.
    """
    centred, _ = _centred(xp, x, dim)
    freedom = _count(x.shape, dim) - correction
    if dim is None and freedom <= 0:
        still = xp.asarray(math.nan, g.dtype)
        return g * xp.where(centred == 0, still, xp.asarray(math.inf, g.dtype))
    return g * xp.asarray(2, g.dtype) / xp.asarray(freedom, g.dtype) * centred


def _check_floating(name: str, input: Meta, *_: Any) -> None:
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        both = "std and var" if name in ("std", "var") else name
        raise RuntimeError(f"{both} only support floating point and complex dtypes")


def _real(input: Meta, *_: Any) -> DType:
    return input.dtype.to_real()


def _shape(input: Meta, dim: Any, correction: float, keepdim: bool) -> tuple[int, ...]:
    return reduced_shape(input, dim, keepdim)


def _two_shapes(input: Meta, dim: Any, correction: float, keepdim: bool) -> list[Meta]:
    mean = input.with_shape(reduced_shape(input, dim, keepdim))
    return [mean.with_dtype(input.dtype.to_real()), mean]


_ONE: dict[str, Any] = {"result": _real, "shape": _shape, "dtypes": _check_floating}
_TWO: dict[str, Any] = {"shape": _two_shapes, "dtypes": _check_floating, "outputs": ("spread", "mean")}


@op(node="VarBackward0", **_ONE)
def var_(xp: Any, input: Array, dim: Dims | None, correction: float, keepdim: bool) -> Array:
    return _variance(xp, input, dim, correction, keepdim)[0]


@var_.gradient("input")
def _(xp: Any, g: Array, input: Array, dim: Any, correction: float, keepdim: bool) -> Array:
    return _variance_gradient(xp, restored(xp, g, dim, keepdim, input.ndim), input, dim, correction)


def _through_root(xp: Any, g: Any, std: Any) -> Any:
    """The gradient of the variance under a root; 0 where that is 0."""
    zero = std == 0
    return xp.where(zero, xp.zeros((), g.dtype), g / (2 * xp.where(zero, 1, std)))


@op(node="StdBackward0", **_ONE)
def std_(xp: Any, input: Array, dim: Dims | None, correction: float, keepdim: bool) -> Array:
    return xp.sqrt(_variance(xp, input, dim, correction, keepdim)[0])


@std_.gradient("input")
def _(xp: Any, g: Array, input: Array, output: Array, dim: Any, correction: float, keepdim: bool) -> Array:
    through = restored(xp, _through_root(xp, g, output), dim, keepdim, input.ndim)
    return _variance_gradient(xp, through, input, dim, correction)


def _mean_gradient(xp: Any, g: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    return xp.broadcast_to(restored(xp, g, dim, keepdim, x.ndim) / max(_count(x.shape, dim), 1), x.shape)


@op(node="VarMeanBackward0", **_TWO)
def var_mean_(
    xp: Any, input: Array, dim: Dims | None, correction: float, keepdim: bool
) -> tuple[Array, Array]:
    return _variance(xp, input, dim, correction, keepdim)


@var_mean_.gradient("input")
def _(xp: Any, g: Any, input: Array, dim: Any, correction: float, keepdim: bool) -> Array:
    through = restored(xp, g[0], dim, keepdim, input.ndim)
    return _variance_gradient(xp, through, input, dim, correction) + _mean_gradient(
        xp, g[1], input, dim, keepdim
    )


@op(node="StdMeanBackward0", **_TWO)
def std_mean_(
    xp: Any, input: Array, dim: Dims | None, correction: float, keepdim: bool
) -> tuple[Array, Array]:
    found, mean = _variance(xp, input, dim, correction, keepdim)
    return xp.sqrt(found), mean


@std_mean_.gradient("input")
def _(xp: Any, g: Any, input: Array, spread: Array, dim: Any, correction: float, keepdim: bool) -> Array:
    through = restored(xp, _through_root(xp, g[0], spread), dim, keepdim, input.ndim)
    return _variance_gradient(xp, through, input, dim, correction) + _mean_gradient(
        xp, g[1], input, dim, keepdim
    )


_UNSET: Any = object()


def _spread(declared: Any, input: Tensor, dim: Any, unbiased: Any, keepdim: bool, correction: Any) -> Any:
    """Sorts out PyTorch's overloads, which share names: `x.std(False)` means unbiased, `x.std(0)` a
    dimension.
    """
    name = declared.name
    if isinstance(dim, bool):
        if unbiased is not None:
            raise no_overload(name, input=input, dim=dim, unbiased=unbiased)
        dim, unbiased = None, dim
    if unbiased is not None and correction is not _UNSET:
        raise no_overload(name, input=input, dim=dim, unbiased=unbiased, correction=correction)
    if unbiased is not None:
        correction = int(unbiased)
    elif correction is _UNSET or correction is None:
        correction = 1
    if dim is not None and not isinstance(dim, int) and len(dim) == 0:
        dim = None
    elif isinstance(dim, int):
        dim = (dim,)
    shape = input._meta.shape if isinstance(input, Tensor) else ()
    result = apply(declared, (input, dim, float(correction), keepdim))
    first = result[0] if isinstance(result, tuple) else result
    if first._meta.numel and _count(shape, dim) - correction <= 0:
        warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction "
            "factor (input "
            "numel divided by output numel).",
        )
    return result


@function("std", "Tensor.std", out=True)
def std(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Any = _UNSET,
) -> Tensor:
    """The standard deviation over `dim`, or of everything.

    Args:
        correction: what to subtract from the number of elements: 1 by default (`unbiased`).

    >>> import flambeau
    >>> flambeau.tensor([1.0, 2.0, 3.0]).std()
    tensor(1.)
    """
    return _spread(std_, input, dim, unbiased, keepdim, correction)


@function("var", "Tensor.var", out=True)
def var(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Any = _UNSET,
) -> Tensor:
    """The variance over `dim`, or of everything; see `std`."""
    return _spread(var_, input, dim, unbiased, keepdim, correction)


@function("std_mean")
def std_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Any = _UNSET,
) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean over `dim`, or of everything."""
    return _spread(std_mean_, input, dim, unbiased, keepdim, correction)


@function("var_mean")
def var_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Any = _UNSET,
) -> tuple[Tensor, Tensor]:
    """Variance and mean over `dim`, or of everything."""
    return _spread(var_mean_, input, dim, unbiased, keepdim, correction)


# -- covariance and correlation --------------------------------------------------------------------


def _check_weights(which: str, weights: Tensor, count: int, floating: bool) -> None:
    if weights.dim() > 1:
        raise RuntimeError(
            f"cov(): expected {which} to have one or fewer dimensions but got {which} with {weights.dim()} "
            "dimensions"
        )
    if weights.is_floating_point() is not floating:
        wanted = "floating point" if floating else "integral"
        raise RuntimeError(
            f"cov(): expected {which} to have {wanted} dtype but got {which} with "
            f"{weights.dtype.scalar_type} dtype"
        )
    if weights.numel() != count:
        raise RuntimeError(
            f"cov(): expected {which} to have the same numel as there are observations in the input but got "
            f"{weights.numel()} != {count}"
        )
    if weights._meta.device is not META and count and weights._host_array().min() < 0:
        raise RuntimeError(f"cov(): {which} cannot be negative")


@function("cov", "Tensor.cov", checked=True)
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariances of the variables in the rows, observed in the columns.

    Args:
        fweights: how often each observation occurred.
        aweights: how much each observation counts.
    """
    if input.dim() > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.dim()} "
            "dimensions"
        )
    if input.dtype is dtypes.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    rows: Any = input.view(1, -1) if input.dim() < 2 else input  # type: ignore[attr-defined]
    count = rows.shape[1]
    weights: Any = None
    if fweights is not None:
        _check_weights("fweights", fweights, count, False)
        weights = fweights
    if aweights is not None:
        _check_weights("aweights", aweights, count, True)
        weights = aweights if weights is None else weights * aweights
    total: Any = count if weights is None else weights.sum()
    if weights is not None and not float(total):
        raise RuntimeError("cov(): weights sum to zero, can't be normalized")
    mean = (rows if weights is None else rows * weights).sum(1, keepdim=True) / total
    freedom: Any = total - correction
    if aweights is not None and correction:
        squares: Any = weights * aweights
        freedom = total - correction * squares.sum() / total
    if float(freedom) <= 0:
        warn(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of "
            "observations.",
        )
        freedom = freedom * 0 if isinstance(freedom, Tensor) else 0
    centred = rows - mean
    other = centred if weights is None else centred * weights
    return registry["true_divide"](centred @ other.t().conj(), freedom).squeeze()


@function("corrcoef", "Tensor.corrcoef", checked=True)
def corrcoef(input: Tensor) -> Tensor:
    """The correlations of the variables in the rows, observed in the columns."""
    if input.dim() > 2:
        raise RuntimeError(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with "
            f"{input.dim()} dimensions"
        )
    found: Any = cov(input)
    if found.dim() == 0:
        return found / found
    spread = found.diag()
    spread = (spread.real if found.is_complex() else spread).sqrt()
    found = found / spread.unsqueeze(1) / spread.unsqueeze(0)
    if found.is_complex():
        return registry["complex"](found.real.clip(-1, 1), found.imag.clip(-1, 1))
    return found.clip(-1, 1)


# -- quantiles -------------------------------------------------------------------------------------

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile_shape(
    input: Meta, q: Meta, dim: int | None, keepdim: bool, interpolation: str, ignore_nan: bool
) -> Any:
    return (*q.shape, *reduced_shape(input, dim, keepdim))


def _ranks(xp: Any, ordered: Any, q: Any, interpolation: str, ignore_nan: bool) -> tuple[Any, Any]:
    """The places below among sorted values along the last dimension, and how far to go towards the next.

    Shape: ordered `(*, n)` and q `(k)` give `(*, k)`.
    """
    size = ordered.shape[-1]
    isnan = xp.isnan(ordered)
    last = size - 1 - xp.sum(isnan, axis=-1, keepdims=True) if ignore_nan else xp.full((1,), size - 1)
    rank = q * xp.maximum(last, 0).astype(ordered.dtype)
    if not ignore_nan:
        rank = xp.where(xp.any(isnan, axis=-1, keepdims=True), xp.asarray(size - 1, ordered.dtype), rank)
    rank = xp.broadcast_to(rank, (*ordered.shape[:-1], q.shape[0]))
    if interpolation == "lower":
        rank = xp.floor(rank)
    elif interpolation == "higher":
        rank = xp.ceil(rank)
    elif interpolation == "nearest":
        rank = xp.round(rank)
    below = xp.floor(rank)
    fraction = rank - below
    if interpolation == "midpoint":
        fraction = xp.where(fraction > 0, xp.asarray(0.5, fraction.dtype), fraction)
    return below.astype("int64"), fraction


def _lined_up(xp: Any, input: Any, dim: int | None) -> Any:
    if dim is None or input.ndim == 0:
        return input.reshape(-1)
    return xp.moveaxis(input, dim, -1)


@op(shape=_quantile_shape, node="QuantileBackward0")
def quantiles(
    xp: Any, input: Array, q: Array, dim: int | None, keepdim: bool, interpolation: str, ignore_nan: bool
) -> Array:
    lined = _lined_up(xp, input, dim)
    ordered = xp.sort(lined, axis=-1)
    below, fraction = _ranks(xp, ordered, q.reshape(-1), interpolation, ignore_nan)
    above = xp.minimum(below + 1, ordered.shape[-1] - 1)
    low, high = xp.take_along_axis(ordered, below, -1), xp.take_along_axis(ordered, above, -1)
    return _shaped(xp, xp.where(fraction > 0, low + fraction * (high - low), low), input, q, dim, keepdim)


def _shaped(xp: Any, found: Any, input: Any, q: Any, dim: int | None, keepdim: bool) -> Any:
    """Quantiles first, as PyTorch has them, instead of last."""
    found = xp.moveaxis(found, -1, 0)
    meta = (
        (1,) * input.ndim
        if dim is None
        else tuple(1 if i == dim % input.ndim else n for i, n in enumerate(input.shape))
        if input.ndim
        else ()
    )
    rest = meta if keepdim else found.shape[1:]
    return found.reshape((*q.shape, *rest))


@quantiles.gradient("input")
def _(
    xp: Any,
    g: Array,
    input: Array,
    q: Array,
    dim: int | None,
    keepdim: bool,
    interpolation: str,
    ignore_nan: bool,
) -> Array:
    lined = _lined_up(xp, input, dim)
    order = xp.argsort(lined, axis=-1)
    below, fraction = _ranks(
        xp, xp.take_along_axis(lined, order, -1), q.reshape(-1), interpolation, ignore_nan
    )
    above = xp.minimum(below + 1, lined.shape[-1] - 1)
    cotangent = xp.moveaxis(g.reshape((q.size, *below.shape[:-1])), 0, -1)
    numbers = xp.arange(lined.shape[-1])[:, None]
    chosen = xp.where(numbers == below[..., None, :], (cotangent * (1 - fraction))[..., None, :], 0)
    chosen = chosen + xp.where(numbers == above[..., None, :], (cotangent * fraction)[..., None, :], 0)
    in_order = xp.sum(chosen, axis=-1)
    found = xp.take_along_axis(in_order, xp.argsort(order, axis=-1), -1)
    if dim is None or input.ndim == 0:
        return found.reshape(input.shape)
    return xp.moveaxis(found, -1, dim)


@quantiles.gradient("q")
def _(
    xp: Any,
    g: Array,
    input: Array,
    q: Array,
    dim: int | None,
    keepdim: bool,
    interpolation: str,
    ignore_nan: bool,
) -> Array:
    if interpolation != "linear":
        return xp.zeros_like(q)
    ordered = xp.sort(_lined_up(xp, input, dim), axis=-1)
    below, _ = _ranks(xp, ordered, q.reshape(-1), interpolation, ignore_nan)
    above = xp.minimum(below + 1, ordered.shape[-1] - 1)
    slope = xp.take_along_axis(ordered, above, -1) - xp.take_along_axis(ordered, below, -1)
    slope = xp.moveaxis(slope * (ordered.shape[-1] - 1), -1, 0)
    return xp.sum(g.reshape(slope.shape) * slope, axis=tuple(range(1, slope.ndim))).reshape(q.shape)


def _check_fractions(value: Value) -> None:
    fractions = value.numpy()
    if not ((fractions >= 0) & (fractions <= 1)).all():
        raise RuntimeError("quantile() q values must be in the range [0, 1]")


def _quantile(name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> Tensor:
    who = "quantile()"
    if not input.numel():
        raise RuntimeError(f"{who} input tensor must be non-empty")
    if isinstance(q, Tensor):
        if q.dim() > 1:
            raise RuntimeError(f"{who} q must be a scalar or 1D tensor")
    elif not 0 <= q <= 1:
        raise RuntimeError(f"{who} q must be in the range [0, 1] but got {q:g}")
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(f"{who} input tensor must be either float or double dtype")
    if isinstance(q, Tensor):
        if q.dtype is not input.dtype:
            raise RuntimeError(f"{who} q tensor must be same dtype as the input tensor")
        if q._meta.device.type == "cpu":
            when_known(q._read(), _check_fractions)
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{who} interpolation must be one of linear, lower, higher, midpoint or nearest, but got "
            f"{interpolation}"
        )
    if dim is not None:
        dim = canonical_dim(dim, input.dim())
    if not isinstance(q, Tensor):
        q = registry["tensor"](float(q), dtype=input.dtype, device=input.device)
    elif interpolation != "linear":
        q = q.detach()  # the result is a step function of q
    return apply(quantiles, (input, q, dim, keepdim, interpolation, name == "nanquantile"))


@function(
    "quantile", "Tensor.quantile", out=Out("quantile() out tensor must be same dtype as the input tensor")
)
def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The values below which fractions `q` of the elements lie, along `dim` or of everything.

    Args:
        interpolation: between two elements: "linear", "lower", "higher", "midpoint" or "nearest".

    >>> import flambeau
    >>> flambeau.quantile(flambeau.tensor([1.0, 2.0, 3.0]), 0.25)
    tensor(1.5000)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation)


@function(
    "nanquantile",
    "Tensor.nanquantile",
    out=Out("quantile() out tensor must be same dtype as the input tensor"),
)
def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """`quantile` of what is not nan."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation)
