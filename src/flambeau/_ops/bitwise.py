"""Bits of integers, and whole-number arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

from flambeau._core.declare import EXACT_UNARY, KEEP, PROMOTE, Array, Operand, broadcast
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._ops.pointwise import as_operand
from flambeau._ops.supported import supports

_BITS: dict[str, Any] = {"promote": PROMOTE, "shape": broadcast, "differentiable": False}


@op(
    "bitwise_not", "Tensor.bitwise_not", "Tensor.bitwise_not_", out=EXACT_UNARY, promote=KEEP, shape=broadcast,
    differentiable=False, dtypes=supports("bi", "bitwise_not_cpu"),
)  # fmt: skip
def bitwise_not(xp: Any, input: Array) -> Array:
    """Every bit flipped; of bools, the opposite."""
    return xp.invert(input)


@op(dtypes=supports("bi", "bitwise_and_cpu"), **_BITS)
def and_bits(xp: Any, input: Array, other: Operand) -> Array:
    """Bits set in both."""
    return xp.bitwise_and(input, other)


@op(dtypes=supports("bi", "bitwise_or_cpu"), **_BITS)
def or_bits(xp: Any, input: Array, other: Operand) -> Array:
    """Bits set in one or both."""
    return xp.bitwise_or(input, other)


@op(dtypes=supports("bi", "bitwise_xor_cpu"), **_BITS)
def xor_bits(xp: Any, input: Array, other: Operand) -> Array:
    """Bits set in just one."""
    return xp.bitwise_xor(input, other)


def _width(array: Any) -> int:
    return int(array.dtype.itemsize * 8)


@op(dtypes=supports("i", "lshift_cpu"), **_BITS)
def shift_left(xp: Any, input: Array, other: Operand) -> Array:
    """Bits moved up; 0 where the shift is negative or beyond the width."""
    outside = (other < 0) | (other >= _width(input))
    return xp.where(outside, 0, xp.left_shift(input, xp.where(outside, 0, other))).astype(input.dtype)


@op(dtypes=supports("i", "rshift_cpu"), **_BITS)
def shift_right(xp: Any, input: Array, other: Operand) -> Array:
    """Bits moved down, the sign kept; a shift that is negative or beyond the width leaves the sign alone."""
    last = _width(input) - 1
    unsigned = input.dtype.kind == "u"
    outside = (other < 0) | (other > last)
    shifted = xp.right_shift(input, xp.where(outside, last, other).astype(input.dtype))
    return xp.where(outside, 0, shifted).astype(input.dtype) if unsigned else shifted


def _declare(name: str, declared: Any, doc: str) -> Any:
    """A public function that takes a number on either side, as PyTorch's do."""

    def public(input: Any, other: Any) -> Tensor:
        return apply(declared, (as_operand(input, other), other))

    public.__name__, public.__qualname__, public.__doc__ = name, name, doc
    public.__code__ = public.__code__.replace(co_name=name)
    return function(name, f"Tensor.{name}", f"Tensor.{name}_", out=True)(public)


bitwise_and = _declare("bitwise_and", and_bits, "Bits set in both operands.")
bitwise_or = _declare("bitwise_or", or_bits, "Bits set in one operand or both.")
bitwise_xor = _declare("bitwise_xor", xor_bits, "Bits set in just one operand.")
bitwise_left_shift = _declare(
    "bitwise_left_shift", shift_left, "`input * 2**other`, dropping what overflows."
)
bitwise_right_shift = _declare("bitwise_right_shift", shift_right, "`input / 2**other`, rounded down.")


@op("gcd", "gcd_", "Tensor.gcd", "Tensor.gcd_", out=True, dtypes=supports("i", "gcd_cpu"), **_BITS)
def gcd(xp: Any, input: Array, other: Array) -> Array:
    """The greatest common divisor."""
    return xp.gcd(input, other)


@op("lcm", "lcm_", "Tensor.lcm", "Tensor.lcm_", out=True, dtypes=supports("i", "lcm_cpu"), **_BITS)
def lcm(xp: Any, input: Array, other: Array) -> Array:
    """The least common multiple."""
    divisor = xp.gcd(input, other)
    one = xp.where(divisor == 0, 1, divisor).astype(input.dtype)
    quotient = input // one if xp is np or input.dtype.kind == "u" else abs(input) // one
    return abs(quotient * other)
