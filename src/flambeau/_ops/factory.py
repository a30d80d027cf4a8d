"""New tensors of a given shape and one value throughout.

Their values are worked out on the host when they are made: zeros cost next to nothing there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core import strides as stride_rules
from flambeau._core.dispatch import function, resize, write_out
from flambeau._core.errors import takes_memory
from flambeau._core.tensor import Tensor
from flambeau._core.value import META, Meta, meta_of
from flambeau._core.warn import warn
from flambeau._ops.construct import as_device, as_dtype, cast_numbers, copy_of_tensor, finish, tensor
from flambeau._ops.sizes import sizes_of


def as_number(value: Any, name: str, argument: str, position: int) -> Any:
    """A Python number from one, from NumPy's or from a 0-d tensor.

    Raises: TypeError in PyTorch's words.
    """
    if isinstance(value, Tensor) and not value._meta.shape:
        return value.item()
    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        return value.item()
    if isinstance(value, (bool, int, float, complex)):
        return value
    raise TypeError(
        f"{name}(): argument '{argument}' (position {position}) must be Number, not {type(value).__name__}"
    )


def checked_number(value: Any, dtype: dtypes.dtype) -> np.ndarray[Any, Any]:
    """A number in a dtype, as a 0-d array.

    Raises: RuntimeError, if it does not fit.
    """
    try:
        return cast_numbers(np.asarray(value), dtype)
    except (RuntimeError, TypeError, ValueError):
        what = dtypes.kernel_name(dtype)
        raise RuntimeError(f"value cannot be converted to type {what} without overflow") from None


def _check_size(shape: tuple[int, ...], name: str) -> None:
    if shape and min(shape) < 0:
        if name == "zeros":
            raise RuntimeError("zeros: Dimension size must be non-negative.")
        negative = next(n for n in shape if n < 0)
        raise RuntimeError(f"Trying to create tensor with negative dimension {negative}: {list(shape)}")
    if math.prod(shape) > 1 << 60:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)}")


def _as_layout(layout: Any) -> None:
    if layout is not None and layout is not dtypes.strided:
        error = RuntimeError(f"layout {layout} is not supported: tensors here are strided")
        error.add_note("flambeau has no sparse tensors; leave `layout` out.")
        raise error


def _place(result: Tensor, memory_format: Any, name: str) -> Tensor:
    """Gives a new tensor the strides of a memory format."""
    if memory_format in (dtypes.channels_last, dtypes.channels_last_3d):
        rank = 4 if memory_format is dtypes.channels_last else 5
        if result.ndim != rank:
            raise RuntimeError(f"required rank {rank} tensor to use {memory_format.name} format")
        stride = stride_rules.channels_last_strides(result._meta.shape)
        if stride != stride_rules.contiguous_strides(result._meta.shape):
            result._stride = stride
    elif memory_format is dtypes.preserve_format:
        raise RuntimeError("unsupported memory format Preserve")
    return result


def _constant(
    name: str,
    shape: tuple[int, ...],
    value: Any,
    dtype: Any,
    device: Any,
    requires_grad: bool,
    out: Any,
    layout: Any,
) -> Tensor:
    """A new tensor of one number throughout."""
    if out is not None and dtype is None:
        dtype = out.dtype
    wanted = dtypes.get_default_dtype() if dtype is None else as_dtype(dtype, name)
    _check_size(shape, name)
    _as_layout(layout)
    if out is not None:
        device = prepare_out(out, shape, wanted, device)
    meta = meta_of(shape, wanted, as_device(device, name))
    result = finish(_filled(meta, value), meta, requires_grad)
    return result if out is None else write_out(out, result, name)


@takes_memory
def _filled(meta: Meta, value: Any) -> Any:
    if meta.device is META:
        return None
    if type(value) in (bool, int) and value == 0:
        return np.zeros(meta.shape, meta.np)
    if meta.np.kind == "f" and type(value) in (int, float) and -60000 < value < 60000:
        return np.full(meta.shape, value, meta.np)  # fits into every floating dtype of NumPy's own
    return np.full(meta.shape, checked_number(value, meta.dtype), meta.np)


def prepare_out(out: Tensor, shape: tuple[int, ...], dtype: dtypes.dtype, device: Any) -> Any:
    """Gives `out` the result's shape; returns the device to make the result on."""
    if out._meta.dtype is not dtype:
        raise RuntimeError(
            f"dtype {dtype.scalar_type} does not match dtype of out parameter ({out._meta.dtype.scalar_type})"
        )
    resize(out, shape)
    return out._meta.device if device is None else device


def _shape_argument(size: tuple[Any, ...], named: dict[str, Any], name: str) -> tuple[int, ...]:
    if "size" in named and not size:
        size = (named.pop("size"),)
    if named:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(named))}'")
    return sizes_of(size, name)


# -- constants -------------------------------------------------------------------------------------


