"""Gamma draws one after the other, as PyTorch makes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def gamma_values(shapes: Array, uniform: Callable[[], float], normal: Callable[[], float]) -> Array:
    """A gamma distributed number of rate one for each shape, float64; `uniform` and `normal` give what decides.

    Source: Marsaglia and Tsang 2000, doi:10.1145/358407.358414; below a shape of one, their note on `U**(1/a)`.
    """
    flat = shapes.ravel()
    one = flat.dtype.type(1)
    low = flat < 1
    # In the dtype of the shapes, and with a third of float32, as PyTorch has it.
    third = flat.dtype.type(np.float32(1) / np.float32(3))
    spans = (np.where(low, flat + one, flat) - third).astype(np.float64).tolist()
    with np.errstate(divide="ignore", over="ignore"):
        powers = np.where(low, one / flat, 0).astype(np.float64).tolist()
    values = [_value(span, power, uniform, normal) for span, power in zip(spans, powers, strict=True)]
    return np.array(values, np.float64).reshape(shapes.shape)


def _value(d: float, power: float, uniform: Callable[[], float], normal: Callable[[], float]) -> float:
    if math.isinf(power):  # a shape of zero
        return 0.0
    if not d > 0:  # a shape below zero
        return math.nan
    factor = (1.0 - uniform()) ** power if power else 1.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal()
        root = 1.0 + c * x
        if root <= 0:
            continue
        v = root * root * root
        u = 1.0 - uniform()
        square = x * x
        if u < 1.0 - 0.0331 * square * square:
            return factor * d * v
        if math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v)):
            return factor * d * v
