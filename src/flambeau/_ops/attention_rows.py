"""Attention by blocks of queries: the weights of a block are computed, used and forgotten, in the gradient once more.

What is kept of the weights is the logarithm of each row's sum of exponentials, so memory grows with the sequence's length and not
with its square; where each query sees only earlier keys, a block's later keys are not looked at.

Source: Rabe and Staats 2021, arXiv:2112.05682; Dao et al. 2022, arXiv:2205.14135.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax import lax

from flambeau._core import dtype as dtypes
from flambeau._core.declare import RAW, Array, Scalar, broadcast_shapes
from flambeau._core.dispatch import op
from flambeau._core.value import Meta, meta_of
from flambeau._core.xla import for_cpu
from flambeau._ops.sums import total as row_totals

# Queries of a causal span, which all look at the keys up to the last one's place: at least so many, in so many spans at most.
_SPAN_ROWS, _SPANS = 32, 8
# From so many queries on twice as many spans pay.
_MANY_ROWS = 2048
# Weights of one block: at most so many queries' and bytes.
_BLOCK_ROWS, _BLOCK_BYTES = 256, 1 << 26
_NUMPY_ROWS = 64
# From so many weights for each head on they are not kept, whatever may be seen.
_MANY_WEIGHTS = 1 << 18

# -- arrays ----------------------------------------------------------------------------------------


def product(xp: Any, a: Array, b: Array) -> Array:
    """`a @ b`; 16-bit floats give float32, in which everything up to the result is kept."""
    if xp is np or a.dtype.itemsize > 2:
        return xp.matmul(a, b)
    return xp.matmul(a, b.astype(a.dtype), preferred_element_type=np.float32)


def grouped(array: Array, groups: int, heads: int) -> Array:
    """Heads of queries as (heads of keys, groups); keys and values with one group for all."""
    shape = array.shape
    if groups == 1:
        return array
    return array.reshape(*shape[:-3], heads, shape[-3] // heads, *shape[-2:])


def groups_of(query_heads: int, key_heads: int, enable_gqa: bool) -> int:
    return query_heads // key_heads if enable_gqa and key_heads and query_heads != key_heads else 1


def _grouped_inputs(query: Array, key: Array, value: Array, enable_gqa: bool) -> tuple[int, list[Array]]:
    heads = key.shape[-3]
    groups = groups_of(query.shape[-3], heads, enable_gqa)
    return groups, [grouped(each, groups, heads) for each in (query, key, value)]


def _spans(rows: int, columns: int, is_causal: bool) -> list[tuple[int, int, int]]:
    """Parts of the queries: the first, the one behind the last, and how many keys they look at."""
    if not is_causal:
        return [(0, rows, columns)]
    most = _SPANS if rows <= _MANY_ROWS else 2 * _SPANS
    if rows <= _MANY_ROWS and not for_cpu():
        most = 1  # an accelerator is better used by all at once
    size = max(_SPAN_ROWS, math.ceil(rows / most))
    return [
        (start, min(start + size, rows), min(start + size, rows, columns)) for start in range(0, rows, size)
    ]


def _block_rows(xp: Any, query: Array, seen: int) -> int:
    if xp is np:
        return _NUMPY_ROWS
    row = math.prod(query.shape[:-2]) * seen * max(query.dtype.itemsize, 4)
    return max(min(_BLOCK_ROWS, _BLOCK_BYTES // row), _SPAN_ROWS)


def _rows(array: Array, start: Any, count: int) -> Array:
    """`count` rows from `start` on, which may be known only when the program runs."""
    if isinstance(start, int):
        return array[..., start : start + count, :]
    return lax.dynamic_slice_in_dim(array, start, count, array.ndim - 2)


def _allowed(xp: Any, mask: Array | None, start: Any, count: int, seen: int, is_causal: bool) -> list[Array]:
    """What is to be seen in a block, as masks."""
    found = []
    if is_causal:
        found.append(xp.arange(seen)[None, :] <= start + xp.arange(count)[:, None])
    if mask is not None:
        if mask.shape[-2] > 1:
            mask = _rows(mask, start, count)
        found.append(mask[..., :seen] if mask.shape[-1] > 1 else mask)
    return found


def _scores(xp: Any, scaled: Array, key: Array, masks: Sequence[Array]) -> Array:
    scores = product(xp, scaled, xp.swapaxes(key, -1, -2))
    for mask in masks:
        if mask.dtype == np.bool_:
            scores = xp.where(mask, scores, -math.inf)
        else:
            scores = scores + mask.astype(scores.dtype)
    return scores


def _blocks(
    xp: Any, rows: tuple[int, int], size: int, block: Callable[[Any, int, Any], tuple[Any, Any]], sums: Any
) -> tuple[Any, Any]:
    """`block(start, count, sums)` for all rows: its first result joined, its second what the next one's `sums` are."""
    start, stop = rows
    whole = (stop - start) // size
    parts = []
    if xp is np or whole < 2:
        starts = range(start, stop, size)
    else:
        # A loop, so that only one block's weights exist at a time.
        def advance(sums: Any, number: Any) -> tuple[Any, Any]:
            found, sums = block(start + number * size, size, sums)
            return sums, found

        sums, stacked = lax.scan(advance, sums, xp.arange(whole))
        parts.append(
            tuple(
                xp.moveaxis(each, 0, -3).reshape(*each.shape[1:-2], whole * size, each.shape[-1])
                for each in stacked
            )
        )
        starts = range(start + whole * size, stop, size)
    for first in starts:
        found, sums = block(first, min(size, stop - first), sums)
        parts.append(found)
    return parts, sums


