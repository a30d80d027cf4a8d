"""Resizing images and the like: `interpolate` and its older names.

Each dimension is resized on its own. Its new places are weighted means of a few old ones (taps); which ones
and with which
weights depends on sizes alone, so it is worked out in NumPy once for each pair of sizes.
"""

from __future__ import annotations

import functools
import math
import warnings
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import Array
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

# -- taps of one dimension -------------------------------------------------------------------------


def _step(size: int, wanted: int, align_corners: bool, scale: float | None, real: Any) -> Any:
    """How far apart new places are in the old ones' unit, in the precision that PyTorch computes it in."""
    if align_corners:
        return real(size - 1) / real(wanted - 1) if wanted > 1 else real(0)
    if scale is not None and scale > 0:
        return real(1.0 / scale)
    return real(size) / real(wanted)


def _nearest(size: int, wanted: int, step: Any, exact: bool) -> tuple[np.ndarray, np.ndarray]:
    places = np.arange(wanted, dtype=step.dtype)
    source = (places + step.dtype.type(0.5)) * step if exact else places * step
    index = np.minimum(np.floor(source).astype(np.int64), size - 1)
    return index[:, None], np.ones((wanted, 1))


def _source(wanted: int, step: Any, align_corners: bool) -> np.ndarray:
    places = np.arange(wanted, dtype=step.dtype)
    half = step.dtype.type(0.5)
    return places * step if align_corners else step * (places + half) - half


def _linear(size: int, wanted: int, step: Any, align_corners: bool) -> tuple[np.ndarray, np.ndarray]:
    source = np.maximum(_source(wanted, step, align_corners), 0)
    low = np.minimum(source.astype(np.int64), size - 1)
    high = np.minimum(low + 1, size - 1)
    share = np.clip(source - low, 0, 1).astype(step.dtype)
    return np.stack([low, high], 1), np.stack([1 - share, share], 1)


def cubic_weights(xp: Any, t: Any, a: float = -0.75) -> list[Any]:
    """Weights of the four places around a point that is `t` past the second (Keys 1981)."""

    def near(x: Any) -> Any:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Any) -> Any:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _cubic(size: int, wanted: int, step: Any, align_corners: bool) -> tuple[np.ndarray, np.ndarray]:
    source = _source(wanted, step, align_corners)
    low = np.floor(source).astype(np.int64)
    weights = np.stack(cubic_weights(np, source - low.astype(step.dtype)), 1)
    return np.clip(low[:, None] + np.arange(-1, 3), 0, size - 1), weights


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - abs(x), 0)


def _keys(x: np.ndarray) -> np.ndarray:
    a, x = -0.5, abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)


# For each mode: the filter, and how many old places it spans.
_FILTERS = {"bilinear": (_triangle, 2), "bicubic": (_keys, 4), "lanczos": (_lanczos, 6)}


