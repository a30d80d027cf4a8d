"""Hashes of tensors: what tells whether two hold the same numbers."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import RAW, Array, Dims, Out, canonical_dims
from flambeau._core.dispatch import op
from flambeau._core.value import Meta
from flambeau._ops.reduce import reduced_shape
from flambeau._ops.supported import both, supports


def _hashed_shape(input: Meta, dim: Any, *, keepdim: bool, mode: int) -> tuple[int, ...]:
    if mode != 0:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    found = reduced_shape(input, dim, keepdim)
    if not input.numel:
        if not dim:
            raise RuntimeError(
                "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify the "
                "reduction dim with the 'dim' argument."
            )
        for each in canonical_dims(dim, input.ndim):
            if input.shape[each] == 0:
                raise IndexError(f"hash_tensor: Expected reduction dim {each} to have non-zero size.")
    return found


def _refuse_wide_unsigned(name: str, input: Meta, *_: Any) -> None:
    if input.dtype in dtypes.WIDE_UNSIGNED:
        raise NotImplementedError(f"\"xor_sum_cpu\" not implemented for '{input.dtype.scalar_type}'")


@op(
    "hash_tensor",
    "Tensor.hash_tensor",
    out=Out("Expected result to be of dtype uint64, but got {found}"),
    promote=RAW,
    result=dtypes.uint64,
    shape=lambda input, dim, keepdim, mode: _hashed_shape(input, dim, keepdim=keepdim, mode=mode),
    dtypes=both(supports("bihf", "xor_sum_cpu"), _refuse_wide_unsigned),
    differentiable=False,
)
def hash_tensor(
    xp: Any, input: Array, dim: Dims | None = (), *, keepdim: bool = False, mode: int = 0
) -> Array:
    """The exclusive or of all elements, or along `dim`: of the bits of float64 or int64, to which they are cast.

    Raises: RuntimeError for another `mode` than 0, which is this one.

    >>> import flambeau
    >>> flambeau.hash_tensor(flambeau.tensor([1, 2, 4]))
    tensor(7, dtype=torch.uint64)
    """
    wide = input.astype("float64" if input.dtype.kind not in "biu" else "int64")
    axes = canonical_dims(dim, input.ndim)
    if xp is np:
        found: Any = np.bitwise_xor.reduce(wide.view(np.uint64), axis=axes)
    else:
        bits = jax.lax.bitcast_convert_type(wide, np.uint64)
        found = jax.lax.reduce(bits, np.uint64(0), jax.lax.bitwise_xor, axes)
    return xp.expand_dims(found, axes) if keepdim else found
