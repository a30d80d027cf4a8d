"""From public arguments to recorded calls: roles to values and a key, the key to a `Call`, the call onto the trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flambeau._core import autocast
from flambeau._core import strides as stride_rules
from flambeau._core.call import Call
from flambeau._core.declare import Op, typed
from flambeau._core.modes import modes
from flambeau._core.tape import run_call
from flambeau._core.tensor import Tensor
from flambeau._core.trace import local
from flambeau._core.value import CPU, Value
from flambeau._core.views import as_view
from flambeau._core.wrong_type import wrong_type

_NUMBERS = {bool: bool, int: int, float: float, complex: complex}


def apply_slowly(op: Op, args: Sequence[Any]) -> Any:
    """Records `op` on its public arguments, whatever they are; returns its result, or a tuple of results."""
    trace = local.trace
    if trace.armed and modes.grad:
        trace.cut("a new step begins after backward")
    if op.autocast is not None and modes.autocast is not None:
        args = autocast.arguments(args, op.autocast)
    key: list[Any] = []
    metas: list[Any] = []
    tensors: list[Tensor] = []
    values: list[Value] = []
    numbers: list[Any] = []
    plain = True
    for (role, param), arg in zip(op.roles, args, strict=True):
        if isinstance(arg, Tensor):
            if role in TENSOR_ROLES:
                if not arg._plain:
                    plain = False
                value = arg._read()
                tensors.append(arg)
                values.append(value)
                key.append(value.meta)
                metas.append(value.meta)
                continue
            if role == "scalar":
                arg = arg.item()
        if arg is None and (param.optional or param.default is None):
            key.append(None)
            metas.append(None)
        elif role == "scalar" and type(arg) is type(param.default) and arg == param.default:
            # A number that was left at its default belongs to the structure: the body sees a Python constant.
            key.append(param)
            metas.append(_Static(arg))
        elif role == "operand" or role == "scalar":
            kind = _NUMBERS.get(type(arg)) or _number_type(op, param, arg)
            key.append(kind)
            metas.append(kind)
            if kind is complex:
                numbers += (arg.real, arg.imag)
            else:
                numbers.append(kind(arg))
        elif role == "arrays" or role == "indices":
            group = _tensor_list(op, param, arg)
            items: list[Any] = []
            for tensor in group:
                if tensor is None:
                    items.append(None)
                    continue
                plain = plain and tensor._plain
                value = tensor._read()
                tensors.append(tensor)
                values.append(value)
                items.append(value.meta)
            key.append(tuple(items))
            metas.append(items)
        elif role in TENSOR_ROLES:
            raise wrong_type(op, param, arg, "Tensor")
        else:
            try:
                static = param.convert(arg)
            except TypeError as error:
                raise wrong_type(op, param, arg, str(error)) from None
            key.append(typed(static) if role == "static" else static)
            metas.append(_Static(static))
    call = op.calls.get(tuple(key))
    if call is None:
        call = _build(op, args, metas, tensors, values, key)
    if op.check is not None:
        op.check(*check_arguments(op, args, values))
    result: Any = run_call(call, tensors, numbers, values)
    if op.view:
        result = as_view(call, tensors[0], result[0], tuple(numbers))
    elif len(result) == 1 and not op.many_outputs and op.outputs is None:
        result = result[0]
        if op.pointwise:
            for tensor in tensors:
                if tensor._stride is not None:
                    result._stride = stride_rules.preserved(tensors, result._meta.shape)
                    break
    else:
        result = tuple(result)
    if op.columns:
        stride_rules.laid_out(call, result)
    return result if plain else _in_subclass(result, tensors)


# Calls remembered for one operation; a program whose shapes never repeat would otherwise grow without bound.
CALL_LIMIT = 3000

TENSOR_ROLES = frozenset({"array", "operand", "index"})


class _Static:
    """Marks a converted static argument among the metas."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def _build(
    op: Op, args: Sequence[Any], metas: list[Any], tensors: list[Tensor], values: list[Value], key: list[Any]
) -> Call:
    """The call for a combination of arguments that is met for the first time."""
    if len({value.meta.device for value in values}) > 1:
        _gather_on_one_device(tensors, values, metas)
    plain_args = [
        meta.value if isinstance(meta, _Static) else arg for arg, meta in zip(args, metas, strict=True)
    ]
    plain_metas = [None if isinstance(meta, _Static) else meta for meta in metas]
    call = op.build(plain_args, plain_metas)
    if all(value.meta.device is values[0].meta.device for value in values):
        if len(op.calls) > CALL_LIMIT:
            op.calls.clear()
        # The first, where threads build it side by side: what was recorded with it is found again.
        call = op.calls.setdefault(tuple(key), call)
    return call


def _gather_on_one_device(tensors: list[Tensor], values: list[Value], metas: list[Any]) -> None:
    """0-d CPU tensors join the others' device, as in PyTorch."""
    device = next((v.meta.device for v in values if v.meta.shape or v.meta.device is not CPU), CPU)
    for i, value in enumerate(values):
        if value.meta.device is not device and value.meta.device is CPU and not value.meta.shape:
            moved = tensors[i].to(device)  # type: ignore[attr-defined]
            tensors[i], values[i] = moved, moved._read()
            for at, meta in enumerate(metas):
                if meta is value.meta:
                    metas[at] = values[i].meta


def check_arguments(op: Op, args: Sequence[Any], values: list[Value]) -> list[Any]:
    """The arguments of an operation's value check: values for tensors."""
    found: list[Any] = []
    waiting = iter(values)
    for (role, _), arg in zip(op.roles, args, strict=True):
        if isinstance(arg, Tensor) and role in TENSOR_ROLES:
            found.append(next(waiting))
        elif role in ("arrays", "indices") and arg is not None:
            found.append([None if item is None else next(waiting) for item in arg])
        else:
            found.append(arg)
    return found


def _number_type(op: Op, param: Any, arg: Any) -> Any:
    if isinstance(arg, (np.bool_, bool)):
        return bool
    if isinstance(arg, (np.integer, int)):
        return int
    if isinstance(arg, (np.floating, float)):
        return float
    if isinstance(arg, (np.complexfloating, complex)):
        return complex
    raise wrong_type(op, param, arg, "Tensor" if param.role == "operand" else "Number")


def _tensor_list(op: Op, param: Any, arg: Any) -> Sequence[Any]:
    if isinstance(arg, Tensor) or not isinstance(arg, (tuple, list)):
        raise wrong_type(op, param, arg, "tuple of Tensors")
    for number, item in enumerate(arg):
        if not isinstance(item, Tensor) and not (item is None and param.role == "indices"):
            raise TypeError(
                f"expected Tensor as element {number} in argument {op.params.index(param)}, but got {type(item).__name__}"
            )
    return arg


def _in_subclass(result: Any, tensors: Sequence[Tensor]) -> Any:
    """Results of operations on a subclass of Tensor are of that subclass."""
    cls = next(type(tensor) for tensor in tensors if not tensor._plain)
    for item in result if isinstance(result, (tuple, list)) else (result,):
        if type(item) is Tensor:
            item.__class__ = cls
    return result
