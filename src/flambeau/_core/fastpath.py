"""The usual case of a public function, written out as source for each operation.

Usual: plain tensors, Python's own numbers, static arguments of their declared type. Then reading the arguments, finding the
`Call` and recording it are a dozen lines without a loop. Everything else goes through `arguments.apply_slowly`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from flambeau._core import strides as stride_rules
from flambeau._core.arguments import TENSOR_ROLES, check_arguments
from flambeau._core.declare import Op, Param, typed
from flambeau._core.modes import modes
from flambeau._core.tape import run_call, run_fast
from flambeau._core.tensor import Tensor
from flambeau._core.trace import local
from flambeau._core.views import as_view

# Classes whose instances take the usual path; `nn.Parameter` joins when it is defined.
plain_types: set[type] = {Tensor}

_SCOPE: dict[str, Any] = {
    "_local": local, "_modes": modes, "_run_fast": run_fast, "_run_call": run_call, "_as_view": as_view,
    "_preserved": stride_rules.preserved, "_all": all, "_plain": plain_types, "_typed": typed,
    "_check_arguments": check_arguments, "_int": int, "_bool": bool, "_str": str, "_float": float, "_tuple": tuple,
    "_simple": frozenset({int, bool, float, str, type(None)}),
    "__name__": __name__,  # made functions are flambeau's own when the user's line is looked for
}  # fmt: skip

_READ = "{0}_v = {0}._storage.value if not {0}._views and {0}._storage.host is None else {0}._read()"


def make_function(
    name: str, declared: Op, parameters: Sequence[inspect.Parameter], slow: Callable[..., Any], write_out: Any
) -> Callable[..., Any]:
    """The function of these parameters that records `declared`; `slow` takes what is not usual."""
    scope: dict[str, Any] = {"_op": declared, "_write_out": write_out, "_apply": slow} | _SCOPE
    texts = []
    star = False
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not star:
            texts.append("*")
            star = True
        text = parameter.name
        if parameter.default is not inspect.Parameter.empty:
            scope[f"_d_{parameter.name}"] = parameter.default
            text += f"=_d_{parameter.name}"
        texts.append(text)
    has_out = any(parameter.name == "out" for parameter in parameters) and declared.out
    names = [param.name for param in declared.params]
    call = f"_apply(_op, ({', '.join(names)}{',' if names else ''}))"
    if has_out:
        call = f"{call} if out is None else _write_out(out, {call}, _op.name)"
    source = f"def {name}({', '.join(texts)}):\n{_usual_case(declared, has_out, scope)}    return {call}\n"
    exec(source, scope)  # noqa: S102
    return scope[name]  # type: ignore[no-any-return]


def _usual_case(declared: Op, has_out: bool, scope: dict[str, Any]) -> str:
    """The lines that try the usual case; none for operations that start with something else than a tensor."""
    params = declared.params
    if not params or params[0].role not in ("array", "index") or params[0].optional:
        return ""
    if any(p.role in ("arrays", "indices") for p in params):
        return ""
    first = params[0].name
    conditions = (["out is None"] if has_out else []) + [f"type({first}) in _plain"]
    key = [f"{first}_v.meta"]
    body = [_READ.format(first)]
    varying = [p for p in params[1:] if p.role in TENSOR_ROLES or (p.role == "scalar" and not _has_constant(p))]
    if varying:
        body += [f"_a = [{first}]; _v = [{first}_v]; _n = []"]
    for p in params[1:]:
        if p in varying:
            body += _read_varying(p)
            key.append(f"{p.name}_k")
        elif p.role == "scalar":
            scope[f"_p_{p.name}"] = p
            scope[f"_d_{p.name}"] = p.default
            conditions.append(f"{p.name} is _d_{p.name}")
            key.append(f"_p_{p.name}")
        else:
            condition, part = _static(p)
            conditions.append(condition)
            key.append(part)
    a, v, n = ("_a", "_v", "_n") if varying else (f"({first},)", f"({first}_v,)", "()")
    body.append(f"_c = _op.calls.get(({', '.join(key)},))")
    body.append("if _c is not None:")
    names = ", ".join(p.name for p in params)
    if declared.check is not None:
        body.append(f"    _op.check(*_check_arguments(_op, ({names},), {v}))")
    if declared.many_outputs or declared.outputs is not None:
        body.append(f"    return _tuple(_run_call(_c, {a}, {n}, {v}))")
    elif declared.view:
        body.append(f"    return _as_view(_c, {first}, _run_fast(_c, {a}, {v}, {n}), _tuple({n}))")
    elif declared.pointwise:
        body.append(f"    _r = _run_fast(_c, {a}, {v}, {n})")
        if varying:
            body += ["    for _t in _a:", "        if _t._stride is not None:"]
            body += ["            _r._stride = _preserved(_a, _r._meta.shape)", "            break"]
        else:
            body.append(f"    if {first}._stride is not None: _r._stride = _preserved({a}, _r._meta.shape)")
        body.append("    return _r")
    else:
        # A call with several results that its declaration did not name comes from abstract evaluation.
        body.append("    if len(_c.results) == 1:")
        body.append(f"        return _run_fast(_c, {a}, {v}, {n})")
    armed = ["_t = _local.trace", "if _t.armed and _modes.grad: _t.flush('a new step begins after backward')"]
    lines = [f"    if {' and '.join(conditions)}:", *("        " + line for line in armed + body)]
    return "\n".join(lines) + "\n"


def _has_constant(p: Param) -> bool:
    """Whether a number has a default under which it belongs to the structure."""
    return p.default is not inspect.Parameter.empty and p.default is not None


def _read_varying(p: Param) -> list[str]:
    """Lines that read an argument which may be a tensor or a number; a key of None-like `_op` never matches."""
    name = p.name
    lines = []
    word = "if"
    if p.role in TENSOR_ROLES:
        lines += [f"if type({name}) in _plain:", "    " + _READ.format(name)]
        lines += [f"    {name}_k = {name}_v.meta; _a.append({name}); _v.append({name}_v)"]
        word = "elif"
    if p.role in ("operand", "scalar"):
        lines += [f"{word} {name}.__class__ is _float or {name}.__class__ is _int or {name}.__class__ is _bool:"]
        lines += [f"    {name}_k = {name}.__class__; _n.append({name})"]
        word = "elif"
    if p.optional or p.default is None:
        lines += [f"{word} {name} is None: {name}_k = None"]
    lines += [f"else: {name}_k = _op"]
    return lines


def _static(p: Param) -> tuple[str, str]:
    """The condition under which a static argument needs no conversion, and its part of the key."""
    name = p.name
    if p.role in ("int", "bool", "str", "float"):
        test = f"{name}.__class__ is _{p.role}"
        part = name
    elif p.role in ("dims", "sizes"):
        test = f"({name}.__class__ is _tuple and _all([_i.__class__ is _int for _i in {name}]))"
        part = name
    else:
        test = (
            f"({name}.__class__ in _simple or ({name}.__class__ is _tuple and "
            f"_all([_i.__class__ in _simple for _i in {name}])))"
        )
        return test, f"(None if {name} is None else _typed({name}))"
    return (f"({name} is None or {test})" if p.optional else test), part
