"""The TypeError for an argument of the wrong type, which names the function that the user called."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flambeau._core.declare import Op, Param, registry
from flambeau._core.tensor import Tensor

_OPERATIONS = tuple(f"{__name__.partition('.')[0]}.{layer}" for layer in ("_core", "_ops"))


def wrong_type(op: Op, param: Param, arg: Any, wanted: str) -> TypeError:
    """The error for one argument of an operation; `wanted` is what it has to be, or a converter's own words."""
    if wanted.startswith("must be"):
        wanted = wanted.removeprefix("must be ").partition(",")[0]
    name, place = op.name, None if param.keyword else op.params.index(param) + 1
    called = _called()
    if called is not None:
        path, function = called
        name = name_in_errors(path)
        taken = inspect.signature(function).parameters
        if param.name in taken:
            at = list(taken).index(param.name) + 1 - path.startswith("Tensor.")
            place = None if taken[param.name].kind is inspect.Parameter.KEYWORD_ONLY else at
    where = "" if place is None else f" (position {place})"
    return TypeError(f"{name}(): argument '{param.name}'{where} must be {wanted}, not {type(arg).__name__}")


# What parts of an annotation beside `Tensor` allow.
_ALSO = {
    "None": (type(None),), "bool": (bool, np.bool_), "int": (int, np.integer), "float": (int, float, np.number),
    "complex": (int, float, complex, np.number), "Number": (int, float, complex, np.generic),
}  # fmt: skip


def check_tensors(
    function: Callable[..., Any], path: str, args: Sequence[Any], kwargs: dict[str, Any]
) -> None:
    """Looks whether a function that failed was given something else in a tensor's place, by its annotations.

    Raises: TypeError in PyTorch's words, if it was.
    """
    signature = inspect.signature(function)
    # A method has code of its own, see `dispatch._as_method`; PyTorch counts its arguments without the tensor itself.
    method = sys._getframe(1).f_code.co_qualname.startswith("Tensor.")
    given = signature.bind(*args, **kwargs).arguments
    for place, parameter in enumerate(signature.parameters.values()):
        if parameter.name not in given:
            continue
        annotation = parameter.annotation
        value, kinds = given[parameter.name], getattr(annotation, "__name__", str(annotation)).split(" | ")
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL or kinds == ["Sequence[Tensor]"]:
            _check_elements(value, kinds, place)
        elif "Tensor" in kinds and not _may_be(value, kinds):
            where = "" if parameter.name in kwargs else f" (position {place + 1 - method})"
            raise TypeError(
                f"{name_in_errors(path)}(): argument '{parameter.name}'{where} must be Tensor, not {type(value).__name__}"
            )


def _check_elements(group: Any, kinds: Sequence[str], place: int) -> None:
    if len(group) == 1 and isinstance(group[0], (list, tuple)):
        group = group[0]
    for number, item in enumerate(group):
        if kinds[0] in ("Tensor", "Sequence[Tensor]") and not _may_be(item, ["Tensor"]):
            raise TypeError(
                f"expected Tensor as element {number} in argument {place}, but got {type(item).__name__}"
            )


def _may_be(value: Any, kinds: Sequence[str]) -> bool:
    if isinstance(value, Tensor) or hasattr(type(value), "__torch_function__"):
        return True
    return any(kind != "Tensor" and isinstance(value, _ALSO.get(kind, object)) for kind in kinds)


def name_in_errors(path: str) -> str:
    """What PyTorch's errors call a public function: `linalg_det` for `linalg.det`."""
    where, _, last = path.rpartition(".")
    return f"{where}_{last}" if where in ("fft", "linalg", "special") else last


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
