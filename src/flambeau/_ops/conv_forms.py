"""Convolutions in XLA, in the form that is fastest for their shape.

On a CPU its own kernels are good in one and two dimensions and for dense weights only. The other forms and their speed,
forward, input gradient and weight gradient beside the kernel's (two cores, float32, ms): one multiplication for each place
of the kernel, if each channel has a filter of its own (192 channels, 3x3, batch 16 of 28x28): 2.7, 5.2, 8.1, not 119, 113,
57; a sum of convolutions over two dimensions for three (16 channels, 3x3x3, batch 16 of 8x28x28): 17, 22, 39, not 83, 87,
115; the transposes of a matrix product, if windows lie side by side (3 to 384 channels, 16x16, batch 16 of 224x224): 13 and
14, not 294 and 15.

Also, on two AVX2 cores: the transpose of a strided convolution in its input is a dense convolution for each phase, 8.1 ms,
not 10.9 (64 to 128 channels, 3x3, stride 2, batch 32 of 32x32), except for few channels (3, 7x7: 31 ms beside 5.8). One channel
of input multiplied place by place takes 1.7 ms, not 5.5 (32 filters of 5x5, batch 64 of 28x28), but in a network whatever uses the
result does it all again, and a LeNet's step takes twice as long. A kernel of one place is a matrix product: the weight gradient
of 64 to 128 channels with stride 2 takes 1.3 ms, not 2.8. Winograd's weight gradient of 512 channels, batch 32 of 4x4, takes
9.7 ms, not 15.3. `benchmarks/forms.py` measures the forms by shape.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from flambeau._core import xla
from flambeau._core.declare import Array

Pairs = tuple[tuple[int, int], ...]
# Beyond so many places of the kernel (along the first dimension of three) XLA's own kernel is taken.
MOST_PLACES, MOST_PLANES = 64, 8
# With more phases (products of strides) or fewer channels the transpose of a strided convolution is not taken apart.
MOST_PHASES, PHASE_CHANNELS = 16, 64
# From so many elements on a weight is laid out for the kernel in two steps.
LARGE_WEIGHT = 1 << 20
# From so many channels on Winograd's weight gradient is faster.
WINOGRAD_CHANNELS = 256


def convolve(x: Array, w: Array, stride: Any, padding: Pairs, dilation: Any, groups: int) -> Array:
    """Input `(N, C, *)` and weight `(O, C / groups, *)` to `(N, O, *)`."""
    return _form(w.shape, stride, padding, dilation, groups, False)(x, w, stride, padding, dilation, groups)


def input_gradient(
    g: Array, w: Array, shape: Any, stride: Any, padding: Pairs, dilation: Any, groups: int
) -> Array:
    """The transpose of `convolve` in its input, of shape `shape`."""
    form = _form(w.shape, stride, padding, dilation, groups, True)
    strided = 1 < math.prod(stride) <= MOST_PHASES and w.shape[1] >= PHASE_CHANNELS
    if form is _dense and xla.for_cpu() and groups == 1 and strided and set(dilation) == {1}:
        return _by_phases(g, w, shape, stride, padding)
    # With much output padding the convolution back has more windows than `g` has cotangents for: those are zero.
    reach = [d * (k - 1) + 1 for k, d in zip(w.shape[2:], dilation, strict=True)]
    more = [
        (n + low + high - r) // s + 1 - m
        for n, (low, high), r, s, m in zip(shape[2:], padding, reach, stride, g.shape[2:], strict=True)
    ]
    if any(more):
        g = jnp.pad(g, ((0, 0), (0, 0), *((0, n) for n in more)))
    like = jax.ShapeDtypeStruct(shape, g.dtype)
    transpose = jax.linear_transpose(lambda x: form(x, w, stride, padding, dilation, groups), like)
    found: Array = transpose(g)[0]
    return found


def weight_gradient(
    g: Array, x: Array, shape: Any, stride: Any, padding: Pairs, dilation: Any, groups: int
) -> Array:
    """The transpose of `convolve` in its weight, of shape `shape`."""
    form = _form(shape, stride, padding, dilation, groups, True)
    if (
        form is _dense
        and xla.for_cpu()
        and groups == 1
        and _is_for_winograd(shape, stride, dilation, g.dtype)
    ):
        return _weights_by_winograd(g, x, padding)
    like = jax.ShapeDtypeStruct(shape, g.dtype)
    transpose = jax.linear_transpose(lambda w: form(x, w, stride, padding, dilation, groups), like)
    found: Array = transpose(g)[0]
    return found


def _form(
    shape: Any, stride: Any, padding: Pairs, dilation: Any, groups: int, transposing: bool
) -> Callable[..., Array]:
    """A convolution by a weight of this shape, linear in both arguments, for `jax.linear_transpose`.

    Args:
        transposing: that the transpose is what is wanted.
    """
    kernel = shape[2:]
    if not xla.for_cpu():
        return _dense
    if shape[1] == 1 and groups > 1 and math.prod(kernel) <= MOST_PLACES:
        return _channel_by_channel
    if groups == 1 and _side_by_side(kernel, stride, padding, dilation) and (transposing or len(kernel) == 3):
        return _patches
    if math.prod(kernel) == 1 and groups == 1 and not any(map(any, padding)):
        return _pointwise
    if len(kernel) == 3 and kernel[0] <= MOST_PLANES:
        return _plane_by_plane
    return _dense


def _dense(x: Array, w: Array, stride: Any, padding: Pairs, dilation: Any, groups: int) -> Array:
    """XLA's own, channels last inside: its CPU kernels are up to a third faster there (docs/performance.md)."""
    found = _channels_last(jnp.moveaxis(x, 1, -1), w, stride, padding, dilation, groups)
    return jnp.moveaxis(found, -1, 1).astype(x.dtype)


