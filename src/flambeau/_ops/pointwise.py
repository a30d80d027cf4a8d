"""Arithmetic on elements: what broadcasts its operands and computes each element alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import FLOATING, KEEP, PROMOTE, Array, Operand, Scalar, broadcast
from flambeau._core.dispatch import apply, constant, function, op, write_out
from flambeau._core.tensor import Tensor
from flambeau._core.value import META, Meta, Value
from flambeau._ops.bounds import when_known
from flambeau._ops.supported import kind, result_type, supports

# -- sums ------------------------------------------------------------------------------------------

_TWO_BOOLS = (
    "Subtraction, the `-` operator, with two bool tensors is not supported. "
    "Use the `^` or `logical_xor()` operator instead."
)
_ONE_BOOL = (
    "Subtraction, the `-` operator, with a bool tensor is not supported. "
    "If you are trying to invert a mask, use the `~` or `logical_not()` operator instead."
)


def _check_alpha(name: str, input: Any, other: Any, alpha: Any = 1, *_: Any) -> None:
    if alpha is float and kind(result_type(input, other)) in "bi":
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if alpha is bool and kind(result_type(input, other)) != "b":
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if alpha is complex and kind(result_type(input, other)) != "c":
        raise RuntimeError("For non-complex input tensors, argument alpha must not be a complex number.")


def _check_difference(name: str, input: Any, other: Any, alpha: Any = 1) -> None:
    bools = [
        each is bool or (isinstance(each, Meta) and each.dtype is dtypes.bool_) for each in (input, other)
    ]
    if any(bools):
        raise RuntimeError(_TWO_BOOLS if all(bools) else _ONE_BOOL)
    _check_alpha(name, input, other, alpha)


@op(
    "add",
    "Tensor.add",
    "Tensor.add_",
    out=True,
    promote=PROMOTE,
    shape=broadcast,
    dtypes=_check_alpha,
    numbers=True,
)
def add(xp: Any, input: Array, other: Operand, *, alpha: Scalar = 1) -> Array:
    """`input + alpha * other`, with broadcasting and type promotion.

    >>> import flambeau
    >>> flambeau.add(flambeau.tensor([1, 2]), 0.5)
    tensor([1.5000, 2.5000])
    """
    return xp.add(input, other if type(alpha) is int else other * alpha)


@add.gradient("input")
def _(g: Array) -> Array:
    return g


@add.gradient("other")
def _(xp: Any, g: Array, alpha: Scalar) -> Array:
    return g if type(alpha) is int else g * xp.conj(alpha)


@op(
    "sub", "subtract", "Tensor.sub", "Tensor.sub_", "Tensor.subtract", "Tensor.subtract_",
    out=True, promote=PROMOTE, shape=broadcast, dtypes=_check_difference, numbers=True,
)  # fmt: skip
def sub(xp: Any, input: Array, other: Operand, *, alpha: Scalar = 1) -> Array:
    """`input - alpha * other`, with broadcasting and type promotion."""
    return xp.subtract(input, other if type(alpha) is int else other * alpha)


@sub.gradient("input")
def _(g: Array) -> Array:
    return g


@sub.gradient("other")
def _(xp: Any, g: Array, alpha: Scalar) -> Array:
    return -g if type(alpha) is int else -g * xp.conj(alpha)


@op("rsub", promote=PROMOTE, shape=broadcast, dtypes=_check_difference, node="RsubBackward1")
def rsub(xp: Any, input: Array, other: Operand, *, alpha: Scalar = 1) -> Array:
    """`other - alpha * input`."""
    return xp.subtract(other, input if type(alpha) is int else input * alpha)


@rsub.gradient("input")
def _(xp: Any, g: Array, alpha: Scalar) -> Array:
    return -g if type(alpha) is int else -g * xp.conj(alpha)


@rsub.gradient("other")
def _(g: Array) -> Array:
    return g


# -- products and quotients ------------------------------------------------------------------------


@op(
    "mul", "multiply", "Tensor.mul", "Tensor.mul_", "Tensor.multiply", "Tensor.multiply_",
    out=True, promote=PROMOTE, shape=broadcast, numbers=True,
)  # fmt: skip
def mul(xp: Any, input: Array, other: Operand) -> Array:
    """`input * other`, with broadcasting and type promotion."""
    return xp.multiply(input, other)


@mul.gradient("input")
def _(xp: Any, g: Array, other: Array) -> Array:
    return g * xp.conj(other)


@mul.gradient("other")
def _(xp: Any, g: Array, input: Array) -> Array:
    return g * xp.conj(input)


@op(
    "true_divide", "Tensor.true_divide", "Tensor.true_divide_",
    out=True, promote=FLOATING, shape=broadcast, node="DivBackward0", numbers=True,
)  # fmt: skip
def true_divide(xp: Any, input: Array, other: Operand) -> Array:
    """`input / other`; integers give the default dtype."""
    return xp.true_divide(input, other)


@true_divide.gradient("input")
def _(xp: Any, g: Array, other: Array) -> Array:
    return g / xp.conj(other)


@true_divide.gradient("other")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return -g * xp.conj((input / other) / other)


@op(promote=FLOATING, shape=broadcast, node="MulBackward0", guards=())
def divided_number(xp: Any, input: Array, other: Operand) -> Array:
    """`other / input` for a number `other`, as the reciprocal times the number, which is how PyTorch rounds
    it.
    """
    return xp.true_divide(xp.ones((), input.dtype), input) * other


@divided_number.gradient("input")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return -g * xp.conj(other / (input * input))


def fmod_values(xp: Any, a: Any, b: Any) -> Any:
    """The remainder with the sign of the dividend, as C's fmod and %."""
    if xp is np:
        return np.fmod(a, b)
    from jax import lax

    return lax.rem(*_alike(xp, a, b))


