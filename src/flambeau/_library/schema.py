"""Schemas of operators: `my::clip(Tensor x, float low=0.0, *, Tensor(a!)? out=None) -> Tensor`, read and written."""

from __future__ import annotations

import ast
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.device import device as Device
from flambeau._core.random import Generator
from flambeau._core.tensor import Tensor

_NUMBERS = (bool, int, float, np.integer, np.floating)

# What a value of each type of the schema language is, and how messages call that type.
_CHECKS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "Tensor": ("Tensor", lambda v: isinstance(v, Tensor)),
    "int": ("int", lambda v: hasattr(v, "__index__") and not isinstance(v, Tensor)),
    "SymInt": ("int", lambda v: hasattr(v, "__index__") and not isinstance(v, Tensor)),
    "float": ("float", lambda v: isinstance(v, _NUMBERS)),
    "bool": ("bool", lambda v: isinstance(v, (bool, np.bool_))),
    "str": ("str", lambda v: isinstance(v, str)),
    "Scalar": ("number", lambda v: isinstance(v, (*_NUMBERS, complex, np.complexfloating))),
    "Device": ("Device", lambda v: isinstance(v, (str, int, Device))),
    "ScalarType": ("int", lambda v: isinstance(v, dtypes.dtype)),
    "Layout": ("int", lambda v: isinstance(v, dtypes.layout)),
    "MemoryFormat": ("int", lambda v: isinstance(v, dtypes.memory_format)),
    "Generator": ("Generator", lambda v: isinstance(v, Generator)),
    "Any": ("Any", lambda v: True),
}

_TYPE = re.compile(r"(?P<base>\w+)(?:\((?P<alias>[^)]*)\))?(?P<suffix>(?:\?|\[\d*\])*)$")
_NAME = re.compile(r"(?:(?P<space>\w+)::)?(?P<name>\w+)(?:\.(?P<overload>\w+))?$")


@dataclass(frozen=True)
class Type:
    """A base type and what is around it: `int[]?` is a list of ints, or None."""

    base: str
    suffixes: tuple[str, ...] = ()

    def accepts(self, value: Any) -> bool:
        if self.suffixes:
            inner = Type(self.base, self.suffixes[:-1])
            if self.suffixes[-1] == "?":
                return value is None or inner.accepts(value)
            if self.suffixes[-1] != "[]" and inner.accepts(value):  # int[2] takes one int for both
                return True
            return isinstance(value, (list, tuple)) and all(map(inner.accepts, value))
        return _CHECKS[self.base][1](value)

    @property
    def is_list(self) -> bool:
        return any(suffix != "?" for suffix in self.suffixes)

    @property
    def is_tensor(self) -> bool:
        return self.base == "Tensor"

    def __str__(self) -> str:
        text = _CHECKS[self.base][0]
        for suffix in self.suffixes:
            text = f"Optional[{text}]" if suffix == "?" else f"List[{text}]"
        return text


@dataclass(frozen=True)
class Argument:
    """One argument or result of an operator."""

    name: str
    type: Type
    declared: str  # its type as the schema writes it
    default_value: Any = inspect.Parameter.empty
    kwarg_only: bool = False
    is_write: bool = False

    def has_default_value(self) -> bool:
        return self.default_value is not inspect.Parameter.empty

    def __str__(self) -> str:
        default = f"={_in_cpp(_written(self.default_value))}" if self.has_default_value() else ""
        return f"{self.declared} {self.name}{default}".rstrip()


