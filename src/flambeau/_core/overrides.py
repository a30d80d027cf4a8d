"""`__torch_function__`: classes that take the functions of the library over when they are among the arguments.

It is asked only where an argument is no plain tensor, so that the usual case pays nothing. Functions that are written over
others are seen by the functions they call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flambeau._core.modes import modes


class DisableTorchFunctionSubclass:
    """Context in which no `__torch_function__` is called."""

    def __enter__(self) -> None:
        self._previous, modes.overrides_off = modes.overrides_off, True

    def __exit__(self, *error: object) -> None:
        modes.overrides_off = self._previous


def default_torch_function(
    cls: type, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
) -> Any:
    """What `Tensor.__torch_function__` does: the function itself, where every class taking part is a base of `cls`."""
    if not all(issubclass(cls, kind) for kind in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        return func(*args, **(kwargs or {}))


def overriding(args: Sequence[Any]) -> list[Any]:
    """The arguments (one for each class) whose class takes functions over, subclasses before their bases."""
    if modes.overrides_off:
        return []
    found: list[Any] = []
    for arg in _flat(args):
        kind = type(arg)
        if any(type(other) is kind for other in found):
            continue
        place = next((i for i, other in enumerate(found) if issubclass(kind, type(other))), len(found))
        found.insert(place, arg)
    return found


def _flat(args: Sequence[Any]) -> Iterator[Any]:
    for arg in args:
        if isinstance(arg, (tuple, list)):
            yield from _flat(arg)
            continue
        method = getattr(type(arg), "__torch_function__", None)
        if method is not None and getattr(method, "__func__", None) is not default_torch_function:
            yield arg


def call_overriding(
    overriders: Sequence[Any], function: Callable[..., Any], args: Any, kwargs: dict[str, Any]
) -> Any:
    """The first answer of the overriding classes.

    Raises: TypeError, if all decline.
    """
    types = tuple(type(each) for each in overriders)
    for each in overriders:
        result = type(each).__torch_function__(function, types, args, kwargs)
        if result is not NotImplemented:
            return result
    listed = ", ".join(str(kind) for kind in types)
    raise TypeError(
        f"Multiple dispatch failed for '{function.__name__}'; all __torch_function__ handlers returned NotImplemented: {listed}"
    )


def as_called(
    params: Sequence[tuple[str, Any, bool]], args: Sequence[Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments without those at the end that are defaults; `params`: name, default, keyword-only."""
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    skipped = False
    for (name, default, keyword), value in zip(params, args, strict=True):
        if value is default:
            skipped = True
        elif keyword or skipped:
            keywords[name] = value
        else:
            positional.append(value)
    return tuple(positional), keywords