def _alike(xp: Any, a: Any, b: Any) -> Any:
    return xp.broadcast_arrays(a, b)


def floor_divide_values(xp: Any, a: Any, b: Any) -> Any:
    """The quotient rounded down, computed from the remainder, as Python does: it stays exact for large
    quotients.
    """
    if a.dtype.kind in "iu":
        quotient = truncated_quotient(xp, a, b)
        remainder = a - quotient * b
        return xp.where((remainder != 0) & ((remainder < 0) != (b < 0)), quotient - 1, quotient)
    remainder = fmod_values(xp, a, b)
    quotient = (a - remainder) / b
    quotient = xp.where((remainder != 0) & ((b < 0) != (remainder < 0)), quotient - 1, quotient)
    floored = xp.floor(quotient)
    floored = xp.where(quotient - floored > 0.5, floored + 1, floored)
    floored = xp.where(quotient != 0, floored, xp.copysign(xp.zeros((), a.dtype), a / b))
    return xp.where(b == 0, a / b, floored)


def truncated_quotient(xp: Any, a: Any, b: Any) -> Any:
    """The quotient rounded towards zero."""
    if a.dtype.kind not in "iu":
        return xp.trunc(a / b)
    if xp is np:
        return (a - np.fmod(a, b)) // b
    from jax import lax

    return lax.div(*_alike(xp, a, b))


def remainder_values(xp: Any, a: Any, b: Any) -> Any:
    """The remainder with the sign of the divisor, as Python's %."""
    remainder = fmod_values(xp, a, b)
    return xp.where((remainder != 0) & ((remainder < 0) != (b < 0)), remainder + b, remainder)


def _check_divisor(input: Any, other: Any, *_: Any) -> None:
    """Integers have no quotient by zero."""
    if isinstance(other, Value):
        integral = kind(other.meta.dtype) in "bi" and (
            not isinstance(input, Value) or kind(input.meta.dtype) in "bi"
        )
        if integral and other.meta.device is not META:
            when_known(other, _check_no_zeros, at_once=True)
    elif type(other) in (int, bool) and not other and kind(input.meta.dtype) in "bi":
        raise RuntimeError("ZeroDivisionError")


