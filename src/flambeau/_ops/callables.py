"""A Python function called on every element, in host memory: slow, and for CPU tensors only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau._core.declare import broadcast_shapes
from flambeau._core.dispatch import function
from flambeau._core.tensor import Tensor, from_array


def _map(name: str, function: Callable[..., Any], *tensors: Tensor) -> Tensor:
    """The values of `function` on the elements of the tensors, like the first of them."""
    first = tensors[0]
    if any(tensor.requires_grad for tensor in tensors):
        raise RuntimeError(
            f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead."
        )
    if any(tensor.device.type != "cpu" for tensor in tensors):
        raise TypeError(f"{name} is only implemented on CPU tensors")
    shape = first._meta.shape
    if broadcast_shapes(shape, *(tensor._meta.shape for tensor in tensors)) != shape:
        raise RuntimeError(f"{name}: the other tensors must broadcast to the shape {list(shape)}")
    columns = [np.broadcast_to(tensor._host_array(), shape).ravel().tolist() for tensor in tensors]
    values = [function(*elements) for elements in zip(*columns, strict=True)]
    return from_array(np.array(values, first._meta.np).reshape(shape), first._meta)


@function("Tensor.apply_")
def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replaces each element by `callable(element)`.

    >>> import flambeau
    >>> flambeau.tensor([1.0, 2.0]).apply_(lambda x: x + 1)
    tensor([2., 3.])
    """
    return _map("apply_", callable, self)


@function("Tensor.map_")
def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replaces each element by `callable(element, other)`, with the element of `tensor` beside it."""
    return _map("map_", callable, self, tensor)


@function("Tensor.map2_")
def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
    """Replaces each element by `callable(element, other, another)`."""
    return _map("map2_", callable, self, x, y)
