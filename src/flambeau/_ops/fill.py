"""Filling tensors in place, and complex tensors from their parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core import strides as stride_rules
from flambeau._core.declare import RAW, Array, Operand, Out, broadcast_shapes, registry
from flambeau._core.dispatch import check_writable, function, op, write
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, meta_of
from flambeau._ops.factory import as_number, checked_number


def _like_input(input: Meta, *_: Any) -> Meta:
    return input


def _scalar_value(input: Meta, value: Any) -> Meta:
    if isinstance(value, Meta) and value.shape:
        raise RuntimeError(
            f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions."
        )
    return input


@op(
    promote=RAW,
    shape=_scalar_value,
    node=lambda inputs: "FillBackward3" if len(inputs) > 1 else "FillBackward2",
)
def fill_with(xp: Any, input: Array, value: Operand) -> Array:
    """`value` throughout."""
    value = xp.asarray(value)
    if input.dtype.kind != "c" and value.dtype.kind == "c":
        value = xp.real(value)
    return xp.full(input.shape, value.astype(input.dtype), input.dtype)


@fill_with.gradient("input")
def _(xp: Any, g: Array) -> Array:
    return xp.zeros_like(g)


@fill_with.gradient("value")
def _(xp: Any, g: Array) -> Array:
    return g.sum()


def _fill(input: Tensor, value: Any, name: str) -> Tensor:
    if not isinstance(value, Tensor):
        if not isinstance(value, (bool, int, float, complex, np.generic)):
            raise TypeError(
                f"{name}() received an invalid combination of arguments - got ({type(value).__name__}), but "
                "expected "
                "one of:\n * (Tensor value)\n * (Number value)\n"
            )
        if isinstance(value, np.generic):
            value = value.item()
        if input._meta.np.kind in "iu" or (isinstance(value, complex) and input._meta.np.kind != "c"):
            value = checked_number(value, input._meta.dtype).item()
    return fill_with(input, value)


@function("fill", checked=True)
def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor like the input with `value` throughout."""
    return _fill(input, value, "fill")


@op(promote=RAW, shape=_like_input, node="ZeroBackward")
def zeroed(xp: Any, input: Array) -> Array:
    """Zeros like the input."""
    return xp.zeros(input.shape, input.dtype)


@zeroed.gradient("input")
def _(xp: Any, g: Array) -> Array:
    return xp.zeros_like(g)


def fill_(self: Tensor, value: Any) -> Tensor:
    """Sets every element to `value`, a number or a 0-d tensor. Elements that share memory may be filled,
    too.
    """
    check_writable(self, overlap=True)
    return write(self, _fill(self, value, "fill_"), "fill_")


def zero_(self: Tensor) -> Tensor:
    """Sets every element to zero. Elements that share memory may be, too."""
    check_writable(self, overlap=True)
    return write(self, zeroed(self), "zero_")


for _method in (fill_, zero_):
    registry[_method.__name__] = registry[f"Tensor.{_method.__name__}"] = _method
    setattr(Tensor, _method.__name__, _method)


@op(promote=RAW, shape=_like_input, node="FillDiagonalBackward")
def filled_diagonal(xp: Any, input: Array, value: Operand, wrap: bool) -> Array:
    """The input with `value` on its main diagonal."""
    mask = diagonal_mask(input.shape, wrap)
    return xp.where(mask, xp.asarray(value).astype(input.dtype), input)


@filled_diagonal.gradient("input")
def _(xp: Any, g: Array, wrap: bool) -> Array:
    return xp.where(diagonal_mask(g.shape, wrap), xp.zeros((), g.dtype), g)


def diagonal_mask(shape: tuple[int, ...], wrap: bool) -> np.ndarray[Any, Any]:
    """Where the main diagonal is; with `wrap` it begins anew below a tall matrix, after a row's gap."""
    mask = np.zeros(shape, bool)
    step = sum(stride_rules.contiguous_strides(shape))
    count = mask.size if wrap else step * min(shape)
    mask.reshape(-1)[: min(count, mask.size) : max(step, 1)] = True
    return mask


@function("Tensor.fill_diagonal_")
def fill_diagonal(input: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Sets the main diagonal to `fill_value`.

    Raises: RuntimeError, if there are fewer than 2 dimensions, or more of different sizes.
    """
    if input.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if input.ndim > 2 and len(set(input._meta.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    value = as_number(fill_value, "fill_diagonal_", "fill_value", 1)
    return filled_diagonal(input, checked_number(value, input._meta.dtype).item(), bool(wrap))


# -- complex from parts ----------------------------------------------------------------------------


def _check_parts(name: str, first: Meta, second: Meta) -> None:
    allowed = (dtypes.float16, dtypes.float32, dtypes.float64)
    if first.dtype not in allowed or second.dtype not in allowed:
        raise RuntimeError(
            f"Expected both inputs to be Half, Float or Double tensors but got {first.dtype.scalar_type} and "
            f"{second.dtype.scalar_type}"
        )
    if first.dtype is not second.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {first.dtype.scalar_type} but got scalar type "
            f"{second.dtype.scalar_type} "
            "for second argument"
        )


def _complex_of(first: Meta, second: Meta) -> Meta:
    return meta_of(broadcast_shapes(first.shape, second.shape), first.dtype.to_complex(), first.device)


@op(
    "complex",
    out=Out("Expected object of scalar type {wanted} but got scalar type {found} for argument 'out'"),
    promote=RAW,
    shape=_complex_of,
    dtypes=_check_parts,
)
def complex_(xp: Any, real: Array, imag: Array) -> Array:
    """`real + 1j * imag`."""
    real, imag = xp.broadcast_arrays(real, imag)
    result = xp.stack([real, imag], -1)
    if xp is np:
        return result.view(np.result_type(real.dtype, np.complex64))[..., 0]
    from jax import lax

    return lax.complex(result[..., 0], result[..., 1])


@complex_.gradient("real")
def _(xp: Any, g: Array) -> Array:
    return xp.real(g)


@complex_.gradient("imag")
def _(xp: Any, g: Array) -> Array:
    return xp.imag(g)


@op(
    "polar",
    out=Out("Expected object of scalar type {wanted} but got scalar type {found} for argument 'out'"),
    promote=RAW,
    shape=_complex_of,
    dtypes=_check_parts,
)
def polar(xp: Any, abs: Array, angle: Array) -> Array:
    """Complex numbers from their absolute values and angles."""
    return abs * xp.cos(angle) + 1j * (abs * xp.sin(angle))


@polar.gradient("abs")
def _(xp: Any, g: Array, angle: Array) -> Array:
    return xp.real(g) * xp.cos(angle) + xp.imag(g) * xp.sin(angle)


@polar.gradient("angle")
def _(xp: Any, g: Array, output: Array) -> Array:
    return xp.imag(g) * xp.real(output) - xp.real(g) * xp.imag(output)
