"""Functions that a trace keeps as one node, wherever they are called from."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any] | str)

# Namespaces of the wrapped functions, each with the functions' names in it.
wrapped: list[tuple[dict[str, Any], str]] = []


def wrap(fn_or_name: F) -> F:
    """Keeps a function whole in traces: by its name at the top level of a module, or as a decorator there.

    Raises: RuntimeError, if it is neither a function nor a name; NotImplementedError within a function.
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("Unsupported type for global function! Must be either a callable or string name")
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    frame = sys._getframe(1)
    if frame.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    wrapped.append((frame.f_globals, name))
    return fn_or_name
