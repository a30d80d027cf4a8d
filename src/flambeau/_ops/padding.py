"""Padding: with a number, or with the tensor's own entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import RAW, Array, Operand, Sizes
from flambeau._core.dispatch import function, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta
from flambeau._ops.factory import as_number
from flambeau._ops.shape import check_tensor
from flambeau._ops.sizes import sizes_of

Shape = tuple[int, ...]


def _pairs(ndim: int, pad: Shape) -> list[tuple[int, int]]:
    """(before, after) for each dimension, from the flat form that begins with the last one."""
    found = [(0, 0)] * ndim
    for i in range(len(pad) // 2):
        found[ndim - 1 - i] = (pad[2 * i], pad[2 * i + 1])
    return found


# -- with a number ---------------------------------------------------------------------------------


def _constant_shape(input: Meta, pad: Shape, value: Any) -> Meta:
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * input.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding "
            "length "
            f"{len(pad)} and input of dimension {input.ndim}"
        )
    shape = []
    for size, (before, after) in zip(input.shape, _pairs(input.ndim, pad), strict=True):
        if size + min(before, 0) + min(after, 0) < 0:
            raise RuntimeError("narrow(): length must be non-negative.")
        shape.append(size + before + after)
    return input.with_shape(tuple(shape))


def _inner(shape: Shape, pad: Shape) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where the kept part lies in the input and in the result."""
    source, target = [], []
    for size, (before, after) in zip(shape, _pairs(len(shape), pad), strict=True):
        source.append(slice(max(-before, 0), size - max(-after, 0)))
        target.append(slice(max(before, 0), size + before - max(-after, 0) if after < 0 else size + before))
    return tuple(source), tuple(target)


@op(promote=RAW, shape=_constant_shape, node="ConstantPadNdBackward")
def pad_with_number(xp: Any, input: Array, pad: Sizes, value: Operand) -> Array:
    """`value` around the tensor; negative widths cut entries off."""
    source, target = _inner(input.shape, pad)
    fill = xp.asarray(value).astype(input.dtype)
    if xp is np:
        shape = [n + sum(pair) for n, pair in zip(input.shape, _pairs(input.ndim, pad), strict=True)]
        result = np.full(shape, fill, input.dtype)
        result[target] = input[source]
        return result
    widths = [(max(before, 0), max(after, 0)) for before, after in _pairs(input.ndim, pad)]
    return xp.pad(input[source], widths, constant_values=fill)


@pad_with_number.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, pad: Shape) -> Array:
    source, target = _inner(input_meta.shape, pad)
    if xp is np:
        result = np.zeros(input_meta.shape, g.dtype)
        result[source] = g[target]
        return result
    widths = [(max(-before, 0), max(-after, 0)) for before, after in _pairs(g.ndim, pad)]
    return xp.pad(g[target], widths)


# -- with entries of the tensor --------------------------------------------------------------------


def _reflected(size: int, before: int, after: int) -> np.ndarray[Any, Any]:
    place = np.abs(np.arange(-before, size + after))
    return np.where(place >= size, 2 * (size - 1) - place, place)


def _replicated(size: int, before: int, after: int) -> np.ndarray[Any, Any]:
    return np.clip(np.arange(-before, size + after), 0, size - 1)


def _wrapped(size: int, before: int, after: int) -> np.ndarray[Any, Any]:
    # What is cut off is gone before the rest goes round.
    first, last = max(-before, 0), size - max(-after, 0)
    return first + np.arange(-max(before, 0), last - first + max(after, 0)) % max(last - first, 1)


_PLACES: dict[str, Callable[[int, int, int], np.ndarray[Any, Any]]] = {
    "reflect": _reflected, "replicate": _replicated, "circular": _wrapped,
}  # fmt: skip
_SIZE_NAMES = "WHD"


def _check_reflection(input: Meta, dim: int, size: int, before: int, after: int) -> None:
    if before >= size or after >= size:
        argument = 2 * (input.ndim - dim) + 2
        raise RuntimeError(
            f"Argument #{argument}: Padding size should be less than the corresponding input dimension, but "
            "got: padding "
            f"({before}, {after}) at dimension {dim} of input {list(input.shape)}"
        )


def _check_wrapping(size: int, before: int, after: int) -> None:
    if before > size or after > size:
        raise RuntimeError("Padding value causes wrapping around more than once.")
    if size + before + after <= 0:
        raise RuntimeError("Negative padding value is resulting in an empty dimension")


