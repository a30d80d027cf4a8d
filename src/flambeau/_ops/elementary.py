"""Functions of one element: signs, rounding, roots, exponentials, logarithms, trigonometry.

Each is one line of the table below its helper: the formula, and its derivative from the input or from the
output,
whichever PyTorch saves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import EXACT_UNARY, FLOATING, KEEP, RAW, Array, Op, broadcast, same
from flambeau._core.dispatch import apply, function, op
from flambeau._core.dtype import dtype as DType
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.supported import refuses, supports

LN2, LN10 = math.log(2), math.log(10)

# PyTorch has an in-place function beside the method for some names only.
_TOP_LEVEL_IN_PLACE = frozenset(
    [
        "acos",
        "acosh",
        "arccos",
        "arccosh",
        "arcsin",
        "arcsinh",
        "arctan",
        "arctanh",
        "asin",
        "asinh",
        "atan",
        "atanh",
        "ceil",
        "cos",
        "cosh",
        "deg2rad",
        "erf",
        "erfc",
        "exp",
        "exp2",
        "expm1",
        "fix",
        "floor",
        "frac",
        "i0",
        "log",
        "log10",
        "log1p",
        "log2",
        "neg",
        "negative",
        "rad2deg",
        "reciprocal",
        "rsqrt",
        "sigmoid",
        "sin",
        "sinc",
        "sinh",
        "sqrt",
        "square",
        "tan",
        "tanh",
        "trunc",
        "conj_physical",
    ]
)


def names_of(*names: str) -> list[str]:
    """The public paths of a unary function: function, method, in-place method."""
    paths = []
    for name in names:
        if "." in name:
            paths.append(name)
            continue
        paths.append(name)
        if name in ("abs", "absolute"):  # their in-place forms refuse complex tensors
            continue
        paths += [f"Tensor.{name}", f"Tensor.{name}_"]
        if name in _TOP_LEVEL_IN_PLACE:
            paths.append(f"{name}_")
    return paths


def unary(
    names: str,
    formula: Callable[[Any, Any], Any],
    gradient: Callable[..., Any] | None,
    doc: str,
    **options: Any,
) -> Op:
    """Declares a function of one element.

    Args:
        names: the name and its aliases, separated by blanks; dotted ones stand for themselves.
        formula: `formula(xp, x)`.
        gradient: a gradient rule, or None where there is no derivative.
    """
    first, *aliases = names.split()

    def body(xp: Any, input: Array) -> Array:
        return formula(xp, input)

    body.__name__, body.__doc__ = first, doc
    options = {"out": True, "promote": FLOATING, "shape": same, "pointwise": True} | options
    declared = op(*names_of(first, *aliases), **options)(body)
    if gradient is not None:
        declared.gradient("input")(gradient)
    return declared


def zero() -> None:
    """The gradient of a step function."""
    return


# -- signs and magnitudes --------------------------------------------------------------------------


def sign_values(xp: Any, x: Any) -> Any:
    """-1, 0 or 1; for complex numbers the number on the unit circle."""
    if x.dtype.kind == "b":
        return x
    if x.dtype.kind == "c":
        size = xp.abs(x)
        return xp.where(size == 0, 0, x / xp.where(size == 0, 1, size)).astype(x.dtype)
    if x.dtype.kind == "f":
        return xp.where(
            x == 0, xp.zeros((), x.dtype), xp.where(xp.isnan(x), xp.zeros((), x.dtype), xp.sign(x))
        )
    return xp.sign(x)


def _real(input: Meta) -> DType:
    return input.dtype.to_real() if input.dtype.is_complex else input.dtype


neg = unary(
    "neg negative",
    lambda xp, x: -x,
    lambda g: -g,
    "The opposite number.",
    promote=KEEP,
    dtypes=refuses(
        "b",
        "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
        "invert a mask, use the `~` "
        "or `logical_not()` operator instead.",
    ),
    out=EXACT_UNARY,
)
abs = unary(
    "abs absolute Tensor.abs Tensor.absolute",
    lambda xp, x: xp.abs(x),
    lambda xp, g, input: g * sign_values(xp, input),
    "The absolute value; of complex numbers, the modulus.",
    promote=KEEP,
    result=_real,
    dtypes=supports("ihfc", "abs_cpu"),
    out=EXACT_UNARY,
)


@function("abs_", "Tensor.abs_", "Tensor.absolute_")
def abs_(input: Tensor) -> Tensor:
    """`abs` in place; a complex tensor cannot hold its own modulus."""
    if input.is_complex():
        raise RuntimeError("In-place abs is not supported for complex tensors.")
    return abs.function(input)


sign = unary(
    "sign",
    sign_values,
    zero,
    "-1, 0 or 1 as the element is negative, zero or positive.",
    promote=KEEP,
    dtypes=refuses(
        "c",
        "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead.",
        NotImplementedError,
    ),
    out=EXACT_UNARY,
)


def _sgn_gradient(xp: Any, g: Any, input: Any) -> Any:
    if input.dtype.kind != "c":
        return xp.zeros_like(g)
    size = xp.abs(input)
    unit = sign_values(xp, input)
    scaled = g / xp.where(size == 0, 1, size)
    return xp.where(size == 0, 0, scaled - xp.real(scaled * xp.conj(unit)) * unit)


sgn = unary(
    "sgn",
    sign_values,
    _sgn_gradient,
    "The sign; of complex numbers, the number divided by its modulus.",
    promote=KEEP,
    out=EXACT_UNARY,
)
reciprocal = unary(
    "reciprocal",
    lambda xp, x: xp.ones((), x.dtype) / x,
    lambda xp, g, output: -g * xp.conj(output * output),
    "`1 / input`.",
)
square = unary(
    "square",
    lambda xp, x: x * x,
    lambda xp, g, input: g * xp.conj(2 * input),
    "`input * input`.",
    promote=KEEP,
    node="PowBackward0",
    result=lambda input: dtypes.int64 if input.dtype is dtypes.bool_ else None,
)


@function("positive", "Tensor.positive", checked=True)
def positive(input: Tensor) -> Tensor:
    """The tensor itself."""
    if input._meta.dtype is dtypes.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


# -- rounding --------------------------------------------------------------------------------------


def _rounding(name: str, text: str = "") -> dict[str, Any]:
    return {"promote": KEEP, "dtypes": supports("ihf", f"{name}_vml_cpu", text), "out": EXACT_UNARY}


def _exact_or(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Integers are whole already."""
    return lambda xp, x: x if x.dtype.kind in "iu" else function(xp, x)


