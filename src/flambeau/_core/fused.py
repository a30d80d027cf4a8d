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
        wide: Array = values.astype(np.float64) * np.float64(factor) + np.float64(addend)
        with np.errstate(over="ignore"):
            return wide.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        product: Array = values * factor
        total = product + addend
        # The error of the sum (Knuth), to which that of the product is added before the last rounding.
        back = total - product
        error = (product - (total - back)) + (addend - back)
        fused: Array = total + (error + _product_error(values, factor, product))
    # Infinite and very large numbers have no such errors to add.
    return np.where(np.isfinite(fused), fused, total)


def _product_error(a: Array, b: Any, product: Array) -> Array:
    """What the float64 `product` of a and b lacks (Dekker 1971)."""
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(np.float64(b))
    error: Array = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return error


def _halves(value: Any) -> tuple[Any, Any]:
    large = value * 134217729.0  # 2**27 + 1
    high = large - (large - value)
    return high, value - high


# On processors with AVX2 PyTorch takes logarithm, sine and cosine of float32 normals from Cephes' polynomials
# (Moshier 1989: logf, sinf, cosf), each step a fused multiply-add. NumPy's own differ in the last bits.
_LOG = (
    *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
    *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
)
_SINE = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COSINE = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_LOG_2 = (
    np.float64(np.float32(-2.12194440e-4)),
    np.float32(0.693359375),
)  # the small part, and the exact one
_QUARTER_PI = (
    np.float32(0.78515625),
    np.float32(2.4187564849853515625e-4),
    np.float32(3.77489497744594108e-8),
)

_BLOCK = 1024  # runs of sixteen at a time, so that all between stays in the processor's cache


def normals_of_sixteen(uniforms: Array, mean: float, std: float) -> Array:
    """float32 normals from float32 uniforms, by Box and Muller's rule within each run of sixteen."""
    runs = uniforms.reshape(-1, 16)
    values = np.empty_like(runs)
    for start in range(0, len(runs), _BLOCK):
        block, out = runs[start : start + _BLOCK], values[start : start + _BLOCK]
        radius = _logarithm(np.float32(1.0) - block[:, :8])
        radius *= np.float32(-2.0)
        np.sqrt(radius, out=radius)
        sine, cosine = _sine_and_cosine(np.float32(2.0 * math.pi) * block[:, 8:])
        np.multiply(radius, cosine, out=out[:, :8])
        np.multiply(radius, sine, out=out[:, 8:])
        if mean != 0 or std != 1:
            out[...] = fused_multiply_add(out, np.float32(std), np.float32(mean))
    return values.reshape(-1)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """Horner's rule in float32 steps, for `x` given in float64, where a product of two float32 is exact."""
    first, *others = (float(np.float32(each)) for each in coefficients)
    value = x * first
    rounded = np.empty(x.shape, np.float32)
    for coefficient in others[:-1]:
        value += coefficient
        rounded[...] = value
        np.multiply(rounded, x, out=value)
    value += others[-1]
    rounded[...] = value
    return rounded


def _logarithm(x: Array) -> Array:
    """The natural logarithm of float32 above 0 and up to 1."""
    bits = x.view(np.int32)
    exponent = ((bits >> 23) - 126).astype(np.float32)
    mantissa = (bits & 0x7FFFFF | 0x3F000000).view(np.float32)
    small = mantissa < np.float32(0.707106781186547524)
    exponent -= small
    mantissa += mantissa * small
    mantissa -= np.float32(1.0)
    square = mantissa * mantissa
    value = _polynomial(_LOG, mantissa.astype(np.float64))
    value *= mantissa
    fused = value.astype(np.float64)
    fused *= square
    fused += (exponent * np.float32(_LOG_2[0])).astype(np.float64)
    value[...] = fused
    square *= np.float32(0.5)
    value -= square
    value += mantissa
    exponent *= _LOG_2[1]
    value += exponent
    return value


def _sine_and_cosine(x: Array) -> tuple[Array, Array]:
    """Sine and cosine of float32 from 0 to 2 pi."""
    octant = (x * np.float32(4.0 / math.pi)).astype(np.int32)
    octant += 1
    octant &= ~1
    even = octant.astype(np.float32)
    for part in _QUARTER_PI:
        x = x - even * part
    square = x * x
    wide = square.astype(np.float64)
    cosine = _polynomial(_COSINE, wide)
    cosine *= square
    fused = cosine.astype(np.float64)
    fused *= wide
    fused -= wide * 0.5
    cosine[...] = fused
    cosine += np.float32(1.0)
    sine = _polynomial(_SINE, wide)
    sine *= square
    fused[...] = sine
    fused *= x
    fused += x
    sine[...] = fused
    swapped = octant & 2 != 0
    sign = np.int32(-(2**31))
    first = np.where(swapped, cosine, sine).view(np.int32) ^ ((octant << 29) & sign)
    second = np.where(swapped, sine, cosine).view(np.int32) ^ (((octant + 2) << 29) & sign)
    return first.view(np.float32), second.view(np.float32)


def sixteen_doubles(uniforms: Array, mean: float, std: float) -> Array:
    """`normals_of_sixteen` in float64."""
    runs = uniforms.reshape(-1, 16)
    radius = np.sqrt(-2.0 * np.log(1.0 - runs[:, :8]))
    angle = 2.0 * math.pi * runs[:, 8:]
    values = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()
    return values if mean == 0 and std == 1 else fused_multiply_add(values, std, mean)
