"""The decorator of rules for the export to ONNX."""

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["parse_args"]

F = TypeVar("F", bound=Callable[..., Any])


def parse_args(*arg_descriptors: str) -> Callable[[F], F]:
    """Says what kinds of arguments a rule takes; kept beside the function."""

    def decorate(fn: F) -> F:
        fn._arg_descriptors = arg_descriptors  # type: ignore[attr-defined]
        return fn

    return decorate
