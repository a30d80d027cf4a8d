"""The error function in NumPy and JAX.

NumPy has none. On JAX it is XLA's own; on NumPy these are rational approximations with an error of about one
unit in the
last place of float64.

Source: Cody 1969, Rational Chebyshev approximations for the error function, Mathematics of Computation 23.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

# Coefficients from the highest power down; each pair is numerator and denominator on one interval.
_SMALL = (
    [
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ],
    [1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3],
)
_MIDDLE = (
    [
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594e0,
        6.61191906371416295e1,
        2.98635138197400131e2,
        8.81952221241769090e2,
        1.71204761263407058e3,
        2.05107837782607147e3,
        1.23033935479799725e3,
    ],
    [
        1.0,
        1.57449261107098347e1,
        1.17693950891312499e2,
        5.37181101862009858e2,
        1.62138957456669019e3,
        3.29079923573345963e3,
        4.36261909014324716e3,
        3.43936767414372164e3,
        1.23033935480374942e3,
    ],
)
_LARGE = (
    [
        1.63153871373020978e-2,
        3.05326634961232344e-1,
        3.60344899949804439e-1,
        1.25781726111229246e-1,
        1.60837851487422766e-2,
        6.58749161529837803e-4,
    ],
    [
        1.0,
        2.56852019228982242e0,
        1.87295284992346725e0,
        5.27905102951428412e-1,
        6.05183413124413191e-2,
        2.33520497626869185e-3,
    ],
)


def _ratio(pair: Any, x: Any) -> Any:
    top, bottom = (np.full_like(x, coefficients[0]) for coefficients in pair)
    for coefficient in pair[0][1:]:
        top = top * x + coefficient
    for coefficient in pair[1][1:]:
        bottom = bottom * x + coefficient
    return top / bottom


def _erf_numpy(x: Any) -> Any:
    wide = np.asarray(x)
    size = np.abs(wide)
    result = np.sign(wide) * np.ones_like(wide)
    small = size <= 0.46875
    middle = (size > 0.46875) & (size <= 4)
    if small.any():
        part = wide[small]
        result[small] = part * _ratio(_SMALL, part * part)
    if middle.any():
        part = size[middle]
        result[middle] = np.sign(wide[middle]) * (1 - np.exp(-part * part) * _ratio(_MIDDLE, part))
    large = (size > 4) & (size < 6)
    if large.any():
        part = size[large]
        square = 1 / (part * part)
        tail = np.exp(-part * part) / part * (1 / np.sqrt(np.pi) - square * _ratio(_LARGE, square))
        result[large] = np.sign(wide[large]) * (1 - tail)
    return np.where(np.isnan(wide), wide, result)


# A fit of erf(x) / x by a rational function of x**2 up to where float32 rounds erf to 1, of relative error 2e-8, and so much
# larger (5e-8) that it reaches 1 there; coefficients from the lowest power up.
_SINGLE = (
    [1.12837920267, 0.190371955234, 0.0527448437706, 0.00376431621971, 0.000284885029991, 2.05077402958e-06],
    [1.0, 0.502045487903, 0.114095461576, 0.0149665958440, 0.00116227817958, 3.80989285931e-5],
)
_ONE_FROM = np.float32(3.9192059)
_ONE, _HALF, _ROOT_HALF = np.float32(1), np.float32(0.5), np.float32(math.sqrt(0.5))
_BLOCK = 1 << 16  # elements at a time, so that all between stays in the processor's cache


def _erf_single(x: Any) -> Any:
    """The error function of float32, with an error of a few units in the last place."""
    return _in_blocks(_erf_block, x)


def gelu_single(x: Any) -> Any:
    """`x * (1 + erf(x / sqrt(2))) / 2` of float32 in NumPy."""
    return _in_blocks(_gelu_block, x)


def _in_blocks(function: Callable[[Any, Any, Any, Any], None], x: Any) -> Any:
    """`function(x, out, scratch, more scratch)` on one block after another."""
    flat = np.ravel(x)
    result = np.empty_like(flat)
    # Made once: in NumPy an array made costs as much as a pass over it.
    first, second = np.empty((2, min(flat.size, _BLOCK)), np.float32)
    for start in range(0, flat.size, _BLOCK):
        block = result[start : start + _BLOCK]
        function(flat[start : start + _BLOCK], block, first[: block.size], second[: block.size])
    return result.reshape(np.shape(x))


def _gelu_block(x: Any, out: Any, square: Any, bottom: Any) -> None:
    np.multiply(x, _ROOT_HALF, out=out)
    _erf_block(out, out, square, bottom)
    out += _ONE
    out *= x
    out *= _HALF


def _erf_block(x: Any, out: Any, square: Any, bottom: Any) -> None:
    np.multiply(x, x, out=square)
    np.clip(square, 0, _ONE_FROM * _ONE_FROM, out=square)  # beyond, the quotient is past 1
    _polynomial(_SINGLE[1], square, bottom)
    np.divide(x, bottom, out=bottom)
    _polynomial(_SINGLE[0], square, out)
    out *= bottom
    np.clip(out, -_ONE, _ONE, out=out)


def _polynomial(coefficients: Any, x: Any, out: Any) -> None:
    np.multiply(x, coefficients[-1], out=out)
    for coefficient in coefficients[-2:0:-1]:
        out += coefficient
        out *= x
    out += coefficients[0]


def erf_values(xp: Any, x: Any) -> Any:
    """The error function, elementwise, for floating arrays."""
    if xp is np:
        if x.dtype == np.float32:
            return _erf_single(x)
        return _erf_numpy(np.atleast_1d(x)).reshape(np.shape(x)).astype(x.dtype, copy=False)
    from jax import lax

    return lax.erf(x)


def _erfcx_positive(x: Any) -> Any:
    """`exp(x**2) * erfc(x)` for x of at least 0."""
    small = np.exp(np.minimum(x, 1) ** 2) * (1 - _erf_numpy(np.minimum(x, 1)))
    middle = _ratio(_MIDDLE, np.clip(x, 0.4, 4))
    large = np.maximum(x, 4)
    inverse = 1 / (large * large)
    tail = (1 / np.sqrt(np.pi) - inverse * _ratio(_LARGE, inverse)) / large
    return np.where(x <= 0.46875, small, np.where(x <= 4, middle, tail))


def erfcx_values(x: Any) -> Any:
    """`exp(x**2) * erfc(x)` in NumPy."""
    size = np.abs(np.atleast_1d(x))
    positive = _erfcx_positive(size)
    found = np.where(np.atleast_1d(x) < 0, 2 * np.exp(size * size) - positive, positive)
    return np.where(np.isnan(x), x, found.reshape(np.shape(x)))
