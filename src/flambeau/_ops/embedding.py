"""Rows of a table looked up by number: `nn.functional.embedding` and `embedding_bag`."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import KEEP, RAW, Array, Index, registry
from flambeau._core.dispatch import apply, function, op
from flambeau._core.modes import modes
from flambeau._core.tensor import Tensor, from_array
from flambeau._core.value import Meta, Value, meta_of
from flambeau._ops.bounds import check_index
from flambeau._ops.placing import add_rows, picked

_TABLE_DTYPES = (dtypes.int64, dtypes.int32)
NO_PADDING = -1


def _check_indices(name: str, indices: Meta) -> None:
    if indices.dtype not in _TABLE_DTYPES:
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, "
            f"Int; but got torch.{indices.dtype.scalar_type}Tensor instead (while checking arguments for "
            f"{name})"
        )


def _check_rows(indices: Value, rows: int) -> None:
    check_index(
        indices, rows, 0, lambda found: IndexError("index out of range in self"),
        lambda found: f"The table has {rows} rows (num_embeddings={rows}), so indices go from 0 to {rows - 1}. "
        f"The index is {found}.",
    )  # fmt: skip


# -- embedding -------------------------------------------------------------------------------------


def _looked_up_shape(weight: Meta, indices: Meta, *_: Any) -> Meta:
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    _check_indices("embedding", indices)
    return weight.with_shape((*indices.shape, weight.shape[1]))


def _check_lookup(weight: Value, indices: Value, *_: Any) -> None:
    _check_rows(indices, weight.meta.shape[0])


@op(
    promote=RAW, node="EmbeddingBackward", shape=_looked_up_shape, check=_check_lookup,
    cost=lambda inputs, results: inputs[1].numel + results[0].numel,
)  # fmt: skip
def lookup(xp: Any, weight: Array, indices: Index, padding_idx: int, scale_grad_by_freq: bool) -> Array:
    """Row `indices[i]` of `weight` for each i."""
    return picked(xp, weight, (indices,))


@lookup.gradient("weight")
def _(
    xp: Any, g: Array, indices: Array, weight_meta: Meta, padding_idx: int, scale_grad_by_freq: bool
) -> Array:
    rows, width = weight_meta.shape
    flat = indices.reshape(-1)
    g = g.reshape(-1, width)
    if scale_grad_by_freq:
        counts = _summed(xp, (rows,), flat, xp.ones(flat.shape, g.dtype))
        g = g / picked(xp, counts, (flat,))[:, None]
    if padding_idx != NO_PADDING:
        g = xp.where((flat == padding_idx)[:, None], xp.zeros((), g.dtype), g)
    return _summed(xp, (rows, width), flat, g)


def _summed(xp: Any, shape: tuple[int, ...], rows: Array, values: Array) -> Array:
    """Zeros with `values[i]` added to row `rows[i]`."""
    zeros = xp.zeros(shape, values.dtype)
    if xp is np:
        add_rows(zeros, rows, values)
        return zeros
    return zeros.at[rows].add(values, mode="drop")


def _canonical_padding(padding_idx: int | None, rows: int) -> int:
    if padding_idx is None:
        return NO_PADDING
    if not -rows <= padding_idx < rows:
        raise AssertionError("Padding_idx must be within num_embeddings")
    return padding_idx % rows


def _renorm_rows(weight: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> None:
    """Scales the rows that are looked up and longer than `max_norm` down to it, in place."""
    if modes.grad and weight.requires_grad and not weight.is_leaf:
        raise RuntimeError(
            "embedding: max_norm rescales the weight in place; give it a leaf, or weight.clone()."
        )
    _check_rows(indices._read(), weight._meta.shape[0])
    places: Any = indices.reshape(-1)  # type: ignore[attr-defined]
    if not places.numel():
        return
    previous, modes.grad = modes.grad, False
    try:
        table: Any = weight.detach()
        rows = table[places]
        norms = registry["linalg.vector_norm"](rows, norm_type, -1, True)
        scales = registry["where"](norms > max_norm, max_norm / (norms + 1e-7), 1.0)
        # A row that is looked up more than once is written more than once, with the same values.
        table.index_copy_(0, places.long(), rows * scales)
    finally:
        modes.grad = previous


@function("embedding_renorm_")
def embedding_renorm_(input: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """Scales the rows at `indices` that are longer than `max_norm` down to it, in place.

    >>> import flambeau
    >>> flambeau.embedding_renorm_(flambeau.tensor([[3.0, 4.0], [3.0, 4.0]]), flambeau.tensor([0]), 5.0 / 2, 2.0)
    tensor([[1.5000, 2.0000],
            [3.0000, 4.0000]])
    """
    _renorm_rows(input, indices, max_norm, norm_type)
    return input


@function("nn.functional.embedding")
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of the table `weight`, named by the indices in `input`.

    Args:
        padding_idx: a row that gets no gradient.
        max_norm: rows looked up are first scaled down in place to this norm, of order `norm_type`.
        scale_grad_by_freq: divide each row's gradient by how often it is looked up.
        sparse: accepted; gradients are dense here.

    Raises: IndexError for an index out of range.

    >>> import flambeau
    >>> table = flambeau.tensor([[0.0, 0.0], [1.0, 2.0]])
    >>> flambeau.nn.functional.embedding(flambeau.tensor([1, 0]), table)
    tensor([[1., 2.],
            [0., 0.]])
    """
    for name, value, position in (("indices", input, 2), ("weight", weight, 1)):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"embedding(): argument '{name}' (position {position}) must be Tensor, not "
                f"{type(value).__name__}"
            )
    padding = _canonical_padding(padding_idx, weight._meta.shape[0] if weight._meta.shape else 0)
    if max_norm is not None:
        _renorm_rows(weight, input, max_norm, norm_type)
    return apply(lookup, (weight, input, padding, scale_grad_by_freq))


