"""Tensors as nodes of JAX's pytrees, each with its array as the one child.

So `jax.tree.map`, Optax and Orbax take dicts of tensors and give dicts of tensors back. What JAX puts in the place of an
array while it transforms (a tracer, a shape, a mark) is held by a tensor that refuses to compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.modes import modes
from flambeau._core.tensor import Tensor, from_array
from flambeau._core.value import CPU, Value, meta_of
from flambeau.jax._arrays import is_plain, value_of_array
from flambeau.nn.parameter import Parameter


class _Refusing:
    """Stands where the trace of a pending value is: whoever wants the value, or computes with it, is told why not."""

    def __init__(self, child: Any) -> None:
        self._child = child

    def flush(self, reason: str) -> None:
        kind = (
            "a value that JAX is tracing" if isinstance(self._child, jax.core.Tracer) else repr(self._child)
        )
        raise RuntimeError(
            f"This Tensor holds {kind}, not an array, so flambeau cannot compute with it. Inside jax.jit, jax.grad and "
            "jax.vmap use t.jax(), which is JAX's own value, or call what flambeau.jax.function() makes of a module or "
            "function."
        )


class _StandIn(Value):
    """What JAX put in an array's place."""

    def __init__(self, child: Any) -> None:
        shape, dtype = getattr(child, "shape", None), getattr(child, "dtype", None)
        if (
            isinstance(shape, tuple)
            and dtype is not None
            and is_plain(dtype)
            and all(type(n) is int for n in shape)
        ):
            super().__init__(meta_of(shape, dtypes.from_numpy_dtype(np.dtype(dtype)), CPU))
        else:
            super().__init__(meta_of((), dtypes.float32, CPU))
        self.stands_for = (child,)
        self.trace: Any = _Refusing(child)

    def array(self) -> Any:
        return self.stands_for[0]  # type: ignore[index]

    def numpy(self) -> Any:
        self.trace.flush("a value is read")


def _flatten(tensor: Tensor) -> tuple[tuple[Any], None]:
    if modes.grad and tensor.requires_grad:
        raise RuntimeError(
            "A Tensor that requires grad was given to JAX, through which flambeau's autograd cannot see. Call the JAX "
            "function through flambeau.jax.wrap(function), or give it tensor.detach(), or do it under torch.no_grad()."
        )
    return (tensor.jax(),), None


def _unflatten(_: None, children: Sequence[Any]) -> Tensor:
    (child,) = children
    return Tensor._of(_value(child))


def _unflatten_parameter(_: None, children: Sequence[Any]) -> Parameter:
    (child,) = children
    value = _value(child)
    return Parameter(Tensor._of(value), value.meta.tracked)


def _value(child: Any) -> Value:
    if isinstance(child, (np.ndarray, np.generic)) and is_plain(child.dtype):
        array = np.array(child)
        return from_array(array, meta_of(array.shape, dtypes.from_numpy_dtype(array.dtype), CPU))._read()
    if not isinstance(child, jax.Array) or isinstance(child, jax.core.Tracer):
        return _StandIn(child)
    if not is_plain(child.dtype) or len(child.devices()) != 1 or child.is_deleted():
        return _StandIn(child)
    return value_of_array(child)


def register() -> None:
    """Makes JAX know tensors and parameters."""
    jax.tree_util.register_pytree_node(Tensor, _flatten, _unflatten)
    jax.tree_util.register_pytree_node(Parameter, _flatten, _unflatten_parameter)