def _own_shape(input: Meta, pad: Shape, mode: str) -> Meta:
    count = len(pad) // 2
    first = input.ndim - count
    kept = input.shape[1:] if input.ndim == count + 2 else input.shape
    if mode != "circular" and 0 in kept:
        raise RuntimeError(
            f"Expected {count + 1}D or {count + 2}D (batch mode) tensor with possibly 0 batch size and "
            "other non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )
    shape = list(input.shape)
    pairs = _pairs(input.ndim, pad)
    for dim in range(input.ndim - 1, first - 1, -1):
        before, after = pairs[dim]
        size = input.shape[dim]
        if mode == "reflect":
            _check_reflection(input, dim, size, before, after)
        elif mode == "circular":
            _check_wrapping(size, before, after)
        shape[dim] = size + before + after
        if mode != "circular" and shape[dim] < (1 if mode == "reflect" else 0):
            name = _SIZE_NAMES[input.ndim - 1 - dim]
            raise RuntimeError(f"input ({name}: {size}) is too small. Calculated output {name}: {shape[dim]}")
    return input.with_shape(tuple(shape))


_NAMES_BY_MODE = {"reflect": "reflection_pad", "replicate": "replication_pad"}


def _declare_own_padding(mode: str, node: Any) -> Any:
    def places(size: int, pair: tuple[int, int]) -> np.ndarray[Any, Any]:
        return _PLACES[mode](size, *pair)

    listed_as = _NAMES_BY_MODE.get(mode, "")

    @op(
        promote=RAW, shape=lambda input, pad: _own_shape(input, pad, mode), node=node, listed_as=listed_as
    )  # fmt: skip
    def pad_with_own(xp: Any, input: Array, pad: Sizes) -> Array:
        """Entries of the tensor itself around it."""
        for dim, pair in enumerate(_pairs(input.ndim, pad)):
            if pair != (0, 0):
                input = xp.take(input, places(input.shape[dim], pair), axis=dim)
        return input

    @pad_with_own.gradient("input")
    def _(xp: Any, g: Array, input_meta: Meta, pad: Shape) -> Array:
        for dim, pair in enumerate(_pairs(g.ndim, pad)):
            if pair != (0, 0):
                size = input_meta.shape[dim]
                g = _gathered_back(xp, g, dim, size, places(size, pair), pair[0])
        return g

    return pad_with_own


def _gathered_back(
    xp: Any, g: Array, dim: int, size: int, places: np.ndarray[Any, Any], before: int
) -> Array:
    """The gradient of taking `places` from a dimension: what was taken several times adds up."""
    at = (slice(None),) * dim
    low, high = max(before, 0), min(before + size, len(places))
    if xp is not np:
        return _gathered_back_by_parts(xp, g, dim, size, places, before, max(low, 0), max(high, low))
    zero = xp.zeros((*g.shape[:dim], size, *g.shape[dim + 1 :]), g.dtype)
    if low < high:
        zero[(*at, slice(low - before, high - before))] = g[(*at, slice(low, high))]
    for j, place in enumerate(places):
        if not low <= j < high:
            zero[(*at, place)] += g[(*at, j)]
    return zero


# So many entries of an edge are each added to all of the tensor, where the edge's is: that fuses, as a scatter does not.
_FEW = 16


def _gathered_back_by_parts(
    xp: Any, g: Array, dim: int, size: int, places: np.ndarray[Any, Any], before: int, low: int, high: int
) -> Array:
    """The same in XLA, whose scatter goes one element at a time: what was taken in order is put back as one piece.

    Widths of 1 on 32x64x56x56: 2.5 ms, 9 by concatenation, 29 by padding the edges, 43 by writing into a slice, 74 by scatter.
    """

    at = (slice(None),) * dim
    widths = [(0, 0)] * g.ndim
    start = low - before if high > low else 0
    widths[dim] = (start, size - start - (high - low))
    found = g[(*at, slice(low, high))]
    if widths[dim] != (0, 0):
        found = xp.pad(found, widths)
    along = np.arange(size).reshape(-1, *(1,) * (g.ndim - dim - 1))
    for first, last in ((0, low), (high, len(places))):
        edge, its_places = g[(*at, slice(first, last))], places[first:last].tolist()
        if len(set(its_places)) == 1:
            edge, its_places = edge.sum(dim, keepdims=True), its_places[:1]
        if len(its_places) > _FEW:
            found = found.at[(*at, places[first:last])].add(edge)
            continue
        for j, place in enumerate(its_places):
            entry = edge[(*at, slice(j, j + 1))]
            found = found + xp.where(along == place, entry, xp.zeros((), g.dtype))
    return found


def _with_rank(name: str) -> Callable[[tuple[Meta, ...]], str]:
    """PyTorch has a node for each number of padded dimensions; an input without batch tells them apart by
    rank.
    """

    def node(inputs: tuple[Meta, ...]) -> str:
        return f"{name}{max(inputs[0].ndim - 2, 1)}DBackward0"

    return node


_OWN_PADDINGS = {
    "reflect": _declare_own_padding("reflect", _with_rank("ReflectionPad")),
    "replicate": _declare_own_padding("replicate", _with_rank("ReplicationPad")),
    "circular": _declare_own_padding("circular", "CopySlices"),
}


@function("nn.functional.pad")
def pad(input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    """The tensor with entries around it.

    Args:
        pad: how many before and after, beginning with the last dimension; negative ones cut off.
        mode: "constant" pads with `value` (0), "reflect" mirrors at the outermost entries, "replicate"
        repeats these,
            "circular" goes on at the other end. All but the first pad the last one, two or three dimensions
            only.

    Raises: RuntimeError for widths that the tensor is too small for; NotImplementedError for other modes.
    """
    widths = sizes_of((pad,), "pad", "pad", 2)
    ndim = check_tensor(input, "pad").ndim
    if len(widths) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if mode == "constant":
        return constant_pad_nd(input, widths, 0 if value is None else value)
    if len(widths) > 2 * ndim:
        _constant_shape(input._meta, widths, 0)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    count = len(widths) // 2
    if count not in (1, 2, 3) or ndim not in (count + 1, count + 2):
        raise NotImplementedError(
            f"Padding size {len(widths)} is not supported for {ndim}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    if mode not in _OWN_PADDINGS:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if input._meta.dtype is dtypes.bool_ and mode in _NAMES_BY_MODE:
        raise NotImplementedError(f"\"{_NAMES_BY_MODE[mode]}{count}d\" not implemented for 'Bool'")
    return _OWN_PADDINGS[mode](input, widths)


@function("constant_pad_nd")
def constant_pad_nd(input: Tensor, pad: Any, value: Any = 0) -> Tensor:
    """The tensor with `value` around it."""
    number = as_number(value, "constant_pad_nd", "value", 3)
    return pad_with_number(input, sizes_of((pad,), "constant_pad_nd", "pad", 2), number)
