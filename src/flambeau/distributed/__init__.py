"""`torch.distributed`: flambeau runs one process. Those who ask are told so; those who go on anyway get an error.

This is what PyTorch answers where it was built without distributed training: `is_available()` is false.
"""

from __future__ import annotations

import enum
from typing import Any, NoReturn

__all__ = [
    "ReduceOp", "all_gather", "all_reduce", "barrier", "broadcast", "destroy_process_group", "get_rank", "get_world_size",
    "init_process_group", "is_available", "is_initialized", "is_torchelastic_launched",
]  # fmt: skip


class ReduceOp(enum.Enum):
    """How values of several processes are put together."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7


def is_available() -> bool:
    """Whether there is distributed training: no."""
    return False


def is_initialized() -> bool:
    """Whether processes work together: no."""
    return False


def is_torchelastic_launched() -> bool:
    return False


def init_process_group(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError."""
    raise NotImplementedError(
        "flambeau trains in one process: leave init_process_group() out, or ask is_available() first"
    )


def _no_group(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises ValueError: there is no group of processes."""
    raise ValueError(
        "Default process group has not been initialized, please make sure to call init_process_group."
    )


get_rank = get_world_size = destroy_process_group = barrier = broadcast = all_reduce = all_gather = _no_group