def _antialiased(size: int, wanted: int, step: Any, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Taps of a filter that is as wide as a new place: what is between new places counts, too."""
    weigh, width = _FILTERS[mode]
    stretch = max(float(step), 1.0)
    support = width * 0.5 * stretch
    center = float(step) * (np.arange(wanted) + 0.5)
    first = np.maximum((center - support + 0.5).astype(np.int64), 0)
    last = np.minimum((center + support + 0.5).astype(np.int64), size)
    taps = np.arange(int((last - first).max()))
    index = first[:, None] + taps
    weights = np.where(index < last[:, None], weigh((index - center[:, None] + 0.5) / stretch), 0)
    total = weights.sum(1, keepdims=True)
    return np.minimum(index, size - 1), weights / np.where(total == 0, 1, total)


@functools.lru_cache(512)
def _taps(
    size: int, wanted: int, mode: str, align_corners: bool, scale: float | None, antialias: bool, wide: bool
) -> tuple[np.ndarray, np.ndarray]:
    """For each new place (row) the old ones that it is made of, and their weights."""
    step = np.asarray(_step(size, wanted, align_corners, scale, np.float64 if wide else np.float32))
    if antialias:
        return _antialiased(size, wanted, step, mode)
    if mode.startswith("nearest"):
        return _nearest(size, wanted, step, mode == "nearest-exact")
    return (_cubic if mode == "bicubic" else _linear)(size, wanted, step, align_corners)


@functools.lru_cache(512)
def _matrix(size: int, wanted: int, *how: Any) -> np.ndarray:
    """The same as a matrix with a row for each new place."""
    index, weights = _taps(size, wanted, *how)
    matrix = np.zeros((wanted, size))
    np.add.at(matrix, (np.arange(wanted)[:, None], index), weights)
    return matrix


# -- the operation ---------------------------------------------------------------------------------

# Beyond these, one product with a matrix is faster than adding up taps.
_MOST_TAPS = 4


def _times_matrix(xp: Any, x: Array, matrix: np.ndarray, axis: int) -> Array:
    """Each column of `x` along `axis` times the matrix."""
    weights = xp.asarray(matrix.astype(x.dtype))
    if axis == x.ndim - 1:
        return xp.matmul(x, weights.T)
    return xp.moveaxis(xp.matmul(xp.moveaxis(x, axis, -1), weights.T), -1, axis)


def _resize(xp: Any, x: Array, axis: int, wanted: int, how: tuple[Any, ...]) -> Array:
    size = x.shape[axis]
    index, weights = _taps(size, wanted, *how)
    if index.shape[1] == 1:
        return _repeat(xp, x, axis, wanted, index[:, 0])
    if index.shape[1] > _MOST_TAPS:
        return _times_matrix(xp, x, _matrix(size, wanted, *how), axis)
    total = None
    for tap in range(index.shape[1]):
        weight = xp.asarray(weights[:, tap].astype(x.dtype)).reshape((wanted,) + (1,) * (x.ndim - axis - 1))
        part = xp.take(x, index[:, tap], axis) * weight
        total = part if total is None else total + part
    return total


def _repeat(xp: Any, x: Array, axis: int, wanted: int, index: np.ndarray) -> Array:
    size = x.shape[axis]
    times = wanted // size
    if wanted % size == 0 and (index == np.arange(wanted) // times).all():
        shape = (*x.shape[: axis + 1], times, *x.shape[axis + 1 :])
        return xp.broadcast_to(xp.expand_dims(x, axis + 1), shape).reshape(
            (*x.shape[:axis], wanted, *x.shape[axis + 1 :])
        )
    return xp.take(x, index, axis)


def _resize_back(xp: Any, g: Array, axis: int, size: int, how: tuple[Any, ...]) -> Array:
    """The gradient of `_resize`."""
    wanted = g.shape[axis]
    index, _ = _taps(size, wanted, *how)
    times = wanted // size
    if index.shape[1] == 1 and wanted % size == 0 and (index[:, 0] == np.arange(wanted) // times).all():
        return g.reshape((*g.shape[:axis], size, times, *g.shape[axis + 1 :])).sum(axis + 1)
    return _times_matrix(xp, g, np.ascontiguousarray(_matrix(size, wanted, *how).T), axis)


_WORDS = {3: "W", 4: "HW", 5: "DHW"}


def _check_sizes(input: Meta, sizes: tuple[int, ...]) -> None:
    spatial = input.shape[2:]
    if not all(n > 0 for n in (*spatial, *sizes)):
        old, new = (
            ", ".join(f"{name}: {n}" for name, n in zip(_WORDS[input.ndim], values, strict=True))
            for values in (spatial, sizes)
        )
        between = " and" if input.ndim == 3 else ""
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input ({old}){between} output ({new})"
        )
    if 0 in input.shape[1:]:
        raise RuntimeError(
            f"Non-empty {input.ndim}D data tensor expected but got a tensor with sizes {list(input.shape)}"
        )


def _kernel(input: Meta, mode: str) -> str:
    """PyTorch's name for the kernel that refuses a dtype."""
    if input.ndim == 4 and input.shape[1] < 4 and mode in ("nearest", "bilinear"):
        return f"upsample_{mode}2d_channels_last"
    return f"compute_indices_weights_{mode.partition('-')[0].replace('bi', '').replace('tri', '')}"


def _interpolate_shape(
    input: Meta, sizes: Any, mode: str, align_corners: bool, scales: Any, antialias: bool
) -> Any:
    _check_sizes(input, sizes)
    if not input.dtype.is_floating_point and input.dtype is not dtypes.uint8:
        raise NotImplementedError(
            f"\"{_kernel(input, mode)}\" not implemented for '{input.dtype.scalar_type}'"
        )
    if antialias and input.dtype.is_floating_point and input.dtype.itemsize < 4:
        raise NotImplementedError(
            f"\"compute_index_ranges_weights\" not implemented for '{input.dtype.scalar_type}'"
        )
    return (*input.shape[:2], *sizes)


_NODE = {
    "nearest": "UpsampleNearest{}D",
    "nearest-exact": "UpsampleNearestExact{}D",
    "linear": "UpsampleLinear{}D",
    "bilinear": "UpsampleBilinear{}D",
    "trilinear": "UpsampleTrilinear{}D",
    "bicubic": "UpsampleBicubic{}D",
}


def _how(mode: str, align_corners: bool, scale: float | None, antialias: bool, dtype: Any) -> tuple[Any, ...]:
    return mode, align_corners, scale, antialias, dtype.itemsize >= 8


def _interpolate(
    xp: Any, input: Array, sizes: Any, mode: str, align_corners: bool, scales: Any, antialias: bool
) -> Array:
    if input.dtype == np.uint8 and not mode.startswith("nearest"):
        return _resize_bytes(xp, input, sizes, mode, align_corners, scales, antialias)
    x = input
    # Dimensions that shrink go first: less is left for the others.
    order = sorted(range(len(sizes)), key=lambda i: sizes[i] / x.shape[i + 2])
    for i in order:
        how = _how(mode, align_corners, scales[i], antialias, x.dtype)
        if sizes[i] != x.shape[i + 2] or not _is_identity(x.shape[i + 2], sizes[i], how):
            x = _resize(xp, x, i + 2, sizes[i], how)
    return x


def _resize_bytes(
    xp: Any, x: Array, sizes: Any, mode: str, align_corners: bool, scales: Any, antialias: bool
) -> Array:
    """Resizes whole numbers up to 255 with whole weights, rounding after each dimension, as PyTorch and
    Pillow do.
    """
    for i in reversed(range(len(sizes))):
        size, wanted = x.shape[i + 2], sizes[i]
        if size == wanted:
            continue
        weights = _matrix(size, wanted, mode, align_corners, scales[i], antialias, True)
        digits = 0
        # As many binary digits as fit into 16 bits.
        while digits < 22 and 0.5 + weights.max() * 2 ** (digits + 1) < 2**15:
            digits += 1
        matrix = np.trunc(weights * 2**digits + np.copysign(0.5, weights)).astype(np.int32)
        total = _times_matrix(xp, x.astype(np.int32), matrix, i + 2)
        x = xp.clip((total + (1 << digits >> 1)) >> digits, 0, 255).astype(np.uint8)
    return x


@functools.lru_cache(512)
def _is_identity(size: int, wanted: int, how: tuple[Any, ...]) -> bool:
    return size == wanted and bool((_matrix(size, wanted, *how) == np.eye(size)).all())


def _interpolate_back(
    xp: Any,
    g: Array,
    input_meta: Meta,
    sizes: Any,
    mode: str,
    align_corners: bool,
    scales: Any,
    antialias: bool,
) -> Array:
    for i in sorted(range(len(sizes)), key=lambda i: input_meta.shape[i + 2] / sizes[i]):
        how = _how(mode, align_corners, scales[i], antialias, g.dtype)
        g = _resize_back(xp, g, i + 2, input_meta.shape[i + 2], how)
    return g


def _declared(name: str) -> Any:
    """One operation for each of PyTorch's, so that nodes have its names; their work is the same."""

    @op(shape=_interpolate_shape, node=lambda inputs: name.format(inputs[0].ndim - 2) + "Backward")
    def interpolation(
        xp: Any, input: Array, sizes: Any, mode: str, align_corners: bool, scales: Any, antialias: bool
    ) -> Array:
        return _interpolate(xp, input, sizes, mode, align_corners, scales, antialias)

    @interpolation.gradient("input")
    def _(
        xp: Any,
        g: Array,
        input_meta: Meta,
        sizes: Any,
        mode: str,
        align_corners: bool,
        scales: Any,
        antialias: bool,
    ) -> Array:
        return _interpolate_back(xp, g, input_meta, sizes, mode, align_corners, scales, antialias)

    return interpolation


_INTERPOLATIONS = {mode: _declared(name) for mode, name in _NODE.items()}
_SMOOTHED = {mode: _declared(f"Upsample{mode.capitalize()}{{}}DAa") for mode in _FILTERS}

# -- the public functions --------------------------------------------------------------------------

_ADAPTIVE = {3: adaptive_avg_pool1d, 4: adaptive_avg_pool2d, 5: adaptive_avg_pool3d}
_MODES = "nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact"
_NEEDS = {"linear": 3, "bilinear": 4, "trilinear": 5}
_ONLY = {"bicubic": (4,), "lanczos": (4,)}


def _sizes_from(input: Tensor, size: Any, scale_factor: Any) -> tuple[Any, Any]:
    """Size or scale factor for each spatial dimension; the other one is None."""
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    spatial = list(input.shape[2:])
    if size is not None:
        if isinstance(size, (list, tuple)):
            if len(size) != len(spatial):
                raise ValueError(
                    "Input and output must have the same number of spatial dimensions, but got input with "
                    "spatial "
                    f"dimensions of {spatial} and output size of {size}. Please provide input tensor in (N, "
                    "C, d1, d2, "
                    "...,dK) format and output size in (o1, o2, ...,oK) format."
                )
            given = list(size)
        else:
            given = [size] * len(spatial)
        if not all(hasattr(n, "__index__") or isinstance(n, Tensor) for n in given):
            raise TypeError(
                "expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, int, int], "
                "but got size "
                f"with types {[type(n) for n in given]}"
            )
        return tuple(int(n) for n in given), None
    if isinstance(scale_factor, (list, tuple)):
        if len(scale_factor) != len(spatial):
            raise ValueError(
                "Input and scale_factor must have the same number of spatial dimensions, but got input with "
                "spatial "
                f"dimensions of {spatial} and scale_factor of shape {scale_factor}. Please provide input "
                "tensor in (N, "
                "C, d1, d2, ...,dK) format and scale_factor in (s1, s2, ...,sK) format."
            )
        return None, tuple(float(s) for s in scale_factor)
    return None, (float(scale_factor),) * len(spatial)


def _check_mode(input: Tensor, mode: str, antialias: bool) -> None:
    if antialias and (mode not in _FILTERS or input.ndim != 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D "
            "tensor as input"
        )


def _check_dimensions(input: Tensor, mode: str) -> None:
    known = mode in _MODES.split(" | ") and 3 <= input.ndim <= 5
    if known and input.ndim in _ONLY.get(mode, (3, 4, 5)):
        needed = _NEEDS.get(mode, input.ndim)
        if needed != input.ndim:
            raise NotImplementedError(f"Got {input.ndim}D input, but {mode} mode needs {needed}D input")
        return
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the modes: "
        f"{_MODES} (got {mode})"
    )


