"""Sampling an image at the points of a grid, and making such grids: `grid_sample` and `affine_grid`.

A point's value is a weighted mean of the places around it. For each dimension there is a short list of taps:
a place's
number, its weight, how fast the weight grows with the coordinate, and whether the place exists. The value is
the sum
over all combinations.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from flambeau._core.declare import RAW, Array
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._core.warn import warn
from flambeau._ops.resample import cubic_weights


class Tap(NamedTuple):
    """One place that a point takes part of, along one dimension; None for a weight that is always one."""

    index: Array
    weight: Array | None
    slope: Array | None
    exists: Array


# -- from coordinates to taps ----------------------------------------------------------------------


def _unscaled(xp: Any, coordinate: Array, size: int, align_corners: bool) -> tuple[Array, float]:
    """A coordinate in [-1, 1] as a place in [0, size - 1], and how fast the place moves with it."""
    if align_corners:
        return (coordinate + 1) * ((size - 1) / 2), (size - 1) / 2
    return ((coordinate + 1) * size - 1) / 2, size / 2


def _clipped(xp: Any, place: Array, size: int) -> tuple[Array, Array]:
    inside = (place > 0) & (place < size - 1)
    return xp.clip(xp.where(xp.isnan(place), 0, place), 0, size - 1), inside


def _reflected(xp: Any, place: Array, size: int, align_corners: bool) -> tuple[Array, Array]:
    """The place after reflections at both ends, and the sign that they give to its movement."""
    low, span = (0.0, float(size - 1)) if align_corners else (-0.5, float(size))
    if span == 0:
        return xp.zeros_like(place), xp.zeros_like(place)
    past = place - low
    sign = xp.where(past < 0, -1.0, 1.0).astype(place.dtype)
    past = abs(past)
    turns = xp.floor(past / span)
    extra = past - turns * span
    even = turns % 2 == 0
    return xp.where(even, extra + low, span - extra + low), xp.where(even, sign, -sign)


def _padded(
    xp: Any, place: Array, size: int, padding: str, align_corners: bool
) -> tuple[Array, Array | None]:
    """The place that stands in for one outside, and the slope of that (None: 1)."""
    if padding == "border":
        place, inside = _clipped(xp, place, size)
        return place, inside.astype(place.dtype)
    if padding == "reflection":
        place, sign = _reflected(xp, place, size, align_corners)
        place, inside = _clipped(xp, place, size)
        return place, sign * inside
    return place, None


def _tap(xp: Any, place: Array, size: int, weight: Array | None, slope: Array | None) -> Tap:
    exists = (place >= 0) & (place <= size - 1)
    index = xp.where(exists, place, 0).astype(np.int32 if xp is not np else np.int64)
    return Tap(index, weight, slope, exists)


def _taps(
    xp: Any, coordinate: Array, size: int, mode: str, padding: str, align_corners: bool
) -> tuple[list[Tap], Any]:
    """The taps of one dimension, and how fast the place moves with the coordinate."""
    place, speed = _unscaled(xp, coordinate, size, align_corners)
    if mode == "bicubic":
        low = xp.floor(place)
        t = place - low
        weights, slopes = cubic_weights(xp, t), _cubic_slopes(t)
        taps = []
        for i in range(4):
            where, _ = _padded(xp, low + (i - 1), size, padding, align_corners)
            taps.append(_tap(xp, xp.rint(where), size, weights[i], slopes[i]))
        return taps, speed
    place, sign = _padded(xp, place, size, padding, align_corners)
    if mode == "nearest":
        return [_tap(xp, xp.rint(place), size, None, None)], 0.0
    low = xp.floor(place)
    share = place - low
    one = xp.ones_like(place)
    taps = [_tap(xp, low, size, 1 - share, -one), _tap(xp, low + 1, size, share, one)]
    return taps, speed if sign is None else speed * sign


def _cubic_slopes(t: Array, a: float = -0.75) -> list[Array]:
    def near(x: Array) -> Array:
        return (3 * (a + 2) * x - 2 * (a + 3)) * x

    def far(x: Array) -> Array:
        return (3 * a * x - 10 * a) * x + 8 * a

    return [far(t + 1), near(t), -near(1 - t), -far(2 - t)]


# -- sampling --------------------------------------------------------------------------------------


def _combinations(
    xp: Any, input_shape: Any, grid: Array, mode: str, padding: str, align_corners: bool
) -> Any:
    """For each combination of taps: the number of its place in the flat image, its taps, whether it exists.

    Also the speed of each dimension. The grid's last dimension is x, y, z: the image's dimensions from the
    last.
    """
    sizes = input_shape[2:]
    count = len(sizes)
    batch = grid.shape[0]
    points = math.prod(grid.shape[1:-1])
    every: list[list[Tap]] = []
    speeds = []
    for i, size in enumerate(sizes):
        coordinate = grid[..., count - 1 - i].reshape(batch, 1, points)
        taps, speed = _taps(xp, coordinate, size, mode, padding, align_corners)
        every.append(taps)
        speeds.append(speed)
    found = []
    for chosen in itertools.product(*every):
        index, exists = chosen[0].index, chosen[0].exists
        for tap, size in zip(chosen[1:], sizes[1:], strict=True):
            index = index * size + tap.index
            exists = exists & tap.exists
        found.append((index, chosen, exists))
    return found, speeds


def _times(value: Array, factors: Any) -> Array:
    for factor in factors:
        if factor is not None:
            value = value * factor
    return value


def _pick(xp: Any, flat: Array, index: Array, exists: Array) -> Array:
    picked = xp.take_along_axis(flat, xp.broadcast_to(index, (*flat.shape[:2], index.shape[2])), 2)
    return xp.where(exists, picked, 0)


def _flat(array: Array) -> Array:
    return array.reshape(*array.shape[:2], math.prod(array.shape[2:]))


def _sample_shape(input: Meta, grid: Meta, *rest: Any) -> tuple[int, ...]:
    return (*input.shape[:2], *grid.shape[1:-1])


def _sample_node(inputs: Any) -> str:
    return f"GridSampler{inputs[0].ndim - 2}DBackward"


@op(shape=_sample_shape, cost=lambda inputs, results: 20 * results[0].numel, node=_sample_node)
def sampling(xp: Any, input: Array, grid: Array, mode: str, padding_mode: str, align_corners: bool) -> Array:
    """The image at the points of the grid."""
    combinations, _ = _combinations(xp, input.shape, grid, mode, padding_mode, align_corners)
    flat = _flat(input)
    total: Any = None
    for index, taps, exists in combinations:
        part = _times(_pick(xp, flat, index, exists), [tap.weight for tap in taps])
        total = part if total is None else total + part
    return total.reshape(*input.shape[:2], *grid.shape[1:-1])


@sampling.gradient("input")
def _(
    xp: Any, g: Array, input_meta: Meta, grid: Array, mode: str, padding_mode: str, align_corners: bool
) -> Array:
    combinations, _ = _combinations(xp, input_meta.shape, grid, mode, padding_mode, align_corners)
    shape = input_meta.shape
    rows = shape[0] * shape[1]
    places = math.prod(shape[2:])
    starts = (np.arange(rows) * places).reshape(*shape[:2], 1)
    flat_g = _flat(g)
    total = xp.zeros(rows * places, g.dtype)
    for index, taps, exists in combinations:
        part = xp.where(exists, _times(flat_g, [tap.weight for tap in taps]), 0)
        where = xp.broadcast_to(starts + index, part.shape).reshape(-1)
        if xp is np:
            np.add.at(total, where, part.reshape(-1))
        else:
            total = total.at[where].add(part.reshape(-1))
    return total.reshape(shape)


@sampling.gradient("grid")
def _(
    xp: Any, g: Array, input: Array, grid: Array, mode: str, padding_mode: str, align_corners: bool
) -> Array:
    if mode == "nearest":
        return xp.zeros_like(grid)
    combinations, speeds = _combinations(xp, input.shape, grid, mode, padding_mode, align_corners)
    flat, flat_g = _flat(input), _flat(g)
    totals: list[Any] = [0] * len(speeds)
    for index, taps, exists in combinations:
        value = (_pick(xp, flat, index, exists) * flat_g).sum(1, keepdims=True)
        for i in range(len(speeds)):
            factors = [tap.slope if at == i else tap.weight for at, tap in enumerate(taps)]
            totals[i] = totals[i] + _times(value, factors)
    parts = [total * speed for total, speed in zip(totals, speeds, strict=True)]
    return xp.stack(parts[::-1], -1).reshape(grid.shape)


_DEFAULT = (
    "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
    "specify "
    "align_corners=True if the old behavior is desired. See the documentation of grid_sample for details."
)


def _check_grid(input: Meta, grid: Meta, mode: str) -> None:
    sizes = f"got input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError(f"grid_sampler(): expected grid and input to have same batch size, but {sizes}")
    if grid.shape[-1] != input.ndim - 2:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {input.ndim - 2} in last dimension, but got grid "
            "with sizes "
            f"{list(grid.shape)}"
        )
    for dim, size in enumerate(input.shape[2:], 2):
        if size == 0:
            raise RuntimeError(
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
                f"{list(input.shape)} with dimension {dim} being empty"
            )
    if input.ndim not in (4, 5) or input.ndim != grid.ndim:
        raise RuntimeError(
            f"grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but {sizes}"
        )
    if input.ndim == 5 and mode == "bicubic":
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if not input.dtype.is_floating_point:
        raise NotImplementedError(
            f'"grid_sampler_{input.ndim - 2}d_cpu_kernel_impl" not implemented for '
            f"'{input.dtype.scalar_type}'"
        )
    if input.dtype is not grid.dtype:
        raise RuntimeError(
            f"expected scalar type {input.dtype.scalar_type} but found {grid.dtype.scalar_type}"
        )


@function("nn.functional.grid_sample", checked=True)
def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """The values of an image at the points of a grid.

    Args:
        grid: points (x, y) or (x, y, z); -1 and 1 are the image's ends, width first.
        mode: "bilinear", "nearest", or "bicubic" (two dimensions).
        padding_mode: outside the image are "zeros", its "border", or its "reflection".
        align_corners: -1 and 1 are the centers of the outermost places; otherwise their outer edges.

    Shape: input `(N, C, H, W)` and grid `(N, *, *, 2)`, or `(N, C, D, H, W)` and `(N, *, *, *, 3)`.
    Source: Jaderberg et al. 2015, arXiv:1506.02025.
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: "
            f"'{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
            "but got: "
            f"'{padding_mode}'"
        )
    if align_corners is None:
        warn(_DEFAULT)
        align_corners = False
    _check_grid(input._meta, grid._meta, mode)
    return apply(sampling, (input, grid, mode, padding_mode, align_corners))


