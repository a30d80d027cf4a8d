"""Where a mask holds: masked_fill, masked_scatter, masked_select; positions of the flat tensor: take, put."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import RAW, Array, Index, Operand, Out, broadcast_shapes
from flambeau._core.dispatch import apply, function, op
from flambeau._core.modes import modes
from flambeau._core.tensor import Tensor, from_array
from flambeau._core.value import Meta, Value, meta_of
from flambeau._ops.bounds import check_index, when_known
from flambeau._ops.construct import finish
from flambeau._ops.numbers import as_number
from flambeau._ops.placing import combined, picked, placed

# -- masked_fill -----------------------------------------------------------------------------------

_TYPE_NAMES = {
    "uint8": "unsigned char", "int8": "signed char", "int16": "short", "int32": "int", "int64": "long long",
    "float32": "float", "float64": "double", "float16": "c10::Half", "bfloat16": "c10::BFloat16",
}  # fmt: skip


def _filled_shape(input: Meta, mask: Meta, value: Any) -> Meta:
    if mask.dtype is not dtypes.bool_:
        name = _TYPE_NAMES.get(mask.dtype.name, mask.dtype.name)
        raise RuntimeError(f"masked_fill_ only supports boolean masks, but got mask with dtype {name}")
    if isinstance(value, Meta) and value.shape:
        raise RuntimeError(
            f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} "
            "dimension(s)."
        )
    # PyTorch names the mask's size first.
    return input.with_shape(broadcast_shapes(mask.shape, input.shape))


def _node(inputs: tuple[Meta, ...]) -> str:
    return "MaskedFillBackward0" if len(inputs) == 2 else "MaskedFillBackward1"


@op(promote=RAW, node=_node, shape=_filled_shape)
def fill_masked(xp: Any, input: Array, mask: Index, value: Operand) -> Array:
    """`input` with one value where the mask holds."""
    return xp.where(mask, xp.asarray(value).astype(input.dtype), input)


@fill_masked.gradient("input")
def _(xp: Any, g: Array, mask: Array) -> Array:
    return xp.where(mask, xp.zeros((), g.dtype), g)


@fill_masked.gradient("value")
def _(xp: Any, g: Array, mask: Array) -> Array:
    return xp.sum(xp.where(mask, g, xp.zeros((), g.dtype)))


@function("masked_fill", "Tensor.masked_fill", "Tensor.masked_fill_", checked=True)
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`input` with a number, or a 0-d tensor's value, where the mask holds; mask and input broadcast.

    >>> import flambeau
    >>> flambeau.tensor([1.0, 2.0]).masked_fill(flambeau.tensor([True, False]), 0)
    tensor([0., 2.])
    """
    if isinstance(value, (bool, int, float, complex)):
        value = as_number(value, input._meta.dtype)
    elif not isinstance(value, Tensor) or not isinstance(mask, Tensor):
        got = f"{type(mask).__name__}, {type(value).__name__}"
        marked = ", ".join(
            name if ok else f"!{name}!"
            for name, ok in ((type(mask).__name__, isinstance(mask, Tensor)), (type(value).__name__, False))
        )
        raise TypeError(
            f"masked_fill() received an invalid combination of arguments - got ({got}), but expected one "
            "of:\n"
            " * (Tensor mask, Tensor value)\n      didn't match because some of the arguments have invalid "
            "types: "
            f"({marked})\n * (Tensor mask, Number value)\n      didn't match because some of the arguments "
            "have invalid "
            f"types: ({marked})\n"
        )
    elif value._meta.dtype.is_complex and not input._meta.dtype.is_complex and not value._meta.shape:
        value = as_number(value.item(), input._meta.dtype)
    return apply(fill_masked, (input, mask, value))


# -- masked_scatter --------------------------------------------------------------------------------


def _scattered_shape(input: Meta, mask: Meta, source: Meta) -> Meta:
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype.scalar_type}"
        )
    if source.dtype is not input.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got{input.dtype.scalar_type} "
            f"and {source.dtype.scalar_type}"
        )
    return input.with_shape(broadcast_shapes(mask.shape, input.shape))


def _check_source(input: Value, mask: Value, source: Value) -> None:
    shape = broadcast_shapes(mask.meta.shape, input.meta.shape)
    ndim = len(mask.meta.shape)
    if mask.meta.device.type != "cpu" and mask.trace is not None:
        return
    available = source.meta.numel

    def check(known: Value) -> None:
        where = known.numpy()
        batch = where.shape[: where.ndim - ndim]
        aligned = where.reshape(*batch, *(1,) * (len(shape) - ndim), *where.shape[len(batch) :])
        where = np.broadcast_to(aligned, (*batch, *shape))
        wanted = where.reshape(-1, math.prod(shape)).sum(-1) if where.size else np.zeros(1)
        if int(wanted.max()) > available:
            raise RuntimeError("Number of elements of source < number of ones in mask")

    when_known(mask, check, at_once=True)


def _order(xp: Any, mask: Array, limit: int) -> Array:
    """For each position its number among those where the mask holds, kept within the source."""
    return xp.clip(xp.cumsum(mask.reshape(-1)) - 1, 0, max(limit - 1, 0)).reshape(mask.shape)


@op(
    "masked_scatter", "Tensor.masked_scatter", "Tensor.masked_scatter_", promote=RAW, shape=_scattered_shape,
    check=_check_source,
)  # fmt: skip
def masked_scatter(xp: Any, input: Array, mask: Index, source: Array) -> Array:
    """`input` with the elements of `source`, in their order, where the mask holds."""
    shape = np.broadcast_shapes(input.shape, mask.shape)
    if not source.size:
        return xp.broadcast_to(input, shape)
    mask = xp.broadcast_to(mask, shape)
    return xp.where(mask, source.reshape(-1)[_order(xp, mask, source.size)], input)


