"""`torch.compiler`: questions about compilation, and marks for code that `torch.compile` treats in its own way.

flambeau compiles what it has recorded, never Python code: nothing is being compiled while Python runs, and marks change
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = [
    "allow_in_graph", "assume_constant_result", "cudagraph_mark_step_begin", "disable", "is_compiling", "is_dynamo_compiling",
    "is_exporting", "reset",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])


def is_compiling() -> bool:
    """Whether this code is being compiled: never, it runs."""
    return False


def is_dynamo_compiling() -> bool:
    """The same."""
    return False


def is_exporting() -> bool:
    """Whether this code is being exported: never, it runs."""
    return False


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function itself: `@disable` and `@disable(...)` mark what PyTorch should not compile."""
    return fn if fn is not None else lambda function: function


def allow_in_graph(fn: Any) -> Any:
    """The function itself, or the list of them."""
    return fn


def assume_constant_result(fn: F) -> F:
    """The function itself."""
    return fn


def cudagraph_mark_step_begin() -> None:
    """Nothing to do: there are no CUDA graphs."""


def reset() -> None:
    """Nothing to do: what flambeau compiled stays right."""
