"""New tensors of a given shape: constants, ranges, diagonals; and filling one in place.

Their values are worked out on the host when they are made: zeros cost next to nothing there, and a range or an identity
matrix less than the call of an executable.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core import strides as stride_rules
from flambeau._core.declare import RAW, Array, Operand, broadcast_shapes, registry
from flambeau._core.dispatch import check_writable, function, op, resize, write, write_out
from flambeau._core.tensor import Tensor
from flambeau._core.value import META, Meta, meta_of
from flambeau._ops.construct import as_device, as_dtype, cast_numbers, copy_of_tensor, finish, tensor
from flambeau._ops.sizes import integer, sizes_of

_C_NAMES = {
    "bool": "bool", "uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int", "int64": "int64_t",
    "float16": "at::Half", "bfloat16": "at::BFloat16", "float32": "float", "float64": "double",
    "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t",
}  # fmt: skip


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
        what = _C_NAMES.get(dtype.name, dtype.name)
        raise RuntimeError(f"value cannot be converted to type {what} without overflow") from None


def _check_size(shape: tuple[int, ...], name: str) -> None:
    if shape and min(shape) < 0:
        raise RuntimeError(f"{name}: Dimension size must be non-negative.")
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
        device = _prepare_out(out, shape, wanted, device)
    meta = meta_of(shape, wanted, as_device(device, name))
    result = finish(_filled(meta, value), meta, requires_grad)
    return result if out is None else write_out(out, result, name)


def _filled(meta: Meta, value: Any) -> Any:
    if meta.device is META:
        return None
    if type(value) in (bool, int) and value == 0:
        return np.zeros(meta.shape, meta.np)
    if meta.np.kind == "f" and type(value) in (int, float) and -60000 < value < 60000:
        return np.full(meta.shape, value, meta.np)  # fits into every floating dtype of NumPy's own
    return np.full(meta.shape, checked_number(value, meta.dtype), meta.np)


def _prepare_out(out: Tensor, shape: tuple[int, ...], dtype: dtypes.dtype, device: Any) -> Any:
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
    requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = dtypes.contiguous_format, **named: Any,
) -> Tensor:  # fmt: skip
    """A tensor whose values are not to be relied on; here they are zeros."""
    shape = _shape_argument(size, named, "empty")
    if out is not None:
        write_out(out, _constant("empty", shape, 0, out.dtype, out.device, False, None, layout), "empty")
        return out
    return _place(
        _constant("empty", shape, 0, dtype, device, requires_grad, None, layout), memory_format, "empty"
    )


@function("full")
def full(
    size: Any, fill_value: Any, *, out: Tensor | None = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
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
    size: Any, stride: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
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
                f"Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = "
                f"{len(shape)} is not equal to len(physical_layout) = {len(order)}"
            )
        wrong = next((dim for dim in order if not 0 <= dim < len(shape)), None)
        if wrong is not None:
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(shape) - 1}, but got {wrong} at index "
                f"{order.index(wrong)}).  NB: negative dims not currently supported; file an issue if you want it."
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
    """The strides of a copy that keeps the order of the input's dimensions in memory; None for the usual ones."""
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
    input: Tensor, fill_value: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, memory_format: Any = dtypes.preserve_format,
) -> Tensor:  # fmt: skip
    """`fill_value` throughout, in the input's shape, dtype and device."""
    value = as_number(fill_value, "full_like", "fill_value", 2)
    return _like("full_like", input, value, dtype, layout, device, requires_grad, memory_format)


def _new(
    self: Tensor, name: str, size: tuple[Any, ...], named: dict[str, Any], value: Any, dtype: Any, device: Any,
    requires_grad: bool, layout: Any,
) -> Tensor:  # fmt: skip
    shape = _shape_argument(size, named, name)
    where = self._meta.device if device is None else device
    return _constant(name, shape, value, dtype or self._meta.dtype, where, requires_grad, None, layout)


@function("Tensor.new_zeros")
def new_zeros(
    self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, layout: Any = None,
    pin_memory: bool = False, **named: Any,
) -> Tensor:  # fmt: skip
    """Zeros of this tensor's dtype and device."""
    return _new(self, "new_zeros", size, named, 0, dtype, device, requires_grad, layout)


@function("Tensor.new_ones")
def new_ones(
    self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, layout: Any = None,
    pin_memory: bool = False, **named: Any,
) -> Tensor:  # fmt: skip
    """Ones of this tensor's dtype and device."""
    return _new(self, "new_ones", size, named, 1, dtype, device, requires_grad, layout)


@function("Tensor.new_empty")
def new_empty(
    self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False, layout: Any = None,
    pin_memory: bool = False, **named: Any,
) -> Tensor:  # fmt: skip
    """A tensor of this one's dtype and device whose values are not to be relied on."""
    return _new(self, "new_empty", size, named, 0, dtype, device, requires_grad, layout)