def _check_no_zeros(divisor: Value) -> None:
    if not divisor.numpy().all():
        raise RuntimeError("ZeroDivisionError")


@op(
    promote=PROMOTE, shape=broadcast, dtypes=supports("ihf", "div_floor_cpu"), check=_check_divisor,
    differentiable=False,
)  # fmt: skip
def floor_divide_any(xp: Any, input: Array, other: Operand) -> Array:
    """The quotient rounded down."""
    return floor_divide_values(xp, input, other)


@function("floor_divide", "Tensor.floor_divide", "Tensor.floor_divide_", out=True)
def floor_divide(input: Any, other: Any) -> Tensor:
    """`input / other`, rounded down; integers stay integers.

    Raises: RuntimeError, for integers divided by zero.
    """
    return apply(floor_divide_any, (as_operand(input, other), other))


@op(
    promote=PROMOTE,
    shape=broadcast,
    dtypes=supports("ihf", "div_floor_cpu"),
    check=_check_divisor,
    node="DivBackward2",
)
def div_floor(xp: Any, input: Array, other: Operand) -> Array:
    """The quotient rounded down; its gradient is 0."""
    return floor_divide_values(xp, input, other)


@op(
    promote=PROMOTE,
    shape=broadcast,
    dtypes=supports("ihf", "div_trunc_cpu"),
    check=_check_divisor,
    node="DivBackward2",
)
def div_trunc(xp: Any, input: Array, other: Operand) -> Array:
    """The quotient rounded towards zero; its gradient is 0."""
    return truncated_quotient(xp, input, other)


def zero_gradient() -> None:
    """The gradient of a step function."""
    return


for _rounded in (div_floor, div_trunc):
    _rounded.gradient("input")(zero_gradient)
    _rounded.gradient("other")(zero_gradient)


@function("div", "divide", "Tensor.div", "Tensor.div_", "Tensor.divide", "Tensor.divide_", out=True)
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """`input / other`.

    Args:
        rounding_mode: None for the true quotient, "trunc" to round towards zero, "floor" to round down.
    """
    if rounding_mode is None:
        return true_divide.function(input, other)
    if rounding_mode not in ("trunc", "floor"):
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
        )
    rounded = div_floor if rounding_mode == "floor" else div_trunc
    return apply(rounded, (as_operand(input, other), other))


def as_operand(input: Any, like: Any) -> Any:
    """A number that stands where a tensor is declared, as a tensor on the device of the other operand."""
    if (
        isinstance(input, Tensor)
        or not isinstance(like, Tensor)
        or not isinstance(input, (bool, int, float, complex))
    ):
        return input
    return constant(np.asarray(input), dtypes.scalar_dtype(input), like._meta)


@op(
    promote=PROMOTE, shape=broadcast, dtypes=supports("ihf", "remainder_cpu"), check=_check_divisor,
    node=lambda inputs: "RemainderBackward1" if len(inputs) > 1 else "RemainderBackward0",
)  # fmt: skip
def remainder_any(xp: Any, input: Array, other: Operand) -> Array:
    """The remainder with the sign of the divisor."""
    return remainder_values(xp, input, other)


@remainder_any.gradient("input")
def _(g: Array) -> Array:
    return g


@remainder_any.gradient("other")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return -g * floor_divide_values(xp, input, other)


@function("remainder", "Tensor.remainder", "Tensor.remainder_", out=True)
def remainder(input: Any, other: Any) -> Tensor:
    """The remainder of `input / other` with the sign of `other`, as Python's `%`."""
    return apply(remainder_any, (as_operand(input, other), other))


