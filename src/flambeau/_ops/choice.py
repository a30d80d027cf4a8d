"""Choosing among elements: maximum, minimum, clamp, where, and what replaces special values."""

from __future__ import annotations

from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import PROMOTE, RAW, Array, Index, Operand, Out, broadcast, registry
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.supported import refuses, result_type, supports


def _refuses_complex(name: str) -> Any:
    return refuses("c", f"{name} not implemented for complex tensors.")


@op(
    "maximum",
    "Tensor.maximum",
    out=True,
    promote=PROMOTE,
    shape=broadcast,
    dtypes=_refuses_complex("maximum"),
)
def maximum(xp: Any, input: Array, other: Array) -> Array:
    """The larger element of each pair; nan if one is nan. Equal elements share the gradient."""
    return xp.maximum(input, other)


def _share(xp: Any, g: Any, loses: Any, ties: Any) -> Any:
    return xp.where(loses, 0, xp.where(ties, g / 2, g))


@maximum.gradient("input")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return _share(xp, g, input < other, input == other)


@maximum.gradient("other")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return _share(xp, g, input > other, input == other)


@op(
    "minimum",
    "Tensor.minimum",
    out=True,
    promote=PROMOTE,
    shape=broadcast,
    dtypes=_refuses_complex("minimum"),
)
def minimum(xp: Any, input: Array, other: Array) -> Array:
    """The smaller element of each pair; nan if one is nan. Equal elements share the gradient."""
    return xp.minimum(input, other)


@minimum.gradient("input")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return _share(xp, g, input > other, input == other)


@minimum.gradient("other")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return _share(xp, g, input < other, input == other)


@op("fmax", "Tensor.fmax", out=True, promote=PROMOTE, shape=broadcast, dtypes=_refuses_complex("fmax"))
def fmax(xp: Any, input: Array, other: Array) -> Array:
    """The larger element of each pair; a nan loses against a number."""
    return xp.fmax(input, other)


@fmax.gradient("input")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return xp.where((input >= other) | xp.isnan(other), g, 0)


@fmax.gradient("other")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return xp.where((input >= other) | xp.isnan(other), 0, g)


@op("fmin", "Tensor.fmin", out=True, promote=PROMOTE, shape=broadcast, dtypes=_refuses_complex("fmin"))
def fmin(xp: Any, input: Array, other: Array) -> Array:
    """The smaller element of each pair; a nan loses against a number."""
    return xp.fmin(input, other)


@fmin.gradient("input")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return xp.where((input <= other) | xp.isnan(other), g, 0)


@fmin.gradient("other")
def _(xp: Any, g: Array, input: Array, other: Array) -> Array:
    return xp.where((input <= other) | xp.isnan(other), 0, g)


_clamps = supports("bihf", "clamp", "clamp is not supported for complex types")


def _check_clamp(name: str, input: Meta, min: Any, max: Any) -> None:
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    _clamps(name, input, min, max)


def _is_within(input: Any, min: Any, max: Any) -> Any:
    within = True if min is None else input >= min
    return within if max is None else within & (input <= max)


@op(
    "clamp",
    "clip",
    "Tensor.clamp",
    "Tensor.clip",
    "Tensor.clamp_",
    "Tensor.clip_",
    "clamp_",
    "clip_",
    out=True,
    promote=PROMOTE,
    shape=broadcast,
    dtypes=_check_clamp,
    node=lambda inputs: "ClampBackward0" if len(inputs) > 1 else "ClampBackward1",
)
def clamp(xp: Any, input: Array, min: Operand | None = None, max: Operand | None = None) -> Array:
    """Elements below `min` become `min`, those above `max` become `max`; the gradient is 1 at the bounds."""
    found = input if min is None else xp.maximum(input, min)
    return found if max is None else xp.minimum(found, max)


@clamp.gradient("input")
def _(xp: Any, g: Array, input: Array, min: Any, max: Any) -> Array:
    return xp.where(_is_within(input, min, max), g, 0)


@clamp.gradient("min")
def _(xp: Any, g: Array, input: Array, min: Any, max: Any) -> Array:
    below = input < min
    return xp.where(below if max is None else below & (min < max), g, 0)


@clamp.gradient("max")
def _(xp: Any, g: Array, input: Array, min: Any, max: Any) -> Array:
    above = input > max
    return xp.where(above if min is None else above | (max < min), g, 0)


@op(
    "clamp_min",
    "clamp_min_",
    "Tensor.clamp_min",
    "Tensor.clamp_min_",
    out=True,
    promote=PROMOTE,
    shape=broadcast,
    dtypes=supports("bihf", "maximum_cpu"),
    node=lambda inputs: "ClampMinBackward1" if len(inputs) > 1 else "ClampMinBackward0",
)
def clamp_min(xp: Any, input: Array, min: Operand) -> Array:
    """Elements below `min` become `min`."""
    return xp.maximum(input, min)


@clamp_min.gradient("input")
def _(xp: Any, g: Array, input: Array, min: Array) -> Array:
    return xp.where(input >= min, g, 0)


