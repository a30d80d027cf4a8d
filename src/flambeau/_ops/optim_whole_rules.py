"""The update rules that look at a parameter as a whole, Adafactor's and Muon's; `optim.py` tells how a rule is written."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
from jax import lax

from flambeau._core.declare import RAW, Array, Operand
from flambeau._core.dispatch import op
from flambeau._ops.optim import _as_reals, _in, _lerp, _like
from flambeau._ops.optim_rules import _decayed, _updating


def _norm(xp: Any, x: Any) -> Any:
    return xp.sqrt(xp.sum(x * x))


def _mean_square(xp: Any, x: Any) -> Any:
    """The root of the mean square, in float64 as PyTorch has it on the host."""
    return _norm(xp, x).astype(np.float64) / math.sqrt(x.size)


@op(promote=RAW, shape=_updating(0, 2, 3, 4, 5), many_outputs=True, differentiable=False)
def adafactor_step(
    xp: Any,
    param: Array,
    grad: Array,
    row_var: Array | None,
    col_var: Array | None,
    variance: Array | None,
    step: Array,
    lr: Operand,
    beta2_decay: Operand,
    eps1: Operand,
    eps2: Operand,
    d: Operand,
    weight_decay: Operand,
    decays: bool,
    maximize: bool,
) -> Array:
    """Adafactor: (parameter, row_var and col_var of a matrix or variance of a vector, step)."""
    p, g, rows, columns, square = _as_reals(xp, param, grad, row_var, col_var, variance)
    step = step + 1
    count = step.astype(np.float64)
    if maximize:
        g = -g
    new = _in(p.dtype, count**beta2_decay)
    alpha = xp.maximum(eps2, _mean_square(xp, p)) * xp.minimum(lr.astype(np.float64), 1 / xp.sqrt(count))
    if decays:
        p = _decayed(p, lr, weight_decay)
    smallest = _in(p.dtype, eps1)
    state: list[Any]
    if square is None:
        rows = _lerp(xp, rows, xp.mean(g * g, axis=-1, keepdims=True), new)
        columns = _lerp(xp, columns, xp.mean(g * g, axis=-2, keepdims=True), new)
        spread = rows @ columns / xp.maximum(xp.mean(rows, axis=-2, keepdims=True), smallest)
        state = [_like(xp, rows, row_var), _like(xp, columns, col_var)]
    else:
        spread = _lerp(xp, square, g * g, new)
        state = [_like(xp, spread, variance)]
    update = g / xp.sqrt(xp.maximum(spread, _in(p.dtype, eps1 * eps1)))
    denominator = xp.maximum(1.0, _mean_square(xp, update) / d)
    p = p - _in(p.dtype, alpha / denominator) * update
    return [_like(xp, p, param), *state, step]


def _rounded(xp: Any, x: Any) -> Any:
    """float32 numbers at bfloat16's precision. XLA may leave out a cast there and back, but not this."""
    return x.astype(ml_dtypes.bfloat16).astype(np.float32) if xp is np else lax.reduce_precision(x, 8, 7)


def _product(xp: Any, a: Any, b: Any) -> Any:
    """A product of matrices of bfloat16's precision, which accelerators take as such."""
    if xp is np:
        return a @ b
    a, b = (x.astype(ml_dtypes.bfloat16) for x in (a, b))
    return xp.matmul(a, b, preferred_element_type=np.float32)


def _orthogonalized(xp: Any, x: Any, coefficients: tuple[float, float, float], eps: Any, steps: int) -> Any:
    """A matrix whose singular values are brought near 1 by polynomials of degree five (Newton and Schulz), in bfloat16."""
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    x = _rounded(xp, x.T if tall else x)
    length = xp.maximum(_rounded(xp, _norm(xp, x)), _rounded(xp, _in(x.dtype, eps)))
    x = _rounded(xp, x / length)
    for _ in range(steps):
        gram = _rounded(xp, _product(xp, x, x.T))
        change = _rounded(xp, b * gram + c * _product(xp, gram, gram))
        x = _rounded(xp, a * x + _product(xp, change, x))
    return x.T if tall else x


def _rate(adjusted: str | None, shape: tuple[int, ...]) -> float:
    """What the learning rate is multiplied with for a matrix of this shape."""
    rows, columns = shape
    if adjusted == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))


@op(promote=RAW, shape=_updating(0, 2), many_outputs=True, differentiable=False)
def muon_step(
    xp: Any,
    param: Array,
    grad: Array,
    momentum_buffer: Array,
    lr: Operand,
    weight_decay: Operand,
    momentum: Operand,
    eps: Operand,
    nesterov: bool,
    ns_coefficients: Any,
    ns_steps: int,
    adjust_lr_fn: str | None,
) -> Array:
    """Muon: (parameter, momentum_buffer)."""
    p, g, buffer = _as_reals(xp, param, grad, momentum_buffer)
    dtype = p.dtype
    buffer = _lerp(xp, buffer, g, _in(dtype, 1 - momentum))
    update = _lerp(xp, g, buffer, _in(dtype, momentum)) if nesterov else buffer
    update = _orthogonalized(xp, update.astype(np.float32), ns_coefficients, eps, ns_steps)
    p = _decayed(p, lr, weight_decay) - _in(dtype, lr * _rate(adjust_lr_fn, param.shape)) * update
    return _like(xp, p, param), _like(xp, buffer, momentum_buffer)
