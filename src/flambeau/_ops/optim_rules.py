"""The update rules of the optimizers beside SGD and Adam; `optim.py` tells how such a rule is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau._core.declare import RAW, Array, Operand
from flambeau._core.dispatch import op
from flambeau._core.value import Meta
from flambeau._ops.optim import _as_reals, _in, _lerp, _like


def _updating(*positions: int) -> Callable[..., list[Meta]]:
    """The shapes of a rule's results: those of the operands at these positions, as far as they are there."""

    def results(*operands: Any) -> list[Meta]:
        return [operands[position] for position in positions if operands[position] is not None]

    return results


def _gradient(p: Any, g: Any, weight_decay: Any, decays: bool, maximize: bool) -> Any:
    """The gradient with the sign to step against, and the weight decay that belongs to it."""
    if maximize:
        g = -g
    return g + _in(p.dtype, weight_decay) * p if decays else g


def _decayed(p: Any, lr: Any, weight_decay: Any) -> Any:
    """The parameter after weight decay of its own."""
    return p * _in(p.dtype, 1 - lr * weight_decay)


@op(promote=RAW, shape=_updating(0, 2, 3, 4, 5), many_outputs=True, differentiable=False)
def rmsprop_step(
    xp: Any,
    param: Array,
    grad: Array,
    square_avg: Array,
    momentum_buffer: Array | None,
    grad_avg: Array | None,
    step: Array,
    lr: Operand,
    alpha: Operand,
    eps: Operand,
    weight_decay: Operand,
    momentum: Operand,
    decays: bool,
    maximize: bool,
) -> Array:
    """RMSprop: (parameter, square_avg, momentum_buffer and grad_avg if there are such, step)."""
    p, g, square, buffer, mean = _as_reals(xp, param, grad, square_avg, momentum_buffer, grad_avg)
    g = _gradient(p, g, weight_decay, decays, maximize)
    square = _in(p.dtype, alpha) * square + _in(p.dtype, 1 - alpha) * g * g
    spread = square
    if mean is not None:
        mean = _lerp(xp, mean, g, _in(p.dtype, 1 - alpha))
        spread = square - mean * mean
    change = g / (xp.sqrt(spread) + _in(p.dtype, eps))
    if buffer is not None:
        change = buffer = _in(p.dtype, momentum) * buffer + change
    results = [_like(xp, p - _in(p.dtype, lr) * change, param), _like(xp, square, square_avg)]
    if buffer is not None:
        results.append(_like(xp, buffer, momentum_buffer))
    if mean is not None:
        results.append(_like(xp, mean, grad_avg))
    return [*results, step + 1]


@op(promote=RAW, shape=_updating(0, 2, 3), many_outputs=True, differentiable=False)
def adagrad_step(
    xp: Any,
    param: Array,
    grad: Array,
    sum: Array,
    step: Array,
    lr: Operand,
    lr_decay: Operand,
    eps: Operand,
    weight_decay: Operand,
    decays: bool,
    maximize: bool,
) -> Array:
    """Adagrad: (parameter, sum, step)."""
    p, g, total = _as_reals(xp, param, grad, sum)
    g = _gradient(p, g, weight_decay, decays, maximize)
    total = total + g * g
    rate = _in(p.dtype, lr / (1 + step.astype(np.float64) * lr_decay))
    p = p - rate * g / (xp.sqrt(total) + _in(p.dtype, eps))
    return _like(xp, p, param), _like(xp, total, sum), step + 1


@op(promote=RAW, shape=_updating(0, 2, 3, 4), many_outputs=True, differentiable=False)
def adadelta_step(
    xp: Any,
    param: Array,
    grad: Array,
    square_avg: Array,
    acc_delta: Array,
    step: Array,
    lr: Operand,
    rho: Operand,
    eps: Operand,
    weight_decay: Operand,
    decays: bool,
    maximize: bool,
) -> Array:
    """Adadelta: (parameter, square_avg, acc_delta, step)."""
    p, g, square, moved = _as_reals(xp, param, grad, square_avg, acc_delta)
    g = _gradient(p, g, weight_decay, decays, maximize)
    kept, new, eps = _in(p.dtype, rho), _in(p.dtype, 1 - rho), _in(p.dtype, eps)
    square = kept * square + new * g * g
    change = xp.sqrt(moved + eps) / xp.sqrt(square + eps) * g
    moved = kept * moved + new * change * change
    p = p - _in(p.dtype, lr) * change
    return _like(xp, p, param), _like(xp, square, square_avg), _like(xp, moved, acc_delta), step + 1


@op(promote=RAW, shape=_updating(0, 2, 3, 4), many_outputs=True, differentiable=False)
def adamax_step(
    xp: Any,
    param: Array,
    grad: Array,
    exp_avg: Array,
    exp_inf: Array,
    step: Array,
    lr: Operand,
    beta1: Operand,
    beta2: Operand,
    eps: Operand,
    weight_decay: Operand,
    decays: bool,
    maximize: bool,
) -> Array:
    """Adamax: (parameter, exp_avg, exp_inf, step)."""
    p, g, mean, largest = _as_reals(xp, param, grad, exp_avg, exp_inf)
    step = step + 1
    g = _gradient(p, g, weight_decay, decays, maximize)
    mean = _lerp(xp, mean, g, _in(p.dtype, 1 - beta1))
    largest = xp.maximum(_in(p.dtype, beta2) * largest, abs(g) + _in(p.dtype, eps))
    rate = _in(p.dtype, lr / (1 - beta1 ** step.astype(np.float64)))
    p = p - rate * mean / largest
    return _like(xp, p, param), _like(xp, mean, exp_avg), _like(xp, largest, exp_inf), step