@clamp_min.gradient("min")
def _(xp: Any, g: Array, input: Array, min: Array) -> Array:
    return xp.where(input < min, g, 0)


@op(
    "clamp_max",
    "clamp_max_",
    "Tensor.clamp_max",
    "Tensor.clamp_max_",
    out=True,
    promote=PROMOTE,
    shape=broadcast,
    dtypes=supports("bihf", "minimum_cpu"),
    node=lambda inputs: "ClampMaxBackward1" if len(inputs) > 1 else "ClampMaxBackward0",
)
def clamp_max(xp: Any, input: Array, max: Operand) -> Array:
    """Elements above `max` become `max`."""
    return xp.minimum(input, max)


@clamp_max.gradient("input")
def _(xp: Any, g: Array, input: Array, max: Array) -> Array:
    return xp.where(input <= max, g, 0)


@clamp_max.gradient("max")
def _(xp: Any, g: Array, input: Array, max: Array) -> Array:
    return xp.where(input > max, g, 0)


# -- where -----------------------------------------------------------------------------------------


def _check_condition(name: str, condition: Meta, input: Any, other: Any) -> None:
    if condition.dtype not in (dtypes.bool_, dtypes.uint8):
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{condition.dtype.scalar_type}"
        )


def _where_dtype(condition: Meta, input: Any, other: Any) -> Any:
    return result_type(input, other)


@op(promote=_where_dtype, shape=broadcast, dtypes=_check_condition, node="WhereBackward0")
def where_either(xp: Any, condition: Index, input: Operand, other: Operand) -> Array:
    """`input` where the condition holds, `other` elsewhere."""
    return xp.where(condition, input, other)


@where_either.gradient("input")
def _(xp: Any, g: Array, condition: Array) -> Array:
    return xp.where(condition, g, 0)


@where_either.gradient("other")
def _(xp: Any, g: Array, condition: Array) -> Array:
    return xp.where(condition, 0, g)


_MISSING: Any = object()


@function("where", out=Out("Expected out type to be {wanted} but got {found}"))
def where(condition: Tensor, input: Any = _MISSING, other: Any = _MISSING) -> Any:
    """`input` where `condition` is true, `other` elsewhere; both may be numbers. With a condition alone: its
    indices.

    >>> import flambeau
    >>> flambeau.where(flambeau.tensor([True, False]), 1.0, flambeau.tensor([5.0, 6.0]))
    tensor([1., 6.])
    """
    if input is _MISSING and other is _MISSING:
        return registry["nonzero"](condition, as_tuple=True)
    return apply(where_either, (condition, input, other))


@function("Tensor.where")
def where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """This tensor's elements where `condition` is true, those of `other` elsewhere."""
    return apply(where_either, (condition, self, other))


# -- special values --------------------------------------------------------------------------------


@op(
    "nan_to_num",
    "nan_to_num_",
    "Tensor.nan_to_num",
    "Tensor.nan_to_num_",
    out=Out("nan_to_num: dtype of out: {found} should be same as input: {wanted}"),
    promote=RAW,
    pointwise=True,
    shape=lambda input, *_: input,
)
def nan_to_num(
    xp: Any, input: Array, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Array:
    """nan becomes `nan` (0), infinities `posinf` and `neginf` (the dtype's largest and smallest number)."""
    if input.dtype.kind in "biu":
        return input
    if input.dtype.kind == "c":
        parts = [
            _without_specials(xp, part, nan, posinf, neginf) for part in (xp.real(input), xp.imag(input))
        ]
        return (parts[0] + 1j * parts[1]).astype(input.dtype)
    return _without_specials(xp, input, nan, posinf, neginf)


def _without_specials(xp: Any, x: Any, nan: float | None, posinf: float | None, neginf: float | None) -> Any:
    limits = dtypes.finfo(dtypes.from_numpy_dtype(x.dtype))
    low, high = limits.min if neginf is None else neginf, limits.max if posinf is None else posinf

    def number(value: float) -> Any:
        return xp.asarray(value, x.dtype)

    x = xp.where(xp.isnan(x), number(0.0 if nan is None else nan), x)
    x = xp.where(x == number(np.inf), number(high), x)
    return xp.where(x == number(-np.inf), number(low), x)


@nan_to_num.gradient("input")
def _(xp: Any, g: Array, input: Array) -> Array:
    return xp.where(xp.isfinite(input), g, 0)


def _check_heaviside(name: str, input: Meta, values: Meta) -> None:
    if input.dtype.is_complex or values.dtype.is_complex:
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if input.dtype is not values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")


@op(
    "heaviside",
    "Tensor.heaviside",
    "Tensor.heaviside_",
    out=Out("heaviside is not yet implemented for tensors with different dtypes."),
    promote=PROMOTE,
    shape=broadcast,
    dtypes=_check_heaviside,
    differentiable=False,
)
def heaviside(xp: Any, input: Array, values: Array) -> Array:
    """0 below zero, 1 above, `values` at zero."""
    one = xp.ones((), input.dtype)
    return xp.where(input == 0, values, xp.where(input > 0, one, xp.zeros((), input.dtype)))
