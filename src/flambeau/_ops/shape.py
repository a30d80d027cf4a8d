"""Views: other shapes and parts of the same storage."""

from __future__ import annotations

from typing import Any

from flambeau._core import strides as stride_rules
from flambeau._core.declare import RAW, Array, Sizes, canonical_dim
from flambeau._core.dispatch import apply, op
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta


def _swapped(items: Any, a: int, b: int) -> Any:
    found = list(items)
    if found:
        a, b = canonical_dim(a, len(found)), canonical_dim(b, len(found))
        found[a], found[b] = found[b], found[a]
    return tuple(found)


@op(
    "transpose", "swapaxes", "swapdims", "Tensor.transpose", "Tensor.swapaxes", "Tensor.swapdims", promote=RAW, view=True,
    shape=lambda input, dim0, dim1: (canonical_dim(dim0, input.ndim), canonical_dim(dim1, input.ndim), input.with_shape(_swapped(input.shape, dim0, dim1)))[2],
)  # fmt: skip
def transpose(xp: Any, input: Array, dim0: int, dim1: int) -> Array:
    """A view with two dimensions exchanged."""
    return xp.swapaxes(input, dim0, dim1) if input.ndim else input


@transpose.strides
def _(shape: Any, stride: Any, dim0: int, dim1: int) -> Any:
    return _swapped(stride, dim0, dim1)


@transpose.scatter
def _(xp: Any, base: Array, value: Array, dim0: int, dim1: int) -> Array:
    return xp.swapaxes(value, dim0, dim1) if value.ndim else value


@transpose.gradient("input")
def _(xp: Any, g: Array, dim0: int, dim1: int) -> Array:
    return xp.swapaxes(g, dim0, dim1) if g.ndim else g


# A reshape that shows the same memory; whether it can is decided before, from the strides.
@op(promote=RAW, view=True, shape=lambda input, size: input.with_shape(size))
def view_as_size(xp: Any, input: Array, size: Sizes) -> Array:
    """A view of another shape with the same elements in the same order."""
    return xp.reshape(input, size)


@view_as_size.strides
def _(shape: Any, stride: Any, size: Any) -> Any:
    return stride_rules.of_reshape(shape, stride, size)


@view_as_size.scatter
def _(xp: Any, base: Array, value: Array, size: Any) -> Array:
    return xp.reshape(value, base.shape)


@view_as_size.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta) -> Array:
    return xp.reshape(g, input_meta.shape)


def reshape(input: Tensor, shape: tuple[int, ...]) -> Tensor:
    return apply(view_as_size, (input, shape))  # type: ignore[no-any-return]
