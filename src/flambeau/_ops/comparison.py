"""Comparisons, logic and closeness: results are bool, nothing has a gradient."""

from __future__ import annotations

from typing import Any

from flambeau._core import dtype as dtypes
from flambeau._core.declare import PROMOTE, RAW, Array, Operand, Out, broadcast, broadcast_shapes
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import META, Meta
from flambeau._ops.supported import refuses, supports

BOOL = dtypes.bool_


def _options(dtypes_rule: Any = None) -> dict[str, Any]:
    return {
        "out": True,
        "promote": PROMOTE,
        "result": BOOL,
        "shape": broadcast,
        "differentiable": False,
        "dtypes": dtypes_rule,
    }


@op("eq", "Tensor.eq", "Tensor.eq_", **_options())
def eq(xp: Any, input: Array, other: Operand) -> Array:
    """Whether elements are equal."""
    return xp.equal(input, other)


@op("ne", "not_equal", "Tensor.ne", "Tensor.ne_", "Tensor.not_equal", "Tensor.not_equal_", **_options())
def ne(xp: Any, input: Array, other: Operand) -> Array:
    """Whether elements differ."""
    return xp.not_equal(input, other)


@op(
    "lt",
    "less",
    "Tensor.lt",
    "Tensor.lt_",
    "Tensor.less",
    "Tensor.less_",
    **_options(supports("bihf", "lt_cpu")),
)
def lt(xp: Any, input: Array, other: Operand) -> Array:
    """Whether elements are less."""
    return xp.less(input, other)


@op(
    "le",
    "less_equal",
    "Tensor.le",
    "Tensor.le_",
    "Tensor.less_equal",
    "Tensor.less_equal_",
    **_options(supports("bihf", "le_cpu")),
)
def le(xp: Any, input: Array, other: Operand) -> Array:
    """Whether elements are less or equal."""
    return xp.less_equal(input, other)


@op(
    "gt",
    "greater",
    "Tensor.gt",
    "Tensor.gt_",
    "Tensor.greater",
    "Tensor.greater_",
    **_options(supports("bihf", "gt_cpu")),
)
def gt(xp: Any, input: Array, other: Operand) -> Array:
    """Whether elements are greater."""
    return xp.greater(input, other)


@op(
    "ge",
    "greater_equal",
    "Tensor.ge",
    "Tensor.ge_",
    "Tensor.greater_equal",
    "Tensor.greater_equal_",
    **_options(supports("bihf", "ge_cpu")),
)
def ge(xp: Any, input: Array, other: Operand) -> Array:
    """Whether elements are greater or equal."""
    return xp.greater_equal(input, other)


_LOGIC: dict[str, Any] = {
    "out": True,
    "promote": RAW,
    "result": BOOL,
    "pointwise": True,
    "differentiable": False,
}


def _logic_shape(input: Meta, other: Meta | None = None) -> tuple[int, ...]:
    return input.shape if other is None else broadcast_shapes(input.shape, other.shape)


@op("logical_and", "Tensor.logical_and", "Tensor.logical_and_", shape=_logic_shape, **_LOGIC)
def logical_and(xp: Any, input: Array, other: Array) -> Array:
    """Whether both elements are other than zero."""
    return (input != 0) & (other != 0)


@op("logical_or", "Tensor.logical_or", "Tensor.logical_or_", shape=_logic_shape, **_LOGIC)
def logical_or(xp: Any, input: Array, other: Array) -> Array:
    """Whether one of the elements is other than zero."""
    return (input != 0) | (other != 0)


@op("logical_xor", "Tensor.logical_xor", "Tensor.logical_xor_", shape=_logic_shape, **_LOGIC)
def logical_xor(xp: Any, input: Array, other: Array) -> Array:
    """Whether exactly one of the elements is other than zero."""
    return (input != 0) ^ (other != 0)


@op("logical_not", "Tensor.logical_not", "Tensor.logical_not_", shape=_logic_shape, **_LOGIC)
def logical_not(xp: Any, input: Array) -> Array:
    """Whether the element is zero."""
    return input == 0


# -- what kind of number ---------------------------------------------------------------------------

_QUESTION: dict[str, Any] = {
    "promote": RAW,
    "result": BOOL,
    "shape": lambda input: input.shape,
    "pointwise": True,
    "differentiable": False,
}


def _is_exact(array: Any) -> bool:
    return array.dtype.kind in "biu"


@op("isnan", "Tensor.isnan", **_QUESTION)
def isnan(xp: Any, input: Array) -> Array:
    """Whether elements are nan."""
    return xp.zeros(input.shape, bool) if _is_exact(input) else xp.isnan(input)


