"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from flambeau._core.declare import registry
from flambeau._core.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters' elements one after the other.

    Raises: TypeError, if they are on different devices.
    """
    parameters = list(parameters)
    _check_devices(parameters)
    joined: Tensor = registry["cat"]([parameter.view(-1) for parameter in parameters])
    return joined


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Replace the parameters' elements by those of a vector, in order; the parameters then share its memory.

    Raises: TypeError, if `vec` is no tensor or the parameters are on different devices.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    parameters = list(parameters)
    _check_devices(parameters)
    start = 0
    for parameter in parameters:
        end = start + parameter.numel()
        parameter.data = vec[start:end].view_as(parameter).data
        start = end


def _check_devices(parameters: list[Tensor]) -> None:
    if len({str(parameter.device) for parameter in parameters}) > 1:
        raise TypeError("Found two parameters on different devices, this is currently not supported.")