@op(
    "fmod", "Tensor.fmod", "Tensor.fmod_", out=True, promote=PROMOTE, shape=broadcast,
    dtypes=supports("ihf", "fmod_cpu"), check=_check_divisor,
    node=lambda inputs: "FmodBackward1" if len(inputs) > 1 else "FmodBackward0",
)  # fmt: skip
def fmod(xp: Any, input: Array, other: Operand) -> Array:
    """The remainder of `input / other` with the sign of `input`, as C's fmod."""
    return fmod_values(xp, input, other)


@fmod.gradient("input")
def _(g: Array) -> Array:
    return g


@fmod.gradient("other")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return -g * xp.trunc(input / other)


# -- powers ----------------------------------------------------------------------------------------

_not_for_bools = supports("ihfc", "pow")


def power_values(xp: Any, x: Any, exponent: float) -> Any:
    """`x ** exponent` for a known exponent, the common ones by multiplication and roots."""
    if exponent == 0:
        return xp.ones(x.shape, x.dtype)
    if exponent == 1:
        return x
    if exponent == 2:
        return x * x
    if exponent == 3:
        return x * x * x
    if x.dtype.kind not in "iu":
        if exponent == 0.5:
            return xp.sqrt(x)
        if exponent == -0.5:
            return 1 / xp.sqrt(x)
        if exponent == -1:
            return 1 / x
        if exponent == -2:
            return 1 / (x * x)
    return xp.power(x, xp.asarray(exponent, x.dtype))


def _power_gradient(xp: Any, g: Any, x: Any, exponent: float) -> Any:
    if exponent == 0:
        return xp.zeros_like(g)
    return g * xp.conj(exponent * power_values(xp, x, exponent - 1))


def _refuse_negative_exponent(name: str, input: Meta, exponent: Any) -> None:
    _not_for_bools(name, input, type(exponent))
    if kind(input.dtype) == "i" and type(exponent) is int and exponent < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")


@op(promote=KEEP, shape=broadcast, dtypes=_refuse_negative_exponent, node="PowBackward0")
def pow_integer(xp: Any, input: Array, exponent: int) -> Array:
    """`input ** exponent` for a whole number."""
    return power_values(xp, input, exponent)


@pow_integer.gradient("input")
def _(xp: Any, g: Array, input: Array, exponent: int) -> Array:
    return _power_gradient(xp, g, input, exponent)


@op(promote=lambda input, exponent: result_type(input, float), shape=broadcast, node="PowBackward0")
def pow_real(xp: Any, input: Array, exponent: float) -> Array:
    """`input ** exponent` for a real number; integers give the default dtype."""
    return power_values(xp, input, exponent)


@pow_real.gradient("input")
def _(xp: Any, g: Array, input: Array, exponent: float) -> Array:
    return _power_gradient(xp, g, input, exponent)


def _power(xp: Any, base: Any, exponent: Any) -> Any:
    if base.dtype.kind not in "iu":
        return xp.power(base, exponent)
    # Integers to negative powers are 0, but for bases 1 and -1.
    found = xp.power(base, xp.where(exponent < 0, 0, exponent))
    odd = xp.where(exponent % 2 == 0, 1, -1).astype(base.dtype)
    small = xp.where(base == 1, 1, xp.where(base == -1, odd, 0)).astype(base.dtype)
    return xp.where(exponent < 0, small, found) if base.dtype.kind == "i" else found


def _base_gradient(xp: Any, g: Any, base: Any, exponent: Any) -> Any:
    return xp.where(exponent == 0, 0, g * xp.conj(exponent * xp.power(base, exponent - 1)))


def _exponent_gradient(xp: Any, g: Any, base: Any, exponent: Any, output: Any) -> Any:
    real = exponent if exponent.dtype.kind != "c" else xp.real(exponent)
    at_zero = (base == 0) & (real >= 0)
    return xp.where(at_zero, 0, g * xp.conj(output * xp.log(xp.where(at_zero, 1, base))))


@op(promote=PROMOTE, shape=broadcast, dtypes=_not_for_bools, node="PowBackward1")
def pow_elements(xp: Any, input: Array, exponent: Operand) -> Array:
    """`input ** exponent`, element by element."""
    return _power(xp, input, exponent)