def _joined(xp: Any, parts: Sequence[Sequence[Array]]) -> list[Array]:
    if len(parts) == 1:
        return list(parts[0])
    return [xp.concatenate(each, -2) for each in zip(*parts, strict=True)]


# -- the operation ---------------------------------------------------------------------------------


def takes(
    query: Meta,
    key: Meta,
    value: Meta,
    mask: Meta | None,
    learns_mask: bool,
    is_causal: bool,
    enable_gqa: bool,
) -> bool:
    """Whether attention goes by blocks: for long sequences and for causal ones that are not tiny."""
    if min(query.ndim, key.ndim, value.ndim) < 3 or not query.shape[-1] or learns_mask:
        return False
    groups = groups_of(query.shape[-3], key.shape[-3], enable_gqa)
    lead = (*key.shape[:-3], key.shape[-3] * groups)
    if query.shape[:-2] != lead or value.shape[:-2] != key.shape[:-2] or (groups > 1 and mask is not None):
        return False
    rows, columns = query.shape[-2], key.shape[-2]
    weights = (*query.shape[:-1], columns)
    if mask is not None and (mask.ndim < 2 or broadcast_shapes(weights, mask.shape) != weights):
        return False
    if not query.numel or not key.numel or not value.numel:
        return False
    causal = is_causal and mask is None and rows >= 2 * _SPAN_ROWS
    return causal or rows * columns >= _MANY_WEIGHTS


def _shape(
    query: Meta, key: Meta, value: Meta, mask: Meta | None, is_causal: bool, scale: Any, enable_gqa: bool
) -> list[Meta]:
    wide = dtypes.float32 if query.dtype.itemsize < 4 else query.dtype
    lead = query.shape[:-1]
    return [query.with_shape((*lead, value.shape[-1])), meta_of((*lead, 1), wide, query.device)]


