"""Elements repeated, reversed, rotated and put on diagonals: results that are copies."""

from __future__ import annotations

from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import (
    EXACT,
    RAW,
    Array,
    Dims,
    Index,
    Scalar,
    Sizes,
    canonical_dim,
    canonical_dims,
    registry,
)
from flambeau._core.dispatch import constant, function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import META, Meta, Value
from flambeau._ops import views
from flambeau._ops.bounds import when_known
from flambeau._ops.parts import diagonal
from flambeau._ops.shape import check_tensor, flatten
from flambeau._ops.sizes import integer, is_integer, sizes_of, spread

Shape = tuple[int, ...]

# -- repeating -------------------------------------------------------------------------------------


def _repeated(input: Meta, repeats: Shape) -> Meta:
    if len(repeats) < input.ndim:
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
        )
    padded = (1,) * (len(repeats) - input.ndim) + input.shape
    shape = tuple([n * times for n, times in zip(padded, repeats, strict=True)])
    if any(times < 0 for times in repeats):
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {next(n for n in shape if n < 0)}: "
            f"{list(shape)}"
        )
    return input.with_shape(shape)


@op(promote=RAW, shape=_repeated, node="RepeatBackward")
def repeat_dims(xp: Any, input: Array, repeats: Sizes) -> Array:
    """The tensor side by side with itself, `repeats` times along each dimension."""
    return xp.tile(input, repeats)


@repeat_dims.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, repeats: Shape) -> Array:
    padded = (1,) * (len(repeats) - input_meta.ndim) + input_meta.shape
    split = [n for pair in zip(repeats, padded, strict=True) for n in pair]
    summed = xp.reshape(g, split).sum(tuple(range(0, len(split), 2)), dtype=g.dtype)
    return xp.reshape(summed, input_meta.shape)


def _repeat(self: Tensor, repeats: Any) -> Tensor:
    """A copy of the tensor repeated along each dimension; new dimensions come in front."""
    return repeat_dims(self, sizes_of((repeats,), "repeat", "repeats"))


_repeat.__name__ = _repeat.__qualname__ = "repeat"
function("Tensor.repeat")(spread(_repeat, "repeats"))


@function("tile")
def tile(input: Tensor, dims: Any) -> Tensor:
    """A copy of the tensor repeated along its last dimensions, or along more."""
    times = sizes_of((dims,), "tile", "dims", 2)
    return repeat_dims(check_tensor(input, "tile"), (1,) * (input.ndim - len(times)) + times)


function("Tensor.tile")(spread(tile, "dims"))


def _interleaved(input: Meta, repeats: int, dim: int) -> Meta:
    return input.with_shape((*input.shape[:dim], input.shape[dim] * repeats, *input.shape[dim + 1 :]))


@op(promote=RAW, shape=_interleaved, node="ViewBackward")
def interleave(xp: Any, input: Array, repeats: int, dim: int) -> Array:
    """Each entry of a dimension, `repeats` times in a row."""
    return xp.repeat(input, repeats, dim)


@interleave.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, repeats: int, dim: int) -> Array:
    shape = input_meta.shape
    return xp.reshape(g, (*shape[: dim + 1], repeats, *shape[dim + 1 :])).sum(dim + 1, dtype=g.dtype)


