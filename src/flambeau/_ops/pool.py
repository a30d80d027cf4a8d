"""Pooling over windows: maximum and average, with fixed and adaptive windows.

A window's elements are the same place of as many strided slices of the input, so a pool is a fold over kernel positions:
light work that fuses, and the gradient puts each position's share back by the same slices.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import EXACT, KEEP, Array
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, meta_of
from flambeau._ops.pool_checks import (
    adaptive_sizes,
    check_dtype,
    check_tensor,
    numbers,
    output_size,
    pooled_shape,
)
from flambeau._ops.sums import largest, total

# -- windows ---------------------------------------------------------------------------------------


def _places(kernel: Any, stride: Any, dilation: Any, sizes: Any) -> Iterator[tuple[slice, ...]]:
    """For each position of the kernel, the slices of the padded input that lie under it."""
    for offset in itertools.product(*map(range, kernel)):
        yield tuple(
            slice(o * d, o * d + s * (n - 1) + 1, s)
            for o, d, s, n in zip(offset, dilation, stride, sizes, strict=True)
        )


def _padded(xp: Any, x: Array, low: Any, high: Any, fill: Any) -> Array:
    """The input with `fill` around it; a negative end is cut off (windows that never reach it)."""
    spatial = len(low)
    if any(low) or any(h > 0 for h in high):
        widths = ((0, 0),) * (x.ndim - spatial) + tuple(
            (a, max(b, 0)) for a, b in zip(low, high, strict=True)
        )
        x = xp.pad(x, widths, constant_values=fill)
    return x


def _ends(
    sizes_in: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, sizes: Any
) -> tuple[int, ...]:
    """Padding at the end of each dimension that the last window needs."""
    return tuple(
        (n - 1) * s + d * (k - 1) + 1 - size - p
        for size, k, s, p, d, n in zip(sizes_in, kernel, stride, padding, dilation, sizes, strict=True)
    )


def _put_back(
    xp: Any, shape: Any, parts: Iterator[tuple[tuple[slice, ...], Array]], low: Any, high: Any, dtype: Any
) -> Array:
    """The sum of arrays that lie at strided slices of the padded input, cut back to `shape`."""
    spatial = len(low)
    lead = tuple(shape[:-spatial])
    padded = [n + a + max(b, 0) for n, a, b in zip(shape[-spatial:], low, high, strict=True)]
    found: Any
    if xp is np:
        found = np.zeros((*lead, *padded), dtype)
        for where, part in parts:
            found[(..., *where)] += part
    else:
        found = _interleaved(xp, lead, padded, parts, dtype)
    return found[(..., *(slice(a, a + n) for a, n in zip(low, shape[-spatial:], strict=True)))]


def _interleaved(xp: Any, lead: Any, padded: Any, parts: Any, dtype: Any) -> Array:
    """Their sum in XLA: slices of one stride that begin at one place modulo it add up densely, and are woven at last."""
    from jax import lax

    sums: dict[tuple[int, ...], Any] = {}
    steps: tuple[int, ...] = (1,) * len(padded)
    for where, part in parts:
        steps = tuple(w.step or 1 for w in where)
        lengths = [-(-n // s) for n, s in zip(padded, steps, strict=True)]
        shifts = [w.start // s for w, s in zip(where, steps, strict=True)]
        sizes = part.shape[len(lead) :]
        config = [(0, 0, 0)] * len(lead) + [
            (shift, length - shift - size, 0)
            for shift, length, size in zip(shifts, lengths, sizes, strict=True)
        ]
        spread = lax.pad(part.astype(dtype), np.zeros((), dtype), config)
        phase = tuple(w.start % s for w, s in zip(where, steps, strict=True))
        sums[phase] = sums[phase] + spread if phase in sums else spread
    if max(steps) == 1:
        return sums[(0,) * len(padded)]
    zero = xp.zeros_like(next(iter(sums.values())))

    def woven(phase: tuple[int, ...]) -> Array:
        """The sums of all phases that begin so, woven along the dimensions after these."""
        along = len(phase)
        if along == len(padded):
            return sums.get(phase, zero)
        axis = len(lead) + along
        rows = xp.stack([woven((*phase, number)) for number in range(steps[along])], axis + 1)
        length = rows.shape[axis] * rows.shape[axis + 1]
        return rows.reshape(*rows.shape[:axis], length, *rows.shape[axis + 2 :])

    return woven(())[(..., *map(slice, padded))]


def _node(name: str) -> Callable[[Any], str]:
    """PyTorch's node of a pool over two dimensions, or over three: then the input has five."""
    return lambda inputs: name.format(3 if inputs[0].ndim == 5 else 2)


