"""Attention: a weighted mean of values, the weights from products of queries and keys."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import RAW, Array, Index, Scalar, broadcast_shapes
from flambeau._core.dispatch import apply, function, op
from flambeau._core.random import default_generator
from flambeau._core.settings import attention_kernels
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, meta_of
from flambeau._ops.attention_rows import attention_rows, grouped, groups_of, product, takes
from flambeau._ops.products import dtypes_name
from flambeau._ops.random import drawn

# -- arrays ----------------------------------------------------------------------------------------


def _weights(xp: Any, scores: Array) -> Array:
    """Softmax over the last dimension; rows in which nothing may be seen are zero."""
    if not scores.shape[-1]:
        return scores
    peak = scores.max(-1, keepdims=True)
    peak = xp.where(xp.isfinite(peak), peak, 0)
    scores -= peak  # in place in NumPy
    found = np.exp(scores, out=scores) if xp is np else xp.exp(scores)
    total = found.sum(-1, keepdims=True)
    # With nothing to see in a row, the sum is zero and any divisor will do.
    found /= xp.where(total == 0, 1, total)
    return found


def _masked(xp: Any, scores: Array, mask: Array | None, is_causal: bool) -> Array:
    if is_causal:
        rows, columns = scores.shape[-2:]
        seen = xp.arange(columns)[None, :] <= xp.arange(rows)[:, None]
        scores = xp.where(seen, scores, -math.inf)
    if mask is None:
        return scores
    if mask.dtype == np.bool_:
        return xp.where(mask, scores, -math.inf)
    return scores + mask.astype(scores.dtype)


def _kept(weights: Array, dropped: Array | None, keep: Any) -> Array:
    """The weights that dropout leaves, scaled up."""
    return weights if dropped is None else weights * (dropped.astype(weights.dtype) / keep)


# -- the operation ---------------------------------------------------------------------------------


def _check_shapes(query: Meta, key: Meta, value: Meta) -> None:
    if query.ndim < 2 or key.ndim < 2 or value.ndim < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim} "
            f"key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if query.dtype is not key.dtype or query.dtype is not value.dtype:
        names = [dtypes_name(meta.dtype) for meta in (query, key, value)]
        raise RuntimeError(
            f"Expected query, key, and value to have the same dtype, but got query.dtype: {names[0]} "
            "key.dtype: "
            f"{names[1]} and value.dtype: {names[2]} instead."
        )


def _is_fused(query: Meta, key: Meta, value: Meta) -> bool:
    """Whether PyTorch's fused kernel takes it: that one knows a mask beside `is_causal`."""
    sizes = {meta.shape[-1] for meta in (query, key, value)}
    return query.ndim == key.ndim == value.ndim == 4 and len(sizes) == 1


def _refuse_kernels(query: Meta) -> None:
    """Without these two PyTorch has no kernel on the CPU."""
    if query.device.type == "cpu" or not any(attention_kernels.values()):
        raise RuntimeError(
            "No viable backend for scaled_dot_product_attention was found. This is likely due to turning off both the "
            "math kernel and the fused kernels."
        )


def _check_mask(query: Meta, mask: Meta | None, is_causal: bool) -> None:
    if mask is None:
        return
    if mask.dtype not in (dtypes.bool_, query.dtype, dtypes.float32):
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{dtypes_name(mask.dtype)} and  query.dtype: {dtypes_name(query.dtype)} instead."
        )
    if is_causal:
        raise RuntimeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
        )


