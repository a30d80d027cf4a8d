"""JAX and flambeau together: JAX functions on tensors, modules as JAX functions, arrays without copies.

>>> import jax.numpy as jnp
>>> square = flambeau.jax.wrap(lambda x: jnp.square(x))
>>> square(flambeau.tensor([2.0, 3.0]))
tensor([4., 9.])
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from flambeau._core.later import attach as _attach
from flambeau.jax._arrays import from_jax
from flambeau.jax._pytree import register as _register

if _TYPE_CHECKING:
    from flambeau.jax._function import Pure, PureModule, function
    from flambeau.jax._wrap import Wrapped, wrap

__all__ = ["Pure", "PureModule", "Wrapped", "from_jax", "function", "wrap"]

_register()

# They need `jax.extend`, which takes longer to import than all of flambeau's layers.
__getattr__, __dir__ = _attach(
    globals(),
    names={
        "Pure": "_function", "PureModule": "_function", "function": "_function", "Wrapped": "_wrap", "wrap": "_wrap",
    },
)  # fmt: skip
