"""Views: other shapes and parts of the same storage."""

from __future__ import annotations

from typing import Any

from flambeau._core import strides as stride_rules
from flambeau._core.declare import RAW, Array, Scalar, Sizes, canonical_dim
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


@op(promote=RAW, view=True, shape=lambda input, dim, start, length, step: input.with_shape((*input.shape[:dim], length, *input.shape[dim + 1 :])))
def slice_view(xp: Any, input: Array, dim: int, start: Scalar, length: int, step: int) -> Array:
    """`length` entries of one dimension from `start`, `step` apart."""
    if xp.__name__ == "numpy":
        return input[(slice(None),) * dim + (slice(int(start), int(start) + (length - 1) * step + 1 if length else int(start), step),)]
    from jax import lax

    found = lax.dynamic_slice_in_dim(input, start, max((length - 1) * step + 1, 0) if length else 0, dim)
    return lax.slice_in_dim(found, 0, None, step, dim) if step != 1 else found


@slice_view.strides
def _(shape: Any, stride: Any, dim: int, start: Any, length: int, step: int) -> Any:
    return (*stride[:dim], stride[dim] * step, *stride[dim + 1 :])


def _put_slice(xp: Any, base: Array, value: Array, dim: int, start: Any, length: int, step: int) -> Array:
    if xp.__name__ == "numpy":
        result = base.copy()
        result[(slice(None),) * dim + (slice(int(start), int(start) + length * step, step),)] = value
        return result
    from jax import lax

    if step == 1:
        return lax.dynamic_update_slice_in_dim(base, value, start, dim)
    index = (slice(None),) * dim + (start + xp.arange(length) * step,)
    return base.at[index].set(value)


slice_view.scatter(_put_slice)


@slice_view.gradient("input")
def _(xp: Any, g: Array, input_meta: Meta, dim: int, start: Any, length: int, step: int) -> Array:
    return _put_slice(xp, xp.zeros(input_meta.shape, g.dtype), g, dim, start, length, step)


def reshape(input: Tensor, shape: tuple[int, ...]) -> Tensor:
    return apply(view_as_size, (input, shape))  # type: ignore[no-any-return]
