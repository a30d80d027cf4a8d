"""Sizes and dimensions as programs write them: spread out or in one sequence, as ints or as 0-d tensors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flambeau._core.tensor import Tensor


def is_integer(value: Any) -> bool:
    """Whether PyTorch takes a value where it wants an int."""
    if type(value) is int:
        return True
    if isinstance(value, Tensor):
        return value._meta.numel == 1 and value._meta.np.kind in "iu"
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def integer(value: Any, name: str, argument: str, position: int) -> int:
    """A value as an int.

    Raises: TypeError in PyTorch's words.
    """
    if type(value) is int:
        return value
    if is_integer(value):
        return int(value)
    raise TypeError(
        f"{name}(): argument '{argument}' (position {position}) must be int, not {type(value).__name__}"
    )


_INT = frozenset({int})


def sizes_of(args: Sequence[Any], name: str, argument: str = "size", position: int = 1) -> tuple[int, ...]:
    """The ints in `args`, which are spread out or one sequence.

    Raises: TypeError in PyTorch's words.
    """
    if len(args) == 1 and isinstance(args[0], (tuple, list)):
        args = args[0]
    elif not args:
        raise TypeError(f'{name}() missing 1 required positional arguments: "{argument}"')
    if set(map(type, args)) <= _INT:
        return tuple(args)
    for number, value in enumerate(args):
        if is_integer(value):
            continue
        kind = type(value).__name__
        if number == 0 and len(args) == 1:
            raise TypeError(
                f"{name}(): argument '{argument}' (position {position}) must be tuple of ints, not {kind}"
            )
        raise TypeError(
            f"{name}(): argument '{argument}' failed to unpack the object at pos {number + 1} with error "
            f'"type must be tuple of ints,but got {kind}"'
        )
    return tuple([int(value) for value in args])


def spread(function: Callable[..., Any], argument: str) -> Callable[..., Any]:
    """The method form of a function whose second argument is sizes: they may be spread out, too."""
    name = function.__name__

    @functools.wraps(function)
    def method(self: Tensor, *args: Any, **named: Any) -> Any:
        if argument in named:
            return function(self, **named)
        if len(args) == 1 and isinstance(args[0], (tuple, list)):
            return function(self, args[0], **named)
        return function(self, sizes_of(args, name, argument), **named)

    first, _, *others = inspect.signature(function).parameters.values()
    star = inspect.Parameter(argument, inspect.Parameter.VAR_POSITIONAL)
    keywords = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in others]
    method.__signature__ = inspect.Signature([first, star, *keywords])  # type: ignore[attr-defined]
    return method


def per_dimension(value: Any, count: int, wrong: Callable[[Sequence[int]], str]) -> tuple[int, ...]:
    """One number for each of `count` dimensions, from one for all or one for each.

    Raises: RuntimeError, with the text that `wrong` has for the numbers, for another count of them.
    """
    if hasattr(value, "__index__"):
        return (value.__index__(),) * count
    items = tuple(item.__index__() for item in value)
    if len(items) == 1:
        return items * count
    if len(items) != count:
        raise RuntimeError(wrong(items))
    return items
