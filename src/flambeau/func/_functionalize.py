"""`functionalize`, which has nothing left to do here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """The function without writes in place, as whoever records it sees it: every recorded function is so here.

    Args:
        remove: "mutations", or "mutations_and_views".

    >>> import flambeau
    >>> flambeau.func.functionalize(lambda x: x.clone().add_(1))(flambeau.zeros(2))
    tensor([1., 1.])
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='mutations'): Valid options for inner remove are `remove='mutations'` and "
            f"`remove='mutations_and_views'`. Got remove={remove}"
        )

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapped
