"""Less common pools: unpooling, pools of random regions (fractional), and pools by a norm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import Array, Index
from flambeau._core.dispatch import apply, function, op
from flambeau._core.random import default_generator
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, Value, meta_of
from flambeau._ops.bounds import when_known
from flambeau._ops.pool import avg_pool1d, avg_pool2d, avg_pool3d
from flambeau._ops.random import drawn

# -- flat places -----------------------------------------------------------------------------------


def _rows(xp: Any, indices: Array, places: int) -> Array:
    """Places within each image as places within all of them, flat."""
    lead = indices.shape[0] if indices.ndim == 2 else 0
    return (indices + np.arange(lead)[:, None] * places).reshape(-1)


def _put(xp: Any, values: Array, indices: Array, places: int, add: bool) -> Array:
    """Rows of zeros with the values at their indices, added up or the last one kept."""
    total = xp.zeros(values.shape[0] * places, values.dtype)
    where = _rows(xp, indices, places)
    if xp is np:
        if add:
            np.add.at(total, where, values.reshape(-1))
        else:
            total[where] = values.reshape(-1)
    else:
        at = total.at[where]
        total = at.add(values.reshape(-1)) if add else at.set(values.reshape(-1))
    return total.reshape(values.shape[0], places)


def _as_rows(array: Array, spatial: int) -> Array:
    return array.reshape(math.prod(array.shape[:-spatial]), math.prod(array.shape[-spatial:]))


# -- unpooling -------------------------------------------------------------------------------------


def _unpool_shape(input: Meta, indices: Meta, sizes: Any, stride: Any, padding: Any) -> tuple[int, ...]:
    spatial = len(sizes)
    if indices.dtype is not dtypes.int64:
        got = f" but got: {indices.dtype.scalar_type}" if spatial == 2 else ""
        raise RuntimeError(f"elements in indices should be type int64{got}")
    if input.ndim not in (spatial + 1, spatial + 2):
        raise RuntimeError(
            f"Input to max_unpooling{spatial}d should be a {spatial + 1}d or {spatial + 2}d Tensor, but got "
            "a tensor with "
            f"{input.ndim} dimensions."
        )
    if input.shape != indices.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) but got "
            "indices "
            f"tensor with shape: {list(indices.shape)}"
        )
    if spatial == 3 and min(stride) <= 0:
        raise RuntimeError(f"strides should be greater than zero, but got stride: {list(stride)}")
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"max_unpool{spatial}d\" not implemented for '{input.dtype.scalar_type}'")
    return (*input.shape[:-spatial], *sizes)


def _check_places(input: Value, indices: Value, sizes: Any, stride: Any, padding: Any) -> None:
    if indices.meta.device.type == "meta" or not indices.meta.numel:
        return

    def check(known: Value) -> None:
        found = known.numpy()
        bad = found[(found < 0) | (found >= math.prod(sizes))]
        if bad.size:
            shown = (
                f"{sizes[1]}x{sizes[0]}" if len(sizes) == 2 and sizes[1] == 1 else "x".join(map(str, sizes))
            )
            raise RuntimeError(f"Found an invalid max index: {bad[0]} (output volumes are of size {shown})")

    when_known(indices, check, at_once=True)


@op(shape=_unpool_shape, check=_check_places, node=lambda inputs: f"MaxUnpool{inputs[0].ndim - 2}DBackward")
def max_unpool(xp: Any, input: Array, indices: Index, sizes: Any, stride: Any, padding: Any) -> Array:
    """Zeros, and each value at its index."""
    spatial = len(sizes)
    found = _put(xp, _as_rows(input, spatial), _as_rows(indices, spatial), math.prod(sizes), add=False)
    return found.reshape(*input.shape[:-spatial], *sizes)


@max_unpool.gradient("input")
def _(xp: Any, g: Array, indices: Array, sizes: Any) -> Array:
    spatial = len(sizes)
    return xp.take_along_axis(_as_rows(g, spatial), _as_rows(indices, spatial), 1).reshape(indices.shape)


def _tuple(value: Any, count: int) -> tuple[int, ...]:
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * count
    return tuple(int(v) for v in values)


def _unpool_sizes(input: Tensor, kernel: Any, stride: Any, padding: Any, output_size: Any) -> tuple[int, ...]:
    spatial = len(kernel)
    sizes = tuple(input.shape[-spatial:]) if input.ndim >= spatial else ()
    default = tuple((sizes[i] - 1) * stride[i] + kernel[i] - 2 * padding[i] for i in range(spatial))
    if output_size is None:
        return default
    wanted = tuple(output_size)
    if len(wanted) == spatial + 2:
        wanted = wanted[2:]
    if len(wanted) != spatial:
        raise ValueError(
            f"output_size should be a sequence containing {spatial} or {spatial + 2} elements, but it has a "
            "length of "
            f"'{len(wanted)}'"
        )
    for i in range(spatial):
        low, high = default[i] - stride[i], default[i] + stride[i]
        if not low < wanted[i] < high:
            raise ValueError(f'invalid output_size "{wanted}" (dim {i} must be between {low} and {high})')
    return wanted


def _unpool(
    spatial: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
) -> Tensor:
    kernel, pad = _tuple(kernel_size, spatial), _tuple(padding, spatial)
    step = kernel if stride is None else _tuple(stride, spatial)
    sizes = _unpool_sizes(input, kernel[:spatial], step, pad, output_size)
    if spatial == 1:
        if input.ndim not in (2, 3):
            raise RuntimeError(
                "Input to max_unpooling2d should be a 3d or 4d Tensor, but got a tensor with "
                f"{input.ndim + 1} dimensions."
            )
        flat = apply(max_unpool, (input.unsqueeze(-1), indices.unsqueeze(-1), (*sizes, 1), step, pad))  # type: ignore[attr-defined]
        return flat.squeeze(-1)
    return apply(max_unpool, (input, indices, sizes, step, pad))


@function("nn.functional.max_unpool1d")
def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Puts the maxima of `max_pool1d` back where they were, with zeros between.

    Args:
        indices: from `max_pool1d(..., return_indices=True)`.
        output_size: tells apart the input sizes that pool to the same size.
    """
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