@function("zeros")
def zeros(
    *size: Any, out: Tensor | None = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, **named: Any,
) -> Tensor:  # fmt: skip
    """A tensor of zeros.

    >>> import flambeau
    >>> flambeau.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    shape = _shape_argument(size, named, "zeros")
    return _constant("zeros", shape, 0, dtype, device, requires_grad, out, layout)


@function("ones")
def ones(
    *size: Any, out: Tensor | None = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, **named: Any,
) -> Tensor:  # fmt: skip
    """A tensor of ones."""
    shape = _shape_argument(size, named, "ones")
    return _constant("ones", shape, 1, dtype, device, requires_grad, out, layout)


@function("empty")
def empty(
    *size: Any, out: Tensor | None = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = dtypes.contiguous_format,
    **named: Any,
) -> Tensor:  # fmt: skip
    """A tensor whose values are not to be relied on; here they are zeros."""
    shape = _shape_argument(size, named, "empty")
    if out is not None:
        prepare_out(out, shape, out.dtype if dtype is None else as_dtype(dtype, "empty"), device)
        write_out(out, _constant("empty", shape, 0, out.dtype, out.device, False, None, layout), "empty")
        return out
    return _place(
        _constant("empty", shape, 0, dtype, device, requires_grad, None, layout), memory_format, "empty"
    )


@function("full")
def full(
    size: Any, fill_value: Any, *, out: Tensor | None = None, dtype: Any = None, layout: Any = None, device:
    Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of `fill_value` throughout; without `dtype` the number decides."""
    if not isinstance(size, (tuple, list)):
        raise TypeError(
            f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}"
        )
    value = as_number(fill_value, "full", "fill_value", 2)
    if dtype is None and out is None:
        dtype = dtypes.scalar_dtype(value)
    return _constant("full", sizes_of((size,), "full"), value, dtype, device, requires_grad, out, layout)


@function("empty_strided")
def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool
    = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor with these strides whose values are not to be relied on."""
    shape, steps = sizes_of((size,), "empty_strided"), sizes_of((stride,), "empty_strided", "stride", 2)
    if len(shape) != len(steps):
        raise RuntimeError(
            f"dimensionality of sizes ({len(shape)}) must match dimensionality of strides ({len(steps)})"
        )
    if any(step < 0 for step in steps):
        raise RuntimeError(
            f"Storage size calculation overflowed with sizes={list(shape)} and strides={list(steps)}"
        )
    result = _constant("empty_strided", shape, 0, dtype, device, requires_grad, None, layout)
    if steps != stride_rules.contiguous_strides(shape):
        result._stride = steps
    return result


@function("empty_permuted")
def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor whose dimensions lie in memory in the order `physical_layout`, slowest first."""
    shape, order = (
        sizes_of((size,), "empty_permuted"),
        sizes_of((physical_layout,), "empty_permuted", "physical_layout", 2),
    )
    if sorted(order) != list(range(len(shape))):
        if len(order) != len(shape):
            raise RuntimeError(
                "Number of dimensions in size does not match the length of the physical_layout; i.e. "
                "len(size) = "
                f"{len(shape)} is not equal to len(physical_layout) = {len(order)}"
            )
        wrong = next((dim for dim in order if not 0 <= dim < len(shape)), None)
        if wrong is not None:
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(shape) - 1}, but got {wrong} at "
                "index "
                f"{order.index(wrong)}).  NB: negative dims not currently supported; file an issue if you "
                "want it."
            )
        raise RuntimeError("Duplicate dim not allowed")
    steps, step = [0] * len(shape), 1
    for dim in reversed(order):
        steps[dim] = step
        step *= max(shape[dim], 1)
    return empty_strided(
        shape, tuple(steps), dtype=dtype, layout=layout, device=device, requires_grad=requires_grad
    )


@function("scalar_tensor")
def scalar_tensor(
    s: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A number as a 0-d tensor of the default dtype."""
    return _constant(
        "scalar_tensor", (), as_number(s, "scalar_tensor", "s", 1), dtype, device, requires_grad, None, layout
    )


# -- like another tensor ---------------------------------------------------------------------------


def _like(
    name: str,
    input: Tensor,
    value: Any,
    dtype: Any,
    layout: Any,
    device: Any,
    requires_grad: bool,
    memory_format: Any,
) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    meta = input._meta
    result = _constant(
        name,
        meta.shape,
        value,
        dtype or meta.dtype,
        meta.device if device is None else device,
        requires_grad,
        None,
        layout,
    )
    if memory_format is None or memory_format is dtypes.preserve_format:
        if input._stride is not None:
            result._stride = preserved_strides(input)
    else:
        _place(result, memory_format, name)
    return result


def preserved_strides(input: Tensor) -> tuple[int, ...] | None:
    """The strides of a copy that keeps the order of the input's dimensions in memory; None for the usual
    ones.
    """
    shape, stride = input._meta.shape, input._stride
    if stride is not None and stride_rules.dense_order(shape, stride) is not None and 0 not in shape:
        return None if stride == stride_rules.contiguous_strides(shape) else stride
    return stride_rules.preserved([input], shape)


@function("zeros_like")
def zeros_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = dtypes.preserve_format,
) -> Tensor:  # fmt: skip
    """Zeros of the input's shape, dtype and device."""
    return _like("zeros_like", input, 0, dtype, layout, device, requires_grad, memory_format)


@function("ones_like")
def ones_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = dtypes.preserve_format,
) -> Tensor:  # fmt: skip
    """Ones of the input's shape, dtype and device."""
    return _like("ones_like", input, 1, dtype, layout, device, requires_grad, memory_format)


