"""Which dtypes an operation refuses, in PyTorch's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flambeau._core import dtype as dtypes
from flambeau._core.dtype import dtype as DType
from flambeau._core.value import Meta


def result_type(*arguments: Any) -> DType:
    """PyTorch's result type of the tensors (as `Meta`) and numbers (as their types) among the arguments."""
    entries = []
    for argument in arguments:
        if isinstance(argument, Meta):
            entries.append((argument.dtype, dtypes.TENSOR if argument.shape else dtypes.ZERO_DIM))
        elif argument in (bool, int, float, complex):
            entries.append((dtypes.scalar_dtype(argument()), dtypes.SCALAR))
    return dtypes.result_dtype(tuple(entries))


def kind(dtype: DType) -> str:
    """One letter: (b)ool, (i)nteger, (h)alf precision, (f)loating, (c)omplex."""
    if dtype.is_complex:
        return "c"
    if dtype.is_floating_point:
        return "h" if dtype.itemsize < 4 else "f"
    return "b" if dtype is dtypes.bool_ else "i"


def supports(kinds: str, kernel: str, message: str = "", error: type[Exception] = NotImplementedError) -> Any:
    """A `dtypes=` rule: the operands' result type must be of one of `kinds` (letters of `kind`).

    Otherwise it raises as PyTorch's kernel of that name does, or with `message` for complex tensors.
    """

    def rule(name: str, *arguments: Any) -> None:
        dtype = result_type(*arguments)
        found = kind(dtype)
        if found in kinds:
            return
        if message and found == "c":
            raise error(message)
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{dtype.scalar_type}'")

    return rule


def refuses(kinds: str, message: str, error: type[Exception] = RuntimeError) -> Callable[..., None]:
    """A `dtypes=` rule: operands whose result type is of one of `kinds` raise `error(message)`."""

    def rule(name: str, *arguments: Any) -> None:
        if kind(result_type(*arguments)) in kinds:
            raise error(message)

    return rule


def both(*rules: Callable[..., None]) -> Callable[..., None]:
    """Several `dtypes=` rules, one after the other."""

    def rule(name: str, *arguments: Any) -> None:
        for each in rules:
            each(name, *arguments)

    return rule