@function("embedding")
def embedding_rows(
    weight: Tensor,
    indices: Tensor,
    padding_idx: int = NO_PADDING,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """What `nn.functional.embedding` is made of: the table comes first, and -1 means no padding."""
    return apply(lookup, (weight, indices, padding_idx, scale_grad_by_freq))


# -- embedding_bag ---------------------------------------------------------------------------------


def _bags(xp: Any, offsets: Array, count: int, length: int) -> Array:
    """The number of the bag that each of `count` indices lies in: bag i starts at `offsets[i]`, or all have one length."""
    return (
        xp.arange(count) // length if length else xp.searchsorted(offsets, xp.arange(count), side="right") - 1
    )


def _totals(xp: Any, values: Array, bags: Array, count: int, length: int) -> Array:
    """What each bag's rows add up to. Bags of one length are products with ones: XLA's scatter goes element by element."""
    if length:
        width = values.shape[1:]
        return (xp.ones(length, values.dtype) @ values.reshape(count, length, math.prod(width))).reshape(
            count, *width
        )
    return _summed(xp, (count, *values.shape[1:]), bags, values)


def _spread(xp: Any, of_bags: Array, bags: Array, length: int) -> Array:
    """For each index the row of its bag."""
    if length:
        count, width = of_bags.shape
        return xp.broadcast_to(of_bags[:, None], (count, length, width)).reshape(count * length, width)
    return picked(xp, of_bags, (bags,))


def _kept(xp: Any, indices: Array, padding_idx: int) -> Array:
    return indices != padding_idx if padding_idx != NO_PADDING else xp.ones(indices.shape, bool)


def _bag_sizes(xp: Any, bags: Array, kept: Array, count: int, length: int, dtype: Any) -> Array:
    sizes = _totals(xp, kept.astype(dtype), bags, count, length)
    return xp.where(sizes == 0, xp.ones((), dtype), sizes)


def _bag_shape(weight: Meta, indices: Meta, offsets: Meta, *_: Any) -> Meta:
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    _check_indices("embedding_bag", indices)
    return weight.with_shape((offsets.numel, weight.shape[1]))


@op(
    promote=KEEP, node="EmbeddingBagBackward", shape=_bag_shape,
    cost=lambda inputs, results: inputs[1].numel * inputs[0].shape[1] + results[0].numel,
)  # fmt: skip
def bag(
    xp: Any,
    weight: Array,
    indices: Index,
    offsets: Index,
    weights: Array | None,
    mode: str,
    padding_idx: int,
    scale_grad_by_freq: bool,
    length: int,
) -> Array:
    """The sum, mean or maximum of each bag's rows; `indices` is flat, bag i starts at `offsets[i]`.

    Args:
        length: how many indices each bag has, where that is known to be the same for all; else 0.
    """
    count = offsets.shape[0]
    bags = _bags(xp, offsets, indices.shape[0], length)
    kept = _kept(xp, indices, padding_idx)
    rows = picked(xp, weight, (indices,))
    if weights is not None:
        rows = rows * weights[:, None]
    if mode == "max":
        return _largest(xp, rows, bags, kept, count)
    total = _totals(xp, xp.where(kept[:, None], rows, xp.zeros((), rows.dtype)), bags, count, length)
    return total / _bag_sizes(xp, bags, kept, count, length, rows.dtype)[:, None] if mode == "mean" else total


def _largest(xp: Any, rows: Array, bags: Array, kept: Array, count: int) -> Array:
    """The elementwise maximum of each bag; zeros where a bag is empty."""
    low = xp.asarray(-xp.inf, rows.dtype)
    start = xp.full((count, rows.shape[1]), low, rows.dtype)
    values = xp.where(kept[:, None], rows, low)
    if xp is np:
        np.maximum.at(start, bags, values)
        found = start
    else:
        found = start.at[bags].max(values, mode="drop")
    filled = _summed(xp, (count,), bags, kept.astype(rows.dtype)) > 0
    return xp.where(filled[:, None], found, xp.zeros((), rows.dtype))


@bag.gradient("weight")
def _(
    xp: Any,
    g: Array,
    weight: Array,
    indices: Array,
    offsets: Array,
    weights: Array,
    mode: str,
    padding_idx: int,
    scale_grad_by_freq: bool,
    length: int,
) -> Array:
    rows, width = weight.shape
    bags = _bags(xp, offsets, indices.shape[0], length)
    kept = _kept(xp, indices, padding_idx)
    if mode == "max":
        return _largest_gradient(xp, g, weight, indices, bags, kept, offsets.shape[0])
    if mode == "mean":
        g = g / _bag_sizes(xp, bags, kept, offsets.shape[0], length, g.dtype)[:, None]
    spread = _spread(xp, g, bags, length)
    if weights is not None:
        spread = spread * weights[:, None]
    if scale_grad_by_freq:
        counts = _summed(xp, (rows,), indices, xp.ones(indices.shape, g.dtype))
        spread = spread / picked(xp, counts, (indices,))[:, None]
    spread = xp.where(kept[:, None], spread, xp.zeros((), g.dtype))
    return _summed(xp, (rows, width), indices, spread)


def _largest_gradient(
    xp: Any, g: Array, weight: Array, indices: Array, bags: Array, kept: Array, count: int
) -> Array:
    """To the first row of each bag that has the maximum."""
    picked_rows = picked(xp, weight, (indices,))
    largest = _largest(xp, picked_rows, bags, kept, count)
    wins = (picked_rows == picked(xp, largest, (bags,))) & kept[:, None]
    place = xp.where(wins, xp.arange(indices.shape[0])[:, None], indices.shape[0])
    start = xp.full((count, weight.shape[1]), indices.shape[0], place.dtype)
    if xp is np:
        np.minimum.at(start, bags, place)
        first = start
    else:
        first = start.at[bags].min(place, mode="drop")
    won = wins & (place == picked(xp, first, (bags,)))
    return _summed(xp, weight.shape, indices, xp.where(won, picked(xp, g, (bags,)), xp.zeros((), g.dtype)))


@bag.gradient("weights")
def _(
    xp: Any, g: Array, weight: Array, indices: Array, offsets: Array, padding_idx: int, length: int
) -> Array:
    spread = _spread(xp, g, _bags(xp, offsets, indices.shape[0], length), length)
    found = xp.sum(spread * picked(xp, weight, (indices,)), axis=1)
    return xp.where(_kept(xp, indices, padding_idx), found, xp.zeros((), g.dtype))


@function("nn.functional.embedding_bag")
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The mean, sum or maximum of the rows of `weight` in each bag of indices.

    Args:
        input: indices: 2-d, a bag a row; or 1-d, cut into bags at `offsets`.
        per_sample_weights: factors of the rows, of the input's shape; for `mode="sum"` only.
        include_last_offset: the last offset is the end of the last bag.
        padding_idx: a row that counts for nothing.

    >>> import flambeau
    >>> table = flambeau.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> flambeau.nn.functional.embedding_bag(flambeau.tensor([[0, 1]]), table)
    tensor([[2., 3.]])
    """
    if weight._meta.dtype in _TABLE_DTYPES and input._meta.tracked:
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage `embedding_bag(weight, input, "
            "...)` is deprecated, and should now be `embedding_bag(input, weight, ...)`.",
            stacklevel=2,
        )
        input, weight = weight, input
    shape = input._meta.shape
    input, weights, starts = _flat_bags(input, offsets, per_sample_weights)
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    _check_indices("embedding_bag", input._meta)
    if weights is not None:
        if mode != "sum":
            raise NotImplementedError(
                "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for "
                f"mode='sum' (got mode='{mode}'). Please open a feature request on GitHub."
            )
        if weights._meta.dtype is not weight._meta.dtype:
            raise RuntimeError(
                "Expected tensor for argument #1 'weight' to have the same type as tensor for argument #1 "
                f"'per_sample_weights'; but type torch.{weight._meta.dtype.scalar_type}Tensor does not equal "
                f"torch.{weights._meta.dtype.scalar_type}Tensor (while checking arguments for embedding_bag)"
            )
    rows = weight._meta.shape[0]
    starts = _checked_offsets(starts, input._meta.numel, include_last_offset)
    padding = NO_PADDING
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError("padding_idx must be within the number of embeddings")
        padding = padding_idx % rows
    if max_norm is not None:
        _renorm_rows(weight, input, max_norm, norm_type)
    _check_rows(input._read(), rows)
    cuts = from_array(starts, meta_of(starts.shape, dtypes.int64, input._meta.device))
    length = shape[1] if len(shape) == 2 else 0
    return apply(bag, (weight, input, cuts, weights, mode, padding, scale_grad_by_freq, length))


def _flat_bags(
    input: Tensor, offsets: Tensor | None, weights: Tensor | None
) -> tuple[Tensor, Tensor | None, np.ndarray[Any, Any]]:
    """Flat indices, flat factors, and where each bag starts."""
    shape = input._meta.shape
    if weights is not None and weights._meta.shape != shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({weights.shape}) is not None, then it must have the same "
            f"shape as the input ({input.shape})"
        )
    if len(shape) == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed "
                "length sequences. However, found offsets of type <class 'torch.Tensor'>"
            )
        starts = np.arange(0, input._meta.numel, shape[1]) if shape[1] else np.zeros(shape[0], np.int64)
        flat = input.reshape(-1)  # type: ignore[attr-defined]
        return flat, None if weights is None else weights.reshape(-1), starts.astype(np.int64)  # type: ignore[attr-defined]
    if len(shape) != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {len(shape)}")
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if len(offsets._meta.shape) != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    return input, weights, offsets._host_array().astype(np.int64)


def _checked_offsets(starts: np.ndarray[Any, Any], count: int, include_last: bool) -> np.ndarray[Any, Any]:
    if include_last and not starts.size:
        raise RuntimeError("include_last_offset: numBags should be at least 1")
    if starts.size and starts[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position "
            f"0. However, got {starts[0]}"
        )
    if starts.size and starts[-1] > count:
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length {count} but got offsets[-1] of {starts[-1]}"
        )
    return starts[:-1] if include_last else starts
