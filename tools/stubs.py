"""Writes what editors and type checkers read about the names that operations declare: their parameters and results.

The modules that hand such names on (`flambeau`, `nn.functional`, `linalg`, ...) get a `.pyi` file beside them, and the
methods of Tensor stand in `_core/methods.pyi`. At run time nothing reads these files.

    python tools/stubs.py          writes them
    python tools/stubs.py --check  says which ones would change, and fails if any would
"""

from __future__ import annotations

import ast
import builtins
import collections.abc
import importlib
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import flambeau
from flambeau._core import device, dtype, return_types, size
from flambeau._core.declare import Op
from flambeau._core.random import Generator
from flambeau._core.tensor import Tensor

SOURCE = Path(flambeau.__file__).parent
MODULES = [
    "",
    "fft",
    "functional",
    "linalg",
    "masked",
    "nn.functional",
    "return_types",
    "signal.windows",
    "special",
]

HEAD = '''"""{title}

Written by `tools/stubs.py`: change the declarations in `_ops`, not this file.
"""

# mypy: disable-error-code="override"

from builtins import bool as _bool
from builtins import complex as _complex
from builtins import float as _float
from builtins import int as _int
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, TypeAlias, overload

from flambeau import return_types as _results
from flambeau._core.device import DeviceLike
from flambeau._core.dtype import dtype as _dtype
from flambeau._core.dtype import layout as _layout
from flambeau._core.dtype import memory_format as _memory_format
from flambeau._core.random import Generator as _Generator
from flambeau._core.return_types import StructSequence as _StructSequence
from flambeau._core.size import Size as _Size
from flambeau._core.tensor import Tensor as _Tensor

_Number: TypeAlias = _bool | _int | _float | _complex

'''

# The roles of `declare.py`, and the classes whose own names are taken by functions and methods.
NAMES = {
    "array": "_Tensor", "index": "_Tensor", "operand": "_Tensor | _Number", "arrays": "Sequence[_Tensor]",
    "indices": "Sequence[_Tensor | None]", "scalar": "_Number", "dims": "_int | Sequence[_int]",
    "sizes": "_int | Sequence[_int]",
    bool: "_bool", int: "_int", float: "_float", complex: "_complex", str: "str", type(None): "None", Any: "Any",
    Tensor: "_Tensor", dtype.dtype: "_dtype", dtype.layout: "_layout", dtype.memory_format: "_memory_format",
    size.Size: "_Size", Generator: "_Generator", device.device: "DeviceLike", slice: "slice", type: "type",
}  # fmt: skip

# What these parameters take wherever the declaration leaves it open.
PARAMETERS = {
    "device": "DeviceLike", "dtype": "_dtype | None", "generator": "_Generator | None", "keepdim": "_bool",
    "layout": "_layout | None", "memory_format": "_memory_format | None", "requires_grad": "_bool",
}  # fmt: skip

PREFIXES: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}

# Python's methods on tensors whose result is no tensor, or none always.
NOT_ARITHMETIC = {"__setitem__", "__delitem__", "__dlpack__", "__dlpack_device__", "__long__", "__nonzero__"}

# Functions whose result depends on how they are called: the first parameters of each form, and its result.
_DIM_OR_NONE = [
    ("", "_Tensor"),
    ("dim: _int, keepdim: _bool = False, *, out: Any = None", "_results.{name}"),
]
_PAIRWISE = [*_DIM_OR_NONE, ("other: _Tensor, *, out: _Tensor | None = None", "_Tensor")]
OVERLOADS = {
    "max": _PAIRWISE, "min": _PAIRWISE, "median": _DIM_OR_NONE, "nanmedian": _DIM_OR_NONE,
    "where": [("", "tuple[_Tensor, ...]"), ("{second}: _Tensor | _Number, other: _Tensor | _Number", "_Tensor")],
}  # fmt: skip