@op("isinf", "Tensor.isinf", **_QUESTION)
def isinf(xp: Any, input: Array) -> Array:
    """Whether elements are infinite."""
    return xp.zeros(input.shape, bool) if _is_exact(input) else xp.isinf(input)


@op("isfinite", "Tensor.isfinite", **_QUESTION)
def isfinite(xp: Any, input: Array) -> Array:
    """Whether elements are neither infinite nor nan."""
    return xp.ones(input.shape, bool) if _is_exact(input) else xp.isfinite(input)


@op("isreal", "Tensor.isreal", **_QUESTION)
def isreal(xp: Any, input: Array) -> Array:
    """Whether elements have no imaginary part."""
    return xp.imag(input) == 0 if input.dtype.kind == "c" else xp.ones(input.shape, bool)


@op(
    "isposinf",
    "Tensor.isposinf",
    out=Out("isposinf does not support non-boolean outputs."),
    dtypes=refuses("c", "isposinf does not support complex inputs."),
    **_QUESTION,
)
def isposinf(xp: Any, input: Array) -> Array:
    """Whether elements are +inf."""
    return xp.zeros(input.shape, bool) if _is_exact(input) else xp.isinf(input) & (input > 0)


@op(
    "isneginf",
    "Tensor.isneginf",
    out=Out("isneginf does not support non-boolean outputs."),
    dtypes=refuses("c", "isneginf does not support complex inputs."),
    **_QUESTION,
)
def isneginf(xp: Any, input: Array) -> Array:
    """Whether elements are -inf."""
    return xp.zeros(input.shape, bool) if _is_exact(input) else xp.isinf(input) & (input < 0)


@op(
    "signbit",
    "Tensor.signbit",
    out=Out("signbit does not support non-boolean outputs."),
    dtypes=refuses("c", "signbit is not implemented for complex tensors.", NotImplementedError),
    **_QUESTION,
)
def signbit(xp: Any, input: Array) -> Array:
    """Whether the sign bit is set: negative numbers and -0.0."""
    return input < 0 if _is_exact(input) else xp.signbit(input)


# -- closeness -------------------------------------------------------------------------------------


def _check_close(name: str, input: Meta, other: Meta, rtol: float, atol: float, equal_nan: bool) -> None:
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{input.dtype.scalar_type} did not match {other.dtype.scalar_type}")
    for which, tolerance in (("rtol", rtol), ("atol", atol)):
        if tolerance < 0:
            raise RuntimeError(f"{which} must be greater than or equal to zero, but got {tolerance:g}")


@op(
    "isclose",
    "Tensor.isclose",
    promote=RAW,
    result=BOOL,
    dtypes=_check_close,
    differentiable=False,
    shape=lambda input, other, *_: broadcast_shapes(input.shape, other.shape),
)
def isclose(
    xp: Any, input: Array, other: Array, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Array:
    """Whether `abs(input - other) <= atol + rtol * abs(other)`."""
    if input.dtype.kind == "V" or (input.dtype.itemsize == 2 and input.dtype.kind == "f"):
        input, other = input.astype("float32"), other.astype("float32")
    close = input == other
    if equal_nan and not _is_exact(input):
        close = close | ((input != input) & (other != other))
    if rtol == 0 and atol == 0:
        return close
    if input.dtype.kind in "biu":
        input, other = input.astype("float64"), other.astype("float64")
    error = abs(input - other)
    return close | (xp.isfinite(error) & (error <= atol + abs(rtol * other)))


@function("allclose", "Tensor.allclose")
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close; see `isclose`."""
    return bool(isclose.function(input, other, rtol, atol, equal_nan)._host_array().all())


@function("equal", "Tensor.equal")
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and elements.

    >>> import flambeau
    >>> flambeau.equal(flambeau.tensor([1, 2]), flambeau.tensor([1, 2]))
    True
    """
    for position, each in enumerate((input, other)):
        if not isinstance(each, Tensor):
            what = ("input", "other")[position]
            raise TypeError(
                f"equal(): argument '{what}' (position {position + 1}) must be Tensor, not "
                f"{type(each).__name__}"
            )
    if input._meta.device is not other._meta.device:
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, "
            f"{input.device} and {other.device}!"
        )
    if input._meta.shape != other._meta.shape:
        return False
    if input._meta.device is META:
        raise NotImplementedError("equal: tensors on the meta device have no values to compare")
    return bool(apply(eq, (input, other))._host_array().all())


@function("_assert")
def _assert(condition: Any, message: str) -> None:
    """Raises AssertionError unless the condition holds; graphs have it as a node."""
    if not condition:
        raise AssertionError(message)
