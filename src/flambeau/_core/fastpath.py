"""The usual case of a public function, written out as source for each operation.

Usual: plain tensors, Python's own numbers, static arguments of their declared type. Then reading the arguments, finding the
`Call` and recording it are a dozen lines without a loop. Everything else goes through `arguments.apply_slowly`.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any

from flambeau._core import autocast
from flambeau._core import strides as stride_rules
from flambeau._core.arguments import TENSOR_ROLES, check_arguments
from flambeau._core.declare import Op, Param, typed
from flambeau._core.dtype import dtype as DType
from flambeau._core.modes import modes
from flambeau._core.tape import run_call, run_fast
from flambeau._core.tensor import Tensor
from flambeau._core.trace import local
from flambeau._core.views import as_view

# Classes whose instances take the usual path; `nn.Parameter` joins when it is defined.
plain_types: set[type] = set()


def add_plain_type(kind: type) -> None:
    """One more class whose instances take the usual path."""
    plain_types.add(kind)
    autocast.add_plain_type(kind)


add_plain_type(Tensor)

# Classes of static arguments that stand in a key as they are.
_SIMPLE = frozenset({int, bool, float, str, type(None), DType})


def _all_simple(items: tuple[Any, ...]) -> bool:
    return all(item.__class__ in _SIMPLE or (item.__class__ is tuple and _all_simple(item)) for item in items)


_SCOPE: dict[str, Any] = {
    "_local": local, "_modes": modes, "_run_call": run_call, "_as_view": as_view,
    "_preserved": stride_rules.preserved, "_laid_out": stride_rules.laid_out, "_all": all, "_plain": plain_types,
    "_castable": autocast.castable_types, "_typed": typed,
    "_check_arguments": check_arguments, "_int": int, "_bool": bool, "_str": str, "_float": float, "_tuple": tuple,
    "_simple": _SIMPLE, "_all_simple": _all_simple, "_list": list,
    "__name__": __name__,  # made functions are flambeau's own when the user's line is looked for
}  # fmt: skip

_READ = "{0}_v = {0}._storage.value if not {0}._views and {0}._storage.direct else {0}._read()"

_BEGIN = ["_t = _local.trace", "if _t.armed and _modes.grad: _t.cut('a new step begins after backward')"]
_IS_NUMBER = "{0}.__class__ is _float or {0}.__class__ is _int or {0}.__class__ is _bool"

# Tensors up to which recording is written out.
WRITTEN_OUT = 3


class _Missing:
    """Stands for a required argument that was not given, so that it may still come under NumPy's name."""

    def __repr__(self) -> str:
        return "<required>"


MISSING = _Missing()

# A function's code before its first call: few of the hundreds of operations are ever called in one program.
_unmade = compile(
    "def unmade(*_args, **_kwargs):\n    return _form.make()(*_args, **_kwargs)", "<operation>", "exec"
).co_consts[0]


class Form:
    """One way to call an operation, and the function for it, `function`.

    The function's source is written at the first call and put in place of its code, so that it stays the same object.
    """

    __slots__ = ("declared", "function", "name")

    def __init__(self, name: str, declared: Op) -> None:
        self.name, self.declared = name, declared
        self.function = types.FunctionType(_unmade, {"_form": self, "__name__": __name__}, name)

    def parameters(self) -> Sequence[tuple[str, Any, bool]]:
        """Name, default and whether by keyword alone, of each."""
        raise NotImplementedError

    def fallback(self, op: Op, args: tuple[Any, ...], extra: dict[str, Any]) -> Any:
        """Does what is not usual; `extra` holds the arguments under other names."""
        raise NotImplementedError

    def make(self) -> Callable[..., Any]:
        """The function, ready to be called."""
        scope = self.function.__globals__
        scope |= {"_op": self.declared, "_fallback": self.fallback, "_missing": MISSING} | _SCOPE
        real = _made(self.name, self.declared, self.parameters(), scope)
        self.function.__defaults__, self.function.__kwdefaults__ = real.__defaults__, real.__kwdefaults__
        self.function.__code__ = real.__code__
        return self.function


def _made(
    name: str, declared: Op, params: Sequence[tuple[str, Any, bool]], scope: dict[str, Any]
) -> types.FunctionType:
    texts = []
    star = False
    for parameter, default, keyword in params:
        if keyword and not star:
            texts.append("*")
            star = True
        scope[f"_d_{parameter}"] = MISSING if default is inspect.Parameter.empty else default
        texts.append(f"{parameter}=_d_{parameter}")
    has_out = bool(declared.out) and params[-1][0] == "out"
    args = "".join(f"{parameter}, " for parameter, _, _ in params)
    source = (
        f"def {name}({', '.join(texts)}{', ' if texts else ''}**_extra):\n"
        f"{_usual_case(declared, has_out, scope, params)}    return _fallback(_op, ({args}), _extra)\n"
    )
    exec(source, scope)
    return scope[name]


