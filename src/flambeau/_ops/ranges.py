"""New tensors of ranges of numbers, identity matrices and the places of triangles.

Their values are worked out on the host, which takes less time than the call of an executable.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.by_elements import by_elements
from flambeau._core.dispatch import function, write_out
from flambeau._core.errors import takes_memory
from flambeau._core.tensor import Tensor
from flambeau._core.value import META, meta_of
from flambeau._core.warn import warn
from flambeau._ops.construct import as_device, as_dtype, finish
from flambeau._ops.factory import as_number, checked_number, prepare_out
from flambeau._ops.sizes import integer


def _in_range_dtype(numbers: tuple[Any, ...], dtype: Any, out: Any, name: str) -> dtypes.dtype:
    if dtype is not None:
        return as_dtype(dtype, name)
    if out is not None:
        return out._meta.dtype
    return dtypes.get_default_dtype() if any(isinstance(n, float) for n in numbers) else dtypes.int64


@takes_memory
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
        device = prepare_out(out, shape, dtype, device)
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
    """The numbers from `start` (0) up to but not including `end`, `step` (1) apart: `arange(start, end,
    step)`.

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
    fractional = math.ceil((end - start) / step)
    if dtype.is_floating_point:
        return fractional, start, step
    start, end, step = (int(checked_number(number, dtypes.int64)) for number in (start, end, step))
    if dtype is not dtypes.int64:  # for which alone PyTorch counts in whole numbers
        return fractional, start, step
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
    # PyTorch works in vectors of 32 bytes, two at a time: the first lane is rounded, the others start from
    # it.
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
    warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is "
        "inconsistent with "
        "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
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
@by_elements()
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
@by_elements()
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
    n: Any, m: Any = None, *, out: Tensor | None = None, dtype: Any = None, layout: Any = None, device: Any =
    None, pin_memory: bool = False, requires_grad: bool = False,
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