@function("Tensor.new_full")
def new_full(
    self: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    layout: Any = None, pin_memory: bool = False,
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
    )  # type: ignore[no-any-return]


@function("Tensor.new_tensor")
def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A leaf with a copy of `data`, of this tensor's dtype and device."""
    where = self._meta.device if device is None else device
    wanted = self._meta.dtype if dtype is None else as_dtype(dtype, "new_tensor")
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than tensor.new_tensor(sourceTensor).",
            UserWarning, stacklevel=2,
        )  # fmt: skip
        return copy_of_tensor(data, wanted if dtype is not None else None, where, requires_grad)
    return tensor(data, dtype=wanted, device=where, requires_grad=requires_grad)  # type: ignore[no-any-return]


@function("Tensor.new")
def new(self: Tensor, *args: Any, device: Any = None) -> Tensor:
    """The legacy way to a tensor of this one's dtype and device: from sizes or from a sequence."""
    where = self._meta.device if device is None else device
    if not args:
        return _constant("new", (0,), 0, self._meta.dtype, where, False, None, None)
    if len(args) == 1 and isinstance(args[0], Tensor):
        return args[0]._alias()  # type: ignore[no-any-return]
    if len(args) == 1 and isinstance(args[0], (list, np.ndarray)) or type(args[0]) is tuple:
        return tensor(args[0], dtype=self._meta.dtype, device=where)  # type: ignore[no-any-return]
    return _constant("new", sizes_of(args, "new"), 0, self._meta.dtype, where, False, None, None)


# -- ranges ----------------------------------------------------------------------------------------


def _in_range_dtype(numbers: tuple[Any, ...], dtype: Any, out: Any, name: str) -> dtypes.dtype:
    if dtype is not None:
        return as_dtype(dtype, name)
    if out is not None:
        return out._meta.dtype  # type: ignore[no-any-return]
    return dtypes.get_default_dtype() if any(isinstance(n, float) for n in numbers) else dtypes.int64


def _publish(
    name: str,
    values: Any,
    shape: tuple[int, ...],
    dtype: dtypes.dtype,
    device: Any,
    requires_grad: bool,
    out: Any,
) -> Tensor:
    """A new tensor of host values, or these values in `out`."""
    if out is not None:
        device = _prepare_out(out, shape, dtype, device)
    meta = meta_of(shape, dtype, as_device(device, name))
    array = None
    if meta.device is not META:
        array = values()
        if array.dtype != meta.np:
            with np.errstate(all="ignore"):
                array = array.astype(meta.np)
    result = finish(array, meta, requires_grad)
    return result if out is None else write_out(out, result, name)