def _usual_case(
    declared: Op, has_out: bool, scope: dict[str, Any], given: Sequence[tuple[str, Any, bool]]
) -> str:
    """The lines that try the usual case; none for operations that start with something else than tensors."""
    # A method calls the first parameter `self`.
    params = [_Named(p, name) for p, (name, _, _) in zip(declared.params, given, strict=False)]
    if params and params[0].role == "arrays":
        return _usual_case_of_list(declared, has_out, scope, params)
    if not params or params[0].role not in ("array", "index") or params[0].optional:
        return ""
    if any(p.role in ("arrays", "indices") for p in params):
        return ""
    first = params[0].name
    usual = "_castable" if declared.autocast else "_plain"
    conditions = ["not _extra", *(["out is None"] if has_out else []), f"type({first}) in {usual}"]
    key = [f"{first}_v.meta"]
    varying = []
    constants: list[str] = []
    for p in params[1:]:
        if p.role == "scalar" and _has_constant(p):
            scope[f"_p_{p.name}"] = p.param
            scope[f"_d_{p.name}"] = p.default
            constants.append(p.name)
            key.append(f"_k_{p.name}")
        elif p.role in TENSOR_ROLES or p.role == "scalar":
            varying.append((p, len(key)))
            key.append("")  # each branch has its own
            # A call's numbers come in the order of its parameters; those before this one can only be left at their defaults.
            conditions += [f"{name} is _d_{name}" for name in constants]
        else:
            condition, part = _static(p)
            conditions.append(condition)
            key.append(part)
    scope["_get"] = declared.calls.get
    branches = _Branches(declared, [p.name for p in params], key, constants, scope)
    lines = [*_BEGIN, _READ.format(first), *branches.write(varying, [first], [])]
    return "\n".join([f"    if {' and '.join(conditions)}:", *("        " + line for line in lines)]) + "\n"


def _usual_case_of_list(declared: Op, has_out: bool, scope: dict[str, Any], params: Sequence[_Named]) -> str:
    """The lines for an operation on a list of tensors and on static arguments; none for one with anything else."""
    roles = {"arrays", "indices", "scalar", *TENSOR_ROLES}
    particular = declared.check or declared.columns or declared.many_outputs or declared.outputs
    if particular or declared.view or declared.pointwise or any(p.role in roles for p in params[1:]):
        return ""
    first = params[0].name
    usual = "_castable" if declared.autocast else "_plain"
    conditions = ["not _extra", *(["out is None"] if has_out else [])]
    conditions += [f"({first}.__class__ is _list or {first}.__class__ is _tuple)"]
    conditions += [f"_all([type(_i) in {usual} for _i in {first}])"]
    key = [f"_tuple([_v.meta for _v in {first}_v])"]
    for p in params[1:]:
        condition, part = _static(p)
        conditions.append(condition)
        key.append(part)
    scope["_get"] = declared.calls.get
    lines = [
        *_BEGIN,
        f"{first}_v = [_i._read() for _i in {first}]",
        f"_c = _get(({', '.join(key)},))",
        f"if _c is not None and len(_c.results) == 1: return _run_call(_c, {first}, (), {first}_v)[0]",
    ]
    return "\n".join([f"    if {' and '.join(conditions)}:", *("        " + line for line in lines)]) + "\n"


