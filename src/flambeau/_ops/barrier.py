"""A value that XLA takes for another one, although it is equal."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from flambeau._core.declare import RAW, Array, same
from flambeau._core.dispatch import op


@op(promote=RAW, shape=same, result=lambda input: input.dtype)
def barrier(xp: Any, input: Array) -> Any:
    """The same tensor. What is computed from it is not merged with what was computed from the original.

    XLA forgets where it came from (`optimization_barrier`). NumPy merges nothing.
    """
    return input if xp is np else jax.lax.optimization_barrier(input)


@barrier.gradient("input")
def _(xp: Any, g: Array) -> Any:
    return g