def _scores_shape(query: Meta, key: Meta, value: Meta, enable_gqa: bool) -> tuple[int, ...]:
    """The shape of the weights, one for each query and key.

    Raises: RuntimeError, if sizes do not fit.
    """
    q, k, v = query.shape, key.shape, value.shape
    if enable_gqa and min(len(q), len(k), len(v)) >= 3:
        if not k[-3] or q[-3] % k[-3] or not v[-3] or q[-3] % v[-3]:
            raise RuntimeError("Number of heads in key and value must divide the number of heads in ")
        k, v = (*k[:-3], q[-3], *k[-2:]), (*v[:-3], q[-3], *v[-2:])
    batch = broadcast_shapes(q[:-2], k[:-2])
    if q[-1] != k[-1]:
        count = math.prod(batch)
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{count}, {q[-1]}] but got: "
            f"[{count}, {k[-1]}]."
        )
    batch = broadcast_shapes(batch, v[:-2])
    if k[-2] != v[-2]:
        count = math.prod(batch)
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{count}, {k[-2]}] but got: "
            f"[{count}, {v[-2]}]."
        )
    return (*batch, q[-2], k[-2])


def _attention_shape(
    query: Meta,
    key: Meta,
    value: Meta,
    mask: Meta | None,
    dropped: Any,
    keep: Any,
    is_causal: bool,
    scale: Any,
    enable_gqa: bool,
) -> list[Meta]:
    shape = _scores_shape(query, key, value, enable_gqa)
    wide = dtypes.float32 if query.dtype.itemsize < 4 else query.dtype
    return [query.with_shape((*shape[:-1], value.shape[-1])), meta_of(shape, wide, query.device)]