def _windows_cost(inputs: Any, results: Any) -> int:
    return int(results[0].numel * 9 + inputs[0].numel * 2)


# -- maximum ---------------------------------------------------------------------------------------


def _max_shape(
    input: Meta, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, name: str
) -> list[Meta]:
    shape = pooled_shape(name, input.shape, kernel, stride, padding, dilation, ceil_mode)
    check_dtype(name, input)
    return [input.with_shape(shape), meta_of(shape, dtypes.int32, input.device)]


@op(
    promote=KEEP,
    shape=_max_shape,
    outputs=("values", "places"),
    cost=_windows_cost,
    node=_node("MaxPool{}DWithIndicesBackward"),
)
def max_pool(
    xp: Any, input: Array, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, name: str
) -> tuple[Array, Array]:
    """The maximum of each window and the position in the kernel where it stands (the first of equal ones)."""
    spatial = len(kernel)
    sizes_in = input.shape[-spatial:]
    sizes = [
        output_size(n, k, s, p, d, ceil_mode)
        for n, k, s, p, d in zip(sizes_in, kernel, stride, padding, dilation, strict=True)
    ]
    lowest = -np.inf if input.dtype.kind == "f" else np.iinfo(input.dtype).min
    x = _padded(xp, input, padding, _ends(sizes_in, kernel, stride, padding, dilation, sizes), lowest)
    best: Any = None
    for number, where in enumerate(_places(kernel, stride, dilation, sizes)):
        here = x[(..., *where)]
        if best is None:
            best, place = here, xp.zeros(here.shape, np.int32)
            if any(padding):  # a window's first position may lie in the padding: there nothing was found yet
                place = xp.where(here == lowest, -1, place).astype(np.int32)
            continue
        better = here > best
        if any(padding):
            better = better | ((place < 0) & _inside(xp, x, where, padding, sizes_in))
        if here.dtype.kind == "f":
            better = better | xp.isnan(here)
        best = xp.where(better, here, best)
        place = xp.where(better, np.int32(number), place)
    return _settled(xp, best, place)


def _settled(xp: Any, *arrays: Any) -> Any:
    """The arrays, which XLA then computes once: it would run the whole fold anew for each element of the gradient."""
    if xp is np:
        return arrays
    from jax import lax

    return lax.optimization_barrier(arrays)


def _inside(xp: Any, x: Array, where: Any, padding: Any, sizes_in: Any) -> Array:
    """Whether the places that `where` takes of the padded input are of the input itself."""
    found: Any = True
    spatial = len(padding)
    for i, (w, p, n) in enumerate(zip(where, padding, sizes_in, strict=True)):
        index = np.arange(x.shape[x.ndim - spatial + i])[w]
        along = ((index >= p) & (index < p + n)).reshape((-1,) + (1,) * (spatial - 1 - i))
        found = found & along
    return xp.asarray(found)