def main(arguments: list[str]) -> int:
    texts = {SOURCE / "_core" / "methods.pyi": methods_stub()}
    for name in MODULES:
        path = SOURCE.joinpath(*name.split(".")) if name else SOURCE / "__init__"
        texts[path.with_suffix(".pyi")] = module_stub(f"flambeau.{name}".rstrip("."))
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(SOURCE.parent)} is not up to date: run `python tools/stubs.py`")
        return bool(stale)
    for path in stale:
        path.write_text(texts[path])
    return 0


# -- whole files -----------------------------------------------------------------------------------


def module_stub(name: str) -> str:
    module = importlib.import_module(name)
    path = module.__file__ or ""
    imports, known = _imports(Path(path).read_text())
    lines = [HEAD.format(title=(module.__doc__ or "").partition("\n")[0]), *imports, ""]
    for public, value in sorted(vars(module).items()):
        if not public.startswith("_") and public not in known:
            lines += declaration(public, value)
    return "\n".join(lines).rstrip() + "\n"


def methods_stub() -> str:
    """The methods that declarations attach to Tensor, as a class for Tensor to inherit from."""
    own = _names_in_class((SOURCE / "_core" / "tensor.py").read_text(), "Tensor")
    lines = [HEAD.format(title="The operations that are methods of Tensor."), "class TensorMethods:"]
    for name, value in sorted(vars(Tensor).items()):
        # `__hash__` and the like come from the class itself; what is not callable is no operation.
        if name in own or not isinstance(value, (types.FunctionType, property)):
            continue
        lines += ["    " + line if line else "" for line in declaration(name, value, method=True)]
    return "\n".join(lines).rstrip() + "\n"


def _imports(source: str) -> tuple[list[str], set[str]]:
    """The imports of a module as a stub has to write them for the names to be public, and these names."""
    lines, known = [], set()
    body = ast.parse(source).body
    for node in body:
        later = isinstance(node, ast.If) and ast.unparse(node.test) == "_TYPE_CHECKING"
        if later or isinstance(node, ast.With):
            body.extend(node.body)  # type: ignore[attr-defined]
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                public = each.asname or each.name
                known.add(public)
                if not public.startswith("_"):
                    lines.append(f"from {node.module} import {each.name} as {public}")
    return lines, known


def _names_in_class(source: str, name: str) -> set[str]:
    found: set[str] = set()
    (body,) = [n.body for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == name]
    for node in body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return found


# -- single names ----------------------------------------------------------------------------------


def declaration(name: str, value: Any, method: bool = False) -> list[str]:
    """The lines that declare one public name."""
    if isinstance(value, property):
        return ["@property", f"def {name}(self) -> _Tensor: ..."]
    if isinstance(value, types.FunctionType):
        return function_declaration(name, value, method)
    if isinstance(value, type) and issubclass(value, return_types.StructSequence):
        items = ", ".join(["_Tensor"] * value.n_fields)
        fields = [f"    @property\n    def {field}(self) -> _Tensor: ..." for field in value.__match_args__]
        return [f"class {name}(tuple[{items}]):", *fields]
    if isinstance(value, types.ModuleType):
        return []
    if isinstance(value, type) and isinstance(value, type(flambeau.FloatTensor)):
        return [f"{name}: type[_Tensor]"]
    kind = NAMES.get(type(value), "Any")
    return [f"{name}: {kind}"]


def function_declaration(name: str, function: Callable[..., Any], method: bool) -> list[str]:
    summary = " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())
    body = f'\n    """{summary}"""'.replace("\\", "\\\\") if summary else " ..."
    parameters = list(_parameters(function))
    if method and name.startswith("__") and name not in NOT_ARITHMETIC:
        given = _operator_parameters(parameters)
    else:
        given = _listed(["self", *parameters[1:]] if method else parameters)
    if name in OVERLOADS:
        lines = []
        for form, result in OVERLOADS[name]:
            first = "self" if method else parameters[0]
            second = parameters[1].partition(":")[0]
            rest = form.format(second=second)
            lines += [
                "@overload",
                f"def {name}({first}{', ' if rest else ''}{rest}) -> {result.format(name=name)}:{body}",
            ]
        return "\n".join(lines).split("\n")
    inplace = method and name.endswith("_") and not name.endswith("__")
    result = "Self" if inplace else _result(name, function)
    return f"def {name}({given}) -> {result}:{body}".split("\n")


