"""The questions about function transforms that packages ask PyTorch's binary module."""

from __future__ import annotations

from typing import Any

from flambeau._core.lift import BatchRecording, is_batched
from flambeau._core.modes import modes
from flambeau._core.tensor import Tensor
from flambeau._core.trace import local


def is_batchedtensor(tensor: Tensor) -> bool:
    """Whether a tensor stands for one element of the batch of the innermost `vmap`."""
    return is_batched(tensor)


def is_legacy_batchedtensor(tensor: Tensor) -> bool:
    """Whether a tensor is one of the `vmap` that PyTorch had before: none is."""
    return False


def is_transforming() -> bool:
    """Whether this thread is inside a function that is transformed."""
    trace: Any = local.trace
    while trace.records:
        if isinstance(trace, BatchRecording):
            return True
        trace = trace.outer
    return modes.levels > 0