class FunctionSchema:
    """The name, arguments and results of an operator."""

    def __init__(
        self, name: str, overload_name: str, arguments: list[Argument], returns: list[Argument]
    ) -> None:
        self.name, self.overload_name = name, overload_name
        self.arguments, self.returns = arguments, returns
        self.is_mutable = any(argument.is_write for argument in arguments)

    def __str__(self) -> str:
        parts: list[str] = []
        for argument in self.arguments:
            if argument.kwarg_only and "*" not in parts:
                parts.append("*")
            parts.append(str(argument))
        results = ", ".join(str(result) for result in self.returns)
        if len(self.returns) != 1:
            results = f"({results})"
        overload = f".{self.overload_name}" if self.overload_name else ""
        return f"{self.name}{overload}({', '.join(parts)}) -> {results}"

    __repr__ = __str__

    def bind(self, args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
        """A value for every argument, in order.

        Raises: RuntimeError in PyTorch's words.
        """
        positional = [argument for argument in self.arguments if not argument.kwarg_only]
        if len(args) > len(positional):
            raise RuntimeError(
                f"{self.name}() takes {len(positional)} positional argument(s) but {len(args)} was/were given.  "
                f"Declaration: {self}"
            )
        values: list[Any] = []
        for place, argument in enumerate(self.arguments):
            if place < len(args):
                value = args[place]
            elif argument.name in kwargs:
                value = kwargs[argument.name]
            elif argument.has_default_value():
                values.append(argument.default_value)
                continue
            else:
                raise RuntimeError(
                    f"{self.name}() is missing value for argument '{argument.name}'. Declaration: {self}"
                )
            if not argument.type.accepts(value):
                raise RuntimeError(
                    f"{self.name}() Expected a value of type '{argument.type}' for argument '{argument.name}' but "
                    f"instead found type '{type(value).__name__}'.\nPosition: {place}\nValue: {value!r}\n"
                    f"Declaration: {self}"
                )
            values.append(value)
        names = [argument.name for argument in self.arguments]
        for name in kwargs:
            if name not in names or names.index(name) < len(args):
                raise RuntimeError(
                    f"Unknown keyword argument '{name}' for operator '{self.name}'. Schema: {self}"
                )
        return values


def _written(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_written, value))}]"
    return str(value).removeprefix("torch.")


def _in_cpp(text: str) -> str:
    """The text of a default as C++ writes it: 0. for 0.0."""
    return re.sub(r"(?<=\d\.)0\b", "", text) if not text.startswith('"') else text


# -- reading ---------------------------------------------------------------------------------------


def parse(text: str, namespace: str = "") -> FunctionSchema:
    """Reads a schema; `namespace` is that of a name without one.

    Raises: RuntimeError, if it is none.
    """
    head, found, rest = text.strip().partition("(")
    name = _NAME.match(head.strip())
    close = _closing(rest)
    arrow = rest[close + 1 :].strip() if found and close >= 0 else ""
    if name is None or not arrow.startswith("->"):
        raise RuntimeError(
            f"This is no operator schema, which reads 'name(Tensor x, int n=1) -> Tensor': {text}"
        )
    arguments: list[Argument] = []
    keyword = False
    for part in _split(rest[:close]):
        if part == "*":
            keyword = True
        else:
            arguments.append(_argument(part, keyword))
    results = arrow.removeprefix("->").strip()
    if results.startswith("(") and results.endswith(")"):
        results = results[1:-1]
    returns = [_argument(part, False) for part in _split(results)]
    space = name["space"] or namespace
    return FunctionSchema(
        f"{space}::{name['name']}" if space else name["name"], name["overload"] or "", arguments, returns
    )


def _closing(text: str) -> int:
    """Where the parenthesis that is open before `text` closes; -1 if nowhere."""
    depth, quote = 1, ""
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        else:
            depth += (letter == "(") - (letter == ")")
            if depth == 0:
                return place
    return -1


def _split(text: str) -> list[str]:
    """The parts between commas that stand in no brackets or quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "([":
            depth += 1
        elif letter in ")]":
            depth -= 1
        elif letter == "," and depth == 0:
            parts.append(text[start:place].strip())
            start = place + 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def _argument(text: str, keyword: bool) -> Argument:
    declaration, has_default, default = text.partition("=")
    declared, _, name = declaration.strip().partition(" ")
    while name.startswith("->"):  # Tensor(a! -> *) x
        more, _, name = name.partition(" ")
        declared += f" {more}"
    match = _TYPE.match(declared)
    if match is None or match["base"] not in _CHECKS:
        raise RuntimeError(f"Unknown type '{declared}' in an operator schema: {text}")
    kind = Type(match["base"], tuple(re.findall(r"\?|\[\d*\]", match["suffix"])))
    return Argument(
        name.strip(),
        kind,
        declared,
        _default(default.strip()) if has_default else inspect.Parameter.empty,
        keyword,
        "!" in (match["alias"] or ""),
    )


def _default(text: str) -> Any:
    if text in dtypes.DTYPES:
        return dtypes.DTYPES[text]
    try:
        return ast.literal_eval(text)
    except ValueError:
        return text  # a name, such as contiguous_format or Mean


# -- from a function's annotations -----------------------------------------------------------------

_BASES: dict[Any, str] = {
    Tensor: "Tensor", int: "SymInt", float: "float", bool: "bool", str: "str", int | float | bool: "Scalar",
    dtypes.dtype: "ScalarType", Device: "Device",
}  # fmt: skip


def infer(function: Callable[..., Any], mutates_args: str | Iterable[str]) -> str:
    """The schema, without a name, that the annotations of a function say.

    Args:
        mutates_args: names of the arguments that it writes to; "unknown" for any of its tensors.

    Raises: ValueError, if an annotation is missing or has no counterpart in schemas.
    """
    signature = inspect.signature(function, eval_str=True)

    def wrong(what: str) -> ValueError:
        return ValueError(f"infer_schema(func): {what} Got func with signature {signature})")

    parts: list[str] = []
    names = set() if isinstance(mutates_args, str) else set(mutates_args)
    for place, parameter in enumerate(signature.parameters.values()):
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise wrong("We do not support positional-only args, varargs, or varkwargs.")
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        if parameter.annotation is parameter.empty:
            raise wrong(f"Parameter {parameter.name} must have a type annotation.")
        written = _of_annotation(parameter.annotation)
        if written is None:
            raise wrong(
                f"Parameter {parameter.name} has unsupported type {parameter.annotation}. The valid types are: "
                "Tensor, int, float, bool, str, torch.dtype, torch.device, int | float | bool; Optional of them, and "
                "lists of all but the last four."
            )
        if parameter.name in names or (mutates_args == "unknown" and written.startswith("Tensor")):
            if not written.startswith("Tensor"):
                raise wrong(
                    f"Parameter {parameter.name} is in mutable_args but only Tensors or collections of Tensors can be mutated"
                )
            written = written.replace("Tensor", f"Tensor(a{place}!)")
        default = "" if parameter.default is parameter.empty else f"={_checked_default(parameter, wrong)}"
        parts.append(f"{written} {parameter.name}{default}")
    unknown = sorted(names - signature.parameters.keys())
    if unknown:
        raise wrong(f"{unknown} in mutates_args were not found in the function's signature.")
    return f"({', '.join(parts)}) -> {_of_result(signature, wrong)}"


def _checked_default(parameter: inspect.Parameter, wrong: Callable[[str], ValueError]) -> str:
    default = parameter.default
    if default is not None and not isinstance(default, (int, float, bool, str, dtypes.dtype, Device)):
        raise wrong(f"Parameter {parameter.name} has an unsupported default value type {type(default)}.")
    return _written(default)


def _of_annotation(annotation: Any) -> str | None:
    if annotation in _BASES:
        return _BASES[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, UnionType):
        if set(arguments) == {int, float, bool}:
            return "Scalar"
        rest = tuple(a for a in arguments if a is not NoneType)
        if len(rest) == len(arguments):
            return None
        inner = _of_annotation(rest[0] if len(rest) == 1 else typing.Union[rest])  # noqa: UP007
        return None if inner is None else f"{inner}?"
    if origin in (list, Sequence) and len(arguments) == 1:
        inner = _of_annotation(arguments[0])
        return None if inner is None or inner.endswith("]") else f"{inner}[]"
    return None


def _of_result(signature: inspect.Signature, wrong: Callable[[str], ValueError]) -> str:
    annotation = signature.return_annotation
    if annotation is signature.empty:
        raise wrong("No return type annotation was provided. Please add one.")
    if annotation is None or annotation is NoneType:
        return "()"
    if typing.get_origin(annotation) is tuple:
        parts = [_of_annotation(each) for each in typing.get_args(annotation)]
        text = ", ".join(part or "" for part in parts)
        return f"({text})" if len(parts) > 1 and None not in parts else text or _no_result(annotation, wrong)
    return _of_annotation(annotation) or _no_result(annotation, wrong)


def _no_result(annotation: Any, wrong: Callable[[str], ValueError]) -> str:
    raise wrong(f"Return has unsupported type {annotation}.")