@function("arange")
def arange(
    *args: Any, out: Tensor | None = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, **named: Any,
) -> Tensor:  # fmt: skip
    """The numbers from `start` (0) up to but not including `end`, `step` (1) apart: `arange(start, end, step)`.

    Raises: RuntimeError, if the step is 0 or leads away from `end`.

    >>> import flambeau
    >>> flambeau.arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    start, end, step = _range_arguments(args, named, "arange")
    wanted = _in_range_dtype((start, end, step), dtype, out, "arange")
    if wanted.is_complex or wanted is dtypes.bool_:
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{wanted.scalar_type}'")
    count, start, step = _range_count(start, end, step, wanted)
    return _publish(
        "arange",
        lambda: _range_values(start, step, count, wanted),
        (count,),
        wanted,
        device,
        requires_grad,
        out,
    )


def _range_arguments(args: tuple[Any, ...], named: dict[str, Any], name: str) -> tuple[Any, Any, Any]:
    names = ("end",) if len(args) == 1 and "end" not in named else ("start", "end", "step")
    if len(args) > 3:
        raise TypeError(f"{name}() takes at most 3 positional arguments ({len(args)} given)")
    given = dict(zip(names, args, strict=False))
    for key, value in named.items():
        if key not in ("start", "end", "step") or key in given:
            raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")
        given[key] = value
    if "end" not in given:
        raise TypeError(f'{name}() missing 1 required positional arguments: "end"')
    order = list(given)
    found = {key: as_number(value, name, key, order.index(key) + 1) for key, value in given.items()}
    if any(isinstance(value, complex) for value in found.values()):
        raise RuntimeError("value cannot be converted to type double without overflow")
    return found.get("start", 0), found["end"], found.get("step", 1)


def _range_count(start: Any, end: Any, step: Any, dtype: dtypes.dtype) -> tuple[int, Any, Any]:
    """The number of entries, and start and step in the arithmetic of the dtype."""
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start:g} -> {end:g}")
    if (step > 0 and end < start) or (step < 0 and end > start):
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if dtype.is_floating_point:
        return math.ceil((end - start) / step), start, step
    start, end, step = (int(checked_number(number, dtypes.int64)) for number in (start, end, step))
    if step == 0:
        raise ValueError("step must be nonzero")
    return -((start - end) // step), start, step


def _range_values(start: Any, step: Any, count: int, dtype: dtypes.dtype) -> np.ndarray[Any, Any]:
    if not dtype.is_floating_point:
        values = np.arange(count, dtype=np.int64)
        if step != 1:
            values *= step
        if start:
            values += start
        return values
    number = np.arange(count)
    exact = start + step * number.astype(np.float64)
    # PyTorch works in vectors of 32 bytes, two at a time: the first lane is rounded, the others start from it.
    lanes = 32 // dtype.itemsize
    whole = count - count % (2 * lanes)
    if dtype.itemsize < 4 or not whole:
        return exact
    first = exact[:whole:lanes].astype(dtype.np).astype(np.float64)
    exact[:whole] = (first[:, None] + step * np.arange(lanes)).reshape(-1)
    return exact


@function("range")
def range_(
    *args: Any, out: Tensor | None = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, **named: Any,
) -> Tensor:  # fmt: skip
    """`arange` that includes `end`. Deprecated in PyTorch, in favour of `arange`."""
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with "
        "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
        UserWarning, stacklevel=2,
    )  # fmt: skip
    start, end, step = _range_arguments(args, named, "range")
    wanted = (
        as_dtype(dtype, "range")
        if dtype is not None
        else dtypes.get_default_dtype()
        if out is None
        else out.dtype
    )
    _range_count(start, end, step, dtypes.float64)
    count = math.floor((end - start) / step) + 1
    return _publish(
        "range",
        lambda: _range_values(start, step, count, wanted),
        (count,),
        wanted,
        device,
        requires_grad,
        out,
    )


def _steps(
    name: str, start: Any, end: Any, steps: Any, dtype: Any, out: Any
) -> tuple[Any, Any, int, dtypes.dtype]:
    for value, which in ((start, "start"), (end, "end")):
        if isinstance(value, Tensor) and value._meta.shape:
            raise RuntimeError(
                f"{name} only supports 0-dimensional start and end tensors, but got {which} with "
                f"{value.ndim} dimension(s)."
            )
    start, end = as_number(start, name, "start", 1), as_number(end, name, "end", 2)
    count = integer(steps, name, "steps", 3)
    if count < 0:
        raise RuntimeError("number of steps must be non-negative")
    if dtype is not None:
        wanted = as_dtype(dtype, name)
    elif out is not None:
        wanted = out._meta.dtype
    elif isinstance(start, complex) or isinstance(end, complex):
        wanted = dtypes.default_complex_dtype()
    else:
        wanted = dtypes.get_default_dtype()
    if wanted is dtypes.bool_:
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for 'Bool'")
    return start, end, count, wanted


def _linspace_values(start: Any, end: Any, count: int, dtype: dtypes.dtype) -> np.ndarray[Any, Any]:
    """From both ends to the middle, so that the last entry is `end` itself."""
    if count == 0:
        return np.zeros(0, dtype.np)
    integral = dtype.np.kind in "iu"
    kind = np.dtype(np.float64) if integral else dtype.np
    if dtype.itemsize < 4 and not integral:
        kind = np.dtype(np.float32)
    if integral:
        start, end = int(start), int(end)
    first, last = kind.type(start), kind.type(end)
    if count == 1:
        return np.array([first])
    step = (last - first) / kind.type(count - 1)
    number = np.arange(count)
    # PyTorch does not round the product before the sum, so both are computed in a wider type here.
    wide: Any = {np.float32: np.float64, np.float64: np.longdouble}.get(kind.type, kind.type)
    first, last, step = wide(first), wide(last), wide(step)
    with np.errstate(all="ignore"):
        up = (first + step * number).astype(kind)
        down = (last - step * (count - 1 - number)).astype(kind)
    return np.where(number < count // 2, up, down)


@function("linspace")
def linspace(
    start: Any, end: Any, steps: Any, *, out: Tensor | None = None, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` numbers from `start` to `end`, both included, equally far apart."""
    first, last, count, wanted = _steps("linspace", start, end, steps, dtype, out)
    return _publish(
        "linspace",
        lambda: _linspace_values(first, last, count, wanted),
        (count,),
        wanted,
        device,
        requires_grad,
        out,
    )