def _cost(inputs: Any, results: Any) -> int:
    wide = inputs[0].shape[-1] + inputs[2].shape[-1]
    return int(results[1].numel * (8 + wide // 16) + sum(m.numel for m in inputs))


def _node(inputs: Any) -> str:
    return "ScaledDotProductFlashAttentionForCpuBackward" if _is_fused(*inputs[:3]) else "UnsafeViewBackward"


@op(promote=RAW, shape=_attention_shape, outputs=("output", "weights"), cost=_cost, node=_node)
def attention(
    xp: Any,
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None,
    dropped: Index | None,
    keep: Scalar,
    is_causal: bool,
    scale: Scalar,
    enable_gqa: bool,
) -> tuple[Array, Array]:
    """The weighted means of the values, and the weights before dropout."""
    heads = key.shape[-3] if key.ndim > 2 else 1
    groups = groups_of(query.shape[-3] if query.ndim > 2 else 1, heads, enable_gqa)
    grouped_key, grouped_value = (grouped(each, groups, heads) for each in (key, value))
    scores = product(xp, grouped(query, groups, heads), xp.swapaxes(grouped_key, -1, -2))
    scores *= xp.asarray(scale).astype(scores.dtype)
    if groups > 1:
        scores = scores.reshape(*scores.shape[:-4], heads * groups, *scores.shape[-2:])
    weights = _weights(xp, _masked(xp, scores, mask, is_causal))
    kept = _kept(weights, dropped, keep)
    found = product(xp, grouped(kept.astype(value.dtype), groups, heads), grouped_value)
    if groups > 1:
        found = found.reshape(*found.shape[:-4], heads * groups, *found.shape[-2:])
    return found.astype(query.dtype), weights


@attention.gradient("query", "key", "value", "mask")
def _(
    xp: Any,
    g: Any,
    query: Array,
    key: Array,
    value: Array,
    mask_meta: Any,
    dropped: Any,
    keep: Any,
    scale: Any,
    enable_gqa: bool,
    weights: Array,
    needs: Any,
    given: Any,
) -> tuple[Array | None, Array | None, Array | None, Array | None]:
    cotangent = g[0].astype(query.dtype)
    heads = key.shape[-3] if key.ndim > 2 else 1
    groups = groups_of(query.shape[-3] if query.ndim > 2 else 1, heads, enable_gqa)
    cotangent, grouped_query, grouped_key, grouped_value = (
        grouped(each, groups, heads) for each in (cotangent, query, key, value)
    )

    def narrow(array: Array) -> Array:
        return grouped(array.astype(query.dtype), groups, heads)

    def joined(array: Array) -> Array:
        return array if groups == 1 else array.reshape(*array.shape[:-4], heads * groups, *array.shape[-2:])

    def summed(array: Array) -> Array:
        return array if groups == 1 else array.sum(-3)

    to_value = None
    if "value" in needs:
        kept = _kept(weights, dropped, keep)
        to_value = summed(product(xp, xp.swapaxes(narrow(kept), -1, -2), cotangent))
    if not needs - {"value"}:
        return None, None, to_value, None
    to_weights = product(xp, cotangent, xp.swapaxes(grouped_value, -1, -2)).reshape(weights.shape)
    to_weights = _kept(to_weights, dropped, keep)
    if "weights" in given:  # second derivatives
        to_weights = to_weights + g[1]
    to_scores = weights * (to_weights - (to_weights * weights).sum(-1, keepdims=True))
    scaled = narrow(to_scores * xp.asarray(scale).astype(to_scores.dtype))
    to_query = joined(product(xp, scaled, grouped_key)) if "query" in needs else None
    to_key = None
    if "key" in needs:
        to_key = summed(product(xp, xp.swapaxes(scaled, -1, -2), grouped_query))
    return to_query, to_key, to_value, to_scores if "mask" in needs else None


@function("nn.functional.scaled_dot_product_attention")
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """`softmax(query @ key.T * scale + mask) @ value`.

    Args:
        attn_mask: bool, True where a query sees a key; or numbers added to the scores. It broadcasts.
        dropout_p: the share of weights that are dropped. It is applied whether training or not.
        is_causal: each query sees the keys up to its own place.
        scale: None takes one over the root of the queries' size.
        enable_gqa: the heads of queries are shared out among fewer heads of keys and values.

    Shape: query `(*, heads, L, E)`, key `(*, heads, S, E)`, value `(*, heads, S, Ev)`; the result is
    `(*, heads, L, Ev)`. A query that sees nothing gets zeros.
    Raises: RuntimeError, if sizes or dtypes do not fit.
    Source: Vaswani et al. 2017, arXiv:1706.03762; Ainslie et al. 2023, arXiv:2305.13245.
    """
    metas = query._meta, key._meta, value._meta
    _check_shapes(*metas)
    if not (attention_kernels["math"] or attention_kernels["flash"]):
        _refuse_kernels(metas[0])
    plain = dropout_p > 0 or not _is_fused(*metas)
    _check_mask(metas[0], None if attn_mask is None else attn_mask._meta, is_causal and plain)
    if not query.is_floating_point():
        if query.is_complex():
            raise NotImplementedError(
                f"\"softmax_lastdim_kernel_impl\" not implemented for '{query.dtype.scalar_type}'"
            )
        raise RuntimeError(f"expected scalar type Float but found {query.dtype.scalar_type}")
    if dropout_p > 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p:g}")
    shape = _scores_shape(*metas, enable_gqa)
    if attn_mask is not None:
        broadcast_shapes(shape, tuple(attn_mask.shape))
    if enable_gqa and key.ndim > 2 and key.shape[-3] != value.shape[-3]:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)  # type: ignore[attr-defined]
        value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)  # type: ignore[attr-defined]
    dropped = None
    if dropout_p > 0:
        meta = meta_of(shape, dtypes.bool_, metas[0].device)
        dropped = drawn(lambda batch: default_generator.dropout_mask(dropout_p, (*batch, *shape)), meta)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0
    keep = 1.0 - max(dropout_p, 0.0)
    learns_mask = attn_mask is not None and attn_mask.requires_grad
    mask_meta = None if attn_mask is None else attn_mask._meta
    if dropped is None and takes(*metas, mask_meta, learns_mask, is_causal, enable_gqa):
        return apply(attention_rows, (query, key, value, attn_mask, is_causal, scale, enable_gqa))[0]
    arguments = (query, key, value, attn_mask, dropped, keep or 1.0, is_causal, scale, enable_gqa)
    return apply(attention, arguments)[0]
