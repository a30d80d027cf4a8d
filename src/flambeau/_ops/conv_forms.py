"""Convolutions in XLA, in the form that is fastest for their shape.

On a CPU its own kernels are good in one and two dimensions and for dense weights only. The other forms and their speed,
forward, input gradient and weight gradient beside the kernel's (two cores, float32, ms): one multiplication for each place
of the kernel, if each channel has a filter of its own (192 channels, 3x3, batch 16 of 28x28): 2.7, 5.2, 8.1, not 119, 113,
57; a sum of convolutions over two dimensions for three (16 channels, 3x3x3, batch 16 of 8x28x28): 17, 22, 39, not 83, 87,
115; the transposes of a matrix product, if windows lie side by side (3 to 384 channels, 16x16, batch 16 of 224x224): 13 and
14, not 294 and 15.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from flambeau._core import xla
from flambeau._core.declare import Array

Pairs = tuple[tuple[int, int], ...]
# Beyond so many places of the kernel (along the first dimension of three) XLA's own kernel is taken.
MOST_PLACES, MOST_PLANES = 64, 8


def convolve(
    x: Array, w: Array, stride: Any, padding: Pairs, dilation: Any, groups: int, transposing: bool
) -> Array:
    """Input `(N, C, *)` and weight `(O, C / groups, *)` to `(N, O, *)`; linear in both, for `jax.linear_transpose`.

    Args:
        transposing: that the transpose is what is wanted.
    """
    form = _dense
    if xla.for_cpu():
        kernel = w.shape[2:]
        if w.shape[1] == 1 and groups > 1 and math.prod(kernel) <= MOST_PLACES:
            form = _channel_by_channel
        elif (
            groups == 1
            and _side_by_side(kernel, stride, padding, dilation)
            and (transposing or len(kernel) == 3)
        ):
            form = _patches
        elif len(kernel) == 3 and kernel[0] <= MOST_PLANES:
            form = _plane_by_plane
    return form(x, w, stride, padding, dilation, groups).astype(x.dtype)


def _dense(x: Array, w: Array, stride: Any, padding: Pairs, dilation: Any, groups: int) -> Array:
    """XLA's own, channels last inside: its CPU kernels are up to a third faster there (docs/performance.md)."""
    found = _channels_last(jnp.moveaxis(x, 1, -1), w, stride, padding, dilation, groups)
    return jnp.moveaxis(found, -1, 1)


def _channels_last(x: Array, w: Array, stride: Any, padding: Pairs, dilation: Any, groups: int) -> Array:
    spatial = "DHW"[5 - x.ndim :]
    narrow = x.dtype.itemsize < 4 and x.dtype.kind in "fV"
    return lax.conv_general_dilated(
        x, jnp.moveaxis(w, (1, 0), (-2, -1)), stride, padding, rhs_dilation=dilation,
        dimension_numbers=(f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"), feature_group_count=groups,
        preferred_element_type=np.float32 if narrow else None,
    )  # fmt: skip


def _channel_by_channel(x: Array, w: Array, stride: Any, padding: Pairs, dilation: Any, groups: int) -> Array:
    """Where each channel has filters of its own: the input under each place of the kernel, times that weight."""
    kernel = w.shape[2:]
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
    return found


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
    return jnp.moveaxis(found.reshape(x.shape[0], depth, *found.shape[1:]), -1, 1)


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
    kernel, spatial = w.shape[2:], w.ndim - 2
    x, w = _wide(x), _wide(w)
    sizes = [n // k for n, k in zip(x.shape[2:], kernel, strict=True)]
    x = x[(slice(None), slice(None), *[slice(n * k) for n, k in zip(sizes, kernel, strict=True)])]
    x = x.reshape(*x.shape[:2], *itertools.chain(*zip(sizes, kernel, strict=True)))
    x = jnp.transpose(x, (0, *range(2, 2 + 2 * spatial, 2), 1, *range(3, 3 + 2 * spatial, 2)))
    found = x.reshape(-1, math.prod(w.shape[1:])) @ w.reshape(w.shape[0], -1).T
    return jnp.moveaxis(found.reshape(x.shape[0], *sizes, w.shape[0]), -1, 1)
