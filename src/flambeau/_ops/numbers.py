"""Python numbers as elements of a dtype."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes


def as_number(value: Any, dtype: dtypes.dtype) -> Any:
    """A Python number as an element of `dtype`: floats lose their fraction for integers, as in C.

    Raises: RuntimeError in PyTorch's words, where the number does not fit.
    """
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("Overflow when unpacking long long")
    if dtype is dtypes.bool_:
        return bool(value)
    if dtype.is_complex:
        return complex(value)
    if isinstance(value, complex):
        if value.imag:
            raise _too_large(dtype)
        value = value.real
    if dtype.is_floating_point:
        value = float(value)
        if dtype is dtypes.float32 and math.isfinite(value) and abs(value) > 3.4028234663852886e38:
            raise _too_large(dtype)
        return value
    if not math.isfinite(value):
        raise _too_large(dtype)
    whole, limits = int(value), np.iinfo(dtype.np)
    # Unsigned types take negative numbers, which wrap around.
    low = -limits.max if limits.min == 0 else limits.min
    if not low <= whole <= limits.max:
        raise _too_large(dtype)
    return whole % (limits.max + 1) if limits.min == 0 else whole


def _too_large(dtype: dtypes.dtype) -> RuntimeError:
    name = dtypes.kernel_name(dtype)
    return RuntimeError(f"value cannot be converted to type {name} without overflow")
