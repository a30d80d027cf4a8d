"""Modules that are imported when something of them is first asked for: most programs ask for few of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


class Later:
    """Stands for the module called `name`.

    >>> fractions = Later("fractions")
    >>> fractions.Fraction(2, 4)
    Fraction(1, 2)
    """

    def __init__(self, name: str) -> None:
        self.__name = name

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(import_module(self.__name), attribute)
        setattr(self, attribute, found)
        return found


def attach(
    namespace: dict[str, Any], modules: Iterable[str] = (), names: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package some of whose parts are imported when they are first asked for.

    Args:
        namespace: the package's `globals()`.
        modules: its submodules that wait.
        names: other names that wait, each with the submodule that it comes from.
    """
    package = namespace["__name__"]
    later, found_in = frozenset(modules), dict(names or {})

    def __getattr__(name: str) -> Any:
        if name in later:
            return import_module(f"{package}.{name}")  # which makes it an attribute of the package
        if name in found_in:
            found = namespace[name] = getattr(import_module(f"{package}.{found_in[name]}"), name)
            return found
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*namespace, *later, *found_in})

    return __getattr__, __dir__
