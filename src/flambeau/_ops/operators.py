"""Python's operators on tensors.

An operand that PyTorch does not know gives NotImplemented, so that Python asks the other side. Where an
operation is one
node its declaration makes the method directly: operators are the most used calls of all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import registry
from flambeau._core.dispatch import constant, in_place, operator_method
from flambeau._core.tensor import Tensor
from flambeau._ops import bitwise, comparison, elementary, pointwise

_KNOWN = (Tensor, int, float, complex, np.generic, np.ndarray)


def _attach(name: str, method: Callable[..., Any]) -> None:
    method.__name__, method.__qualname__ = name, f"Tensor.{name}"
    setattr(Tensor, name, method)


def _declining(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` as an operator: NotImplemented for operands it does not know, NumPy arrays as tensors."""

    def method(self: Tensor, other: Any) -> Any:
        if not isinstance(other, _KNOWN):
            return NotImplemented
        if isinstance(other, np.ndarray):
            other = constant(other, dtypes.from_numpy_dtype(other.dtype), self._meta)
        return function(self, other)

    return method


for _name, _declared in {
    "__add__": pointwise.add,
    "__radd__": pointwise.add,
    "__sub__": pointwise.sub,
    "__mul__": pointwise.mul,
    "__rmul__": pointwise.mul,
    "__truediv__": pointwise.true_divide,
    "__mod__": pointwise.remainder_any,
    "__floordiv__": pointwise.floor_divide_any,
    "__and__": bitwise.and_bits,
    "__rand__": bitwise.and_bits,
    "__or__": bitwise.or_bits,
    "__ror__": bitwise.or_bits,
    "__xor__": bitwise.xor_bits,
    "__rxor__": bitwise.xor_bits,
    "__lshift__": bitwise.shift_left,
    "__rshift__": bitwise.shift_right,
    "__eq__": comparison.eq,
    "__ne__": comparison.ne,
    "__lt__": comparison.lt,
    "__le__": comparison.le,
    "__gt__": comparison.gt,
    "__ge__": comparison.ge,
}.items():
    _attach(_name, operator_method(_declared, _name))

for _name, _declared in {
    "__iadd__": pointwise.add,
    "__isub__": pointwise.sub,
    "__imul__": pointwise.mul,
    "__itruediv__": pointwise.true_divide,
    "__idiv__": pointwise.true_divide,
    "__ifloordiv__": pointwise.floor_divide_any,
    "__imod__": pointwise.remainder_any,
    "__iand__": bitwise.and_bits,
    "__ior__": bitwise.or_bits,
    "__ixor__": bitwise.xor_bits,
    "__ilshift__": bitwise.shift_left,
    "__irshift__": bitwise.shift_right,
}.items():
    _attach(_name, in_place(_declared.function, _name))

_rsub = operator_method(pointwise.rsub, "__rsub__")
_rtruediv = operator_method(pointwise.divided_number, "__rtruediv__")


def _to_tensor(number: Any, like: Tensor) -> Tensor:
    return pointwise.as_operand(number, like)


def _pow(self: Tensor, exponent: Any, modulo: Any = None) -> Any:
    return pointwise.pow(self, exponent)


def _unary(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self: function(self)


def _invert(self: Tensor) -> Tensor:
    if self._meta.np.kind not in "biu":
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return bitwise.bitwise_not.function(self)


def _array_wrap(self: Tensor, array: Any, context: Any = None, return_scalar: bool = False) -> Tensor:
    """What NumPy's functions hand back after computing with this tensor's values."""
    array = np.asarray(array)
    return constant(array, dtypes.from_numpy_dtype(array.dtype))


def _matmul(self: Tensor, other: Any) -> Any:
    if not isinstance(other, Tensor):
        return NotImplemented
    return registry["matmul"](self, other)


def _rmatmul(self: Tensor, other: Any) -> Any:
    if not isinstance(other, Tensor):
        return NotImplemented
    return registry["matmul"](other, self)


_attach("__rsub__", _rsub)
_attach("__rdiv__", operator_method(pointwise.divided_number, "__rdiv__"))
_attach("__rtruediv__", _rtruediv)
_attach("__div__", operator_method(pointwise.true_divide, "__div__"))
_attach("__pow__", _declining(pointwise.pow))
_attach("__rpow__", _declining(lambda self, base: pointwise.pow(base, self)))
_attach("__ipow__", in_place(pointwise.pow, "__ipow__"))
_attach(
    "__rfloordiv__", _declining(lambda self, other: pointwise.floor_divide(_to_tensor(other, self), self))
)
_attach("__rmod__", _declining(lambda self, other: pointwise.remainder(_to_tensor(other, self), self)))
_attach(
    "__rlshift__", _declining(lambda self, other: bitwise.bitwise_left_shift(_to_tensor(other, self), self))
)
_attach(
    "__rrshift__", _declining(lambda self, other: bitwise.bitwise_right_shift(_to_tensor(other, self), self))
)
_attach("__neg__", _unary(elementary.neg.function))
_attach("__pos__", _unary(elementary.positive))
_attach("__abs__", _unary(elementary.abs.function))
_attach("__invert__", _invert)
_attach("__matmul__", _matmul)
_attach("__rmatmul__", _rmatmul)
_attach("__array_wrap__", _array_wrap)
Tensor.__array_priority__ = 1000  # type: ignore[attr-defined]
_attach("__nonzero__", _unary(bool))
_attach("__long__", _unary(int))
