"""Signatures that are worked out when somebody asks: a thousand functions have one, and few programs look."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from functools import cached_property
from typing import Any


class LazySignature(inspect.Signature):
    """The signature that `make` returns, once it is needed."""

    # No slots: those of the base are hidden by the properties below.
    def __init__(self, make: Callable[[], inspect.Signature]) -> None:
        self._make = make

    @cached_property
    def _found(self) -> inspect.Signature:
        return self._make()

    @property
    def _parameters(self) -> Any:
        return self._found.parameters

    @property
    def _return_annotation(self) -> Any:
        return self._found.return_annotation

    def replace(self, **changes: Any) -> Any:
        return self._found.replace(**changes)

    def __reduce__(self) -> Any:
        return self._found.__reduce__()


def parameter_names(function: Callable[..., Any]) -> frozenset[str]:
    """The names of a function's parameters; for plain functions without making a signature."""
    if type(function) is not types.FunctionType or hasattr(function, "__signature__"):
        return frozenset(inspect.signature(function).parameters)
    inner = inspect.unwrap(function)
    code = inner.__code__
    return frozenset(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


def takes_dim(function: Callable[..., Any]) -> bool:
    """Whether a parameter is called `dim`; quick, because it is asked of everything that is declared."""
    if type(function) is types.FunctionType and not function.__dict__:
        code = function.__code__
        return "dim" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return "dim" in parameter_names(function)
