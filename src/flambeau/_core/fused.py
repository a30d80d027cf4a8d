"""Arithmetic of PyTorch's compiled random kernels, repeated in NumPy so that the bits are the same."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def fused_multiply_add(values: Array, factor: Any, addend: Any) -> Array:
    """`values * factor + addend`, rounded once, as the processor's own instruction rounds it."""
    if values.dtype == np.float32:
        # Products of float32 are exact in float64, and so is nearly every such sum.
        return (values.astype(np.float64) * np.float64(factor) + np.float64(addend)).astype(np.float32)
    product = values * factor
    low = _product_error(values, factor, product)
    total = product + addend
    # The error of the sum (Knuth), to which that of the product is added before the last rounding.
    back = total - product
    error = (product - (total - back)) + (addend - back)
    return total + (error + low)


def _product_error(a: Array, b: Any, product: Array) -> Array:
    """What the float64 `product` of a and b lacks (Dekker 1971)."""
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(np.float64(b))
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _halves(value: Any) -> tuple[Any, Any]:
    large = value * 134217729.0  # 2**27 + 1
    high = large - (large - value)
    return high, value - high


def normals_of_sixteen(uniforms: Array, mean: float, std: float) -> Array:
    """float32 normals from float32 uniforms, by Box and Muller's rule within each run of sixteen."""
    runs = uniforms.reshape(-1, 16)
    radius = np.sqrt(np.float32(-2.0) * np.log(np.float32(1.0) - runs[:, :8]))
    angle = np.float32(2.0 * math.pi) * runs[:, 8:]
    values = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()
    return values if mean == 0 and std == 1 else fused_multiply_add(values, np.float32(std), np.float32(mean))


def sixteen_doubles(uniforms: Array, mean: float, std: float) -> Array:
    """`normals_of_sixteen` in float64."""
    runs = uniforms.reshape(-1, 16)
    radius = np.sqrt(-2.0 * np.log(1.0 - runs[:, :8]))
    angle = 2.0 * math.pi * runs[:, 8:]
    values = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()
    return values if mean == 0 and std == 1 else values * std + mean
