"""Joining tensors: cat and stack."""

from __future__ import annotations

from typing import Any

from flambeau._core.declare import PROMOTE, Array, Arrays, Meta, canonical_dim
from flambeau._core.dispatch import apply, function, op
from flambeau._core.tensor import Tensor


def _cat_shape(tensors: Any, dim: int) -> tuple[int, ...]:
    first = next((m for m in tensors if m.shape != (0,)), tensors[0])
    for number, meta in enumerate(tensors):
        if not meta.shape:
            raise RuntimeError(f"zero-dimensional tensor (at position {number}) cannot be concatenated")
    place = canonical_dim(dim, first.ndim)
    total = 0
    for number, meta in enumerate(tensors):
        if meta.shape == (0,):
            continue
        if meta.ndim != first.ndim:
            raise RuntimeError(f"Tensors must have same number of dimensions: got {first.ndim} and {meta.ndim}")
        for d, (want, have) in enumerate(zip(first.shape, meta.shape, strict=True)):
            if d != place and want != have:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {place}. Expected size {want} but got size {have} for "
                    f"tensor number {number} in the list."
                )
        total += meta.shape[place]
    return (*first.shape[:place], total, *first.shape[place + 1 :])


@op(promote=PROMOTE, shape=_cat_shape, node="CatBackward")
def cat_op(xp: Any, tensors: Arrays, dim: int) -> Array:
    """The tensors one after another along `dim`; empty ones of shape (0,) count for nothing."""
    kept = [t for t in tensors if t.shape != (0,)] or tensors
    return xp.concatenate(kept, dim)


@cat_op.gradient("tensors")
def _(xp: Any, g: Array, tensors_meta: tuple[Meta, ...], dim: int) -> Any:
    place, start, parts = dim % g.ndim, 0, []
    for meta in tensors_meta:
        size = 0 if meta.shape == (0,) else meta.shape[place]
        parts.append(xp.zeros((0,), g.dtype) if meta.shape == (0,) else g[(slice(None),) * place + (slice(start, start + size),)])
        start += size
    return parts


@function("cat", "concat", "concatenate", out=True)
def cat(tensors: Any, dim: int = 0) -> Tensor:
    """Tensors of equal shape but for `dim` one after another along it.

    >>> import flambeau
    >>> flambeau.cat([flambeau.zeros(1, 2), flambeau.ones(1, 2)])
    tensor([[0., 0.],
            [1., 1.]])
    """
    if isinstance(tensors, Tensor) or not isinstance(tensors, (tuple, list)):
        raise TypeError(f"cat(): argument 'tensors' (position 1) must be tuple of Tensors, not {type(tensors).__name__}")
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    return apply(cat_op, (tensors, dim))  # type: ignore[no-any-return]


def _stack_shape(tensors: Any, dim: int) -> tuple[int, ...]:
    first = tensors[0]
    for number, meta in enumerate(tensors):
        if meta.shape != first.shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first.shape)} at entry 0 and "
                f"{list(meta.shape)} at entry {number}"
            )
    place = canonical_dim(dim, first.ndim + 1)
    return (*first.shape[:place], len(tensors), *first.shape[place:])


@op(promote=PROMOTE, shape=_stack_shape, node="StackBackward")
def stack_op(xp: Any, tensors: Arrays, dim: int) -> Array:
    """The tensors as entries of a new dimension."""
    return xp.stack(tensors, dim)


@stack_op.gradient("tensors")
def _(xp: Any, g: Array, tensors_meta: tuple[Meta, ...], dim: int) -> Any:
    place = dim % g.ndim
    return [g[(slice(None),) * place + (i,)] for i in range(len(tensors_meta))]


@function("stack", out=True)
def stack(tensors: Any, dim: int = 0) -> Tensor:
    """Tensors of one shape as entries of a new dimension."""
    if isinstance(tensors, Tensor) or not isinstance(tensors, (tuple, list)):
        raise TypeError(f"stack(): argument 'tensors' (position 1) must be tuple of Tensors, not {type(tensors).__name__}")
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    return apply(stack_op, (tensors, dim))  # type: ignore[no-any-return]