@op(promote=RAW, shape=_updating(0, 2, 3, 4, 5), many_outputs=True, differentiable=False)
def nadam_step(
    xp: Any,
    param: Array,
    grad: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    mu_product: Array,
    step: Array,
    lr: Operand,
    beta1: Operand,
    beta2: Operand,
    eps: Operand,
    weight_decay: Operand,
    momentum_decay: Operand,
    decays: bool,
    decoupled: bool,
    maximize: bool,
) -> Array:
    """NAdam: (parameter, exp_avg, exp_avg_sq, mu_product, step)."""
    p, g, mean, square = _as_reals(xp, param, grad, exp_avg, exp_avg_sq)
    dtype = p.dtype
    step = step + 1
    count = step.astype(np.float64)
    g = _gradient(p, g, weight_decay, decays and not decoupled, maximize)
    if decays and decoupled:
        p = _decayed(p, lr, weight_decay)
    mu = beta1 * (1 - 0.5 * 0.96 ** (count * momentum_decay))
    mu_next = beta1 * (1 - 0.5 * 0.96 ** ((count + 1) * momentum_decay))
    mu_product = mu_product * mu.astype(mu_product.dtype)
    product = mu_product.astype(np.float64)
    mean = _lerp(xp, mean, g, _in(dtype, 1 - beta1))
    square = _in(dtype, beta2) * square + _in(dtype, 1 - beta2) * g * g
    denominator = xp.sqrt(square / _in(dtype, 1 - beta2**count)) + _in(dtype, eps)
    p = p - _in(dtype, lr * (1 - mu) / (1 - product)) * g / denominator
    p = p - _in(dtype, lr * mu_next / (1 - product * mu_next)) * mean / denominator
    return _like(xp, p, param), _like(xp, mean, exp_avg), _like(xp, square, exp_avg_sq), mu_product, step


@op(promote=RAW, shape=_updating(0, 2, 3, 4), many_outputs=True, differentiable=False)
def radam_step(
    xp: Any,
    param: Array,
    grad: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
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
    """RAdam: (parameter, exp_avg, exp_avg_sq, step)."""
    p, g, mean, square = _as_reals(xp, param, grad, exp_avg, exp_avg_sq)
    dtype = p.dtype
    step = step + 1
    count = step.astype(np.float64)
    g = _gradient(p, g, weight_decay, decays and not decoupled, maximize)
    if decays and decoupled:
        p = _decayed(p, lr, weight_decay)
    mean = _lerp(xp, mean, g, _in(dtype, 1 - beta1))
    square = _in(dtype, beta2) * square + _in(dtype, 1 - beta2) * g * g
    correction = 1 - beta2**count
    # The length of the average, and its limit; while it is short, the second moment is left out.
    limit = 2 / (1 - beta2) - 1
    length = limit - 2 * count * beta2**count / correction
    long = length > 5
    safe = xp.where(long, length, 6.0)
    rectified = xp.sqrt((safe - 4) * (safe - 2) * limit / ((limit - 4) * (limit - 2) * safe))
    adapted = _in(dtype, rectified * xp.sqrt(correction)) / (xp.sqrt(square) + _in(dtype, eps))
    p = p - mean * _in(dtype, lr / (1 - beta1**count)) * xp.where(long, adapted, _in(dtype, count * 0 + 1))
    return _like(xp, p, param), _like(xp, mean, exp_avg), _like(xp, square, exp_avg_sq), step


@op(promote=RAW, shape=_updating(0, 2, 3, 4, 5), many_outputs=True, differentiable=False)
def asgd_step(
    xp: Any,
    param: Array,
    grad: Array,
    ax: Array,
    eta: Array,
    mu: Array,
    step: Array,
    lr: Operand,
    lambd: Operand,
    alpha: Operand,
    t0: Operand,
    weight_decay: Operand,
    decays: bool,
    maximize: bool,
) -> Array:
    """Averaged SGD: (parameter, ax, eta, mu, step)."""
    p, g, average = _as_reals(xp, param, grad, ax)
    step = step + 1
    count = step.astype(np.float64)
    g = _gradient(p, g, weight_decay, decays, maximize)
    rate = eta.astype(np.float64)
    p = p * _in(p.dtype, 1 - lambd * rate) - _in(p.dtype, rate) * g
    average = xp.where(mu == 1, p, average + (p - average) * _in(p.dtype, mu))
    rate = lr / (1 + lambd * lr * count) ** alpha
    part = 1 / xp.maximum(1.0, count - t0)
    return (
        _like(xp, p, param),
        _like(xp, average, ax),
        rate.astype(eta.dtype),
        part.astype(mu.dtype),
        step,
    )


@op(promote=RAW, shape=_updating(0, 2, 3, 4), many_outputs=True, differentiable=False)
def rprop_step(
    xp: Any,
    param: Array,
    grad: Array,
    prev: Array,
    step_size: Array,
    step: Array,
    shrink: Operand,
    grow: Operand,
    smallest: Operand,
    largest: Operand,
    maximize: bool,
) -> Array:
    """Resilient backpropagation: (parameter, prev, step_size, step)."""
    p, g, before, size = _as_reals(xp, param, grad, prev, step_size)
    dtype = p.dtype
    if maximize:
        g = -g
    agreement = g * before
    turned = agreement < 0
    size = xp.where(agreement > 0, size * _in(dtype, grow), xp.where(turned, size * _in(dtype, shrink), size))
    size = xp.minimum(xp.maximum(size, _in(dtype, smallest)), _in(dtype, largest))
    g = xp.where(turned, g * 0, g)
    p = p - xp.sign(g) * size
    return _like(xp, p, param), _like(xp, g, prev), _like(xp, size, step_size), step + 1
