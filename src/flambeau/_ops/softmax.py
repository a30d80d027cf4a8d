"""Softmax and its logarithm: each one operation whose gradient needs its result alone."""

from __future__ import annotations

import math
import warnings
from typing import Any

from flambeau._core.declare import EXACT, Array, canonical_dim
from flambeau._core.dispatch import apply, function, op
from flambeau._core.dtype import dtype as DType
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.sums import largest, total
from flambeau._ops.supported import kind


def _wanted(input: Meta, dim: int, dtype: DType | None) -> DType:
    return input.dtype if dtype is None else dtype


def _check(name: str, input: Meta, dim: int, dtype: DType | None) -> None:
    at = canonical_dim(dim, input.ndim)
    wanted = _wanted(input, dim, dtype)
    if kind(wanted) not in "hf":
        last = "_lastdim" if at == max(input.ndim, 1) - 1 else ""
        raise NotImplementedError(f"\"{name}{last}_kernel_impl\" not implemented for '{wanted.scalar_type}'")


_OPTIONS: dict[str, Any] = {
    "promote": _wanted,
    "dtypes": _check,
    "shape": lambda input, *_: input.shape,
    "cost": lambda inputs, results: 8 * inputs[0].numel,
}


def log_softmax_parts(xp: Any, x: Any, dim: int) -> tuple[Any, Any, Any]:
    """The largest element along `dim`; `x` less that, with which nothing overflows; the logarithm of the sum of its exponentials.

    The second less the third is the log-softmax.
    """
    dim = dim % x.ndim
    highest = largest(xp, x, dim)
    shifted = x - highest
    return highest, shifted, xp.log(total(xp, xp.exp(shifted), dim, keepdims=True))


def _rows(array: Array, dim: int) -> tuple[Array, int]:
    """The array and the dimension, in two dimensions where it is the last: XLA's loops are shorter then."""
    dim = dim % array.ndim
    if dim < 2 or dim < array.ndim - 1:
        return array, dim
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1]), 1


@op(node="SoftmaxBackward0", **_OPTIONS)
def softmax_(xp: Any, input: Array, dim: int, dtype: Any) -> Array:
    if input.size == 0:
        return input
    if input.ndim == 0:
        return xp.where(xp.isfinite(input), xp.ones((), input.dtype), xp.asarray(float("nan"), input.dtype))
    rows, dim = _rows(input, dim)
    powers = xp.exp(rows - largest(xp, rows, dim))
    return (powers / total(xp, powers, dim, keepdims=True)).reshape(input.shape)


@softmax_.gradient("input")
def _(xp: Any, g: Array, output: Array, dim: int) -> Array:
    if output.ndim == 0:
        return g * output - g * output
    (cotangent, at), (rows, _) = _rows(g, dim), _rows(output, dim)
    found = rows * (cotangent - total(xp, cotangent * rows, at, keepdims=True, computed=True))
    return found.reshape(g.shape)


@op(node="LogSoftmaxBackward0", **_OPTIONS)
def log_softmax_(xp: Any, input: Array, dim: int, dtype: Any) -> Array:
    if input.size == 0:
        return input
    if input.ndim == 0:
        return input - input
    _, shifted, logarithm = log_softmax_parts(xp, *_rows(input, dim))
    return (shifted - logarithm).reshape(input.shape)


@log_softmax_.gradient("input")
def _(xp: Any, g: Array, output: Array, dim: int) -> Array:
    if output.ndim == 0:
        return g - xp.exp(output) * g
    (cotangent, at), (rows, _) = _rows(g, dim), _rows(output, dim)
    return (cotangent - xp.exp(rows) * total(xp, cotangent, at, keepdims=True)).reshape(g.shape)


@function("softmax", "special.softmax", "Tensor.softmax", out=EXACT)
def softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """Exponentials that sum to one along `dim`; `dtype` first converts.

    >>> import flambeau
    >>> flambeau.softmax(flambeau.zeros(4), dim=0)
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    return apply(softmax_, (input, dim, dtype))


@function("log_softmax", "special.log_softmax", "Tensor.log_softmax", out=EXACT)
def log_softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """The logarithm of `softmax`, exact where that is tiny."""
    return apply(log_softmax_, (input, dim, dtype))


def implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    """The dimension that PyTorch chooses when none is given, with its warning."""
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an "
        "argument.",
        UserWarning,
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


@function("nn.functional.softmax")
def functional_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """Exponentials that sum to one along `dim`."""
    if dim is None:
        dim = implicit_dim("softmax", input.ndim, _stacklevel)
    return apply(softmax_, (input, dim, dtype))


@function("nn.functional.softmin")
def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """`softmax(-input)`."""
    if dim is None:
        dim = implicit_dim("softmin", input.ndim, _stacklevel)
    return apply(softmax_, (-input, dim, dtype))  # type: ignore[operator]


@function("nn.functional.log_softmax")
def functional_log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """The logarithm of `softmax`, exact where that is tiny."""
    if dim is None:
        dim = implicit_dim("log_softmax", input.ndim, _stacklevel)
    return apply(log_softmax_, (input, dim, dtype))
