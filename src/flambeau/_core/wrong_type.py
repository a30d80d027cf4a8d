"""The TypeError for an argument of the wrong type, which names the function that the user called."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

from flambeau._core.declare import Op, Param, registry

_OPERATIONS = tuple(f"{__name__.partition('.')[0]}.{layer}" for layer in ("_core", "_ops"))


def wrong_type(op: Op, param: Param, arg: Any, wanted: str) -> TypeError:
    """The error for one argument of an operation; `wanted` is what it has to be, or a converter's own words."""
    if wanted.startswith("must be"):
        wanted = wanted.removeprefix("must be ").partition(",")[0]
    name, place = op.name, None if param.keyword else op.params.index(param) + 1
    called = _called()
    if called is not None:
        path, function = called
        name = path.rpartition(".")[2]
        taken = inspect.signature(function).parameters
        if param.name in taken:
            at = list(taken).index(param.name) + 1 - path.startswith("Tensor.")
            place = None if taken[param.name].kind is inspect.Parameter.KEYWORD_ONLY else at
    where = "" if place is None else f" (position {place})"
    return TypeError(f"{name}(): argument '{param.name}'{where} must be {wanted}, not {type(arg).__name__}")


def _called() -> tuple[str, Callable[..., Any]] | None:
    """The declared function that the user's line called, with its public name."""
    public: dict[int, tuple[str, Any]] = {}
    shared: set[int] = set()
    for path, function in registry.items():
        for each in (inspect.unwrap(function), function):
            code = id(getattr(each, "__code__", None))
            if public.setdefault(code, (path, each))[1] is not each:
                shared.add(code)  # code of several functions tells nothing
    found = None
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_OPERATIONS):
        if id(frame.f_code) not in shared:
            found = public.get(id(frame.f_code), found)
        frame = frame.f_back
    return found