def _cost(inputs: Any, results: Any) -> int:
    query, key, value = inputs[:3]
    weights = query.numel // query.shape[-1] * key.shape[-2]
    wide = query.shape[-1] + value.shape[-1]
    return int(weights * (8 + wide // 16) + sum(m.numel for m in inputs))


def _node(inputs: Any) -> str:
    query, key, value = inputs[:3]
    fused = query.ndim == 4 and query.shape[-1] == key.shape[-1] == value.shape[-1]
    return "ScaledDotProductFlashAttentionForCpuBackward" if fused else "UnsafeViewBackward"


@op(promote=RAW, shape=_shape, outputs=("means", "logsumexp"), cost=_cost, node=_node)
def attention_rows(
    xp: Any,
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None,
    is_causal: bool,
    scale: Scalar,
    enable_gqa: bool,
) -> tuple[Array, Array]:
    """The weighted means of the values, and the logarithm of the sum of the scores' exponentials in each row."""
    shape, dtype = query.shape, query.dtype
    _, (query, key, value) = _grouped_inputs(query, key, value, enable_gqa)
    query = query * xp.asarray(scale).astype(dtype)
    parts: list[Any] = []
    for start, stop, seen in _spans(query.shape[-2], key.shape[-2], is_causal):
        keys, values = key[..., :seen, :], value[..., :seen, :]

        def block(first: Any, count: int, _: Any, keys: Array = keys, values: Array = values) -> Any:
            masks = _allowed(xp, mask, first, count, keys.shape[-2], is_causal)
            scores = _scores(xp, _rows(query, first, count), keys, masks)
            peak = scores.max(-1, keepdims=True)
            peak = xp.where(xp.isfinite(peak), peak, 0)
            scores -= peak  # in place in NumPy
            found = np.exp(scores, out=scores) if xp is np else xp.exp(scores)
            total = row_totals(xp, found, found.ndim - 1, keepdims=True)
            # With nothing to see in a row, the sum is zero and any divisor will do.
            total = xp.where(total == 0, 1, total)
            output = product(xp, found.astype(values.dtype), values) / total
            return (output.astype(dtype), peak + xp.log(total)), None

        parts += _blocks(xp, (start, stop), _block_rows(xp, query, seen), block, None)[0]
    output, logsumexp = _joined(xp, parts)
    return output.reshape(*shape[:-1], value.shape[-1]), logsumexp.reshape(*shape[:-1], 1)


@attention_rows.gradient("query", "key", "value")
def _(
    xp: Any,
    g: Any,
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None,
    is_causal: bool,
    scale: Any,
    enable_gqa: bool,
    means: Array,
    logsumexp: Array,
    needs: Any,
    given: Any,
) -> tuple[Array | None, Array | None, Array | None]:
    shapes, dtype = [each.shape for each in (query, key, value)], query.dtype
    heads = key.shape[-3]
    cotangent = g[0].astype(dtype)
    wide = logsumexp.dtype
    # What each row's weights take from the mean of their own gradients, and from the logarithm's.
    shared = (cotangent.astype(wide) * means.astype(wide)).sum(-1, keepdims=True)
    if "logsumexp" in given:  # second derivatives
        shared = shared - g[1]
    groups, (query, key, value) = _grouped_inputs(query, key, value, enable_gqa)
    cotangent, shared, logsumexp = (grouped(each, groups, heads) for each in (cotangent, shared, logsumexp))
    factor = xp.asarray(scale).astype(dtype)
    query = query * factor
    parts: list[Any] = []
    to_key, to_value = xp.zeros(key.shape, wide), xp.zeros(value.shape, wide)
    for start, stop, seen in _spans(query.shape[-2], key.shape[-2], is_causal):
        keys, values = key[..., :seen, :], value[..., :seen, :]

        def block(first: Any, count: int, sums: Any, keys: Array = keys, values: Array = values) -> Any:
            masks = _allowed(xp, mask, first, count, keys.shape[-2], is_causal)
            some, its = _rows(query, first, count), _rows(cotangent, first, count)
            weights = xp.exp(_scores(xp, some, keys, masks) - _rows(logsumexp, first, count))
            by_value = product(xp, xp.swapaxes(weights.astype(dtype), -1, -2), its)
            to_weights = product(xp, its, xp.swapaxes(values, -1, -2))
            to_scores = (weights * (to_weights - _rows(shared, first, count))).astype(dtype)
            by_key = product(xp, xp.swapaxes(to_scores, -1, -2), some)
            if groups > 1:
                by_key, by_value = by_key.sum(-3, keepdims=True), by_value.sum(-3, keepdims=True)
            return ((product(xp, to_scores, keys) * factor).astype(dtype),), (
                sums[0] + by_key,
                sums[1] + by_value,
            )

        sums = to_key[..., :seen, :], to_value[..., :seen, :]
        found, (of_keys, of_values) = _blocks(xp, (start, stop), _block_rows(xp, query, seen), block, sums)
        parts += found
        to_key = _with_rows(xp, to_key, of_keys)
        to_value = _with_rows(xp, to_value, of_values)
    (to_query,) = _joined(xp, parts)

    def as_given(name: str, found: Array, shape: tuple[int, ...]) -> Array | None:
        return found.astype(dtype).reshape(shape) if name in needs else None

    return (
        as_given("query", to_query, shapes[0]),
        as_given("key", to_key, shapes[1]),
        as_given("value", to_value, shapes[2]),
    )


def _with_rows(xp: Any, array: Array, first: Array) -> Array:
    """`array` with its first rows replaced."""
    count = first.shape[-2]
    if count == array.shape[-2]:
        return first
    return xp.concatenate([first, array[..., count:, :]], -2)
