"""`Variable`, from the days before every tensor could require gradients."""

from __future__ import annotations

from typing import Any

from flambeau._core.tensor import Tensor


class _IsTensor(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_IsTensor):
    """`Variable(tensor, requires_grad=False)` is a tensor on the same storage; every tensor is an instance.

    >>> import flambeau
    >>> Variable(flambeau.ones(1), requires_grad=True)
    tensor([1.], requires_grad=True)
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = False, volatile: bool = False) -> Any:
        from flambeau._core.declare import registry

        source = registry["zeros"](0) if data is None else data
        return source.detach().requires_grad_(requires_grad)