floor = unary(
    "floor",
    _exact_or(lambda xp, x: xp.floor(x)),
    zero,
    "The next whole number below.",
    **_rounding("floor", "floor is not supported for complex inputs"),
)
ceil = unary(
    "ceil",
    _exact_or(lambda xp, x: xp.ceil(x)),
    zero,
    "The next whole number above.",
    **_rounding("ceil", "ceil is not supported for complex inputs"),
)
trunc = unary(
    "trunc fix",
    _exact_or(lambda xp, x: xp.trunc(x)),
    zero,
    "The whole number towards zero.",
    **_rounding("trunc", "trunc is not supported for complex inputs"),
)
frac = unary(
    "frac",
    lambda xp, x: x - xp.trunc(x),
    lambda g: g,
    "What `trunc` takes away.",
    promote=KEEP,
    dtypes=supports("hf", "frac_cpu"),
    out=EXACT_UNARY,
)


def _check_round(name: str, input: Meta, decimals: int) -> None:
    if decimals:
        supports("hf", "round_cpu")(name, input)
    supports("ihf", "round_vml_cpu")(name, input)


@op(
    "round",
    "round_",
    "Tensor.round",
    "Tensor.round_",
    "special.round",
    out=EXACT_UNARY,
    promote=KEEP,
    shape=broadcast,
    dtypes=_check_round,
)
def round(xp: Any, input: Array, *, decimals: int = 0) -> Array:
    """The nearest number with `decimals` digits after the point; halves go to the even neighbour."""
    if decimals == 0:
        return input if input.dtype.kind in "iu" else xp.round(input)
    scale = xp.asarray(10.0 ** np.abs(decimals), input.dtype)
    return xp.round(input * scale) / scale if decimals > 0 else xp.round(input / scale) * scale


round.gradient("input")(zero)

# -- roots and exponentials ------------------------------------------------------------------------