def _operator_parameters(parameters: list[str]) -> str:
    """Operators take whatever stands beside them: what they do not know, the other side may."""
    required = [text.partition(":")[0] for text in parameters[1:] if " = " not in text and text != "*"]
    return _listed(["self", *[f"{name}: Any" for name in required]])


def _listed(parameters: list[str]) -> str:
    return ", ".join(parameters)


def _parameters(function: Callable[..., Any]) -> Iterator[str]:
    """Each parameter as text: `dim: _int = -1`."""
    inner = inspect.unwrap(function)
    op = _op(inner)
    roles = {p.name: p for p in op.params} if op else {}
    starred = False
    for number, (name, parameter) in enumerate(inspect.signature(function).parameters.items()):
        if parameter.kind is parameter.VAR_POSITIONAL:
            starred = True
        elif parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        if op:
            # A method calls its first parameter `self`.
            param = op.params[0] if number == 0 else roles.get(name)
            kind = _role(param) if param is not None else "Any"
        else:
            kind = _text(_evaluated(parameter.annotation, inner))
        if kind == "Any":
            kind = PARAMETERS.get(name, kind)
        prefix = PREFIXES.get(parameter.kind, "")
        if parameter.default is not inspect.Parameter.empty:
            if parameter.default is None and "None" not in kind and kind != "Any" and kind != "DeviceLike":
                kind += " | None"
            yield f"{prefix}{name}: {kind} = {_default(parameter.default)}"
        else:
            yield f"{prefix}{name}: {kind}"


def _op(function: Any) -> Op | None:
    form = getattr(function, "__globals__", {}).get("_form")
    return None if form is None else form.declared


def _role(param: Any) -> str:
    kind = NAMES.get(param.role) or NAMES.get(getattr(builtins, param.role, None), "Any")
    return f"{kind} | None" if param.optional and kind != "Any" else kind


def _default(value: Any) -> str:
    if value is None or type(value) in (bool, int, str):
        return repr(value)
    return repr(value) if type(value) is float and value == value and abs(value) != float("inf") else "..."


def _result(name: str, function: Callable[..., Any]) -> str:
    inner = inspect.unwrap(function)
    if _op(inner) or (name.startswith("__") and name not in NOT_ARITHMETIC):
        return "_Tensor"
    found = _text(_evaluated(inner.__annotations__.get("return", Any), inner))
    if found == "Any":
        family = inner.__globals__["__name__"].rpartition(".")[2]
        for candidate in (name, f"linalg_{name}"):
            if hasattr(return_types, candidate) and family != "search":
                return f"_results.{candidate}"
    return found


# -- annotations -----------------------------------------------------------------------------------


def _evaluated(annotation: Any, function: Any) -> Any:
    if annotation is inspect.Parameter.empty:
        return Any
    return eval(annotation, function.__globals__) if isinstance(annotation, str) else annotation


def _text(annotation: Any) -> str:
    """An annotation in the names of a stub."""
    if annotation is ...:
        return "..."
    if annotation is None:
        return "None"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return NAMES[arguments[1]]
    if origin in (types.UnionType, typing.Union):
        if device.device in arguments:
            return "DeviceLike"
        return " | ".join(dict.fromkeys(map(_text, arguments)))
    if origin is collections.abc.Callable:
        parameters = arguments[0] if arguments[0] is ... else f"[{', '.join(map(_text, arguments[0]))}]"
        return f"Callable[{'...' if parameters is ... else parameters}, {_text(arguments[1])}]"
    if origin in (collections.abc.Sequence, collections.abc.Iterable, tuple, list, dict, type):
        name = origin.__name__
        return f"{name}[{', '.join(map(_text, arguments))}]"
    try:
        return NAMES.get(annotation, "Any")
    except TypeError:
        return "Any"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