@function("nn.functional.interpolate")
def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resizes the spatial dimensions.

    Args:
        size, scale_factor: the new sizes, or what they are as multiples of the old; one of the two.
        mode: "nearest" (the place at or before), "nearest-exact" (the nearest place), "linear", "bilinear",
            "trilinear" (3, 4, 5 dimensions), "bicubic", "lanczos" (4) or "area" (means).
        align_corners: the outermost places stay where they are; otherwise the outer edges do.
        recompute_scale_factor: step by the sizes' ratio and not by `scale_factor`.
        antialias: where sizes shrink, take in everything between the new places ("bilinear", "bicubic",
        "lanczos").

    Shape: input `(N, C, *)` with one to three spatial dimensions.
    Raises: ValueError or NotImplementedError, if the arguments do not go together.

    >>> import flambeau
    >>> flambeau.nn.functional.interpolate(flambeau.tensor([[[1.0, 3.0]]]), size=4, mode="linear")
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    if mode in ("nearest", "area", "nearest-exact") and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | "
            "bicubic | trilinear"
        )
    if (size is None and scale_factor is None) or input.ndim < 2:
        raise ValueError("either size or scale_factor should be defined")
    sizes, scales = _sizes_from(input, size, scale_factor)
    if recompute_scale_factor and sizes is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    spatial = input.shape[2:]
    if sizes is None:
        sizes = tuple(math.floor(n * s) for n, s in zip(spatial, scales, strict=True))
    if scales is None or recompute_scale_factor:
        scales = (None,) * len(sizes)
    _check_mode(input, mode, antialias)
    _check_dimensions(input, mode)
    if mode == "area":
        return _ADAPTIVE[input.ndim](input, sizes)
    if mode == "lanczos" and not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    if mode == "lanczos" and align_corners:
        raise ValueError("Lanczos mode does not support align_corners=True")
    table = _SMOOTHED if antialias else _INTERPOLATIONS
    return apply(table[mode], (input, sizes, mode, bool(align_corners), scales, antialias))


def _warn(name: str) -> None:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=3
    )


@function("nn.functional.upsample")
def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`interpolate` under its old name."""
    _warn("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


@function("nn.functional.upsample_nearest")
def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode "nearest"."""
    _warn("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


@function("nn.functional.upsample_bilinear")
def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode "bilinear" and aligned corners."""
    _warn("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
