"""Connectionist temporal classification: the likelihood of a label sequence over all its alignments.

Source: Graves and others 2006, "Connectionist temporal classification: labelling unsegmented
sequence data with recurrent neural networks", ICML.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import Array, Index, register, registry
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor
from flambeau._ops.reduction import NUMBERS, checked_reduction


def _negative_log_likelihood(
    log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: int
) -> Any:
    """Shape: log_probs `(T, N, C)`, targets `(N, S)`, lengths `(N)`; the result `(N)`."""
    batch, longest = targets.shape
    states = 2 * longest + 1
    # A blank before, between and after the labels.
    labels = jnp.full((batch, states), blank, targets.dtype).at[:, 1::2].set(targets)
    label_changes = jnp.concatenate([jnp.zeros((batch, 2), bool), labels[:, 2:] != labels[:, :-2]], axis=1)
    may_skip = label_changes & (jnp.arange(states) % 2 == 1)
    never = jnp.asarray(-jnp.inf, log_probs.dtype)

    def later(alpha: Any, by: int) -> Any:
        return jnp.pad(alpha, ((0, 0), (by, 0)), constant_values=-jnp.inf)[:, :states]

    def emitted(step: Any) -> Any:
        return jnp.take_along_axis(step, labels, axis=1)

    def advance(alpha: Any, at: Any) -> tuple[Any, None]:
        step, time = at
        ways = jnp.stack([alpha, later(alpha, 1), jnp.where(may_skip, later(alpha, 2), never)])
        following = _log_sum(ways, 0) + emitted(step)
        return jnp.where((time < input_lengths)[:, None], following, alpha), None

    start = jnp.where(jnp.arange(states) < 2, emitted(log_probs[0]), never)
    start = jnp.where((jnp.arange(states)[None] < 2 * target_lengths[:, None] + 1), start, never)
    alpha, _ = jax.lax.scan(advance, start, (log_probs[1:], jnp.arange(1, log_probs.shape[0])))
    last = 2 * target_lengths[:, None]
    in_blank = jnp.take_along_axis(alpha, last, axis=1)[:, 0]
    in_label = jnp.take_along_axis(alpha, jnp.maximum(last - 1, 0), axis=1)[:, 0]
    ends = jnp.stack([in_blank, jnp.where(target_lengths > 0, in_label, never)])
    found = -_log_sum(ends, 0)
    # Without any input only the empty sequence is certain.
    return jnp.where(input_lengths > 0, found, jnp.where(target_lengths == 0, 0, jnp.inf).astype(found.dtype))


def _log_sum(values: Any, axis: int) -> Any:
    """logsumexp whose gradient is 0, not nan, where everything is -inf."""
    highest = jax.lax.stop_gradient(jnp.max(values, axis=axis))
    highest = jnp.where(jnp.isfinite(highest), highest, 0)
    total = jnp.sum(jnp.exp(values - highest), axis=axis)
    return jnp.where(total > 0, jnp.log(jnp.where(total > 0, total, 1)), -jnp.inf) + highest


@op(shape=lambda log_probs, *_: (log_probs.shape[1],), node="CtcLossBackward0")
def ctc_likelihood(
    log_probs: Array,
    targets: Index,
    input_lengths: Index,
    target_lengths: Index,
    blank: int,
    zero_infinity: bool,
) -> Array:
    loss = _negative_log_likelihood(log_probs, targets, input_lengths, target_lengths, blank)
    return jnp.where(zero_infinity & jnp.isinf(loss), jnp.zeros((), loss.dtype), loss)


@ctc_likelihood.gradient("log_probs")
def _(
    g: Array,
    log_probs: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    blank: int,
    zero_infinity: bool,
) -> Array:
    """PyTorch's takes `log_probs` as the log-softmax that it should be: probabilities less how often each is
    emitted.
    """
    loss, pull = jax.vjp(
        lambda x: _negative_log_likelihood(x, targets, input_lengths, target_lengths, blank), log_probs
    )
    (emissions,) = pull(jnp.ones_like(loss))
    found = g[:, None] * (jnp.exp(log_probs) + emissions)
    impossible = jnp.isinf(loss)[:, None]
    if zero_infinity:
        found = jnp.where(impossible, jnp.zeros((), found.dtype), found)
    else:
        found = jnp.where(impossible, jnp.asarray(jnp.nan, found.dtype), found)
    within = jnp.arange(log_probs.shape[0])[:, None] < input_lengths
    return jnp.where(within[:, :, None], found, jnp.zeros((), found.dtype))


# -- the public functions --------------------------------------------------------------------------


def _lengths(lengths: Any, batch: int, name: str) -> list[int]:
    if isinstance(lengths, Tensor):
        if lengths.is_floating_point() or lengths.is_complex():
            raise RuntimeError(f"{name} must be integral")
        lengths = lengths._host_array().reshape(-1).tolist()
    found = [int(each) for each in lengths]
    if len(found) != batch:
        raise RuntimeError(f"{name} must be of size batch_size")
    return found


def _padded(targets: Tensor, lengths: Sequence[int]) -> Any:
    """Targets as rows; concatenated ones are cut apart."""
    array = targets._host_array()
    if array.ndim == 2:
        if max(lengths, default=0) > array.shape[1]:
            raise RuntimeError(
                f"Expected tensor to have size at least {max(lengths)} at dimension 1, but got size "
                f"{array.shape[1]} for "
                "argument #2 'targets' (while checking arguments for ctc_loss_allocate_outputs)"
            )
        rows = np.zeros((len(lengths), max([1, *lengths])), np.int64)
        rows[:, : array.shape[1]] = array[:, : rows.shape[1]]
    else:
        if sum(lengths) != array.size:
            raise RuntimeError(
                f"Expected tensor to have size {sum(lengths)} at dimension 0, but got size {array.size} "
                "for argument #2 "
                "'targets' (while checking arguments for ctc_loss_allocate_outputs)"
            )
        rows = np.zeros((len(lengths), max([1, *lengths])), np.int64)
        at = 0
        for row, length in zip(rows, lengths, strict=True):
            row[:length] = array[at : at + length]
            at += length
    # What pads a row may be anything; it never counts.
    return np.where(np.arange(rows.shape[1]) < np.asarray(lengths)[:, None], rows, 0)


def _check_labels(rows: Any, classes: int) -> None:
    if rows.size and not (rows.min() >= 0 and rows.max() < classes):
        raise IndexError(
            f"ctc_loss(): targets must be in [0, {classes - 1}], as log_probs has {classes} classes, but "
            "they go from "
            f"{rows.min()} to {rows.max()}"
        )


@function("nn.functional.ctc_loss", checked=True)
def ctc_loss(
    log_probs: Any,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Minus the log-likelihood of label sequences, summed over all alignments with the inputs.

    Args:
        log_probs: log-probabilities of the classes at each time.
        targets: labels, padded or one after the other.
        zero_infinity: a sequence too long for its input costs nothing instead of infinity.

    Shape: log_probs `(T, N, C)` or `(T, C)`; targets `(N, S)` or `(sum(target_lengths))`; lengths `(N)` or
    `()`.
    """
    reduction = checked_reduction(reduction)
    single = log_probs.dim() == 2
    if single:
        log_probs = log_probs.unsqueeze(1)
    if not log_probs.is_floating_point():
        raise NotImplementedError(f"\"ctc_loss_cpu\" not implemented for '{log_probs.dtype.scalar_type}'")
    times, batch, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    inputs, labels = (
        _lengths(input_lengths, batch, "input_lengths"),
        _lengths(target_lengths, batch, "target_lengths"),
    )
    for length in inputs:
        if length > times:
            raise RuntimeError(
                f"Expected input_lengths to have value at most {times}, but got value {length} (while "
                "checking arguments "
                "for ctc_loss_allocate_outputs)"
            )
    rows = _padded(targets, labels)
    _check_labels(rows, classes)
    make = registry["tensor"]
    parts = [make(each, dtype=dtypes.int64, device=log_probs.device) for each in (rows, inputs, labels)]
    loss: Any = apply(ctc_likelihood, (log_probs, *parts, blank, zero_infinity))
    if reduction == "mean":
        return (loss / parts[2].clamp_min(1).to(loss.dtype)).mean()
    if reduction == "sum":
        return loss.sum()
    return loss.squeeze(0) if single else loss


def torch_ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 0,
    zero_infinity: bool = False,
) -> Tensor:
    """`nn.functional.ctc_loss` with the reduction as a number: 0 none, 1 mean, 2 sum."""
    how = NUMBERS[reduction]
    return ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, how, zero_infinity)


register("ctc_loss", torch_ctc_loss)
