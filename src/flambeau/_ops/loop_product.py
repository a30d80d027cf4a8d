"""A matrix product inside of a loop, as XLA's CPU compiler runs it fastest.

It hands products to YNNPACK, whose second thread falls asleep in the part of a step that is not a product and is slow to
wake. 64 products of (32, 256) and (256, 1024) take 9.6 ms in a loop of their own on two AVX2 cores, but with an LSTM's gates
between them 16. XLA's own kernel takes 10 and 11. A convolution without spatial dimensions is the same product, and is
given to that kernel.
"""

from __future__ import annotations

from typing import Any

from jax import custom_jvp, lax
from jax.custom_batching import custom_vmap

from flambeau._core.declare import Array

_MATRICES = lax.ConvDimensionNumbers(lhs_spec=(0, 1), rhs_spec=(1, 0), out_spec=(0, 1))


@custom_vmap
def _kernel(a: Array, b: Array) -> Array:
    return lax.conv_general_dilated(a, b, (), [], dimension_numbers=_MATRICES)


@_kernel.def_vmap
def _(size: int, batched: Any, a: Array, b: Array) -> Any:
    # Of a batch of matrices a convolution would make groups of channels, which are slow.
    return a @ b, True


@custom_jvp
def loop_product(a: Array, b: Array) -> Array:
    """`a @ b` of two matrices."""
    return _kernel(a, b)


@loop_product.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a, b), (to_a, to_b) = primals, tangents
    return loop_product(a, b), to_a @ b + a @ to_b