_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


@function("grid_sampler", "grid_sampler_2d", "grid_sampler_3d", checked=True)
def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`nn.functional.grid_sample` with numbers for the modes, in the order in which its documentation lists
    them.
    """
    mode = _MODES[interpolation_mode]
    _check_grid(input._meta, grid._meta, mode)
    return apply(sampling, (input, grid, mode, _PADDINGS[padding_mode], align_corners))


# -- grids -----------------------------------------------------------------------------------------


def _base(size: Any, align_corners: bool, dtype: Any) -> np.ndarray:
    """Every point (x, y, 1) or (x, y, z, 1) of the grid that leaves the image as it is."""
    axes = []
    for n in size[2:]:
        points = np.linspace(-1, 1, n) if n > 1 else np.zeros(n)
        axes.append(points if align_corners else points * (n - 1) / n)
    mesh = np.meshgrid(*axes, indexing="ij")
    return np.stack([*mesh[::-1], np.ones(size[2:])], -1).reshape(-1, len(axes) + 1).astype(dtype)


@op(promote=RAW, shape=lambda theta, size, align: (theta.shape[0], *size[2:], len(size) - 2),
    result=lambda theta, *_: theta.dtype)  # fmt: skip
def affine_grid_generator(xp: Any, theta: Array, size: Any, align_corners: bool) -> Array:
    """The points to which the matrices send those of the plain grid."""
    found = xp.matmul(xp.asarray(_base(size, align_corners, theta.dtype)), xp.swapaxes(theta, 1, 2))
    return found.reshape(theta.shape[0], *size[2:], len(size) - 2)


@affine_grid_generator.gradient("theta")
def _(xp: Any, g: Array, size: Any, align_corners: bool) -> Array:
    points = g.reshape(g.shape[0], -1, g.shape[-1])
    return xp.matmul(xp.swapaxes(points, 1, 2), xp.asarray(_base(size, align_corners, g.dtype)))


@function("affine_grid_generator")
def torch_affine_grid_generator(theta: Tensor, size: Any, align_corners: bool) -> Tensor:
    """`nn.functional.affine_grid` without its checks."""
    return apply(affine_grid_generator, (theta, tuple(size), align_corners))


@function("nn.functional.affine_grid")
def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """Grids for `grid_sample` that turn, scale and shift images.

    Args:
        theta: affine matrices, `(N, 2, 3)` or `(N, 3, 4)`.
        size: the result's image size, `(N, C, H, W)` or `(N, C, D, H, W)`.

    Shape: the result is `(N, H, W, 2)` or `(N, D, H, W, 3)`.
    """
    shown = size
    if align_corners is None:
        warn(_DEFAULT)
        align_corners = False
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if len(size) not in (4, 5):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got "
            "size "
            f"{shown}."
        )
    n = len(size) - 2
    if theta.ndim != 3 or theta.shape[-2] != n or theta.shape[-1] != n + 1:
        raise ValueError(
            f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size {shown}. Got "
            f"{theta.shape}."
        )
    if align_corners and min(size[-n:]) == 1:
        warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when "
            "align_corners=True. This is "
            "not an intended use case of affine_grid. See the documentation of affine_grid for details.",
        )
    elif min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {shown}")
    if theta.shape[0] != size[0]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{size[0]}, {n + 1}] but got: "
            f"[{theta.shape[0]}, {n + 1}]."
        )
    return apply(affine_grid_generator, (theta, tuple(size), align_corners))