sqrt = unary(
    "sqrt", lambda xp, x: xp.sqrt(x), lambda xp, g, output: g / (2 * xp.conj(output)), "The square root."
)
rsqrt = unary(
    "rsqrt",
    lambda xp, x: xp.ones((), x.dtype) / xp.sqrt(x),
    lambda xp, g, output: -0.5 * g * xp.conj(output * output * output),
    "`1 / sqrt(input)`.",
)
exp = unary(
    "exp",
    lambda xp, x: xp.exp(x),
    lambda xp, g, output: g * xp.conj(output),
    "e to the power of the element.",
)
exp2 = unary(
    "exp2 special.exp2",
    lambda xp, x: xp.exp2(x) if x.dtype.kind != "c" else xp.exp(x * LN2),
    lambda xp, g, output: g * xp.conj(output) * LN2,
    "2 to the power of the element.",
)
expm1 = unary(
    "expm1 special.expm1",
    lambda xp, x: xp.expm1(x),
    lambda xp, g, output: g * (xp.conj(output) + 1),
    "`exp(input) - 1`, exact near zero.",
)
log = unary("log", lambda xp, x: xp.log(x), lambda xp, g, input: g / xp.conj(input), "The natural logarithm.")
log2 = unary(
    "log2",
    lambda xp, x: xp.log2(x) if x.dtype.kind != "c" else xp.log(x) / LN2,
    lambda xp, g, input: g / (xp.conj(input) * LN2),
    "The logarithm to base 2.",
)
log10 = unary(
    "log10",
    lambda xp, x: xp.log10(x),
    lambda xp, g, input: g / (xp.conj(input) * LN10),
    "The logarithm to base 10.",
)
log1p = unary(
    "log1p special.log1p",
    lambda xp, x: xp.log1p(x),
    lambda xp, g, input: g / xp.conj(input + 1),
    "`log(1 + input)`, exact near zero.",
)


def sigmoid_values(xp: Any, x: Any) -> Any:
    return 1 / (1 + xp.exp(-x))


sigmoid = unary(
    "sigmoid special.expit nn.functional.sigmoid",
    sigmoid_values,
    lambda xp, g, output: g * xp.conj((1 - output) * output),
    "`1 / (1 + exp(-input))`.",
)

# -- trigonometry ----------------------------------------------------------------------------------

sin = unary("sin", lambda xp, x: xp.sin(x), lambda xp, g, input: g * xp.conj(xp.cos(input)), "The sine.")
cos = unary("cos", lambda xp, x: xp.cos(x), lambda xp, g, input: -g * xp.conj(xp.sin(input)), "The cosine.")
tan = unary(
    "tan", lambda xp, x: xp.tan(x), lambda xp, g, output: g * xp.conj(1 + output * output), "The tangent."
)
asin = unary(
    "asin arcsin",
    lambda xp, x: xp.arcsin(x),
    lambda xp, g, input: g * xp.conj(1 / xp.sqrt(1 - input * input)),
    "The angle with this sine.",
)
acos = unary(
    "acos arccos",
    lambda xp, x: xp.arccos(x),
    lambda xp, g, input: -g * xp.conj(1 / xp.sqrt(1 - input * input)),
    "The angle with this cosine.",
)
atan = unary(
    "atan arctan",
    lambda xp, x: xp.arctan(x),
    lambda xp, g, input: g / xp.conj(input * input + 1),
    "The angle with this tangent.",
)
sinh = unary(
    "sinh", lambda xp, x: xp.sinh(x), lambda xp, g, input: g * xp.conj(xp.cosh(input)), "The hyperbolic sine."
)
cosh = unary(
    "cosh",
    lambda xp, x: xp.cosh(x),
    lambda xp, g, input: g * xp.conj(xp.sinh(input)),
    "The hyperbolic cosine.",
)
tanh = unary(
    "tanh nn.functional.tanh",
    lambda xp, x: xp.tanh(x),
    lambda xp, g, output: g * xp.conj(1 - output * output),
    "The hyperbolic tangent.",
)
asinh = unary(
    "asinh arcsinh",
    lambda xp, x: xp.arcsinh(x),
    lambda xp, g, input: g * xp.conj(1 / xp.sqrt(input * input + 1)),
    "The inverse of the hyperbolic sine.",
)
acosh = unary(
    "acosh arccosh",
    lambda xp, x: xp.arccosh(x),
    lambda xp, g, input: g * xp.conj(1 / (xp.sqrt(input - 1) * xp.sqrt(input + 1))),
    "The inverse of the hyperbolic cosine.",
)
atanh = unary(
    "atanh arctanh",
    lambda xp, x: xp.arctanh(x),
    lambda xp, g, input: g / xp.conj(1 - input * input),
    "The inverse of the hyperbolic tangent.",
)


