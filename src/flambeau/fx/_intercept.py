"""While a program is traced, functions hand calls with proxies among their arguments to the tracer.

`__torch_function__` is not enough: functions that are written over others, like `torch.flatten`, would show their insides, and
operations do not know which of their arguments came by name.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flambeau._core.declare import registry
from flambeau.fx.proxy import proxy_in, take_call


def _enter(*args: Any, _asking: Any, **kwargs: Any) -> Any:
    return _asking(*args, **kwargs)


def _asking(public: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    def asking(*args: Any, **kwargs: Any) -> Any:
        if proxy_in((args, kwargs)) is None:
            return original(*args, **kwargs)
        return take_call(public, args, kwargs, inspect.signature(original))

    return asking


@contextmanager
def declared_functions() -> Iterator[None]:
    """Inside, the functions of the library are watched. They stay the same objects."""
    kept: dict[int, tuple[Any, ...]] = {}
    for function in registry.values():
        if type(function) is not types.FunctionType or id(function) in kept:
            continue
        code, defaults, named = function.__code__, function.__defaults__, function.__kwdefaults__
        kept[id(function)] = function, code, defaults, named
        original = types.FunctionType(
            code, function.__globals__, function.__name__, defaults, function.__closure__
        )
        original.__kwdefaults__ = named
        original.__dict__.update(function.__dict__)  # among them what tells the signature
        function.__defaults__, function.__kwdefaults__ = None, {"_asking": _asking(function, original)}
        function.__code__ = _enter.__code__.replace(co_name=code.co_name, co_freevars=code.co_freevars)
    try:
        yield
    finally:
        for function, code, defaults, named in kept.values():
            function.__code__ = code
            function.__defaults__, function.__kwdefaults__ = defaults, named


@contextmanager
def names(places: Sequence[tuple[dict[str, Any], str]]) -> Iterator[None]:
    """Inside, these names of these namespaces are watched: functions that a trace keeps whole."""
    kept = []
    for namespace, name in places:
        original = namespace.get(name, getattr(builtins, name, None))
        if original is None or hasattr(original, "_fx_original"):
            continue
        kept.append((namespace, name, namespace.get(name)))
        namespace[name] = _whole(original)
    try:
        yield
    finally:
        for namespace, name, before in kept:
            if before is None:
                del namespace[name]
            else:
                namespace[name] = before


def _whole(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def asking(*args: Any, **kwargs: Any) -> Any:
        if proxy_in((args, kwargs)) is None:
            return original(*args, **kwargs)
        return take_call(original, args, kwargs, wrapped=True)

    asking._fx_original = original  # type: ignore[attr-defined]
    return asking