@max_pool.gradient("input")
def _(
    xp: Any,
    g: Any,
    places: Array,
    input_meta: Meta,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> Array:
    cotangent = g[0]
    sizes = places.shape[-len(kernel) :]
    high = _ends(input_meta.shape[-len(kernel) :], kernel, stride, padding, dilation, sizes)
    zero = xp.zeros((), cotangent.dtype)
    parts = (
        (where, xp.where(places == number, cotangent, zero))
        for number, where in enumerate(_places(kernel, stride, dilation, sizes))
    )
    return _put_back(xp, input_meta.shape, parts, padding, high, cotangent.dtype)


def _flat_indices_shape(places: Meta, sizes_in: Any, *_: Any) -> Any:
    return places.with_dtype(dtypes.int64)


@op(shape=_flat_indices_shape, promote="raw", differentiable=False)
def indices_of_places(
    xp: Any, places: Array, sizes_in: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> Array:
    """Positions in the kernel as PyTorch's indices into the flattened plane."""
    spatial = len(kernel)
    flat: Any = 0
    rest = places.astype(np.int64)
    offsets = []
    for k in reversed(kernel):
        offsets.append(rest % k)
        rest = rest // k
    for i, offset in enumerate(reversed(offsets)):
        start = np.arange(places.shape[places.ndim - spatial + i]) * stride[i] - padding[i]
        index = start.reshape((-1,) + (1,) * (spatial - 1 - i)) + offset * dilation[i]
        flat = flat * sizes_in[i] + index
    return flat


def _max_pool(
    name: str, count: int, input: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool,
    return_indices: bool,
) -> Any:  # fmt: skip
    check_tensor(input, name)
    own = f"{name}_with_indices" if return_indices and count == 1 else name
    kernel = numbers(kernel, count, own, "kernel_size")
    empty = stride is None or (isinstance(stride, (list, tuple)) and not stride)
    stride = kernel if empty else numbers(stride, count, own, "stride")
    padding, dilation = numbers(padding, count, own, "padding"), numbers(dilation, count, own, "dilation")
    values, places = apply(max_pool, (input, kernel, stride, padding, dilation, bool(ceil_mode), own))
    if not return_indices:
        return values
    sizes_in = tuple(input.shape[-count:])
    return values, apply(indices_of_places, (places, sizes_in, kernel, stride, padding, dilation))


def _declare_max_pool(count: int) -> None:
    name = f"max_pool{count}d"

    def pool(
        input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False, return_indices: bool = False,
    ) -> Any:  # fmt: skip
        return _max_pool(
            name, count, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
        )

    def with_indices(
        input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False, return_indices: bool = False,
    ) -> Any:  # fmt: skip
        return _max_pool(name, count, input, kernel_size, stride, padding, dilation, ceil_mode, True)

    pool.__name__ = pool.__qualname__ = name
    pool.__doc__ = f"The maximum over windows of {count} dimension(s); `return_indices` adds where in the plane it stands."
    with_indices.__name__ = with_indices.__qualname__ = f"{name}_with_indices"
    with_indices.__doc__ = f"`{name}` with the indices of the maxima."
    function(name, f"nn.functional.{name}")(pool)
    names = [f"nn.functional.{name}_with_indices"] + ([f"{name}_with_indices"] if count == 1 else [])
    function(*names)(with_indices)


for _count in (1, 2, 3):
    _declare_max_pool(_count)


# -- average ---------------------------------------------------------------------------------------


def _average_shape(
    input: Meta,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: Any,
    name: str,
) -> tuple[int, ...]:
    shape = pooled_shape(name, input.shape, kernel, stride, padding, (1,) * len(kernel), ceil_mode)
    check_dtype(name, input)
    return shape


def _divisors(
    sizes_in: Any, kernel: Any, stride: Any, padding: Any, sizes: Any, include: bool, divisor: int | None
) -> Any:
    """By what each window's sum is divided: one number, or an array over the output's places."""
    if divisor is not None:
        return divisor
    counts: Any = np.ones((), np.int64)
    for n, k, s, p, m in zip(sizes_in, kernel, stride, padding, sizes, strict=True):
        start = np.arange(m) * s - p
        end = np.minimum(start + k, n + p)
        if not include:
            start, end = np.maximum(start, 0), np.minimum(end, n)
        counts = counts[..., None] * (end - start)
    return int(counts.flat[0]) if counts.size and (counts == counts.flat[0]).all() else counts


@op(promote=KEEP, shape=_average_shape, cost=_windows_cost, node=_node("AvgPool{}DBackward"))
def avg_pool(
    xp: Any,
    input: Array,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: Any,
    name: str,
) -> Array:
    """The mean of each window."""
    spatial = len(kernel)
    sizes_in = input.shape[-spatial:]
    one = (1,) * spatial
    sizes = [
        output_size(n, k, s, p, 1, ceil_mode)
        for n, k, s, p in zip(sizes_in, kernel, stride, padding, strict=True)
    ]
    x = _padded(xp, input, padding, _ends(sizes_in, kernel, stride, padding, one, sizes), 0)
    found: Any = None
    for where in _places(kernel, stride, one, sizes):
        found = x[(..., *where)] if found is None else found + x[(..., *where)]
    by = _divisors(sizes_in, kernel, stride, padding, sizes, count_include_pad, divisor)
    if found.dtype.kind in "iu":
        return xp.sign(found) * np.sign(by) * (xp.abs(found) // abs(by))  # towards zero, as in C
    return found / (by if isinstance(by, int) else xp.asarray(by.astype(found.dtype)))


@avg_pool.gradient("input")
def _(
    xp: Any, g: Array, input_meta: Meta, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool,
    divisor: Any,
) -> Array:  # fmt: skip
    spatial = len(kernel)
    sizes_in, sizes, one = input_meta.shape[-spatial:], g.shape[-spatial:], (1,) * spatial
    by = _divisors(sizes_in, kernel, stride, padding, sizes, count_include_pad, divisor)
    share = g / (by if isinstance(by, int) else xp.asarray(by.astype(g.dtype)))
    high = _ends(sizes_in, kernel, stride, padding, one, sizes)
    parts = ((where, share) for where in _places(kernel, stride, one, sizes))
    return _put_back(xp, input_meta.shape, parts, padding, high, g.dtype)


def _avg_pool(
    name: str, count: int, input: Tensor, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, include: bool,
    divisor: int | None = None,
) -> Tensor:  # fmt: skip
    check_tensor(input, name)
    kernel = numbers(kernel, count, name, "kernel_size")
    empty = stride is None or (isinstance(stride, (list, tuple)) and not stride)
    stride = kernel if empty else numbers(stride, count, name, "stride")
    padding = numbers(padding, count, name, "padding")
    if divisor is not None and divisor == 0:
        raise RuntimeError("divisor must be not zero")
    return apply(avg_pool, (input, kernel, stride, padding, bool(ceil_mode), bool(include), divisor, name))


@function("avg_pool1d", "nn.functional.avg_pool1d", out=True)
def avg_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The mean over windows of one dimension."""
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


@function("nn.functional.avg_pool2d", out=EXACT)
def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean over windows of two dimensions."""
    return _avg_pool(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@function("nn.functional.avg_pool3d", out=EXACT)
def avg_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean over windows of three dimensions."""
    return _avg_pool(
        "avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


# -- adaptive --------------------------------------------------------------------------------------


def _bounds(size_in: int, size_out: int) -> list[tuple[int, int]]:
    """First and last-plus-one input place of each output place."""
    return [(i * size_in // size_out, -(-(i + 1) * size_in // size_out)) for i in range(size_out)]


def _summed(xp: Any, x: Array, bounds: Any, axis: int) -> Array:
    """Sums over these ranges of a dimension; a product with a matrix would spread infinities and NaNs to all of them."""
    width = max((end - start for start, end in bounds), default=0)
    offsets, starts, ends = (
        np.arange(width),
        *(np.array(side, np.int64)[:, None] for side in zip(*bounds, strict=True)),
    )
    windows = xp.take(xp.moveaxis(x, axis, -1), np.minimum(starts + offsets, ends - 1), axis=-1)
    sums = xp.where(starts + offsets < ends, windows, xp.zeros((), x.dtype)).sum(-1)
    return xp.moveaxis(sums, -1, axis)


def _counts(xp: Any, bounds: Any, axes_after: int, dtype: Any) -> Array:
    """How long the ranges are, along a dimension that this many others follow."""
    found = np.array([end - start for start, end in bounds], np.int64).reshape(-1, *(1,) * axes_after)
    return xp.asarray(found.astype(dtype))


@op(
    promote=KEEP, shape=lambda input, sizes: (*input.shape[: -len(sizes)], *sizes),
    node=_node("AdaptiveAvgPool{}DBackward"),
)  # fmt: skip
def adaptive_average(xp: Any, input: Array, sizes: Any) -> Array:
    """Means over windows that divide each dimension as evenly as can be."""
    spatial = len(sizes)
    windows, split = _equal_windows(input.shape[input.ndim - spatial :], sizes)
    if windows is not None:
        lead = input.ndim - spatial
        if set(sizes) == {1}:
            sums = total(xp, input, range(lead, input.ndim), keepdims=True)
            return sums / xp.asarray(math.prod(windows), input.dtype)
        parts = input.reshape(*input.shape[:lead], *split)
        axes = tuple(range(lead + 1, lead + 2 * spatial, 2))
        return total(xp, parts, axes) / xp.asarray(math.prod(windows), input.dtype)
    for i, size in enumerate(sizes):
        axis = input.ndim - spatial + i
        bounds = _bounds(input.shape[axis], size)
        if bounds:
            input = _summed(xp, input, bounds, axis) / _counts(xp, bounds, spatial - 1 - i, input.dtype)
    return input if 0 not in sizes else xp.zeros((*input.shape[: input.ndim - spatial], *sizes), input.dtype)


@adaptive_average.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, sizes: Any) -> Array:
    spatial = len(sizes)
    windows, split = _equal_windows(input_meta.shape[input_meta.ndim - spatial :], sizes)
    if windows is not None:
        lead = input_meta.ndim - spatial
        share = xp.expand_dims(g / math.prod(windows), tuple(range(lead + 1, lead + 2 * spatial, 2)))
        return xp.broadcast_to(share, (*g.shape[:lead], *split)).reshape(input_meta.shape)
    if 0 in sizes:
        return xp.zeros(input_meta.shape, g.dtype)
    for i, size in enumerate(sizes):
        axis = input_meta.ndim - spatial + i
        places = range(input_meta.shape[axis])
        bounds = _bounds(len(places), size)
        # The windows that hold a place follow each other.
        holders = [[o for o, (start, end) in enumerate(bounds) if start <= place < end] for place in places]
        shares = g / _counts(xp, bounds, spatial - 1 - i, g.dtype)
        g = _summed(xp, shares, [(found[0], found[-1] + 1) for found in holders], axis)
    return g


def _equal_windows(sizes_in: Any, sizes: Any) -> tuple[Any, tuple[int, ...]]:
    """The windows' sizes, and each dimension split into its places and these; None where windows differ."""
    if 0 in sizes or 0 in sizes_in or any(n % m for n, m in zip(sizes_in, sizes, strict=True)):
        return None, ()
    windows = tuple(n // m for n, m in zip(sizes_in, sizes, strict=True))
    return windows, tuple(itertools.chain(*zip(sizes, windows, strict=True)))


def _adaptive_average(name: str, count: int, input: Tensor, output_size: Any) -> Tensor:
    sizes = adaptive_sizes(name, count, input, output_size)
    if count == 2 and sizes == (1, 1):
        return input.mean((-1, -2), keepdim=True)  # type: ignore[attr-defined]
    check_dtype(name, input._meta)
    return apply(adaptive_average, (input, sizes))


@function("adaptive_avg_pool1d", "nn.functional.adaptive_avg_pool1d")
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Means over windows such that the result has `output_size` places."""
    return _adaptive_average("adaptive_avg_pool1d", 1, input, output_size)


@function("nn.functional.adaptive_avg_pool2d")
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means over windows such that the result has `output_size` places; None keeps a dimension."""
    return _adaptive_average("adaptive_avg_pool2d", 2, input, output_size)


@function("nn.functional.adaptive_avg_pool3d")
def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means over windows such that the result has `output_size` places; None keeps a dimension."""
    return _adaptive_average("adaptive_avg_pool3d", 3, input, output_size)


def _adaptive_index(sizes_in: Any, sizes: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Flat indices into the plane of each output place's window, and which of them are its own (windows differ)."""
    flat: Any = np.zeros((1,) * 2, np.int64)
    valid: Any = np.ones((1,) * 2, np.bool_)
    for n, m in zip(sizes_in, sizes, strict=True):
        bounds = _bounds(n, m)
        width = max((end - start for start, end in bounds), default=1)
        index = np.array([[min(start + i, n - 1) for i in range(width)] for start, _ in bounds]).reshape(
            m, width
        )
        own = np.array([[start + i < end for i in range(width)] for start, end in bounds]).reshape(m, width)
        flat = (flat[:, None, :, None] * n + index[None, :, None, :]).reshape(flat.shape[0] * m, -1)
        valid = (valid[:, None, :, None] & own[None, :, None, :]).reshape(valid.shape[0] * m, -1)
    return flat, valid


def _adaptive_max_shape(input: Meta, sizes: Any) -> list[Meta]:
    shape = (*input.shape[: -len(sizes)], *sizes)
    return [input.with_shape(shape), meta_of(shape, dtypes.int64, input.device)]


@op(
    promote=KEEP,
    shape=_adaptive_max_shape,
    outputs=("values", "indices"),
    node=_node("AdaptiveMaxPool{}DBackward"),
)
def adaptive_maximum(xp: Any, input: Array, sizes: Any) -> tuple[Array, Array]:
    """Maxima over windows that divide each dimension as evenly as can be, and where in the plane they stand."""
    spatial = len(sizes)
    lead = input.shape[: input.ndim - spatial]
    if xp is not np and _equal_windows(input.shape[-spatial:], sizes)[0] is not None:
        return _equal_maximum(xp, input, sizes)
    flat, valid = _adaptive_index(input.shape[-spatial:], sizes)
    windows = input.reshape(*lead, math.prod(input.shape[-spatial:]))[..., flat]
    lowest = -np.inf if input.dtype.kind == "f" else np.iinfo(input.dtype).min
    windows = xp.where(xp.asarray(valid), windows, xp.asarray(lowest, input.dtype))
    values = windows.max(-1)
    place = _place_of(xp, windows, values)
    index = xp.take_along_axis(xp.broadcast_to(xp.asarray(flat), windows.shape), place[..., None], -1)[..., 0]
    return values.reshape(*lead, *sizes), index.reshape(*lead, *sizes)


# Up to so many elements a window's maximum is a fold over them: 49 take 1.4 ms, reduced 2.6.
_FOLDED = 64


def _place_of(xp: Any, rows: Array, values: Array) -> Array:
    """Where in each row its maximum stands first, and the last NaN if there is one: by a maximum of whole numbers, which XLA
    computes with the processor's whole width, as it does not its own search.
    """
    length = rows.shape[-1]
    numbers = xp.arange(length, dtype=np.int32)
    ranks = xp.where(rows == values[..., None], length - 1 - numbers, np.int32(-1))
    if rows.dtype.kind == "f":
        ranks = xp.where(xp.isnan(rows), length + numbers, ranks)
    rank = ranks.max(-1)
    return xp.where(rank >= length, rank - length, length - 1 - rank)


def _equal_maximum(xp: Any, input: Array, sizes: Any) -> tuple[Array, Array]:
    """`adaptive_maximum` in XLA where all windows have one size: no gathering."""
    spatial = len(sizes)
    lead = input.ndim - spatial
    sizes_in = input.shape[lead:]
    windows, split = _equal_windows(sizes_in, sizes)
    parts = input.reshape(*input.shape[:lead], *split)
    order = (*range(lead), *range(lead, parts.ndim, 2), *range(lead + 1, parts.ndim, 2))
    rows = xp.transpose(parts, order).reshape(*input.shape[:lead], *sizes, math.prod(windows))
    if rows.shape[-1] <= _FOLDED:
        values = functools.reduce(xp.maximum, (rows[..., number] for number in range(rows.shape[-1])))
    else:
        values = largest(xp, rows, rows.ndim - 1)[..., 0]
    values, place = _settled(xp, values, _place_of(xp, rows, values))
    if set(sizes) == {1}:
        return values, place.astype(np.int64)
    index: Any = 0
    inside = xp.unravel_index(place.astype(np.int64), windows)
    for i, (n, window) in enumerate(zip(sizes_in, windows, strict=True)):
        start = (np.arange(sizes[i]) * window).reshape((-1,) + (1,) * (spatial - 1 - i))
        index = index * n + start + inside[i]
    return values, index


@adaptive_maximum.gradient("input")
def _(xp: Any, g: Any, indices: Array, input_meta: Meta, sizes: Any) -> Array:
    spatial = len(sizes)
    rows = math.prod(input_meta.shape[:-spatial])
    plane = math.prod(input_meta.shape[-spatial:])
    index, cotangent = indices.reshape(rows, -1), g[0].reshape(rows, -1)
    if xp is not np and index.shape[1] == 1:
        here = xp.arange(plane, dtype=np.int32) == index.astype(np.int32)
        found = xp.where(here, cotangent, xp.zeros((), cotangent.dtype))
        return found.reshape(input_meta.shape)
    row = xp.arange(rows)[:, None]
    if xp is np:
        result = np.zeros((rows, plane), cotangent.dtype)
        np.add.at(result, (np.broadcast_to(row, index.shape), index), cotangent)
    else:
        result = xp.zeros((rows, plane), cotangent.dtype).at[row, index].add(cotangent)
    return result.reshape(input_meta.shape)


def _adaptive_max(name: str, count: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    sizes = adaptive_sizes(name, count, input, output_size)
    check_dtype(name, input._meta)
    values, indices = apply(adaptive_maximum, (input, sizes))
    return (values, indices) if return_indices else values


def _declare_adaptive_max(count: int) -> None:
    name = f"adaptive_max_pool{count}d"

    def pool(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
        return _adaptive_max(name, count, input, output_size, return_indices)

    def with_indices(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
        return _adaptive_max(name, count, input, output_size, True)

    pool.__name__ = pool.__qualname__ = name
    pool.__doc__ = "Maxima over windows such that the result has `output_size` places."
    with_indices.__name__ = with_indices.__qualname__ = f"{name}_with_indices"
    with_indices.__doc__ = f"`{name}` with the indices of the maxima."
    function(f"nn.functional.{name}", *([name] if count == 1 else []))(pool)
    function(f"nn.functional.{name}_with_indices")(with_indices)


for _count in (1, 2, 3):
    _declare_adaptive_max(_count)
