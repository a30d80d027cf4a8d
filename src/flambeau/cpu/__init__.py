"""`torch.cpu`: what code that is written for any device asks of the CPU."""

from typing import Any

from flambeau._core.trace import local as _local
from flambeau.cpu import amp as amp

__all__ = [
    "amp",
    "current_device",
    "device_count",
    "is_available",
    "is_initialized",
    "set_device",
    "synchronize",
]


def is_available() -> bool:
    return True


def is_initialized() -> bool:
    return True


def device_count() -> int:
    return 1


def current_device() -> str:
    return "cpu"


def set_device(device: Any) -> None:
    """Nothing to choose."""


def synchronize(device: Any = None) -> None:
    """Runs everything recorded so far."""
    _local.trace.flush("synchronize")