@function("logspace")
def logspace(
    start: Any, end: Any, steps: Any, base: float = 10.0, *, out: Tensor | None = None, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`base` to the powers that `linspace` gives."""
    first, last, count, wanted = _steps("logspace", start, end, steps, dtype, out)
    root = as_number(base, "logspace", "base", 4)
    if wanted.np.kind in "iu":
        first, last = int(first), int(last)

    def values() -> np.ndarray[Any, Any]:
        exponents = _linspace_values(
            first, last, count, dtypes.complex128 if wanted.is_complex else dtypes.float64
        )
        with np.errstate(all="ignore"):
            return np.asarray(np.power(np.asarray(root, exponents.dtype), exponents))

    return _publish("logspace", values, (count,), wanted, device, requires_grad, out)


# -- matrices and indices --------------------------------------------------------------------------


@function("eye")
def eye(
    n: Any, m: Any = None, *, out: Tensor | None = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A matrix with ones on the diagonal, `n` by `m` (`n` by `n`)."""
    rows = integer(n, "eye", "n", 1)
    columns = rows if m is None else integer(m, "eye", "m", 2)
    for size, which in ((rows, "n"), (columns, "m")):
        if size < 0:
            raise RuntimeError(f"{which} must be greater or equal to 0, got {size}")
    wanted = (
        as_dtype(dtype, "eye")
        if dtype is not None
        else dtypes.get_default_dtype()
        if out is None
        else out.dtype
    )
    return _publish(
        "eye",
        lambda: np.eye(rows, columns, dtype=wanted.np),
        (rows, columns),
        wanted,
        device,
        requires_grad,
        out,
    )


def _triangle(name: str, lower: bool, row: Any, col: Any, offset: int, dtype: Any, device: Any) -> Tensor:
    rows, columns = integer(row, name, "row", 1), integer(col, name, "col", 2)
    for size, which in ((rows, "row"), (columns, "col")):
        if size < 0:
            raise RuntimeError(f"{which} must be non-negative, got{size}")
    wanted = dtypes.int64 if dtype is None else as_dtype(dtype, name)
    if wanted not in (dtypes.int64, dtypes.int32):
        raise NotImplementedError(f"\"{name}\" not implemented for '{wanted.scalar_type}'")
    found = np.tri(rows, columns, offset if lower else offset - 1, dtype=bool)
    indices = np.stack(np.nonzero(found if lower else ~found))
    return _publish(name, lambda: indices, indices.shape, wanted, device, False, None)


@function("tril_indices")
def tril_indices(
    row: Any, col: Any, offset: int = 0, *, dtype: Any = dtypes.int64, device: Any = None, layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Rows and columns of the lower triangle of a matrix, as a 2-row tensor."""
    return _triangle("tril_indices", True, row, col, offset, dtype, device)


@function("triu_indices")
def triu_indices(
    row: Any, col: Any, offset: int = 0, *, dtype: Any = dtypes.int64, device: Any = None, layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Rows and columns of the upper triangle of a matrix, as a 2-row tensor."""
    return _triangle("triu_indices", False, row, col, offset, dtype, device)


# -- filling ---------------------------------------------------------------------------------------


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
                f"{name}() received an invalid combination of arguments - got ({type(value).__name__}), but expected "
                "one of:\n * (Tensor value)\n * (Number value)\n"
            )
        if isinstance(value, np.generic):
            value = value.item()
        if input._meta.np.kind in "iu" or (isinstance(value, complex) and input._meta.np.kind != "c"):
            value = checked_number(value, input._meta.dtype).item()
    return fill_with(input, value)  # type: ignore[no-any-return]


@function("fill")
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


def fill_(input: Tensor, value: Any) -> Tensor:
    """Sets every element to `value`, a number or a 0-d tensor. Elements that share memory may be filled, too."""
    check_writable(input, overlap=True)
    return write(input, _fill(input, value, "fill_"), "fill_")


def zero_(input: Tensor) -> Tensor:
    """Sets every element to zero. Elements that share memory may be, too."""
    check_writable(input, overlap=True)
    return write(input, zeroed(input), "zero_")


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
    return filled_diagonal(input, checked_number(value, input._meta.dtype).item(), bool(wrap))  # type: ignore[no-any-return]


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
            f"Expected object of scalar type {first.dtype.scalar_type} but got scalar type {second.dtype.scalar_type} "
            "for second argument"
        )


def _complex_of(first: Meta, second: Meta) -> Meta:
    return meta_of(broadcast_shapes(first.shape, second.shape), first.dtype.to_complex(), first.device)


@op("complex", out=True, promote=RAW, shape=_complex_of, dtypes=_check_parts)
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


@op("polar", out=True, promote=RAW, shape=_complex_of, dtypes=_check_parts)
def polar(xp: Any, abs: Array, angle: Array) -> Array:
    """Complex numbers from their absolute values and angles."""
    return abs * xp.cos(angle) + 1j * (abs * xp.sin(angle))


@polar.gradient("abs")
def _(xp: Any, g: Array, angle: Array) -> Array:
    return xp.real(g) * xp.cos(angle) + xp.imag(g) * xp.sin(angle)


@polar.gradient("angle")
def _(xp: Any, g: Array, output: Array) -> Array:
    return xp.imag(g) * xp.real(output) - xp.real(g) * xp.imag(output)
