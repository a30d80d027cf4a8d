"""Mathematical functions of two elements: sums of logarithms, angles, hypotenuses, powers of two."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core import return_types
from flambeau._core.declare import FLOATING, KEEP, PROMOTE, RAW, Array, Operand, broadcast
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.pointwise import as_operand
from flambeau._ops.supported import kind, result_type, supports

# -- logarithms of sums ----------------------------------------------------------------------------


def _log_of_sum(xp: Any, a: Any, b: Any, exp: Any, log1p: Any) -> Any:
    larger, smaller = xp.maximum(a, b), xp.minimum(a, b)
    same_infinity = xp.isinf(a) & (a == b)
    distance = xp.where(same_infinity, 0, smaller - larger)
    return xp.where(same_infinity, a, larger + log1p(exp(distance)))


@op(
    "logaddexp",
    "Tensor.logaddexp",
    out=True,
    promote=PROMOTE,
    shape=broadcast,
    dtypes=supports("hfc", "logaddexp_cpu"),
)
def logaddexp(xp: Any, input: Array, other: Array) -> Array:
    """`log(exp(input) + exp(other))` without overflow."""
    if input.dtype.kind == "c":
        larger = xp.where(xp.real(input) >= xp.real(other), input, other)
        smaller = xp.where(xp.real(input) >= xp.real(other), other, input)
        return larger + xp.log1p(xp.exp(smaller - larger))
    return _log_of_sum(xp, input, other, xp.exp, xp.log1p)


@logaddexp.gradient("input")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return g * xp.conj(1 / (1 + xp.exp(other - input)))


@logaddexp.gradient("other")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return g * xp.conj(1 / (1 + xp.exp(input - other)))


@op(
    "logaddexp2",
    "Tensor.logaddexp2",
    out=True,
    promote=PROMOTE,
    shape=broadcast,
    dtypes=supports("hf", "logaddexp2_cpu"),
)
def logaddexp2(xp: Any, input: Array, other: Array) -> Array:
    """`log2(2**input + 2**other)` without overflow."""
    return _log_of_sum(xp, input, other, xp.exp2, lambda x: xp.log1p(x) * (1 / math.log(2)))


@logaddexp2.gradient("input")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return g / (1 + xp.exp2(other - input))


@logaddexp2.gradient("other")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return g / (1 + xp.exp2(input - other))


# -- angles and lengths ----------------------------------------------------------------------------


@op(
    "atan2",
    "arctan2",
    "Tensor.atan2",
    "Tensor.atan2_",
    "Tensor.arctan2",
    "Tensor.arctan2_",
    out=True,
    promote=FLOATING,
    shape=broadcast,
    dtypes=supports("bihf", "atan2_cpu"),
)
def atan2(xp: Any, input: Array, other: Array) -> Array:
    """The angle of the point (`other`, `input`)."""
    return xp.arctan2(input, other)


@atan2.gradient("input")
def _(g: Array, input: Array, other: Array) -> Array:
    return g * other * (1 / (input * input + other * other))


@atan2.gradient("other")
def _(g: Array, input: Array, other: Array) -> Array:
    return g * -input * (1 / (input * input + other * other))


@op(
    "hypot",
    "Tensor.hypot",
    "Tensor.hypot_",
    out=True,
    promote=PROMOTE,
    shape=broadcast,
    dtypes=supports("hf", "hypot_cpu"),
)
def hypot(xp: Any, input: Array, other: Array) -> Array:
    """`sqrt(input**2 + other**2)` without overflow."""
    return xp.hypot(input, other)


@hypot.gradient("input")
def _(g: Array, input: Array, output: Array) -> Array:
    return g * (input / output)


@hypot.gradient("other")
def _(g: Array, other: Array, output: Array) -> Array:
    return g * (other / output)


@op(
    "copysign",
    "Tensor.copysign",
    "Tensor.copysign_",
    out=True,
    promote=FLOATING,
    shape=broadcast,
    dtypes=supports("bihf", "copysign_cpu"),
    node=lambda inputs: "CopysignBackward0" if len(inputs) > 1 else "CopysignBackward1",
)
def copysign(xp: Any, input: Array, other: Operand) -> Array:
    """The size of `input` with the sign of `other`."""
    return xp.copysign(input, other)


@copysign.gradient("input")
def _(xp: Any, g: Array, input: Array, output: Array) -> Array:
    return xp.where(input == 0, 0, g * (output / xp.where(input == 0, 1, input)))


@copysign.gradient("other")
def _() -> None:
    return None


@op(
    "nextafter",
    "Tensor.nextafter",
    "Tensor.nextafter_",
    out=True,
    promote=RAW,
    shape=broadcast,
    result=result_type,
    dtypes=supports("hf", "nextafter_cpu"),
)
def nextafter(xp: Any, input: Array, other: Array) -> Array:
    """The next number after `input` in the direction of `other`."""
    dtype = xp.promote_types(input.dtype, other.dtype)
    return xp.nextafter(input.astype(dtype), other.astype(dtype))


@nextafter.gradient("input")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return xp.where(input == other, 0, g)


@nextafter.gradient("other")
def _() -> None:
    return None


# -- powers of two ---------------------------------------------------------------------------------


@op("ldexp", "ldexp_", "Tensor.ldexp", "Tensor.ldexp_", out=True, promote=FLOATING, shape=broadcast)
def ldexp(xp: Any, input: Array, other: Array) -> Array:
    """`input * 2**other`."""
    return input * xp.power(xp.asarray(2, input.dtype), other)


@ldexp.gradient("input")
def _(xp: Any, g: Array, other: Array) -> Array:
    return g * xp.conj(xp.power(xp.asarray(2, other.dtype), other))


@ldexp.gradient("other")
def _(xp: Any, g: Array, output: Array) -> Array:
    return g * xp.conj(output * math.log(2))


def _check_frexp(name: str, input: Meta) -> None:
    if kind(input.dtype) not in "hf":
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")


@op(
    promote=KEEP,
    shape=lambda input: [input.shape, input.shape],
    outputs=("mantissa", "exponent"),
    result=(None, dtypes.int32),
    dtypes=_check_frexp,
    node="FrexpBackward",
)
def frexp_parts(xp: Any, input: Array) -> Any:
    """Mantissa and exponent."""
    mantissa, exponent = xp.frexp(input)
    odd = ~xp.isfinite(input)
    return xp.where(odd, input, mantissa), xp.where(odd, 0, exponent).astype(np.int32)


@frexp_parts.gradient("input")
def _(xp: Any, g: Any, exponent: Array) -> Array:
    return g[0] / xp.exp2(exponent.astype(g[0].dtype))


@function("frexp", "Tensor.frexp", out=True)
def frexp(input: Tensor) -> Any:
    """(mantissa, exponent) with `input == mantissa * 2**exponent` and mantissas of size 0.5 to 1."""
    return return_types.frexp(apply(frexp_parts, (input,)))  # type: ignore[attr-defined]


# -- products with logarithms ----------------------------------------------------------------------


def _scaled_log(xp: Any, x: Any, logarithm: Any, other: Any) -> Any:
    # Where both are finite the product is 0 as well, and its derivative the logarithm.
    return xp.where(xp.isnan(other), other, xp.where((x == 0) & ~xp.isfinite(logarithm), 0, x * logarithm))


@op(promote=FLOATING, shape=broadcast, dtypes=supports("bihf", "xlogy_cpu"), node="XlogyBackward0")
def xlogy_values(xp: Any, input: Array, other: Operand) -> Array:
    """`input * log(other)`, 0 where `input` is 0."""
    return _scaled_log(xp, input, xp.log(other), other)


@xlogy_values.gradient("input")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return xp.where((input == 0) & (other <= 0), 0, _scaled_log(xp, g, xp.log(other), other))


@xlogy_values.gradient("other")
def _(g: Array, input: Array, other: Array) -> Array:
    return g * input / other


@function("xlogy", "xlogy_", "special.xlogy", "Tensor.xlogy", "Tensor.xlogy_", out=True)
def xlogy(input: Any, other: Any) -> Tensor:
    """`input * log(other)`, 0 where `input` is 0."""
    return apply(xlogy_values, (as_operand(input, other), other))


@op(promote=FLOATING, shape=broadcast, dtypes=supports("bihf", "xlog1py_cpu"), node="SpecialXlog1PyBackward0")
def xlog1py_values(xp: Any, input: Array, other: Operand) -> Array:
    """`input * log1p(other)`, 0 where `input` is 0."""
    return _scaled_log(xp, input, xp.log1p(other), other)


@xlog1py_values.gradient("input")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return xp.where((input == 0) & (other <= -1), 0, _scaled_log(xp, g, xp.log1p(other), other))


@xlog1py_values.gradient("other")
def _(g: Array, input: Array, other: Array) -> Array:
    return g * input / (other + 1)


@function("special.xlog1py", out=True)
def xlog1py(input: Any, other: Any) -> Tensor:
    """`input * log1p(other)`, 0 where `input` is 0."""
    return apply(xlog1py_values, (as_operand(input, other), other))