@function("nn.functional.max_unpool2d")
def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Puts the maxima of `max_pool2d` back where they were; see `max_unpool1d`."""
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


@function("nn.functional.max_unpool3d")
def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Puts the maxima of `max_pool3d` back where they were; see `max_unpool1d`."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


# -- pools by a norm -------------------------------------------------------------------------------


def _lp(input: Tensor, pooled: Any, norm_type: float, places: int) -> Tensor:
    mean = pooled(input.pow(norm_type))  # type: ignore[attr-defined]
    total = mean.sign() * mean.abs().relu()
    return (total * places).pow(1.0 / norm_type)


@function("nn.functional.lp_pool1d")
def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: int, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The norm of each window: `sum(x ** norm_type) ** (1 / norm_type)`."""
    size = kernel_size if isinstance(kernel_size, int) else kernel_size[0]
    return _lp(input, lambda x: avg_pool1d(x, kernel_size, stride, 0, ceil_mode), norm_type, size)


@function("nn.functional.lp_pool2d")
def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The norm of each window: `sum(x ** norm_type) ** (1 / norm_type)`."""
    places = math.prod(_tuple(kernel_size, 2))
    return _lp(input, lambda x: avg_pool2d(x, kernel_size, stride, 0, ceil_mode), norm_type, places)


@function("nn.functional.lp_pool3d")
def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The norm of each window: `sum(x ** norm_type) ** (1 / norm_type)`."""
    places = math.prod(_tuple(kernel_size, 3))
    return _lp(input, lambda x: avg_pool3d(x, kernel_size, stride, 0, ceil_mode), norm_type, places)


# -- fractional pools ------------------------------------------------------------------------------


def _starts(xp: Any, sample: Array, size: int, wanted: int, pool: int) -> Array:
    """Where the regions of a dimension start (Graham 2014, pseudo-random sequences)."""
    if wanted == 1:
        return xp.full((*sample.shape, 1), size - pool, np.int64)
    step = np.asarray((size - pool) / (wanted - 1), sample.dtype)
    places = np.arange(wanted - 1, dtype=sample.dtype)
    moved = ((places + sample[..., None]) * step).astype(np.int64) - (sample[..., None] * step).astype(
        np.int64
    )
    last = xp.full((*sample.shape, 1), size - pool, np.int64)
    return xp.concatenate([moved, last], -1)


def _region_places(xp: Any, samples: Array, sizes: Any, kernel: Any, wanted: Any) -> Array:
    """For each region, the places in it: `(N, C, regions, places)`."""
    spatial = len(sizes)
    # In two dimensions the width's sample comes first.
    order = range(spatial) if spatial == 3 else (1, 0)
    index: Any = 0
    for i, at in enumerate(order):
        starts = _starts(xp, samples[..., at], sizes[i], wanted[i], kernel[i])
        own = starts[..., None] + np.arange(kernel[i])
        shape = list(samples.shape[:2]) + [1] * (2 * spatial)
        shape[2 + i], shape[2 + spatial + i] = wanted[i], kernel[i]
        index = index * sizes[i] + own.reshape(shape)
    return index.reshape(*samples.shape[:2], math.prod(wanted), math.prod(kernel))


def _fractional_shape(input: Meta, samples: Meta, kernel: Any, wanted: Any) -> list[Meta]:
    shape = (*input.shape[: -len(kernel)], *wanted)
    return [input.with_shape(shape), meta_of(shape, dtypes.int64, input.device)]


def _fractional_node(inputs: Any) -> str:
    return f"FractionalMaxPool{inputs[1].shape[-1]}DBackward"


@op(shape=_fractional_shape, outputs=("values", "indices"), node=_fractional_node)
def fractional_max_pool(
    xp: Any, input: Array, samples: Index, kernel: Any, wanted: Any
) -> tuple[Array, Array]:
    """The maximum of each region, and its place in the image."""
    spatial = len(kernel)
    sizes = input.shape[-spatial:]
    places = _region_places(xp, samples, sizes, kernel, wanted)
    flat = input.reshape(*samples.shape[:2], 1, math.prod(sizes))
    values = xp.take_along_axis(xp.broadcast_to(flat, (*places.shape[:3], flat.shape[3])), places, 3)
    best = xp.where(xp.isnan(values), np.inf, values).argmax(3)[..., None]
    shape = (*input.shape[:-spatial], *wanted)
    return (
        xp.take_along_axis(values, best, 3).reshape(shape),
        xp.take_along_axis(places, best, 3).reshape(shape),
    )


