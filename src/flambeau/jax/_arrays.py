"""From JAX's arrays to tensors and back, on the same memory."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from flambeau._core import dtype as dtypes
from flambeau._core import xla
from flambeau._core.device import of_jax, to_jax
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, Value, meta_of


def is_plain(dtype: Any) -> bool:
    """Whether a JAX dtype is one that tensors have: no key of random numbers, no 4-bit integer."""
    if jnp.issubdtype(dtype, jax.dtypes.extended):
        return False
    try:
        dtypes.from_numpy_dtype(dtype)
    except TypeError:
        return False
    return True


def meta_of_array(array: Any) -> Meta:
    """Shape, dtype and device of a concrete JAX array.

    Raises: TypeError for a dtype that tensors lack, ValueError for an array that is on several devices.
    """
    if not is_plain(array.dtype):
        raise TypeError(f"no Tensor has the dtype of this JAX array: {array.dtype}{list(array.shape)}")
    devices = array.devices()
    if len(devices) != 1:
        raise ValueError(
            f"a Tensor is on one device; this JAX array, {array.dtype}{list(array.shape)}, is on {len(devices)}: "
            "bring it together with jax.device_put(array, jax.devices()[0])"
        )
    return meta_of(tuple(array.shape), dtypes.from_numpy_dtype(array.dtype), of_jax(*devices))


def value_of_array(array: Any) -> Value:
    """The array as a value whose memory is never given away."""
    meta = meta_of_array(array)
    if array.is_deleted():
        raise RuntimeError(
            f"This JAX array, {array.dtype}{list(array.shape)}, has been deleted: it was donated to a jitted function."
        )
    if array.devices() != {to_jax(meta.device)}:
        array = xla.transfer(array, meta.device)
    value = Value(meta, array)
    value.exposed = True
    return value


def from_jax(array: jax.Array) -> Tensor:
    """The tensor of a JAX array, on the same memory and device.

    The array stays as it is: writing to the tensor in place gives the tensor other memory. Do not donate the array to a
    jitted function while the tensor is in use.

    Raises: TypeError for what is no JAX array or has a dtype that tensors lack, ValueError for an array on several devices.

    >>> import jax.numpy as jnp
    >>> flambeau.jax.from_jax(jnp.ones(2))
    tensor([1., 1.])
    """
    if isinstance(array, jax.core.Tracer):
        raise TypeError(
            "from_jax() was given a value that JAX is tracing, which is no array yet: inside jax.jit, jax.grad or jax.vmap "
            "call what flambeau.jax.function() makes of a module or function"
        )
    if not isinstance(array, jax.Array):
        raise TypeError(f"from_jax(): argument 'array' must be jax.Array, not {type(array).__name__}")
    return Tensor._of(value_of_array(array))
