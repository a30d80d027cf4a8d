"""Limiting gradients, by their common norm or each by itself."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable

from flambeau._core.declare import registry
from flambeau._core.modes import no_grad
from flambeau._core.tensor import Tensor
from flambeau._ops.construct import tensor

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]

Tensors = Tensor | Iterable[Tensor]


def _as_list(tensors: Tensors) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters: Tensors) -> list[Tensor]:
    return [each.grad for each in _as_list(parameters) if each.grad is not None]


@no_grad()
def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of all tensors as if they were one vector.

    Args:
        tensors: usually gradients.
        norm_type: the exponent; "inf" for the largest absolute value.
        error_if_nonfinite: raise RuntimeError if the norm is nan or infinite.
        foreach: accepted; XLA leaves no loop to choose.
    """
    tensors = _as_list(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return tensor(0.0)
    vector_norm = registry["linalg.vector_norm"]
    device = tensors[0].device
    norms = [vector_norm(each, norm_type).to(device) for each in tensors]
    total: Tensor = vector_norm(registry["stack"](norms), norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it "
            "cannot be clipped. To disable this error and scale the gradients by the non-finite norm anyway, "
            "set `error_if_nonfinite=False`"
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale gradients in place by `max_norm / total_norm`, unless that is more than 1.

    Args:
        parameters: those whose gradients are scaled.
        max_norm: the norm they should not exceed.
        total_norm: the norm they have, see `get_total_norm`.
        foreach: accepted; XLA leaves no loop to choose.
    """
    # Clamped instead of compared: the norm need not be waited for.
    factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    for gradient in _gradients(parameters):
        gradient.mul_(factor.to(gradient.device))


@no_grad()
def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale gradients in place so that the norm of them all together is at most `max_norm`.

    Args:
        parameters: those whose gradients are scaled.
        max_norm: that norm.
        norm_type: its exponent; "inf" for the largest absolute value.
        error_if_nonfinite: raise RuntimeError if the norm is nan or infinite.
        foreach: accepted; XLA leaves no loop to choose.

    Returns: the norm before.
    """
    is_generator = isinstance(parameters, types.GeneratorType)
    parameters = _as_list(parameters)
    if is_generator and not parameters:
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3)
    total_norm = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total_norm, foreach)
    return total_norm


def clip_grad_norm(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The old name of `clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    total_norm: Tensor = clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)
    return total_norm


@no_grad()
def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Clamp each element of the gradients, in place, to between `-clip_value` and `clip_value`."""
    clip_value = float(clip_value)
    for gradient in _gradients(parameters):
        gradient.clamp_(min=-clip_value, max=clip_value)