def _sinc(xp: Any, x: Any) -> Any:
    angle = x * np.pi
    safe = xp.where(x == 0, xp.ones((), x.dtype), angle)
    return xp.where(x == 0, xp.ones((), x.dtype), xp.sin(safe) / safe)


def _sinc_gradient(xp: Any, g: Any, input: Any) -> Any:
    safe = xp.where(input == 0, xp.ones((), input.dtype), input)
    angle = safe * np.pi
    slope = (angle * xp.cos(angle) - xp.sin(angle)) / (angle * safe)
    return xp.where(input == 0, 0, g * xp.conj(slope))


sinc = unary("sinc special.sinc", _sinc, _sinc_gradient, "`sin(pi * input) / (pi * input)`, 1 at zero.")
deg2rad = unary(
    "deg2rad",
    lambda xp, x: x * (np.pi / 180),
    lambda g: g * (np.pi / 180),
    "Degrees as radians.",
    dtypes=refuses("c", "deg2rad is not supported for complex tensors."),
)
rad2deg = unary(
    "rad2deg",
    lambda xp, x: x * (180 / np.pi),
    lambda g: g * (180 / np.pi),
    "Radians as degrees.",
    dtypes=refuses("c", "rad2deg is not supported for complex tensors."),
)

# -- complex numbers -------------------------------------------------------------------------------


def _angle(xp: Any, x: Any) -> Any:
    if x.dtype.kind == "c":
        return xp.arctan2(xp.imag(x), xp.real(x))
    return xp.where(xp.isnan(x), x, xp.where(x < 0, xp.asarray(np.pi, x.dtype), xp.zeros((), x.dtype)))


def _angle_gradient(xp: Any, g: Any, input: Any) -> Any:
    if input.dtype.kind != "c":
        return xp.zeros_like(g)
    size = xp.abs(input)
    square = xp.where(size == 0, 1, size * size)
    return xp.where(size == 0, 0, g * (-xp.imag(input) / square) + 1j * (g * (xp.real(input) / square)))


@op(
    "angle",
    "Tensor.angle",
    out=True,
    promote=FLOATING,
    shape=broadcast,
    result=lambda input: _real(input) if input.dtype.is_complex else None,
)
def angle(xp: Any, input: Array) -> Array:
    """The angle of a complex number to the positive axis: between -pi and pi."""
    return _angle(xp, input)


angle.gradient("input")(_angle_gradient)

conj_physical = unary(
    "conj_physical",
    lambda xp, x: xp.conj(x),
    lambda xp, g: xp.conj(g),
    "The conjugate, stored as such.",
    promote=RAW,
    shape=lambda input: input,
    node="ConjPhysicalBackward0",
    out=EXACT_UNARY,
)


@op(promote=RAW, view=True, shape=lambda input: input, node="ConjBackward")
def conjugate_view(xp: Any, input: Array) -> Array:
    """The conjugate as a view: writing to it writes the conjugate to the base."""
    return xp.conj(input)


@conjugate_view.strides
def _(shape: Any, stride: Any) -> Any:
    return stride


@conjugate_view.scatter
def _(xp: Any, base: Array, value: Array) -> Array:
    return xp.conj(value)


@conjugate_view.gradient("input")
def _(xp: Any, g: Array) -> Array:
    return xp.conj(g)


@function("conj", "Tensor.conj", checked=True)
def conj(input: Tensor) -> Tensor:
    """The conjugate, on the same storage; a real tensor is its own."""
    return apply(conjugate_view, (input,)) if input.is_complex() else input


@function("is_conj", "Tensor.is_conj")
def is_conj(input: Tensor) -> bool:
    """Whether the tensor is a conjugate view."""
    return sum(call.op is conjugate_view for call, _ in input._views) % 2 == 1


@function("resolve_conj", "Tensor.resolve_conj", checked=True)
def resolve_conj(input: Tensor) -> Tensor:
    """The tensor itself, or a copy if it is a conjugate view."""
    if not is_conj(input):
        return input
    return input.clone()  # type: ignore[attr-defined]