@function("repeat_interleave", "Tensor.repeat_interleave")
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each entry of a dimension (of the flattened tensor without `dim`) repeated in place.

    Args:
        repeats: how often, one number for all or one for each. Left out, `input` holds the numbers, and the
        result
            the places to repeat.
    """
    check_tensor(input, "repeat_interleave")
    if repeats is None:
        return constant(_places(input), dtypes.int64, input._meta)
    if dim is None:
        input, at = flatten(input), 0
    else:
        at = canonical_dim(integer(dim, "repeat_interleave", "dim", 3), input.ndim)
    if not input.ndim:
        input = flatten(input)
    size = input._meta.shape[at]
    if isinstance(repeats, Tensor) and repeats.ndim == 1 and repeats.numel() != 1:
        if repeats.numel() != size:
            raise RuntimeError(
                "repeats must have the same size as input along dim, but got repeats.size(0) = "
                f"{repeats.numel()} and input.size({at}) = {size}"
            )
        places = _places(repeats)
        _check_output_size(output_size, len(places))
        return registry["index_select"](input, at, constant(places, dtypes.int64, input._meta))
    if isinstance(repeats, Tensor):
        if repeats.ndim > 1:
            raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
        repeats = repeats.item()
    times = integer(repeats, "repeat_interleave", "repeats", 2)
    if times < 0:
        raise RuntimeError("Repeats must be non-negative")
    _check_output_size(output_size, size * times)
    return interleave(input, times, at)


def _check_output_size(wanted: int | None, found: int) -> None:
    if wanted is not None and wanted != found:
        raise RuntimeError("allocated size does not match required size")


def _places(repeats: Tensor) -> np.ndarray[Any, Any]:
    if repeats._meta.np.kind not in "iu":
        raise NotImplementedError(
            f"\"repeat_interleave_cpu\" not implemented for '{repeats._meta.dtype.scalar_type}'"
        )
    if repeats.ndim != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    counts = repeats._host_array()
    if (counts < 0).any():
        raise RuntimeError("repeats can not be negative")
    return np.repeat(np.arange(len(counts)), counts)


# -- reversing and rotating ------------------------------------------------------------------------


@op(promote=RAW, shape=lambda input, dims: input, node="FlipBackward")
def flip_dims(xp: Any, input: Array, dims: Dims) -> Array:
    """Dimensions in reverse."""
    return xp.flip(input, dims) if dims else input


@flip_dims.gradient("input")
def _(xp: Any, g: Array, dims: Shape) -> Array:
    return xp.flip(g, dims) if dims else g


@function("flip")
def flip(input: Tensor, dims: Any) -> Tensor:
    """A copy with the entries of these dimensions in reverse."""
    given = sizes_of((dims,), "flip", "dims", 2) if not is_integer(dims) else (int(dims),)
    found = canonical_dims(given, check_tensor(input, "flip").ndim) if given else ()
    return flip_dims(input, found)


function("Tensor.flip")(spread(flip, "dims"))


@function("fliplr", "Tensor.fliplr")
def fliplr(input: Tensor) -> Tensor:
    """A copy with the columns in reverse."""
    if check_tensor(input, "fliplr").ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip_dims(input, (1,))


@function("flipud", "Tensor.flipud")
def flipud(input: Tensor) -> Tensor:
    """A copy with the rows in reverse."""
    if check_tensor(input, "flipud").ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip_dims(input, (0,))


def _rotated(input: Meta, k: int, dims: Shape) -> Meta:
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == input.ndim:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    a, b = (canonical_dim(dim, input.ndim) for dim in dims)
    return input.with_shape(views.swapped(input.shape, a, b)) if k % 2 else input


@op("rot90", "Tensor.rot90", promote=RAW, shape=_rotated)
def rot90(xp: Any, input: Array, k: int = 1, dims: Dims = (0, 1)) -> Array:
    """A copy rotated by `k` quarter turns, from the first of `dims` towards the second."""
    return xp.rot90(input, k, dims)


@rot90.gradient("input")
def _(xp: Any, g: Array, k: int, dims: Shape) -> Array:
    return xp.rot90(g, -k, dims)


@op(promote=RAW, shape=lambda input, shift, dim: input, node="RollBackward")
def roll_dim(xp: Any, input: Array, shift: Scalar, dim: Any) -> Array:
    """Entries moved along a dimension (None: along all elements in order); those at the end come in again in
    front.
    """
    return xp.roll(input, int(shift) if xp is np else shift, dim)


@roll_dim.gradient("input")
def _(xp: Any, g: Array, shift: Any, dim: Any) -> Array:
    return xp.roll(g, -int(shift) if xp is np else -shift, dim)


@function("roll", "Tensor.roll")
def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """A copy with the entries moved along `dims`, in rounds; without `dims` along all elements in order."""
    moves = (int(shifts),) if is_integer(shifts) else sizes_of((shifts,), "roll", "shifts", 2)
    along = () if dims is None else (int(dims),) if is_integer(dims) else sizes_of((dims,), "roll", "dims", 3)
    check_tensor(input, "roll")
    if not moves:
        raise RuntimeError("`shifts` required")
    if not along and len(moves) == 1:
        return roll_dim(input, moves[0], None)
    if len(moves) != len(along):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(moves)}, dims:{len(along)}")
    if not input.ndim:
        raise IndexError(f"Dimension specified as {along[0]} but tensor has no dimensions")
    for shift, dim in zip(moves, [canonical_dim(dim, input.ndim) for dim in along], strict=True):
        input = roll_dim(input, shift, dim)
    return input


# -- triangles and diagonals -----------------------------------------------------------------------


def _declare_triangle(name: str, lower: bool) -> Any:
    def shape(input: Meta, diagonal: Any) -> Meta:
        if input.ndim < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        return input

    def mask(xp: Any, size: Shape, diagonal: Any) -> Any:
        rows, columns = xp.arange(size[-2])[:, None], xp.arange(size[-1])
        return columns - rows <= diagonal if lower else columns - rows >= diagonal

    @op(name, f"Tensor.{name}", f"Tensor.{name}_", out=EXACT, promote=RAW, shape=shape)
    def triangle(xp: Any, input: Array, diagonal: Scalar = 0) -> Array:
        """The part of each matrix on one side of a diagonal, zeros elsewhere."""
        return xp.where(mask(xp, input.shape, diagonal), input, xp.zeros((), input.dtype))

    @triangle.gradient("input")
    def _(xp: Any, g: Array, diagonal: Any) -> Array:
        return xp.where(mask(xp, g.shape, diagonal), g, xp.zeros((), g.dtype))

    return triangle


tril, triu = _declare_triangle("tril", True), _declare_triangle("triu", False)


def _embedded(input: Meta, offset: int, dim1: int, dim2: int) -> Meta:
    size = input.shape[-1] + abs(offset)
    shape = list(input.shape[:-1])
    for dim in sorted((dim1, dim2)):
        shape.insert(dim, size)
    return input.with_shape(tuple(shape))


@op(promote=RAW, shape=_embedded, node="DiagEmbedBackward")
def embed_diagonal(xp: Any, input: Array, offset: int, dim1: int, dim2: int) -> Array:
    """The last dimension on a diagonal of two new ones, zeros elsewhere."""
    size = input.shape[-1] + abs(offset)
    number = np.arange(input.shape[-1])
    rows, columns = number + max(-offset, 0), number + max(offset, 0)
    zero = xp.zeros((*input.shape[:-1], size, size), input.dtype)
    if xp is np:
        zero[..., rows, columns] = input
    else:
        zero = zero.at[..., rows, columns].set(input)
    return xp.moveaxis(zero, (-2, -1), (dim1, dim2))


@embed_diagonal.gradient("input")
def _(xp: Any, g: Array, offset: int, dim1: int, dim2: int) -> Array:
    return xp.diagonal(g, offset, dim1, dim2)


@function("diag_embed", "Tensor.diag_embed")
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The last dimension on a diagonal of two new ones, zeros elsewhere."""
    ndim = check_tensor(input, "diag_embed").ndim + 1
    a, b = canonical_dim(dim1, ndim), canonical_dim(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return embed_diagonal(input, integer(offset, "diag_embed", "offset", 2), a, b)


@function("diagflat", "Tensor.diagflat")
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements on a diagonal."""
    return diag_embed(flatten(check_tensor(input, "diagflat")), offset)


@function("diag", "Tensor.diag", out=EXACT)
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A vector as the diagonal of a matrix, or a copy of a matrix's diagonal."""
    ndim = check_tensor(input, "diag").ndim
    if ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {ndim}D")
    return diag_embed(input, diagonal) if ndim == 1 else diagonal_copy(input, diagonal)


def diagonal_copy(input: Tensor, offset: int) -> Tensor:
    """A copy of a matrix's diagonal."""
    return diagonal(input, offset).clone()  # type: ignore[attr-defined]


# -- channels and classes --------------------------------------------------------------------------


def _shuffled_shape(input: Meta, upscale_factor: int) -> Shape:
    factor = upscale_factor
    if input.ndim < 3:
        raise RuntimeError(
            f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {input.ndim} "
            "dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {factor}")
    *batch, channels, height, width = input.shape
    if channels % factor**2:
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
            "upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {factor**2}"
        )
    return (*batch, channels // factor**2, height * factor, width * factor)


def _unshuffled_shape(input: Meta, downscale_factor: int) -> Shape:
    factor = downscale_factor
    if input.ndim < 3:
        raise RuntimeError(
            f"pixel_unshuffle expects input to have at least 3 dimensions, but got input with {input.ndim} "
            "dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {factor}")
    *batch, channels, height, width = input.shape
    for size, which, dim in ((height, "height", -2), (width, "width", -1)):
        if size % factor:
            raise RuntimeError(
                f"pixel_unshuffle expects {which} to be divisible by downscale_factor, but "
                f"input.size({dim})={size} is "
                f"not divisible by {factor}"
            )
    return (*batch, channels * factor**2, height // factor, width // factor)


def _to_pixels(xp: Any, x: Array, factor: int) -> Array:
    *batch, channels, height, width = x.shape
    n, out = len(batch), channels // factor**2
    x = xp.reshape(x, (*batch, out, factor, factor, height, width))
    x = xp.transpose(x, (*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return xp.reshape(x, (*batch, out, height * factor, width * factor))


def _to_channels(xp: Any, x: Array, factor: int) -> Array:
    *batch, channels, height, width = x.shape
    n = len(batch)
    x = xp.reshape(x, (*batch, channels, height // factor, factor, width // factor, factor))
    x = xp.transpose(x, (*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return xp.reshape(x, (*batch, channels * factor**2, height // factor, width // factor))


@op(
    "pixel_shuffle", "nn.functional.pixel_shuffle", promote=RAW,
    shape=lambda input, upscale_factor: input.with_shape(_shuffled_shape(input, upscale_factor)),
)  # fmt: skip
def pixel_shuffle(xp: Any, input: Array, upscale_factor: int) -> Array:
    """Groups of `upscale_factor ** 2` channels as squares of pixels: (*, C r^2, H, W) to (*, C, H r, W r)."""
    return _to_pixels(xp, input, upscale_factor)


@pixel_shuffle.gradient("input")
def _(xp: Any, g: Array, upscale_factor: int) -> Array:
    return _to_channels(xp, g, upscale_factor)


@op(
    "pixel_unshuffle", "nn.functional.pixel_unshuffle", promote=RAW,
    shape=lambda input, downscale_factor: input.with_shape(_unshuffled_shape(input, downscale_factor)),
)  # fmt: skip
def pixel_unshuffle(xp: Any, input: Array, downscale_factor: int) -> Array:
    """Squares of pixels as channels: the inverse of `pixel_shuffle`."""
    return _to_channels(xp, input, downscale_factor)


@pixel_unshuffle.gradient("input")
def _(xp: Any, g: Array, downscale_factor: int) -> Array:
    return _to_pixels(xp, g, downscale_factor)


def _channels_shape(input: Meta, groups: int) -> Meta:
    if input.ndim <= 2:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    if input.shape[1] % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {input.shape[1]} channels and {groups} "
            "groups."
        )
    return input


def _interleave_channels(xp: Any, x: Array, groups: int) -> Array:
    split = xp.reshape(x, (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))
    return xp.reshape(xp.swapaxes(split, 1, 2), x.shape)


@op(
    "channel_shuffle",
    "nn.functional.channel_shuffle",
    "native_channel_shuffle",
    promote=RAW,
    shape=_channels_shape,
)
def channel_shuffle(xp: Any, input: Array, groups: int) -> Array:
    """Channels in another order: the first of each group, then the second of each, and so on."""
    return _interleave_channels(xp, input, groups)


@channel_shuffle.gradient("input")
def _(xp: Any, g: Array, groups: int) -> Array:
    return _interleave_channels(xp, g, g.shape[1] // groups if g.shape[1] else 1)


@op(promote=RAW, differentiable=False, shape=lambda input, classes: input.with_shape((*input.shape, classes)))
def class_columns(xp: Any, input: Index, classes: int) -> Array:
    """Ones where a class is, along a new last dimension."""
    return (input[..., None] == xp.arange(classes)).astype(np.int64)


@function("nn.functional.one_hot")
def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Class numbers as vectors that are 1 at the class and 0 elsewhere.

    Args:
        num_classes: length of these vectors; -1 takes one more than the largest class.

    Raises: RuntimeError for classes below 0 or beyond `num_classes`.
    """
    if check_tensor(tensor, "one_hot", "tensor")._meta.dtype is not dtypes.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    classes = integer(num_classes, "one_hot", "num_classes", 2)
    if not tensor._meta.numel:
        if classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
    elif tensor._meta.device is not META:
        if classes == -1:
            classes = int(tensor._host_array().max()) + 1

        def check(known: Value) -> None:
            values = known.numpy()
            if values.min() < 0:
                raise RuntimeError("Class values must be non-negative.")
            if classes <= values.max():
                raise RuntimeError("Class values must be smaller than num_classes.")

        when_known(tensor._read(), check, at_once=True)
    return class_columns(tensor, classes)


# -- summing to a shape ----------------------------------------------------------------------------


def _sum_to_size(self: Tensor, size: Any) -> Tensor:
    """The sum over dimensions so that a shape is left that could be expanded to this tensor's."""
    wanted = sizes_of((size,), "sum_to_size")
    shape = self._meta.shape
    extra = len(shape) - len(wanted)
    if extra < 0 or any(n not in (1, shape[i + extra]) for i, n in enumerate(wanted)):
        raise RuntimeError(f"size {{{list(wanted)}}} is not expandable to size {{{list(shape)}}}.")
    dims = tuple([i for i, n in enumerate(shape) if i < extra or (wanted[i - extra] == 1 and n != 1)])
    if not dims and wanted:
        return self
    kept = registry["sum"](self, dims, True)
    return kept.view(wanted) if extra else kept


_sum_to_size.__name__ = _sum_to_size.__qualname__ = "sum_to_size"
function("Tensor.sum_to_size")(spread(_sum_to_size, "size"))
