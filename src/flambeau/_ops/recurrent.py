"""One recurrent layer in one direction: LSTM, GRU, and Elman's network with tanh or ReLU.

Each is one operation, a scan over time. Products of the input with its weights are taken for all times at once before it.
The gradient scans the other way and finds only what flows into the gates; the weights' gradients are one product each, over
all times, afterwards. For that the forward pass keeps the gates.

Shape: input `(T, B, I)`, states `(B, H)`, weights as PyTorch has them. `lengths` `(B)`, where it is given, says how
many steps each sequence has, from the first: beyond its end a sequence keeps its state. `reverse` goes from the last
step to the first.
Source: Hochreiter and Schmidhuber 1997; Cho et al. 2014, arXiv:1406.1078; Elman 1990; projections: Sak et al. 2014,
arXiv:1402.1128.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax import lax

from flambeau._core import dtype as dtypes
from flambeau._core.declare import KEEP, Array, Index
from flambeau._core.dispatch import op
from flambeau._core.value import Meta, meta_of
from flambeau._ops.elementary import sigmoid_values
from flambeau._ops.matmul import cannot_multiply, rows

# What one step of the loop costs in NumPy beside its arithmetic, in elements touched.
_STEP_COST = 4_000

# -- shapes ----------------------------------------------------------------------------------------


def _check(
    name: str, input: Meta, hx: Meta, w_ih: Meta, w_hh: Meta, biases: Sequence[Meta | None], gates: int
) -> None:
    """Refuses what does not fit; `gates` is the number of rows of the weights.

    Raises: RuntimeError or NotImplementedError.
    """
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"{name}\" not implemented for '{input.dtype.scalar_type}'")
    for other in (w_ih, hx, w_hh):
        if other.dtype is not input.dtype:
            raise RuntimeError(
                f"mat1 and mat2 must have the same dtype, but got {input.dtype.scalar_type} and "
                f"{other.dtype.scalar_type}"
            )
    length, batch, width = input.shape
    if not length:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    if w_ih.shape[1] != width:
        raise cannot_multiply((length * batch, width), w_ih.shape[::-1])
    if w_hh.shape[1] != hx.shape[1]:
        raise cannot_multiply(hx.shape, w_hh.shape[::-1])
    if hx.shape[0] != batch:
        raise RuntimeError(
            f"The size of tensor a ({hx.shape[0]}) must match the size of tensor b ({batch}) at "
            "non-singleton dimension 0"
        )
    for own in (w_ih, w_hh, *biases):
        if own is not None and own.shape[0] != gates:
            raise RuntimeError(
                f"The size of tensor a ({own.shape[0]}) must match the size of tensor b ({gates}) at "
                "non-singleton dimension 1"
            )


def _wide(input: Meta, shape: tuple[int, ...]) -> Meta:
    """What is kept for the gradient: 16-bit floats as float32, in which the scan computes."""
    dtype = dtypes.float32 if input.dtype.itemsize < 4 else input.dtype
    return meta_of(shape, dtype, input.device)


def _cost(inputs: Any, results: Any) -> int:
    """Of NumPy's loop; see `matmul._cost` for the weight of multiply-adds."""
    length, batch, width = inputs[0].shape
    w_ih = next(meta for meta in inputs if meta.ndim == 2 and meta.shape[1] == width)
    products = length * batch * w_ih.shape[0] * (width + results[0].shape[-1])
    return int(products // 16 + 4 * sum(m.numel for m in results) + length * _STEP_COST)


# -- what the three have in common -----------------------------------------------------------------


def _scan(
    xp: Any, step: Callable[[Any, Any], tuple[Any, Any]], carry: Any, series: tuple[Any, ...], reverse: bool
) -> tuple[Any, tuple[Any, ...]]:
    """Runs `step(carry, at) -> carry, found` over the first dimension of `series`; returns the last carry, and all found."""
    length = series[0].shape[0]
    if xp is not np and length > 1:
        return lax.scan(step, carry, series, reverse=reverse)
    found: list[Any] = [None] * length
    for time in reversed(range(length)) if reverse else range(length):
        carry, found[time] = step(carry, tuple(None if each is None else each[time] for each in series))
    return carry, tuple(xp.stack(each) for each in zip(*found, strict=True))


def _within(xp: Any, lengths: Any, steps: int) -> Any:
    """For each step and sequence whether it is within; None where all are."""
    return None if lengths is None else xp.arange(steps)[:, None, None] < lengths[None, :, None]


def _chosen(xp: Any, within: Any, new: Array, old: Array) -> Array:
    return new if within is None else xp.where(within, new, old)


def _sum(first: Array | None, second: Array | None) -> Array | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second


def _of_input(xp: Any, input: Array, weight: Array, bias: Array | None) -> Array:
    """The input's share in the gates, for all steps."""
    found = rows(input) @ weight.T
    if bias is not None:
        found = found + bias
    return found.reshape(*input.shape[:2], -1)


def _before(xp: Any, states: Array, start: Array, reverse: bool) -> Array:
    """The state before each step, given the one after each and the first."""
    if reverse:
        return xp.concatenate([states[1:], start[None]])
    return xp.concatenate([start[None], states[:-1]])


def _product_over_time(xp: Any, cotangent: Array, of: Array) -> Array:
    """The gradient of a weight."""
    return rows(cotangent).T @ rows(of)


def _to_input(cotangent: Array, w_ih: Array) -> Array:
    return (rows(cotangent) @ w_ih).reshape(*cotangent.shape[:2], -1)


def _parts(array: Array, count: int) -> list[Array]:
    size = array.shape[-1] // count
    return [array[..., i * size : (i + 1) * size] for i in range(count)]


# -- LSTM ------------------------------------------------------------------------------------------


def _lstm_shape(
    input: Meta, hx: Meta, cx: Meta, w_ih: Meta, w_hh: Meta, b_ih: Any, b_hh: Any, w_hr: Meta | None, *_: Any
) -> list[Meta]:
    _check("lstm", input, hx, w_ih, w_hh, (b_ih, b_hh), 4 * cx.shape[1])
    size = cx.shape[1]
    if cx.shape[0] != hx.shape[0]:
        raise RuntimeError(
            f"The size of tensor a ({hx.shape[0]}) must match the size of tensor b ({cx.shape[0]}) at "
            "non-singleton dimension 0"
        )
    if w_hr is not None and w_hr.shape[1] != size:
        raise cannot_multiply(cx.shape, w_hr.shape[::-1])
    if hx.shape[1] != (size if w_hr is None else w_hr.shape[0]):
        raise RuntimeError(
            f"The hidden state has {hx.shape[1]} features, but the next one would have "
            f"{size if w_hr is None else w_hr.shape[0]}"
        )
    steps = input.shape[:2]
    return [
        input.with_shape((*steps, hx.shape[1])), hx, cx,
        _wide(input, (*steps, cx.shape[1])), _wide(input, (*steps, 4 * cx.shape[1])),
    ]  # fmt: skip


def _lstm_node(inputs: Any) -> str:
    return "MkldnnRnnLayerBackward" if inputs[0].dtype is dtypes.float32 else "StackBackward"


@op(
    promote=KEEP,
    shape=_lstm_shape,
    outputs=("hiddens", "hy", "cy", "cells", "gates"),
    cost=_cost,
    node=_lstm_node,
)
def lstm_layer(
    xp: Any,
    input: Array,
    hx: Array,
    cx: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    w_hr: Array | None,
    lengths: Index | None,
    reverse: bool,
) -> Any:
    """The hidden states, the last hidden and cell state, and for the gradient cell states and gates."""
    bias = _sum(b_ih, b_hh)

    def step(carry: Any, at: Any) -> Any:
        hidden, cell = carry
        of_input, within = at
        entry, forget, new, exit = _parts(of_input + hidden @ w_hh.T, 4)
        entry, forget, exit = (sigmoid_values(xp, gate) for gate in (entry, forget, exit))
        new = xp.tanh(new)
        next_cell = forget * cell + entry * new
        next_hidden = exit * xp.tanh(next_cell)
        if w_hr is not None:
            next_hidden = next_hidden @ w_hr.T
        hidden = _chosen(xp, within, next_hidden, hidden)
        cell = _chosen(xp, within, next_cell, cell)
        return (hidden, cell), (hidden, cell, xp.concatenate([entry, forget, new, exit], -1))

    series = (_of_input(xp, input, w_ih, bias), _within(xp, lengths, input.shape[0]))
    (hy, cy), (hiddens, cells, gates) = _scan(xp, step, (hx, cx), series, reverse)
    return hiddens, hy, cy, cells, gates


@lstm_layer.gradient("input", "hx", "cx", "w_ih", "w_hh", "b_ih", "b_hh", "w_hr")
def _(
    xp: Any,
    g: Any,
    input: Array,
    hx: Array,
    cx: Array,
    w_ih: Array,
    w_hh: Array,
    w_hr: Array | None,
    lengths: Any,
    reverse: bool,
    hiddens: Array,
    cells: Array,
    gates: Array,
    needs: Any,
    given: Any,
) -> Any:
    to_hiddens, to_hy, to_cy, to_cells, to_gates = g

    def step(carry: Any, at: Any) -> Any:
        (after_hidden, after_cell), (extra_hidden, extra_cell, extra_gates, kept, cell, before, within) = (
            carry,
            at,
        )
        hidden = after_hidden + extra_hidden
        after_cell = after_cell if extra_cell is None else after_cell + extra_cell
        entry, forget, new, exit = _parts(kept, 4)
        squashed = xp.tanh(cell)
        exposed = hidden if w_hr is None else hidden @ w_hr
        inner = after_cell + exposed * exit * (1 - squashed * squashed)
        to_kept = [inner * new, inner * before, inner * entry, exposed * squashed]
        if extra_gates is not None:
            to_kept = [own + extra for own, extra in zip(to_kept, _parts(extra_gates, 4), strict=True)]
        slopes = (entry * (1 - entry), forget * (1 - forget), 1 - new * new, exit * (1 - exit))
        raw = xp.concatenate([own * slope for own, slope in zip(to_kept, slopes, strict=True)], -1)
        if within is not None:
            raw = xp.where(within, raw, 0).astype(raw.dtype)
        to_hidden = _chosen(xp, within, raw @ w_hh, hidden)
        to_cell = _chosen(xp, within, inner * forget, after_cell)
        return (to_hidden, to_cell), (raw, hidden)

    within = _within(xp, lengths, input.shape[0])
    series = (
        to_hiddens,
        to_cells if "cells" in given else None,
        to_gates if "gates" in given else None,
        gates,
        cells,
        _before(xp, cells, cx, reverse),
        within,
    )
    (to_hx, to_cx), (raw, hidden) = _scan(xp, step, (to_hy, to_cy), series, not reverse)
    to_bias = rows(raw).sum(0) if needs & {"b_ih", "b_hh"} else None
    to_w_hh = to_w_hr = None
    if "w_hh" in needs:
        to_w_hh = _product_over_time(xp, raw, _before(xp, hiddens, hx, reverse))
    if "w_hr" in needs:
        exposed = _parts(gates, 4)[3] * xp.tanh(cells)
        to_w_hr = _product_over_time(xp, hidden, _chosen(xp, within, exposed, xp.zeros_like(exposed)))
    return (
        _to_input(raw, w_ih) if "input" in needs else None,
        to_hx,
        to_cx,
        _product_over_time(xp, raw, input) if "w_ih" in needs else None,
        to_w_hh,
        to_bias,
        to_bias,
        to_w_hr,
    )


# What backward needs of the inputs. Not the hidden states, which PyTorch lets users overwrite.
_GUARDED = ("input", "hx", "w_ih", "w_hh", "lengths")


# -- GRU -------------------------------------------------------------------------------------------


def _gru_shape(
    input: Meta, hx: Meta, w_ih: Meta, w_hh: Meta, b_ih: Meta | None, b_hh: Meta | None, *_: Any
) -> list[Meta]:
    _check("gru", input, hx, w_ih, w_hh, (b_ih, b_hh), 3 * hx.shape[1])
    full = (*input.shape[:2], hx.shape[1])
    return [input.with_shape(full), hx, _wide(input, (*full[:2], 4 * hx.shape[1]))]


@op(
    promote=KEEP,
    shape=_gru_shape,
    outputs=("hiddens", "hy", "gates"),
    guards=(*_GUARDED, "gates"),
    cost=_cost,
    node="StackBackward",
)
def gru_layer(
    xp: Any,
    input: Array,
    hx: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    lengths: Index | None,
    reverse: bool,
) -> Any:
    """The hidden states, the last, and for the gradient reset, update, candidate, and the hidden state's share in
    the candidate.
    """
    size = hx.shape[-1]

    def step(hidden: Any, at: Any) -> Any:
        of_input, within = at
        of_hidden = hidden @ w_hh.T
        if b_hh is not None:
            of_hidden = of_hidden + b_hh
        reset, update = _parts(sigmoid_values(xp, of_input[..., : 2 * size] + of_hidden[..., : 2 * size]), 2)
        share = of_hidden[..., 2 * size :]
        new = xp.tanh(of_input[..., 2 * size :] + reset * share)
        hidden = _chosen(xp, within, new + update * (hidden - new), hidden)
        return hidden, (hidden, xp.concatenate([reset, update, new, share], -1))

    series = (_of_input(xp, input, w_ih, b_ih), _within(xp, lengths, input.shape[0]))
    hy, (output, gates) = _scan(xp, step, hx, series, reverse)
    return output, hy, gates


@gru_layer.gradient("input", "hx", "w_ih", "w_hh", "b_ih", "b_hh")
def _(
    xp: Any,
    g: Any,
    input: Array,
    hx: Array,
    w_ih: Array,
    w_hh: Array,
    lengths: Any,
    reverse: bool,
    hiddens: Array,
    gates: Array,
    needs: Any,
    given: Any,
) -> Any:
    to_output, to_hy, to_gates = g

    def step(carry: Any, at: Any) -> Any:
        extra_hidden, extra_gates, kept, before, within = at
        hidden = carry + extra_hidden
        reset, update, new, share = _parts(kept, 4)
        to_update, to_new = hidden * (before - new), hidden * (1 - update)
        if extra_gates is not None:
            extra_reset, extra_update, extra_new, extra_share = _parts(extra_gates, 4)
            to_update, to_new = to_update + extra_update, to_new + extra_new
        raw_new = to_new * (1 - new * new)
        to_reset, to_share = raw_new * share, raw_new * reset
        if extra_gates is not None:
            to_reset, to_share = to_reset + extra_reset, to_share + extra_share
        raw = [to_reset * reset * (1 - reset), to_update * update * (1 - update), raw_new, to_share]
        joined = xp.concatenate(raw, -1)
        if within is not None:
            joined = xp.where(within, joined, 0).astype(joined.dtype)
        of_hidden = _without_third(xp, joined) @ w_hh
        return _chosen(xp, within, hidden * update + of_hidden, hidden), (joined,)

    before = _before(xp, hiddens, hx, reverse)
    within = _within(xp, lengths, input.shape[0])
    series = (to_output, to_gates if "gates" in given else None, gates, before, within)
    to_hx, (joined,) = _scan(xp, step, to_hy, series, not reverse)
    of_input, of_hidden = joined[..., : 3 * hx.shape[-1]], _without_third(xp, joined)
    return (
        _to_input(of_input, w_ih) if "input" in needs else None,
        to_hx,
        _product_over_time(xp, of_input, input) if "w_ih" in needs else None,
        _product_over_time(xp, of_hidden, before) if "w_hh" in needs else None,
        rows(of_input).sum(0) if "b_ih" in needs else None,
        rows(of_hidden).sum(0) if "b_hh" in needs else None,
    )


def _without_third(xp: Any, joined: Array) -> Array:
    """Of what flows to reset, update, candidate and share: that which goes on to the hidden state's weights."""
    size = joined.shape[-1] // 4
    return xp.concatenate([joined[..., : 2 * size], joined[..., 3 * size :]], -1)


# -- Elman's network -------------------------------------------------------------------------------


def _rnn_shape(
    input: Meta, hx: Meta, w_ih: Meta, w_hh: Meta, b_ih: Meta | None, b_hh: Meta | None, *_: Any
) -> list[Meta]:
    _check("rnn", input, hx, w_ih, w_hh, (b_ih, b_hh), hx.shape[1])
    full = (*input.shape[:2], hx.shape[1])
    return [input.with_shape(full), hx]


@op(
    promote=KEEP,
    shape=_rnn_shape,
    outputs=("hiddens", "hy"),
    guards=_GUARDED,
    cost=_cost,
    node="StackBackward",
)
def rnn_layer(
    xp: Any,
    input: Array,
    hx: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    lengths: Index | None,
    reverse: bool,
    nonlinearity: str,
) -> Any:
    """The hidden states and the last."""
    bias = _sum(b_ih, b_hh)

    def step(hidden: Any, at: Any) -> Any:
        of_input, within = at
        total = of_input + hidden @ w_hh.T
        new = xp.tanh(total) if nonlinearity == "tanh" else xp.maximum(total, 0)
        hidden = _chosen(xp, within, new, hidden)
        return hidden, (hidden,)

    series = (_of_input(xp, input, w_ih, bias), _within(xp, lengths, input.shape[0]))
    hy, (output,) = _scan(xp, step, hx, series, reverse)
    return output, hy


@rnn_layer.gradient("input", "hx", "w_ih", "w_hh", "b_ih", "b_hh")
def _(
    xp: Any,
    g: Any,
    input: Array,
    hx: Array,
    w_ih: Array,
    w_hh: Array,
    lengths: Any,
    reverse: bool,
    nonlinearity: str,
    hiddens: Array,
    needs: Any,
) -> Any:
    to_output, to_hy = g

    def step(carry: Any, at: Any) -> Any:
        extra, after, within = at
        hidden = carry + extra
        if nonlinearity == "tanh":
            raw = hidden * (1 - after * after)
        else:
            raw = xp.where(after > 0, hidden, 0).astype(hidden.dtype)
        if within is not None:
            raw = xp.where(within, raw, 0).astype(raw.dtype)
        return _chosen(xp, within, raw @ w_hh, hidden), (raw,)

    series = (to_output, hiddens, _within(xp, lengths, input.shape[0]))
    to_hx, (raw,) = _scan(xp, step, to_hy, series, not reverse)
    to_bias = rows(raw).sum(0) if needs & {"b_ih", "b_hh"} else None
    to_w_hh = None
    if "w_hh" in needs:
        to_w_hh = _product_over_time(xp, raw, _before(xp, hiddens, hx, reverse))
    return (
        _to_input(raw, w_ih) if "input" in needs else None,
        to_hx,
        _product_over_time(xp, raw, input) if "w_ih" in needs else None,
        to_w_hh,
        to_bias,
        to_bias,
    )
