"""JAX and flambeau together: JAX functions on tensors, modules as JAX functions, arrays without copies.

>>> import jax.numpy as jnp
>>> square = flambeau.jax.wrap(lambda x: jnp.square(x))
>>> square(flambeau.tensor([2.0, 3.0]))
tensor([4., 9.])
"""

from flambeau.jax._arrays import from_jax
from flambeau.jax._function import Pure, PureModule, function
from flambeau.jax._pytree import register as _register
from flambeau.jax._wrap import Wrapped, wrap

__all__ = ["Pure", "PureModule", "Wrapped", "from_jax", "function", "wrap"]

_register()
