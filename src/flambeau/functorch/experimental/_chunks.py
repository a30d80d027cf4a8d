"""`chunk_vmap`: `vmap` in so many parts."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from flambeau.func._vmap import Dims, batch_size_of, vmap


def chunk_vmap(
    func: Callable[..., Any],
    in_dims: Dims = 0,
    out_dims: Dims = 0,
    randomness: str = "error",
    chunks: int = 2,
) -> Callable[..., Any]:
    """`vmap` that computes the batch in `chunks` parts, one after the other."""
    if chunks == 1:
        return vmap(func, in_dims, out_dims, randomness)

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        size = batch_size_of(func, in_dims, args)
        return vmap(func, in_dims, out_dims, randomness, chunk_size=-(-size // chunks))(*args, **kwargs)

    return wrapped
