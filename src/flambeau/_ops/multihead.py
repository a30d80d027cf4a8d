"""Attention with several heads, as `nn.MultiheadAttention` calls it: projections, masks, heads, output."""

from __future__ import annotations

import math
import warnings
from typing import Any

from flambeau._core.declare import registry
from flambeau._core.dispatch import function
from flambeau._core.dtype import dtype as DType
from flambeau._core.tensor import Tensor


@function("nn.functional.multi_head_attention_forward")
def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of `num_heads` heads, and its weights where they are wanted.

    Shape: query `(L, N, E)` or `(L, E)`, key and value `(S, N, *)` or `(S, *)`; output as the query, weights
        `(N, L, S)`, with a dimension of heads after the first unless `average_attn_weights`.
    Raises: AssertionError or RuntimeError, if shapes do not fit.
    Source: Vaswani et al. 2017, arXiv:1706.03762.
    """
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = _with_batch(query, key, value)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    padding = additive_mask(key_padding_mask, "key_padding_mask", attn_mask, "attn_mask", query.dtype)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    causal = is_causal and padding is None and not need_weights
    mask = None if causal else additive_mask(attn_mask, "attn_mask", None, "", query.dtype, check_other=False)
    _check_widths(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    head_width = width // num_heads
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else in_proj_weight
    q, k, v = _project(query, key, value, weights, in_proj_bias)
    mask = _mask_of_heads(mask, length, key.shape[0], batch * num_heads)
    if bias_k is not None and bias_v is not None:
        _check_static(static_k is None, "bias cannot be added to static key.")
        _check_static(static_v is None, "bias cannot be added to static value.")
        k, v = (_append(each, extra.repeat(1, batch, 1), 0) for each, extra in ((k, bias_k), (v, bias_v)))
        mask, padding = _one_more_key(mask), _one_more_key(padding)
    q = _heads(q, None, batch * num_heads, head_width, "")
    k = _heads(k, static_k, batch * num_heads, head_width, "static_k")
    v = _heads(v, static_v, batch * num_heads, head_width, "static_v")
    if add_zero_attn:
        k, v = (_append(each, each.new_zeros(batch * num_heads, 1, head_width), 1) for each in (k, v))
        mask, padding = _one_more_key(mask), _one_more_key(padding)
    mask = _joined(mask, padding, batch, num_heads, k.size(1))
    dropout = dropout_p if training else 0.0
    attend = _attend_with_weights if need_weights else _attend
    output, shares = attend(q, k, v, mask, dropout, causal, batch, num_heads)
    output = registry["nn.functional.linear"](
        output.reshape(length * batch, width), out_proj_weight, out_proj_bias
    )
    output = output.view(length, batch, output.size(1))
    if shares is not None and average_attn_weights:
        shares = shares.mean(dim=1)
    if not batched:
        output = output.squeeze(1)
        shares = None if shares is None else shares.squeeze(0)
    return output, shares


# -- what is refused -------------------------------------------------------------------------------


def _check_shapes(
    query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None, heads: int
) -> bool:
    """Whether the tensors have a batch dimension; raises where they disagree."""
    dims = query.dim()
    if dims not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {dims}-D query tensor"
        )
    kind = f"For {'batched (3-D)' if dims == 3 else 'unbatched (2-D)'} `query`, expected"
    if key.dim() != dims or value.dim() != dims:
        raise AssertionError(
            f"{kind} `key` and `value` to be {dims}-D but found {key.dim()}-D and {value.dim()}-D tensors "
            "respectively"
        )
    if padding is not None and padding.dim() != dims - 1:
        raise AssertionError(
            f"{kind} `key_padding_mask` to be `None` or {dims - 1}-D but found {padding.dim()}-D tensor "
            "instead"
        )
    if mask is not None and mask.dim() not in (2, 3):
        raise AssertionError(
            f"{kind} `attn_mask` to be `None`, 2-D or 3-D but found {mask.dim()}-D tensor instead"
        )
    if dims == 2 and mask is not None and mask.dim() == 3:
        expected = (heads, query.shape[0], key.shape[0])
        if tuple(mask.shape) != expected:
            raise AssertionError(f"Expected `attn_mask` shape to be {expected} but got {mask.shape}")
    return dims == 3


def _with_batch(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """With a batch dimension of one; what was one tensor stays one, so that it is projected once."""
    batched = {id(each): each.unsqueeze(1) for each in (query, key, value)}
    return batched[id(query)], batched[id(key)], batched[id(value)]


def _check_widths(query: Tensor, key: Tensor, value: Tensor, width: int, heads: int, separate: bool) -> None:
    if query.shape[2] != width:
        raise AssertionError(f"was expecting embedding dimension of {width}, but got {query.shape[2]}")
    if width % heads != 0:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {heads}")
    if separate and key.shape[:2] != value.shape[:2]:
        raise AssertionError(
            f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
        )
    if not separate and key.shape != value.shape:
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")


def _check_static(is_absent: bool, message: str) -> None:
    if not is_absent:
        raise AssertionError(message)


# -- masks -----------------------------------------------------------------------------------------


def additive_mask(
    mask: Tensor | None,
    name: str,
    other: Tensor | None,
    other_name: str,
    dtype: DType,
    check_other: bool = True,
) -> Tensor | None:
    """A mask to be added: a boolean one becomes minus infinity where it is True.

    Raises: AssertionError, if it is of integers.
    """
    if mask is None:
        return None
    is_float = mask.is_floating_point()
    if not is_float and str(mask.dtype) != "torch.bool":
        error = AssertionError(f"only bool and floating types of {name} are supported")
        error.add_note(
            f"It is of {mask.dtype}: `{name}.bool()` makes a mask of it that is True where not to look."
        )
        raise error
    if check_other and other is not None and other.dtype != mask.dtype:
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=3,
        )
    if is_float:
        return mask
    return mask.new_zeros(mask.shape, dtype=dtype).masked_fill(mask, -math.inf)


def _mask_of_heads(mask: Tensor | None, length: int, keys: int, heads: int) -> Tensor | None:
    """The mask with a first dimension, of one or of all heads in the batch."""
    if mask is None:
        return None
    expected = (length, keys) if mask.dim() == 2 else (heads, length, keys)
    if tuple(mask.shape) != expected:
        raise RuntimeError(
            f"The shape of the {mask.dim()}D attn_mask is {mask.shape}, but should be {expected}."
        )
    return mask.unsqueeze(0) if mask.dim() == 2 else mask


def _one_more_key(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else _append(mask, mask.new_zeros(*mask.shape[:-1], 1), mask.dim() - 1)


def _joined(mask: Tensor | None, padding: Tensor | None, batch: int, heads: int, keys: int) -> Tensor | None:
    """Both masks in one, for each head of each sample."""
    if padding is None:
        return mask
    if padding.shape[0] != batch:
        raise AssertionError(f"Expected key_padded_mask.shape[0] to be {batch}, but got {padding.shape[0]}")
    if padding.shape[1] != keys:
        raise AssertionError(f"Expected key_padded_mask.shape[1] to be {keys}, but got {padding.shape[1]}")
    spread = padding.view(batch, 1, 1, keys).expand(-1, heads, -1, -1).reshape(batch * heads, 1, keys)
    return spread if mask is None else mask + spread


# -- projections and heads -------------------------------------------------------------------------


def _append(tensor: Tensor, more: Tensor, dim: int) -> Tensor:
    joined: Tensor = registry["cat"]([tensor, more], dim)
    return joined


def _project(
    query: Tensor, key: Tensor, value: Tensor, weights: Any, bias: Tensor | None
) -> tuple[Tensor, ...]:
    linear = registry["nn.functional.linear"]
    if isinstance(weights, tuple):
        biases = (None, None, None) if bias is None else bias.chunk(3)
        return tuple(linear(*each) for each in zip((query, key, value), weights, biases, strict=True))
    if query is key and key is value:
        # One product for all three.
        return tuple(linear(query, weights, bias).chunk(3, dim=-1))
    width = query.size(-1)
    if key is value:
        sizes = [width, 2 * width]
        first_bias, rest_bias = (None, None) if bias is None else bias.split(sizes)
        first, rest = weights.split(sizes)
        return (linear(query, first, first_bias), *linear(key, rest, rest_bias).chunk(2, dim=-1))
    biases = (None, None, None) if bias is None else bias.chunk(3)
    return tuple(linear(*each) for each in zip((query, key, value), weights.chunk(3), biases, strict=True))


def _heads(projected: Tensor, static: Tensor | None, heads: int, width: int, name: str) -> Tensor:
    """`(heads, keys, width)`, or what was given in its place."""
    if static is None:
        return projected.reshape(projected.shape[0], heads, width).transpose(0, 1)
    if static.size(0) != heads:
        raise AssertionError(f"expecting {name}.size(0) of {heads}, but got {static.size(0)}")
    if static.size(2) != width:
        raise AssertionError(f"expecting {name}.size(2) of {width}, but got {static.size(2)}")
    return static


def _attend_with_weights(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float, causal: bool, batch: int, heads: int
) -> tuple[Tensor, Tensor | None]:
    scaled = q * math.sqrt(1.0 / float(q.shape[2]))
    scores = scaled.bmm(k.transpose(-2, -1))
    if mask is not None:
        scores = scores + mask
    shares = registry["nn.functional.softmax"](scores, dim=-1)
    if dropout > 0.0:
        shares = registry["nn.functional.dropout"](shares, p=dropout)
    output = shares.bmm(v).transpose(0, 1)
    return output, shares.view(batch, heads, q.size(1), k.size(1))


def _attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float, causal: bool, batch: int, heads: int
) -> tuple[Tensor, Tensor | None]:
    length, keys, width = q.size(1), k.size(1), q.size(2)
    if mask is not None:
        mask = mask.unsqueeze(0) if mask.size(0) == 1 else mask.view(batch, heads, -1, keys)
    q, k, v = (each.reshape(batch, heads, -1, width) for each in (q, k, v))
    attention = registry["nn.functional.scaled_dot_product_attention"]
    output = attention(q, k, v, mask, dropout, causal)
    return output.permute(2, 0, 1, 3).reshape(length, batch * heads, width), None
