"""Exception classes that PyTorch has of its own, and its error where memory is missing."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class _LinAlgError(RuntimeError):
    """A matrix has not what an operation of linear algebra needs: an inverse, a factorization,
    convergence.
    """


LinAlgError = _LinAlgError


class OutOfMemoryError(RuntimeError):
    """A device has not the memory that was asked for."""


class AcceleratorError(RuntimeError):
    """An accelerator failed."""


_XLA_ASKED = re.compile(r"out of memory\D*?(?P<bytes>\d+) ?bytes", re.IGNORECASE)
_XLA_SAYS = re.compile(r"RESOURCE_EXHAUSTED|out of memory", re.IGNORECASE)


def memory_error(error: BaseException, device: str) -> RuntimeError | None:
    """PyTorch's error where a kind of device has not the memory that was asked for; None if `error` is about something else.

    >>> memory_error(RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 2147483648 bytes."), "cuda")
    OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB.')
    """
    asked: int | None = None
    if isinstance(error, MemoryError):
        device = "cpu"
        shape, dtype = getattr(error, "shape", None), getattr(error, "dtype", None)
        if shape is not None and dtype is not None:  # NumPy's
            asked = math.prod(shape) * dtype.itemsize
    elif isinstance(error, RuntimeError) and _XLA_SAYS.search(str(error)):
        found = _XLA_ASKED.search(str(error))
        asked = None if found is None else int(found["bytes"])
    else:
        return None
    if device == "cpu":
        tried = "" if asked is None else f": you tried to allocate {asked} bytes"
        return RuntimeError(
            f"[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory{tried}. "
            "Error code 12 (Cannot allocate memory)"
        )
    tried = f" Tried to allocate {_size(asked)}." if asked is not None else f" {error}"
    return OutOfMemoryError(f"{device.upper()} out of memory.{tried}")


def _size(count: int) -> str:
    """A number of bytes as PyTorch writes it."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 1 << power:
            return f"{count / (1 << power):.2f} {unit}"
    return f"{count} bytes"


def takes_memory(function: Callable[P, T]) -> Callable[P, T]:
    """Marks a function that makes NumPy arrays as large as a user asks for: it raises PyTorch's error where memory is missing."""

    @functools.wraps(function)
    def asking(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except MemoryError as error:
            raise memory_error(error, "cpu") from error  # type: ignore[misc]

    return asking