def _channels_last(x: Array, w: Array, stride: Any, padding: Pairs, dilation: Any, groups: int) -> Array:
    spatial = "DHW"[5 - x.ndim :]
    narrow = x.dtype.itemsize < 4 and x.dtype.kind in "fV"
    w = jnp.moveaxis(w, (0, 1), (-2, -1))
    if w.size >= LARGE_WEIGHT:
        # In one step XLA's loop would read at strides that share a few lines of the cache: 7 ms for 512 channels, not 2.
        w = lax.optimization_barrier(w)
    return lax.conv_general_dilated(
        x, jnp.swapaxes(w, -2, -1), stride, padding, rhs_dilation=dilation,
        dimension_numbers=(f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"), feature_group_count=groups,
        preferred_element_type=np.float32 if narrow else None,
    )  # fmt: skip


def _channel_by_channel(x: Array, w: Array, stride: Any, padding: Pairs, dilation: Any, groups: int) -> Array:
    """Where each channel has filters of its own: the input under each place of the kernel, times that weight."""
    kernel, dtype = w.shape[2:], x.dtype
    x, w = _wide(x), _wide(w)
    if w.shape[0] > groups:
        x = jnp.repeat(x, w.shape[0] // groups, axis=1)
    x = jnp.pad(x, ((0, 0), (0, 0), *padding))
    sizes = _output_sizes(x.shape[2:], kernel, stride, dilation)
    found: Any = 0
    for offset in itertools.product(*map(range, kernel)):
        where = tuple(
            slice(o * d, o * d + s * (n - 1) + 1, s)
            for o, d, s, n in zip(offset, dilation, stride, sizes, strict=True)
        )
        weight = w[(slice(None), 0, *offset)].reshape(-1, *(1,) * len(kernel))
        found = found + x[(slice(None), slice(None), *where)] * weight
    return found.astype(dtype)


def _wide(x: Array) -> Array:
    """16-bit floats as float32, in which they are added up."""
    return x.astype(np.float32) if x.dtype.itemsize < 4 and x.dtype.kind in "fV" else x


def _output_sizes(sizes: Any, kernel: Any, stride: Any, dilation: Any) -> tuple[int, ...]:
    return tuple(
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True)
    )


def _plane_by_plane(x: Array, w: Array, stride: Any, padding: Pairs, dilation: Any, groups: int) -> Array:
    """Three dimensions as two: for each plane of the kernel a convolution of all planes of the input that it meets."""
    x = jnp.moveaxis(jnp.pad(x, ((0, 0), (0, 0), padding[0], (0, 0), (0, 0))), 1, -1)
    (depth,) = _output_sizes(x.shape[1:2], w.shape[2:3], stride[:1], dilation[:1])
    found: Any = 0
    for plane in range(w.shape[2]):
        start = plane * dilation[0]
        met = x[:, start : start + stride[0] * (depth - 1) + 1 : stride[0]]
        flat = met.reshape(-1, *x.shape[2:])
        found = found + _channels_last(flat, w[:, :, plane], stride[1:], padding[1:], dilation[1:], groups)
    return jnp.moveaxis(found.reshape(x.shape[0], depth, *found.shape[1:]), -1, 1).astype(x.dtype)


def _side_by_side(kernel: Any, stride: Any, padding: Pairs, dilation: Any) -> bool:
    """Whether the windows touch each other without overlap or padding."""
    return (
        tuple(kernel) == tuple(stride)
        and math.prod(kernel) > 1
        and not any(map(any, padding))
        and set(dilation) == {1}
    )


def _patches(x: Array, w: Array, stride: Any, padding: Pairs, dilation: Any, groups: int) -> Array:
    """A product of the weight with the input cut into patches."""
    kernel, spatial, dtype = w.shape[2:], w.ndim - 2, x.dtype
    x, w = _wide(x), _wide(w)
    sizes = [n // k for n, k in zip(x.shape[2:], kernel, strict=True)]
    x = x[(slice(None), slice(None), *[slice(n * k) for n, k in zip(sizes, kernel, strict=True)])]
    x = x.reshape(*x.shape[:2], *itertools.chain(*zip(sizes, kernel, strict=True)))
    x = jnp.transpose(x, (0, *range(2, 2 + 2 * spatial, 2), 1, *range(3, 3 + 2 * spatial, 2)))
    found = x.reshape(-1, math.prod(w.shape[1:])) @ w.reshape(w.shape[0], -1).T
    return jnp.moveaxis(found.reshape(x.shape[0], *sizes, w.shape[0]), -1, 1).astype(dtype)


def _pointwise(x: Array, w: Array, stride: Any, padding: Pairs, dilation: Any, groups: int) -> Array:
    """A kernel of one place: a matrix product."""
    dtype = x.dtype
    x = jnp.moveaxis(_wide(x), 1, -1)
    x = x[(slice(None), *(slice(None, None, s) for s in stride))]
    found = x.reshape(-1, x.shape[-1]) @ _wide(w).reshape(w.shape[:2]).T
    return jnp.moveaxis(found.reshape(*x.shape[:-1], w.shape[0]), -1, 1).astype(dtype)


def _by_phases(g: Array, w: Array, shape: Any, stride: Any, padding: Pairs) -> Array:
    """The transpose of a strided convolution in its input: a dense convolution for each place modulo the stride.

    Place `i` of the padded input meets tap `k` of window `j` where `i = j * s + k`, so places of one phase meet the taps
    of that phase only, and no cotangents have to be spread out with zeros between them.
    """
    spatial = len(stride)
    back = jnp.swapaxes(w, 0, 1)
    counts = [-(-n // s) for n, s in zip(shape[2:], stride, strict=True)]
    ones = (1,) * spatial

    def phase(offsets: tuple[int, ...]) -> Array:
        taps, pads = [], []
        for offset, count, k, s, (low, _), m in zip(
            offsets, counts, w.shape[2:], stride, padding, g.shape[2:], strict=True
        ):
            first, shift = (offset + low) % s, (offset + low) // s
            taps.append(slice(first, None, s))
            reach = len(range(first, k, s))
            pads.append((reach - 1 - shift, count + shift - m))
        own = jnp.flip(back[(slice(None), slice(None), *taps)], range(2, 2 + spatial))
        if not own.size:
            return jnp.zeros((*shape[:2], *counts), g.dtype)
        # Cotangents that no place meets are cut off.
        meets = tuple(slice(max(-a, 0), m - max(-b, 0)) for (a, b), m in zip(pads, g.shape[2:], strict=True))
        pads = [(max(a, 0), max(b, 0)) for a, b in pads]
        return convolve(g[(slice(None), slice(None), *meets)], own, ones, tuple(pads), ones, 1)

    def woven(offsets: tuple[int, ...]) -> Array:
        """All phases that begin so, woven along the dimensions after these."""
        along = len(offsets)
        if along == spatial:
            return phase(offsets)
        axis = 2 + along
        rows = jnp.stack([woven((*offsets, number)) for number in range(stride[along])], axis + 1)
        return rows.reshape(*rows.shape[:axis], -1, *rows.shape[axis + 2 :])

    return woven(())[tuple(slice(n) for n in shape)]


def _is_for_winograd(shape: Any, stride: Any, dilation: Any, dtype: Any) -> bool:
    return (
        shape[2:] == (3, 3)
        and set(stride) == set(dilation) == {1}
        and min(shape[:2]) >= WINOGRAD_CHANNELS
        and dtype in (np.float32, np.float64)
    )


def _weights_by_winograd(g: Array, x: Array, padding: Pairs) -> Array:
    """The weight gradient of a 3x3 convolution by 16 products for every four cotangents of a channel, not 36.

    Source: Lavin and Gray 2016, arXiv:1509.09308: F(3x3, 2x2).
    """
    sizes = g.shape[2:]
    tiles = [-(-n // 2) for n in sizes]
    around = [(low, 2 * t + 2 - n - low) for n, t, (low, _) in zip(x.shape[2:], tiles, padding, strict=True)]
    x = lax.pad(
        jnp.moveaxis(x, 1, -1), np.zeros((), x.dtype), [(0, 0, 0), *[(*a, 0) for a in around], (0, 0, 0)]
    )
    g = jnp.pad(jnp.moveaxis(g, 1, -1), ((0, 0), *[(0, n % 2) for n in sizes], (0, 0)))

    def of_input(d: Sequence[Array]) -> list[Array]:
        return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]

    def of_cotangent(d: Sequence[Array]) -> list[Array]:
        return [d[0], d[0] + d[1], d[0] - d[1], -d[1]]

    def to_weight(d: Sequence[Array]) -> list[Array]:
        even, odd = (d[1] + d[2]) / 2, (d[1] - d[2]) / 2
        return [d[0] + even, odd, even + d[3]]

    def transformed(image: Array, size: int, transform: Callable[[Sequence[Array]], list[Array]]) -> Array:
        """For each of the 16 products, rows of the image's channels."""
        ends = [i + 2 * t - 1 for i in range(size) for t in tiles]
        rows = transform([image[:, i : ends[2 * i] : 2] for i in range(size)])
        parts = [
            part for row in rows
            for part in transform([row[:, :, i : ends[2 * i + 1] : 2] for i in range(size)])
        ]  # fmt: skip
        return jnp.stack([part.reshape(-1, part.shape[-1]) for part in parts])

    # Without the barriers XLA computes the sums anew for each of the products' blocks.
    left, right = lax.optimization_barrier((transformed(g, 2, of_cotangent), transformed(x, 4, of_input)))
    product = lax.optimization_barrier(jnp.swapaxes(left, 1, 2) @ right)
    rows = [to_weight([product[4 * i + j] for i in range(4)]) for j in range(4)]
    taps = [to_weight([row[i] for row in rows]) for i in range(3)]
    return jnp.moveaxis(jnp.stack([jnp.stack(row) for row in taps]), (0, 1), (2, 3))