@fractional_max_pool.gradient("input")
def _(xp: Any, g: Any, indices: Array, input_meta: Meta, kernel: Any) -> Array:
    spatial = len(kernel)
    places = math.prod(input_meta.shape[-spatial:])
    return _put(xp, _as_rows(g[0], spatial), _as_rows(indices, spatial), places, add=True).reshape(
        input_meta.shape
    )


def _check_fractional(input: Tensor, kernel: Any, wanted: Any, spatial: int) -> None:
    name = f"fractional_max_pool{spatial}d"
    several = "tuple of Ints" if spatial == 2 else "tuple of three Ints"
    for what, values in (("kernel_size", kernel), ("output_size", wanted)):
        if len(values) != spatial:
            raise RuntimeError(f"{name}: {what} must either be a single Int or {several}")
    if input.ndim not in (spatial + 1, spatial + 2):
        raise RuntimeError(
            f"{name}(): Expected {spatial + 1}D or {spatial + 2}D tensor, but got: {list(input.shape)}"
        )
    for i in range(input.ndim - spatial - 1, input.ndim):
        if input.shape[i] == 0:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but "
                f"got{list(input.shape)} "
                f"with dimension {i} being empty."
            )
    words = ("height", "width") if spatial == 2 else ("time", "height", "width")
    own = name if spatial == 2 else name + "_out"
    for word, size, k, n in zip(words, input.shape[-spatial:], kernel, wanted, strict=True):
        # PyTorch asks for one place more in three dimensions.
        if n + k - 1 + (spatial == 3) > size:
            raise RuntimeError(f"{own}(): pool {word} {k} too large relative to input {word} {size}")


def _check_samples(samples: Tensor, input: Tensor, spatial: int) -> None:
    batch = input.shape[0] if input.ndim == spatial + 2 else 1
    if samples.dtype is not input.dtype:
        raise RuntimeError("Expect _random_samples to have the same dtype as input")
    if samples.ndim != 3:
        raise RuntimeError(f"Expect _random_samples to have 3 dimensions, got {samples.ndim}")
    if samples.shape[0] < batch:
        raise RuntimeError("Expect _random_samples.size(0) no less then input batch size.")
    if samples.shape[1] != input.shape[-spatial - 1]:
        raise RuntimeError("Expect _random_samples.size(1) equals to input channel size.")
    if samples.shape[2] != spatial:
        raise RuntimeError(f"Expect _random_samples.size(2) equals to {spatial}; got {samples.shape[2]}.")


def _fractional(
    spatial: int, input: Tensor, kernel_size: Any, output_size: Any, output_ratio: Any, samples: Tensor | None
) -> tuple[Tensor, Tensor]:
    name = f"fractional_max_pool{spatial}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if output_size is None:
        if len(output_ratio) > spatial:
            raise ValueError(f"{name} requires output_ratio to either be a single Int or tuple of Ints.")
        output_size = [int(input.shape[i - spatial] * output_ratio[i]) for i in range(spatial)]
    kernel, wanted = _tuple(kernel_size, spatial), _tuple(output_size, spatial)
    lead = (1, *input.shape[:1]) if input.ndim == spatial + 1 else tuple(input.shape[:2])
    if samples is None:
        if input.ndim < spatial + 1:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-input.ndim}, {input.ndim - 1}], but "
                "got "
                f"{-spatial - 1})"
            )
        if not input.is_floating_point():
            raise NotImplementedError(
                f"\"check_uniform_bounds\" not implemented for '{input.dtype.scalar_type}'"
            )
        meta = input._meta.with_shape((*lead, spatial))
        samples = drawn(lambda batch: default_generator.uniform((*batch, *meta.shape), dtype=meta.np), meta)
    _check_fractional(input, kernel, wanted, spatial)
    _check_samples(samples, input, spatial)
    if samples.shape[0] != lead[0]:
        samples = samples[: lead[0]]
    return apply(fractional_max_pool, (input, samples, kernel, wanted))


@function("nn.functional.fractional_max_pool2d_with_indices")
def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool2d` with the places of the maxima."""
    return _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)


@function("nn.functional.fractional_max_pool2d")
def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The maxima of regions that are spread at random, so that any size can be had.

    Args:
        kernel_size: size of a region.
        output_size, output_ratio: how many regions, or what share of the input's sizes; one of the two.

    Source: Graham 2014, arXiv:1412.6071.
    """
    found = _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return found if return_indices else found[0]


@function("nn.functional.fractional_max_pool3d_with_indices")
def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool3d` with the places of the maxima."""
    return _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)


@function("nn.functional.fractional_max_pool3d")
def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The maxima of regions that are spread at random; see `fractional_max_pool2d`."""
    found = _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return found if return_indices else found[0]
