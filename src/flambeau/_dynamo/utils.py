"""What packages ask about PyTorch's compiler of Python code."""

from typing import Any

__all__ = ["is_compile_supported"]


def is_compile_supported(device_type: Any) -> bool:
    """Whether `torch.compile` has a compiler of its own for this device: not here, flambeau compiles by itself."""
    return False