@pow_elements.gradient("input")
def _(xp: Any, g: Array, input: Array, exponent: Array) -> Array:
    return _base_gradient(xp, g, input, exponent)


@pow_elements.gradient("exponent")
def _(xp: Any, g: Array, input: Array, exponent: Array, output: Array) -> Array:
    return _exponent_gradient(xp, g, input, exponent, output)


@op(promote=PROMOTE, shape=broadcast, dtypes=_not_for_bools, node="PowBackward2")
def pow_of_number(xp: Any, base: Operand, exponent: Array) -> Array:
    """A number to the power of each element."""
    return _power(xp, base, exponent)


@pow_of_number.gradient("exponent")
def _(xp: Any, g: Array, base: Array, exponent: Array, output: Array) -> Array:
    return _exponent_gradient(xp, g, base, exponent, output)


@function("pow", "Tensor.pow", "Tensor.pow_", out=True)
def pow(input: Any, exponent: Any) -> Tensor:
    """`input ** exponent`; either may be a number.

    Raises: RuntimeError, for integers to a negative integer power.
    """
    if isinstance(input, Tensor):
        if type(exponent) is int:
            return pow_integer.function(input, exponent)
        if type(exponent) is float:
            return pow_real.function(input, exponent)
        if isinstance(exponent, (np.integer, np.bool_, bool)):
            return pow(input, int(exponent))
        if isinstance(exponent, np.floating):
            return pow(input, float(exponent))
        return pow_elements.function(input, exponent)
    return pow_of_number.function(input, exponent)


def _wide(input: Any, exponent: Any) -> Any:
    is_complex = any(
        each.is_complex() if isinstance(each, Tensor) else isinstance(each, complex)
        for each in (input, exponent)
    )
    return dtypes.complex128 if is_complex else dtypes.float64


def _float_power(input: Any, exponent: Any) -> Tensor:
    wide = _wide(input, exponent)

    def widened(each: Any) -> Any:
        if isinstance(each, Tensor):
            return each.to(wide)  # type: ignore[attr-defined]
        return complex(each) if wide.is_complex else float(each)

    return pow(widened(input), widened(exponent))


@function("float_power", "Tensor.float_power", checked=True)
def float_power(input: Tensor | complex, exponent: Tensor | complex, *, out: Tensor | None = None) -> Tensor:
    """`input ** exponent` in float64, or complex128 for complex operands."""
    result = _float_power(input, exponent)
    if out is None:
        return result
    if out.dtype is not result.dtype:
        raise RuntimeError(
            f"the output given to float_power has dtype {out.dtype.scalar_type} but the operation's "
            f"result requires "
            f"dtype {result.dtype.scalar_type}"
        )
    return write_out(out, result, "float_power")


@function("Tensor.float_power_")
def float_power_(input: Tensor, exponent: Any) -> Tensor:
    """`float_power` in place, for tensors that are wide enough."""
    wide = _wide(input, exponent)
    if input.dtype is not wide:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {input.dtype.scalar_type} but the "
            f"operation's result requires "
            f"dtype {wide.scalar_type}"
        )
    return _float_power(input, exponent)


# -- fused products --------------------------------------------------------------------------------


def _scaled(value: Any, product: Any) -> Any:
    return product if type(value) is int else value * product


def _check_addcdiv(name: str, input: Meta, tensor1: Meta, tensor2: Meta, value: Any = 1) -> None:
    if all(kind(meta.dtype) in "bi" for meta in (tensor1, tensor2)):
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  release "
            "addcdiv will perform a true "
            "division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as "
            "(input + value * "
            "torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + "
            "value * tensor1 / tensor2) "
            "for float inputs. The future addcdiv behavior is just the latter implementation: "
            "(input + value * tensor1 / "
            "tensor2), for all dtypes."
        )


