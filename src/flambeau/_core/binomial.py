"""Binomial draws one after the other, as PyTorch makes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Uniform = Callable[[], float]

# log(k!) less Stirling's formula for it, for k up to 9.
_STIRLING_TAILS = [
    math.lgamma(k + 1) - ((k + 0.5) * math.log(k + 1) - (k + 1) + 0.5 * math.log(2 * math.pi))
    for k in range(10)
]


def binomial_counts(counts: Array, probs: Array, uniform: Uniform) -> Array:
    """How many of `counts` trials succeed with probabilities `probs`, float64; `uniform` gives what decides."""
    # What follows from the two alone is worked out in their dtype, as PyTorch has it.
    one = probs.dtype.type(1)
    with np.errstate(all="ignore"):
        rare = np.where(probs > 0.5, one - probs, probs)
        mean = counts * rare
        variance = mean * (one - rare)
        odds = rare / (one - rare)
        mode = np.floor((counts + one) * rare)
    columns = [counts, probs, rare, mean, variance, odds, mode]
    trials = zip(*[each.astype(np.float64).ravel().tolist() for each in columns], strict=True)
    values = [_count(uniform, *trial) for trial in trials]
    return np.array(values, np.float64).reshape(counts.shape)


def _count(
    uniform: Uniform,
    count: float,
    prob: float,
    rare: float,
    mean: float,
    variance: float,
    odds: float,
    mode: float,
) -> float:
    if count <= 0 or prob <= 0:
        return 0.0
    if prob >= 1:
        return count
    if math.isnan(prob) or math.isnan(count):
        return math.nan
    if mean >= 10:
        found = _by_rejection(count, rare, mean, variance, odds, mode, uniform)
    else:
        found = _by_waiting(count, rare, uniform)
    return count - found if prob > 0.5 else found


def _by_waiting(count: float, prob: float, uniform: Uniform) -> float:
    """Counts how many times one can wait for a success before the trials are over."""
    log_failure = math.log1p(-prob)
    trials, successes = 0.0, 0.0
    while True:
        u = uniform()
        trials += math.ceil(math.log(u) / log_failure) if u > 0 else math.inf
        if trials > count:
            return successes
        successes += 1


def _by_rejection(
    count: float, prob: float, mean: float, variance: float, odds: float, mode: float, uniform: Uniform
) -> float:
    """Source: Hörmann 1993, doi:10.1080/00949659308811496 (algorithm BTRS)."""
    deviation = math.sqrt(variance)
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * prob
    c = mean + 0.5
    accepted = 0.92 - 4.2 / b
    alpha = (2.83 + 5.1 / b) * deviation
    while True:
        u, v = uniform() - 0.5, uniform()
        distance = 0.5 - abs(u)
        k = math.floor((2 * a / distance + b) * u + c) if distance > 0 else -1
        if distance >= 0.07 and v <= accepted:
            return k
        if k < 0 or k > count:
            continue
        spread = math.log(v * alpha / (a / (distance * distance) + b)) if v > 0 else -math.inf
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (odds * (count - mode + 1)))
            + (count + 1) * math.log((count - mode + 1) / (count - k + 1))
            + (k + 0.5) * math.log(odds * (count - k + 1) / (k + 1))
            + _stirling_tail(mode)
            + _stirling_tail(count - mode)
            - _stirling_tail(k)
            - _stirling_tail(count - k)
        )
        if spread <= bound:
            return k


def _stirling_tail(k: float) -> float:
    if k <= 9:
        return _STIRLING_TAILS[int(k)]
    inverse = 1 / (k + 1)
    square = inverse * inverse
    return (1 / 12 - (1 / 360 - 1 / 1260 * square) * square) * inverse
