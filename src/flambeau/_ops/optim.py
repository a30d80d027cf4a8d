"""The update rules of the optimizers: one operation for each parameter.

Each rule takes the parameter, its gradient, its state and the hyper-parameters, and gives the new parameter
and the new state. Hyper-parameters are operands, so a schedule that changes them never recompiles; what
decides between branches is static. Scalars (bias corrections, step sizes) are worked out in float64, as
PyTorch does on the host, and enter the elementwise part in its dtype: float32 for 16-bit parameters, which
are rounded once at the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flambeau._core.declare import RAW, Array, Operand
from flambeau._core.dispatch import op
from flambeau._core.value import Meta


def _as_reals(xp: Any, *arrays: Any) -> list[Any]:
    """Arrays in the dtype to compute in; complex ones as pairs of reals in a last dimension, as PyTorch
    updates them.
    """
    found = []
    for array in arrays:
        if array is not None and array.dtype.kind == "c":
            array = xp.stack([xp.real(array), xp.imag(array)], -1)
        elif array is not None and array.dtype.itemsize < 4:
            array = array.astype(np.float32)
        found.append(array)
    return found


def _like(xp: Any, result: Any, original: Any) -> Any:
    """A result of `_as_reals` in the dtype of the array it came from."""
    if original.dtype.kind == "c":
        result = result[..., 0] + 1j * result[..., 1]
    return result.astype(original.dtype)


def _in(dtype: Any, number: Any) -> Any:
    """A scalar in the dtype of the elementwise part."""
    return number.astype(dtype)


def _lerp(xp: Any, start: Any, end: Any, weight: Any) -> Any:
    """From `start` towards `end`, in the form that stays exact at the nearer end."""
    distance = end - start
    return xp.where(weight < 0.5, start + weight * distance, end - distance * (1 - weight))


def _sgd_results(
    param: Meta, grad: Meta, momentum_buffer: Meta | None, lr: Any, momentum: Any, dampening: Any,
    weight_decay: Any, has_momentum: bool, decays: bool, nesterov: bool, maximize: bool,
) -> list[Meta]:  # fmt: skip
    return [param, param] if has_momentum else [param]


@op(promote=RAW, shape=_sgd_results, many_outputs=True, differentiable=False)
def sgd_step(
    xp: Any,
    param: Array,
    grad: Array,
    momentum_buffer: Array | None,
    lr: Operand,
    momentum: Operand,
    dampening: Operand,
    weight_decay: Operand,
    has_momentum: bool,
    decays: bool,
    nesterov: bool,
    maximize: bool,
) -> Array:
    """Stochastic gradient descent: (parameter, and with momentum its buffer). No buffer yet: the gradient
    starts it.
    """
    p, g, buffer = _as_reals(xp, param, grad, momentum_buffer)
    if maximize:
        g = -g
    if decays:
        g = g + _in(p.dtype, weight_decay) * p
    if has_momentum:
        buffer = g if buffer is None else _in(p.dtype, momentum) * buffer + _in(p.dtype, 1 - dampening) * g
        g = g + _in(p.dtype, momentum) * buffer if nesterov else buffer
    p = _like(xp, p - _in(p.dtype, lr) * g, param)
    return (p, _like(xp, buffer, param)) if has_momentum else (p,)


def _adam_results(
    param: Meta,
    grad: Meta,
    exp_avg: Meta,
    exp_avg_sq: Meta,
    max_exp_avg_sq: Meta | None,
    step: Meta,
    *rest: Any,
) -> list[Meta]:
    return [meta for meta in (param, exp_avg, exp_avg_sq, max_exp_avg_sq, step) if meta is not None]


@op(promote=RAW, shape=_adam_results, many_outputs=True, differentiable=False)
def adam_step(
    xp: Any,
    param: Array,
    grad: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    max_exp_avg_sq: Array | None,
    step: Array,
    lr: Operand,
    beta1: Operand,
    beta2: Operand,
    eps: Operand,
    weight_decay: Operand,
    decays: bool,
    decoupled: bool,
    maximize: bool,
) -> Array:
    """Adam and AdamW: (parameter, exp_avg, exp_avg_sq, max_exp_avg_sq if there is one, step)."""
    p, g, mean, square, largest = _as_reals(xp, param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq)
    dtype = p.dtype
    step = step + 1
    count = step.astype(np.float64)
    if maximize:
        g = -g
    if decays and decoupled:
        p = p * _in(dtype, 1 - lr * weight_decay)
    elif decays:
        g = g + _in(dtype, weight_decay) * p
    mean = _lerp(xp, mean, g, _in(dtype, 1 - beta1))
    square = _in(dtype, beta2) * square + _in(dtype, 1 - beta2) * g * g
    # PyTorch: step_size = lr / bias_correction1, denominator = sqrt(square) / sqrt(bias_correction2) + eps.
    step_size = _in(dtype, lr / (1 - beta1**count))
    root = _in(dtype, xp.sqrt(1 - beta2**count))
    if largest is not None:
        largest = xp.maximum(largest, square)
    denominator = xp.sqrt(square if largest is None else largest) / root + _in(dtype, eps)
    p = p - step_size * mean / denominator
    results = [_like(xp, p, param), _like(xp, mean, exp_avg), _like(xp, square, exp_avg_sq)]
    if largest is not None:
        results.append(_like(xp, largest, max_exp_avg_sq))
    return [*results, step]
