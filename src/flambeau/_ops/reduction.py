"""What losses do with their elements: keep them, sum them or average them."""

from __future__ import annotations

import math
import warnings
from typing import Any

from flambeau._ops.sums import total

# The numbers that `torch.ctc_loss` and its like take for these names.
NUMBERS = ("none", "mean", "sum")


def chosen_reduction(size_average: Any, reduce: Any, reduction: str, stacklevel: int = 3) -> str:
    """The reduction that is meant, with PyTorch's warning for the legacy pair of flags.

    Raises: ValueError, for a word that is no reduction.
    """
    if size_average is not None or reduce is not None:
        averages, reduces = size_average is None or size_average, reduce is None or reduce
        reduction = "none" if not reduces else "mean" if averages else "sum"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
        return reduction
    return checked_reduction(reduction)


def checked_reduction(reduction: str) -> str:
    if reduction == "elementwise_mean":
        warnings.warn(
            "reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.",
            UserWarning,
            stacklevel=4,
        )
        return "mean"
    if reduction not in NUMBERS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def reduced(xp: Any, loss: Any, reduction: str) -> Any:
    """An array of losses, reduced."""
    if reduction == "none":
        return loss
    found = total(xp, loss).astype(loss.dtype)
    return found if reduction == "sum" else found / xp.asarray(loss.size, loss.dtype)


def share(g: Any, shape: tuple[int, ...], reduction: str) -> Any:
    """The gradient of each element, given that of the reduced loss; broadcasts against `shape`."""
    return g / max(math.prod(shape), 1) if reduction == "mean" else g


def reduced_tensor(loss: Any, reduction: str) -> Any:
    """A tensor of losses, reduced."""
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


def loss_shape(shape: tuple[int, ...], reduction: str) -> tuple[int, ...]:
    return shape if reduction == "none" else ()