class _Branches:
    """The lines after the first tensor was read: one branch for each combination of tensors, numbers and None."""

    def __init__(
        self, declared: Op, names: list[str], key: list[str], constants: list[str], scope: dict[str, Any]
    ) -> None:
        self.declared, self.names, self.key, self.constants, self.scope = (
            declared,
            names,
            key,
            constants,
            scope,
        )

    def write(
        self, varying: Sequence[tuple[_Named, int]], tensors: list[str], numbers: list[str]
    ) -> list[str]:
        """The branches over these parameters, given which arguments before them are tensors and numbers."""
        if not varying:
            return self._record(tensors, numbers)
        (p, place), *others = varying
        name = p.name
        lines: list[str] = []

        def branch(condition: str, inside: list[str]) -> None:
            lines.append(f"{'elif' if lines else 'if'} {condition}:")
            lines.extend("    " + line for line in inside)

        if p.role in TENSOR_ROLES:
            self.key[place] = f"{name}_v.meta"
            inside = [_READ.format(name), *self.write(others, [*tensors, name], numbers)]
            branch(f"type({name}) in _plain", inside)
        if p.role == "scalar" and _has_constant(p):
            # Equal to its default it belongs to the structure, as `apply_slowly` has it.
            self.key[place] = f"_p_{name}"
            condition = (
                f"{name} is _d_{name} or ({name}.__class__ is _d_{name}.__class__ and {name} == _d_{name})"
            )
            branch(condition, self.write(others, tensors, numbers))
        if p.role in ("operand", "scalar"):
            self.key[place] = f"{name}.__class__"
            condition = f"{name}.__class__ is _float or {name}.__class__ is _int or {name}.__class__ is _bool"
            branch(condition, self.write(others, tensors, [*numbers, name]))
        if p.optional or p.default is None:
            self.key[place] = "None"
            branch(f"{name} is None", self.write(others, tensors, numbers))
        return lines

    def _record(self, tensors: list[str], numbers: list[str]) -> list[str]:
        """Finds the call of these arguments and records it."""
        declared = self.declared
        given = f"({', '.join(numbers)},)" if numbers else "()"
        lines = []
        if self.constants:
            lines.append(f"_n = {given}")
            given = "_n"
        for name in self.constants:
            # Equal to its default it belongs to the structure, as `apply_slowly` has it; no call is known by `_missing`.
            lines += [
                f"if {name} is _d_{name} or ({name}.__class__ is _d_{name}.__class__ and {name} == _d_{name}): "
                f"_k_{name} = _p_{name}",
                f"elif {_IS_NUMBER.format(name)}: _k_{name} = {name}.__class__; _n += ({name},)",
                f"else: _k_{name} = _missing",
            ]
        values = f"({', '.join(f'{name}_v' for name in tensors)},)"
        names = f"({', '.join(tensors)},)"
        several = bool(declared.many_outputs or declared.outputs is not None)
        if len(tensors) > WRITTEN_OUT:
            run = f"_run_call(_c, {names}, {given}, {values})"
            run = f"_tuple({run})" if several else f"{run}[0]"
        else:
            pairs = ", ".join(f"{name}, {name}_v" for name in tensors)
            runner = f"_run_{len(tensors)}{'_several' if several else ''}"
            self.scope[runner] = run_fast(len(tensors), several)
            run = f"{runner}(_c, {pairs}, {given}, _t)"
        lines += [f"_c = _get(({', '.join(self.key)},))", "if _c is not None:"]
        if declared.check is not None:
            lines.append(f"    _op.check(*_check_arguments(_op, ({', '.join(self.names)},), {values}))")
        if several:
            lines.append(f"    return _laid_out(_c, {run})" if declared.columns else f"    return {run}")
        elif declared.view:
            lines.append(f"    return _as_view(_c, {tensors[0]}, {run}, {given})")
        elif declared.columns:
            lines.append(f"    return _laid_out(_c, {run})")
        elif declared.pointwise:
            strided = " or ".join(f"{name}._stride is not None" for name in tensors)
            lines += [
                f"    _r = {run}",
                f"    if {strided}: _r._stride = _preserved({names}, _r._meta.shape)",
                "    return _r",
            ]
        else:
            # A call with several results that its declaration did not name comes from abstract evaluation.
            lines.append(f"    if len(_c.results) == 1: return {run}")
        return lines


class _Named:
    """A parameter under the name that it has in one function."""

    def __init__(self, param: Param, name: str) -> None:
        self.param, self.name = param, name
        self.role, self.optional, self.default = param.role, param.optional, param.default


def _has_constant(p: _Named) -> bool:
    """Whether a number has a default under which it belongs to the structure."""
    return p.default is not inspect.Parameter.empty and p.default is not None


def _static(p: _Named) -> tuple[str, str]:
    """The condition under which a static argument needs no conversion, and its part of the key."""
    name = p.name
    if p.role in ("int", "bool", "str", "float"):
        test = f"{name}.__class__ is _{p.role}"
        part = name
    elif p.role in ("dims", "sizes"):
        several = f"({name}.__class__ is _tuple or {name}.__class__ is _list)"
        test = f"({name}.__class__ is _int or ({several} and _all([_i.__class__ is _int for _i in {name}])))"
        part = f"({name} if {name}.__class__ is _tuple else ({name},) if {name}.__class__ is _int else _tuple({name}))"
        if p.optional:
            part = f"(None if {name} is None else {part})"
    else:
        test = f"({name}.__class__ in _simple or ({name}.__class__ is _tuple and _all_simple({name})))"
        nothing = p.optional or p.default is None
        return test, f"(None if {name} is None else _typed({name}))" if nothing else f"_typed({name})"
    return (f"({name} is None or {test})" if p.optional else test), part