@masked_scatter.gradient("input")
def _(xp: Any, g: Array, mask: Array) -> Array:
    return xp.where(mask, xp.zeros((), g.dtype), g)


@masked_scatter.gradient("source")
def _(xp: Any, g: Array, mask: Array, source_meta: Meta) -> Array:
    zeros = xp.zeros((source_meta.numel,), g.dtype)
    if not source_meta.numel:
        return zeros.reshape(source_meta.shape)
    mask = xp.broadcast_to(mask, g.shape)
    values = xp.where(mask, g, xp.zeros((), g.dtype)).reshape(-1)
    return combined(xp, zeros, _order(xp, mask, source_meta.numel).reshape(-1), values, "sum").reshape(
        source_meta.shape
    )


# -- masked_select ---------------------------------------------------------------------------------


@op(promote=RAW, node="MaskedSelectBackward", shape=lambda input, index, size: input.with_shape(index.shape))
def select_flat(xp: Any, input: Array, index: Index, size: Any) -> Array:
    """Elements of `input`, broadcast to `size` and flattened."""
    return picked(xp, xp.broadcast_to(input, size).reshape(-1), index)


@select_flat.gradient("input")
def _(xp: Any, g: Array, index: Array, size: Any) -> Array:
    zeros = xp.zeros((int(np.prod(size)),), g.dtype)
    return placed(xp, zeros, index, g).reshape(size)


@function(
    "masked_select",
    "Tensor.masked_select",
    out=Out("masked_select(): self and result must have the same scalar type", apart=True),
)
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, as a vector; mask and input broadcast.

    >>> import flambeau
    >>> flambeau.masked_select(flambeau.tensor([1, 2, 3]), flambeau.tensor([True, False, True]))
    tensor([1, 3])
    """
    if not isinstance(mask, Tensor):
        raise TypeError(
            f"masked_select(): argument 'mask' (position 2) must be Tensor, not {type(mask).__name__}"
        )
    if mask._meta.dtype is not dtypes.bool_:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    size = broadcast_shapes(mask._meta.shape, input._meta.shape)
    held = np.broadcast_to(mask._host_array(), size)
    device = input._meta.device
    recorded = modes.recording or (modes.grad and input.requires_grad)
    if device.type == "cpu" and input._plain and not recorded:
        found = np.broadcast_to(input._host_array(), size)[held]
        return finish(found, meta_of(found.shape, input._meta.dtype, device))
    flat = np.flatnonzero(held)
    index = from_array(flat, meta_of(flat.shape, dtypes.int64, device))
    return apply(select_flat, (input, index, size))


# -- take, put -------------------------------------------------------------------------------------


def _out_of_range(count: int) -> Any:
    return lambda index: IndexError(
        f"out of range: tried to access index {index} on a tensor of {count} elements."
    )


def _taken_shape(input: Meta, index: Meta) -> Meta:
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {index.dtype.scalar_type}")
    if not input.numel and index.numel:
        raise IndexError("take(): tried to take from an empty tensor")
    return input.with_shape(index.shape)


def _check_flat(input: Value, index: Value, *_: Any) -> None:
    count = input.meta.numel
    check_index(index, count, -count, _out_of_range(count))


@op(
    "take",
    "Tensor.take",
    out=Out(
        "take(): self and out expected to have the same dtype, but got self.dtype = {wanted} and out.dtype = {found}",
        apart=True,
    ),
    promote=RAW,
    shape=_taken_shape,
    check=_check_flat,
)
def take(xp: Any, input: Array, index: Index) -> Array:
    """The elements of the flattened input at the given positions, in the shape of `index`."""
    return picked(xp, input.reshape(-1), index) if index.size else xp.zeros(index.shape, input.dtype)


@take.gradient("input")
def _(xp: Any, g: Array, index: Array, input_meta: Meta) -> Array:
    zeros = xp.zeros((input_meta.numel,), g.dtype)
    if not index.size:
        return zeros.reshape(input_meta.shape)
    return combined(xp, zeros, index.reshape(-1), g.reshape(-1), "sum").reshape(input_meta.shape)


def _put_shape(input: Meta, index: Meta, source: Meta, accumulate: bool) -> Meta:
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {index.dtype.scalar_type}")
    if source.dtype is not input.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{input.dtype.scalar_type} and source.dtype = {source.dtype.scalar_type}"
        )
    if index.numel != source.numel:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() "
            f"= {source.numel}, index.numel() = {index.numel}"
        )
    return input


@op("put", "Tensor.put", "Tensor.put_", promote=RAW, shape=_put_shape, check=_check_flat)
def put(xp: Any, input: Array, index: Index, source: Array, accumulate: bool = False) -> Array:
    """`input` with the elements of `source` at positions of the flattened input; `accumulate` adds them."""
    flat, index, source = input.reshape(-1), index.reshape(-1), source.reshape(-1)
    if not index.size:
        return input
    found = combined(xp, flat, index, source, "sum") if accumulate else placed(xp, flat, index, source)
    return found.reshape(input.shape)


@put.gradient("input")
def _(xp: Any, g: Array, index: Array, accumulate: bool) -> Array:
    if accumulate or not index.size:
        return g
    return placed(xp, g.reshape(-1), index.reshape(-1), xp.zeros((), g.dtype)).reshape(g.shape)


@put.gradient("source")
def _(xp: Any, g: Array, index: Array, source_meta: Meta) -> Array:
    if not index.size:
        return xp.zeros(source_meta.shape, g.dtype)
    return picked(xp, g.reshape(-1), index.reshape(-1)).reshape(source_meta.shape)
