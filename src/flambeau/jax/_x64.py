"""A piece of a JAX program that is traced, batched and lowered with 64-bit types, whatever the user's setting.

Tracing alone could be wrapped in `jax.enable_x64`. But some of JAX's rules write a primitive out in others only when a whole
program is lowered, which is where the user calls `jax.jit`; without 64-bit types they would then cut int64 to int32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.extend
from jax.interpreters import batching, mlir

from flambeau._core import xla

_piece = jax.extend.core.Primitive("flambeau")
_piece.multiple_results = True


def run_with_x64(function: Callable[..., Sequence[Any]], *arrays: Any) -> list[Any]:
    """`function(*arrays)`, a function of JAX arrays without a derivative for JAX.

    Constants of 64-bit types have to come from within the function: among the arrays JAX may cut them.
    """
    with xla.x64():
        closed = jax.make_jaxpr(function)(
            *[jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays]
        )
    return _piece.bind(*arrays, closed=closed)


def _evaluate(*arrays: Any, closed: Any) -> list[Any]:
    with xla.x64():
        return jax.extend.core.jaxpr_as_fun(closed)(*arrays)


def _batch(arrays: Sequence[Any], axes: Sequence[Any], *, closed: Any) -> tuple[list[Any], list[int]]:
    def batched(*arrays: Any) -> Sequence[Any]:
        return jax.vmap(jax.extend.core.jaxpr_as_fun(closed), in_axes=tuple(axes))(*arrays)

    found = run_with_x64(batched, *arrays)
    return found, [0] * len(found)


def _lower(context: Any, *arrays: Any, closed: Any) -> Any:
    with xla.x64():
        return mlir.lower_fun(jax.extend.core.jaxpr_as_fun(closed), multiple_results=True)(context, *arrays)


_piece.def_impl(_evaluate)
_piece.def_abstract_eval(lambda *_, closed: closed.out_avals)
batching.primitive_batchers[_piece] = _batch
mlir.register_lowering(_piece, _lower)