@op(
    "addcmul", "Tensor.addcmul", "Tensor.addcmul_", out=True, promote=PROMOTE, shape=broadcast,
    dtypes=supports("ihfc", "addcmul_cpu_out"),
)  # fmt: skip
def addcmul(xp: Any, input: Array, tensor1: Array, tensor2: Array, *, value: Scalar = 1) -> Array:
    """`input + value * tensor1 * tensor2`."""
    return input + _scaled(value, tensor1 * tensor2)


@addcmul.gradient("input")
def _(g: Array) -> Array:
    return g


@addcmul.gradient("tensor1")
def _(xp: Any, g: Array, tensor2: Array, value: Scalar) -> Array:
    return g * xp.conj(_scaled(value, tensor2))


@addcmul.gradient("tensor2")
def _(xp: Any, g: Array, tensor1: Array, value: Scalar) -> Array:
    return g * xp.conj(_scaled(value, tensor1))


@op(
    "addcdiv",
    "Tensor.addcdiv",
    "Tensor.addcdiv_",
    out=True,
    promote=PROMOTE,
    shape=broadcast,
    dtypes=_check_addcdiv,
)
def addcdiv(xp: Any, input: Array, tensor1: Array, tensor2: Array, *, value: Scalar = 1) -> Array:
    """`input + value * tensor1 / tensor2`."""
    return input + _scaled(value, tensor1) / tensor2


@addcdiv.gradient("input")
def _(g: Array) -> Array:
    return g


@addcdiv.gradient("tensor1")
def _(xp: Any, g: Array, tensor2: Array, value: Scalar) -> Array:
    return g * xp.conj(value / tensor2)


@addcdiv.gradient("tensor2")
def _(xp: Any, g: Array, tensor1: Array, tensor2: Array, value: Scalar) -> Array:
    return -g * xp.conj(_scaled(value, tensor1) / (tensor2 * tensor2))


def _check_lerp(name: str, input: Meta, end: Meta, weight: Any) -> None:
    for argument, meta in (("end", end), ("weight", weight)):
        if isinstance(meta, Meta) and meta.dtype is not input.dtype:
            expected, got = (
                _CPP_NAMES.get(dtype.scalar_type, dtype.scalar_type) for dtype in (input.dtype, meta.dtype)
            )
            raise RuntimeError(f"expected dtype {expected} for `{argument}` but got dtype {got}")
    supports("hfc", "lerp_kernel_tensor" if isinstance(weight, Meta) else "lerp_kernel_scalar")(name, input)


_CPP_NAMES = {
    "Float": "float", "Double": "double", "Half": "c10::Half", "BFloat16": "c10::BFloat16", "Int": "int",
    "Long": "long", "Byte": "unsigned char", "Char": "signed char", "Short": "short", "Bool": "bool",
    "ComplexFloat": "c10::complex<float>", "ComplexDouble": "c10::complex<double>",
}  # fmt: skip


@op(
    "lerp", "Tensor.lerp", "Tensor.lerp_", out=True, promote=KEEP, shape=broadcast, dtypes=_check_lerp,
    node=lambda inputs: "LerpBackward1" if len(inputs) > 2 else "LerpBackward0",
)  # fmt: skip
def lerp(xp: Any, input: Array, end: Array, weight: Operand) -> Array:
    """From `input` (weight 0) to `end` (weight 1), in the form that is exact at the nearer one."""
    distance = end - input
    return xp.where(abs(weight) < 0.5, input + weight * distance, end - distance * (1 - weight))


@lerp.gradient("input")
def _(xp: Any, g: Array, weight: Array) -> Array:
    return g * xp.conj(1 - weight)


@lerp.gradient("end")
def _(xp: Any, g: Array, weight: Array) -> Array:
    return g * xp.conj(weight)


@lerp.gradient("weight")
def _(xp: Any, g: Array, input: Array, end: Array) -> Array:
    return g * xp.conj(end - input)
