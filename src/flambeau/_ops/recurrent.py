"""One recurrent layer in one direction: LSTM, GRU, and Elman's network with tanh or ReLU.

Each is one operation, a scan over time. Products of the input with its weights are taken for all times at once before it,
except on a CPU for many sequences. The gradient scans the other way and finds only what flows into the gates; the weights'
gradients are one product each, over all times, afterwards. For that the forward pass keeps the gates.

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
from flambeau._core import xla
from flambeau._core.declare import KEEP, Array, Index
from flambeau._core.dispatch import op
from flambeau._core.value import Meta, meta_of
from flambeau._ops.elementary import sigmoid_values
from flambeau._ops.loop_product import loop_product
from flambeau._ops.matmul import cannot_multiply, rows
from flambeau._ops.sums import total

# From so many sequences on each of them is a column in a loop.
_COLUMNS = 16

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


def _kept(input: Meta, features: int) -> Meta:
    """What is kept for the gradient, as the loop has it: 16-bit floats are float32, in which it computes."""
    steps, batch, _ = input.shape
    dtype = dtypes.float32 if input.dtype.itemsize < 4 else input.dtype
    shape = (steps, features, batch) if _in_columns(steps, batch) else (steps, batch, features)
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


class _Layout:
    """How states and gates lie in the loop, and what is kept of them for the gradient: a row of features for each sequence,
    or a column.

    Columns make the weights a product's first factor, which is faster where sequences are many: see docs/decisions/0008.
    """

    def __init__(self, xp: Any, steps: int, batch: int) -> None:
        self._xp, self._steps = xp, steps
        self._columns = _in_columns(steps, batch)
        self._axis = -2 if self._columns else -1
        self._in_cpu_loop = xp is not np and steps > 1 and xla.for_cpu()

    def turned(self, array: Array) -> Array:
        """From rows to this layout, and back."""
        return self._xp.swapaxes(array, -1, -2) if self._columns else array

    def parts(self, array: Array, count: int) -> list[Array]:
        """The features in so many equal parts."""
        size = array.shape[self._axis] // count
        bounds = [slice(i * size, (i + 1) * size) for i in range(count)]
        return [array[..., part, :] if self._columns else array[..., part] for part in bounds]

    def joined(self, arrays: Sequence[Array]) -> Array:
        return self._xp.concatenate(arrays, self._axis)

    def times(self, weight: Array) -> Callable[[Array], Array]:
        """The function of a state that multiplies its features with `weight`, `(result, features)`."""
        multiply = loop_product if self._in_cpu_loop else self._xp.matmul
        if self._columns:
            return lambda state: multiply(weight, state)
        turned = weight.T
        return lambda state: multiply(state, turned)

    def plus(self, bias: Array | None) -> Callable[[Array], Array]:
        """The function of gates that adds the bias."""
        if bias is None:
            return lambda gates: gates
        own = bias[:, None] if self._columns else bias
        return lambda gates: gates + own

    def of_input(
        self, input: Array, weight: Array, bias: Array | None
    ) -> tuple[Array, Callable[[Array], Array]]:
        """A series, and the function that makes of a step's part of it the input's share in the gates.

        The products are taken for all steps at once, except where small ones are as fast: then nothing so large is turned.
        """
        if self._columns and self._in_cpu_loop:
            multiply, add = self.times(weight), self.plus(bias)
            return self.turned(input), lambda part: add(multiply(part))
        shares = rows(input) @ weight.T
        if bias is not None:
            shares = shares + bias
        return self.turned(shares.reshape(*input.shape[:2], weight.shape[0])), lambda part: part

    def within(self, lengths: Any) -> Any:
        """For each step and sequence whether it is within; None where all are."""
        if lengths is None:
            return None
        steps = self._xp.arange(self._steps)[:, None, None]
        return steps < (lengths[None, None, :] if self._columns else lengths[None, :, None])

    def over_time(self, array: Array) -> Array:
        """`(features, steps * batch)`."""
        if self._columns:
            return self._xp.swapaxes(array, 0, 1).reshape(array.shape[1], array.shape[0] * array.shape[2])
        return rows(array).T


def _in_columns(steps: int, batch: int) -> bool:
    # In an exported module a size may be symbolic.
    return steps != 1 and isinstance(batch, int) and batch >= _COLUMNS


def _chosen(xp: Any, within: Any, new: Array, old: Array) -> Array:
    return new if within is None else xp.where(within, new, old)


def _sum(first: Array | None, second: Array | None) -> Array | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second


def _before(xp: Any, states: Array, start: Array, reverse: bool) -> Array:
    """The state before each step, given the one after each and the first."""
    if reverse:
        return xp.concatenate([states[1:], start[None]])
    return xp.concatenate([start[None], states[:-1]])


def _to_input(xp: Any, cotangent: Array, w_ih: Array, input: Array) -> Array:
    """The input's gradient from that of its share in the gates, `(features, steps * batch)`."""
    found = (w_ih.T @ cotangent).reshape(w_ih.shape[1], *input.shape[:2])
    return xp.moveaxis(found, 0, -1)


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
    return [
        input.with_shape((*input.shape[:2], hx.shape[1])), hx, cx, _kept(input, size), _kept(input, 4 * size)
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
    layout = _Layout(xp, *input.shape[:2])
    series, share = layout.of_input(input, w_ih, _sum(b_ih, b_hh))
    to_gates = layout.times(w_hh)
    project = None if w_hr is None else layout.times(w_hr)

    def step(carry: Any, at: Any) -> Any:
        hidden, cell = carry
        part, within = at
        entry, forget, new, exit = layout.parts(share(part) + to_gates(hidden), 4)
        entry, forget, exit = (sigmoid_values(xp, gate) for gate in (entry, forget, exit))
        new = xp.tanh(new)
        next_cell = forget * cell + entry * new
        next_hidden = exit * xp.tanh(next_cell)
        if project is not None:
            next_hidden = project(next_hidden)
        hidden = _chosen(xp, within, next_hidden, hidden)
        cell = _chosen(xp, within, next_cell, cell)
        return (hidden, cell), (hidden, cell, layout.joined([entry, forget, new, exit]))

    turned = layout.turned
    (hy, cy), (hiddens, cells, gates) = _scan(
        xp, step, (turned(hx), turned(cx)), (series, layout.within(lengths)), reverse
    )
    return turned(hiddens), turned(hy), turned(cy), cells, gates


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
    layout = _Layout(xp, *input.shape[:2])
    turned = layout.turned
    from_gates = layout.times(w_hh.T)
    expand = None if w_hr is None else layout.times(w_hr.T)

    def step(carry: Any, at: Any) -> Any:
        (after_hidden, after_cell), (extra_hidden, extra_cell, extra_gates, kept, cell, before, within) = (
            carry,
            at,
        )
        hidden = after_hidden + extra_hidden
        after_cell = after_cell if extra_cell is None else after_cell + extra_cell
        entry, forget, new, exit = layout.parts(kept, 4)
        squashed = xp.tanh(cell)
        exposed = hidden if expand is None else expand(hidden)
        inner = after_cell + exposed * exit * (1 - squashed * squashed)
        to_kept = [inner * new, inner * before, inner * entry, exposed * squashed]
        if extra_gates is not None:
            to_kept = [own + extra for own, extra in zip(to_kept, layout.parts(extra_gates, 4), strict=True)]
        slopes = (entry * (1 - entry), forget * (1 - forget), 1 - new * new, exit * (1 - exit))
        raw = layout.joined([own * slope for own, slope in zip(to_kept, slopes, strict=True)])
        if within is not None:
            raw = xp.where(within, raw, 0).astype(raw.dtype)
        to_hidden = _chosen(xp, within, from_gates(raw), hidden)
        to_cell = _chosen(xp, within, inner * forget, after_cell)
        return (to_hidden, to_cell), (raw, hidden)

    within = layout.within(lengths)
    series = (
        turned(to_hiddens),
        to_cells if "cells" in given else None,
        to_gates if "gates" in given else None,
        gates,
        cells,
        _before(xp, cells, turned(cx), reverse),
        within,
    )
    (to_hx, to_cx), (raw, hidden) = _scan(xp, step, (turned(to_hy), turned(to_cy)), series, not reverse)
    raw = layout.over_time(raw)
    to_bias = total(xp, raw, 1) if needs & {"b_ih", "b_hh"} else None
    to_w_hh = to_w_hr = None
    if "w_hh" in needs:
        to_w_hh = raw @ rows(_before(xp, hiddens, hx, reverse))
    if "w_hr" in needs:
        exposed = layout.parts(gates, 4)[3] * xp.tanh(cells)
        exposed = _chosen(xp, within, exposed, xp.zeros_like(exposed))
        to_w_hr = layout.over_time(hidden) @ layout.over_time(exposed).T
    return (
        _to_input(xp, raw, w_ih, input) if "input" in needs else None,
        turned(to_hx),
        turned(to_cx),
        raw @ rows(input) if "w_ih" in needs else None,
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
    return [input.with_shape(full), hx, _kept(input, 4 * hx.shape[1])]


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
    layout = _Layout(xp, *input.shape[:2])
    series, of_input = layout.of_input(input, w_ih, b_ih)
    to_gates, add_bias = layout.times(w_hh), layout.plus(b_hh)

    def step(hidden: Any, at: Any) -> Any:
        part, within = at
        reset, update, new = layout.parts(of_input(part), 3)
        to_reset, to_update, share = layout.parts(add_bias(to_gates(hidden)), 3)
        reset, update = sigmoid_values(xp, reset + to_reset), sigmoid_values(xp, update + to_update)
        new = xp.tanh(new + reset * share)
        hidden = _chosen(xp, within, new + update * (hidden - new), hidden)
        return hidden, (hidden, layout.joined([reset, update, new, share]))

    turned = layout.turned
    hy, (hiddens, gates) = _scan(xp, step, turned(hx), (series, layout.within(lengths)), reverse)
    return turned(hiddens), turned(hy), gates


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
    layout = _Layout(xp, *input.shape[:2])
    turned = layout.turned
    from_gates = layout.times(w_hh.T)

    def step(carry: Any, at: Any) -> Any:
        extra_hidden, extra_gates, kept, before, within = at
        hidden = carry + extra_hidden
        reset, update, new, share = layout.parts(kept, 4)
        to_update, to_new = hidden * (before - new), hidden * (1 - update)
        if extra_gates is not None:
            extra_reset, extra_update, extra_new, extra_share = layout.parts(extra_gates, 4)
            to_update, to_new = to_update + extra_update, to_new + extra_new
        raw_new = to_new * (1 - new * new)
        to_reset, to_share = raw_new * share, raw_new * reset
        if extra_gates is not None:
            to_reset, to_share = to_reset + extra_reset, to_share + extra_share
        raw = [to_reset * reset * (1 - reset), to_update * update * (1 - update), raw_new, to_share]
        if within is not None:
            raw = [xp.where(within, each, 0).astype(each.dtype) for each in raw]
        raw_reset, raw_update, raw_new, raw_share = raw
        of_hidden = layout.joined([raw_reset, raw_update, raw_share])
        found = (of_hidden, raw_new)
        return _chosen(xp, within, hidden * update + from_gates(of_hidden), hidden), found

    before = _before(xp, hiddens, hx, reverse)
    within = layout.within(lengths)
    series = (turned(to_output), to_gates if "gates" in given else None, gates, turned(before), within)
    to_hx, (of_hidden, of_new) = _scan(xp, step, turned(to_hy), series, not reverse)
    of_hidden, of_new = layout.over_time(of_hidden), layout.over_time(of_new)
    of_input = xp.concatenate([of_hidden[: 2 * hx.shape[1]], of_new])
    return (
        _to_input(xp, of_input, w_ih, input) if "input" in needs else None,
        turned(to_hx),
        of_input @ rows(input) if "w_ih" in needs else None,
        of_hidden @ rows(before) if "w_hh" in needs else None,
        total(xp, of_input, 1) if "b_ih" in needs else None,
        total(xp, of_hidden, 1) if "b_hh" in needs else None,
    )


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
    layout = _Layout(xp, *input.shape[:2])
    series, of_input = layout.of_input(input, w_ih, _sum(b_ih, b_hh))
    from_hidden = layout.times(w_hh)

    def step(hidden: Any, at: Any) -> Any:
        part, within = at
        summed = of_input(part) + from_hidden(hidden)
        new = xp.tanh(summed) if nonlinearity == "tanh" else xp.maximum(summed, 0)
        hidden = _chosen(xp, within, new, hidden)
        return hidden, (hidden,)

    turned = layout.turned
    hy, (hiddens,) = _scan(xp, step, turned(hx), (series, layout.within(lengths)), reverse)
    return turned(hiddens), turned(hy)


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
    layout = _Layout(xp, *input.shape[:2])
    turned = layout.turned
    to_hidden = layout.times(w_hh.T)

    def step(carry: Any, at: Any) -> Any:
        extra, after, within = at
        hidden = carry + extra
        if nonlinearity == "tanh":
            raw = hidden * (1 - after * after)
        else:
            raw = xp.where(after > 0, hidden, 0).astype(hidden.dtype)
        if within is not None:
            raw = xp.where(within, raw, 0).astype(raw.dtype)
        return _chosen(xp, within, to_hidden(raw), hidden), (raw,)

    series = (turned(to_output), turned(hiddens), layout.within(lengths))
    to_hx, (raw,) = _scan(xp, step, turned(to_hy), series, not reverse)
    raw = layout.over_time(raw)
    to_bias = total(xp, raw, 1) if needs & {"b_ih", "b_hh"} else None
    to_w_hh = None
    if "w_hh" in needs:
        to_w_hh = raw @ rows(_before(xp, hiddens, hx, reverse))
    return (
        _to_input(xp, raw, w_ih, input) if "input" in needs else None,
        turned(to_hx),
        raw @ rows(input) if "w_ih" in needs else None,
        to_w_hh,
        to_bias,
        to_bias,
    )
