"""Operations that look at values on the host: inside `vmap` they run once for each element of the batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from flambeau._core.trace import local

F = TypeVar("F", bound=Callable[..., Any])


def by_elements(draws: bool = False) -> Callable[[F], F]:
    """Declares a function without gradients that needs its arguments' values; `draws`: it draws random numbers."""

    def wrap(function: F) -> F:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            trace = local.trace
            if trace.records:
                return trace.call_by_elements(function, args, kwargs, draws)
            return function(*args, **kwargs)

        return call  # type: ignore[return-value]

    return wrap
