"""`torch.multiprocessing`: Python's multiprocessing, and functions that start processes and wait for them.

Tensors go to other processes by value: what one process writes into its copy, the others do not see.
"""

import multiprocessing
from multiprocessing import *  # noqa: F403

from flambeau.multiprocessing.spawn import (
    ProcessContext,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

__all__ = [
    *multiprocessing.__all__, "ProcessContext", "ProcessExitedException", "ProcessRaisedException",
    "SpawnContext", "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn", "start_processes",
]  # fmt: skip

_strategy = "file_descriptor"


def get_all_sharing_strategies() -> set[str]:
    """The strategies that may be set; none changes anything here, where tensors are copied."""
    return {"file_descriptor", "file_system"}


def get_sharing_strategy() -> str:
    """The strategy that was set last."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Sets what `get_sharing_strategy` returns.

    Raises: AssertionError, if it is no strategy of PyTorch's.
    """
    global _strategy
    known = get_all_sharing_strategies()
    if new_strategy not in known:
        raise AssertionError(f"invalid sharing strategy '{new_strategy}', expected one of {known}")
    _strategy = new_strategy