@function("empty_like")
def empty_like(
    input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = dtypes.preserve_format,
) -> Tensor:  # fmt: skip
    """A tensor of the input's shape, dtype and device whose values are not to be relied on."""
    return _like("empty_like", input, 0, dtype, layout, device, requires_grad, memory_format)


@function("full_like")
def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory:
    bool = False, requires_grad: bool = False, memory_format: Any = dtypes.preserve_format,
) -> Tensor:  # fmt: skip
    """`fill_value` throughout, in the input's shape, dtype and device."""
    value = as_number(fill_value, "full_like", "fill_value", 2)
    return _like("full_like", input, value, dtype, layout, device, requires_grad, memory_format)


def _new(
    self: Tensor, name: str, size: tuple[Any, ...], named: dict[str, Any], value: Any, dtype: Any, device:
    Any, requires_grad: bool, layout: Any,
) -> Tensor:  # fmt: skip
    shape = _shape_argument(size, named, name)
    where = self._meta.device if device is None else device
    return _constant(name, shape, value, dtype or self._meta.dtype, where, requires_grad, None, layout)


@function("Tensor.new_zeros")
def new_zeros(
    self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, layout: Any
    = None, pin_memory: bool = False, **named: Any,
) -> Tensor:  # fmt: skip
    """Zeros of this tensor's dtype and device."""
    return _new(self, "new_zeros", size, named, 0, dtype, device, requires_grad, layout)


@function("Tensor.new_ones")
def new_ones(
    self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, layout: Any
    = None, pin_memory: bool = False, **named: Any,
) -> Tensor:  # fmt: skip
    """Ones of this tensor's dtype and device."""
    return _new(self, "new_ones", size, named, 1, dtype, device, requires_grad, layout)


@function("Tensor.new_empty")
def new_empty(
    self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, layout: Any
    = None, pin_memory: bool = False, **named: Any,
) -> Tensor:  # fmt: skip
    """A tensor of this one's dtype and device whose values are not to be relied on."""
    return _new(self, "new_empty", size, named, 0, dtype, device, requires_grad, layout)


@function("Tensor.new_full")
def new_full(
    self: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool =
    False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """`fill_value` throughout, in this tensor's dtype and device."""
    value = as_number(fill_value, "new_full", "fill_value", 2)
    return _new(self, "new_full", (size,), {}, value, dtype, device, requires_grad, layout)


@function("Tensor.new_empty_strided")
def new_empty_strided(
    self: Tensor, size: Any, stride: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor with these strides, of this one's dtype and device, whose values are not to be relied on."""
    where = self._meta.device if device is None else device
    return empty_strided(
        size, stride, dtype=dtype or self._meta.dtype, device=where, requires_grad=requires_grad
    )


@function("Tensor.new_tensor")
def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, layout:
    Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A leaf with a copy of `data`, of this tensor's dtype and device."""
    where = self._meta.device if device is None else device
    wanted = self._meta.dtype if dtype is None else as_dtype(dtype, "new_tensor")
    if isinstance(data, Tensor):
        warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than "
            "tensor.new_tensor(sourceTensor).",
        )  # fmt: skip
        return copy_of_tensor(data, wanted if dtype is not None else None, where, requires_grad)
    return tensor(data, dtype=wanted, device=where, requires_grad=requires_grad)


@function("Tensor.new")
def new(self: Tensor, *args: Any, device: Any = None) -> Tensor:
    """The legacy way to a tensor of this one's dtype and device: from sizes or from a sequence."""
    where = self._meta.device if device is None else device
    if not args:
        return _constant("new", (0,), 0, self._meta.dtype, where, False, None, None)
    if len(args) == 1 and isinstance(args[0], Tensor):
        return args[0]._alias()
    if (len(args) == 1 and isinstance(args[0], (list, np.ndarray))) or type(args[0]) is tuple:
        return tensor(args[0], dtype=self._meta.dtype, device=where)
    return _constant("new", sizes_of(args, "new"), 0, self._meta.dtype, where, False, None, None)
