"""From a public function's call to recorded operations and tensors: `op`, `function`, `apply`.

`apply` is the hot path: roles to values and a key, the key to a `Call`, the call onto the trace, the results into tensors
and, where an input requires grad, a node onto the tape.
"""

from __future__ import annotations

import functools
import inspect
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core import strides as stride_rules
from flambeau._core.autograd import AccumulateGrad, OpNode, edge_of
from flambeau._core.call import Call
from flambeau._core.declare import Op, register, typed
from flambeau._core.modes import modes
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor, scatter_call
from flambeau._core.trace import BYTE_LIMIT, NODE_LIMIT, engine, local, record
from flambeau._core.value import CPU, Meta, Value, meta_of

_new = object.__new__
_NUMBERS = {bool: bool, int: int, float: float, complex: complex}


# -- the hot path ----------------------------------------------------------------------------------


def apply(op: Op, args: Sequence[Any]) -> Any:
    """Records `op` on its public arguments; returns its result, or a tuple of results."""
    trace = local.trace
    if trace.armed and modes.grad:
        trace.flush("a new step begins after backward")
    key: list[Any] = []
    metas: list[Any] = []
    tensors: list[Tensor] = []
    values: list[Value] = []
    numbers: list[Any] = []
    plain = True
    for (role, param), arg in zip(op.roles, args, strict=True):
        if isinstance(arg, Tensor):
            if role in _TENSOR_ROLES:
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
        elif role in _TENSOR_ROLES:
            raise TypeError(_wrong_type(op, param, arg, "Tensor"))
        else:
            try:
                static = param.convert(arg)
            except TypeError as error:
                raise TypeError(_wrong_type(op, param, arg, str(error))) from None
            key.append(typed(static) if role == "static" else static)
            metas.append(_Static(static))
    call = op.calls.get(tuple(key))
    if call is None:
        call = _build(op, args, metas, tensors, values, key)
    if op.check is not None:
        op.check(*_check_arguments(op, args, values))
    result = run_call(call, tensors, numbers, values)
    if op.view:
        result = _as_view(call, tensors[0], result[0], tuple(numbers))
    elif len(result) == 1 and not op.many_outputs and op.outputs is None:
        result = result[0]
        if op.pointwise:
            for tensor in tensors:
                if tensor._stride is not None:
                    result._stride = stride_rules.preserved(tensors, result._meta.shape)
                    break
    else:
        result = tuple(result)
    return result if plain else _in_subclass(result, tensors)


# Calls remembered for one operation; a program whose shapes never repeat would otherwise grow without bound.
CALL_LIMIT = 3000

_TENSOR_ROLES = frozenset({"array", "operand", "index"})


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
    plain_args = [meta.value if isinstance(meta, _Static) else arg for arg, meta in zip(args, metas, strict=True)]
    plain_metas = [None if isinstance(meta, _Static) else meta for meta in metas]
    call = op.build(plain_args, plain_metas)
    if all(value.meta.device is values[0].meta.device for value in values):
        if len(op.calls) > CALL_LIMIT:
            op.calls.clear()
        op.calls[tuple(key)] = call
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


def _check_arguments(op: Op, args: Sequence[Any], values: list[Value]) -> list[Any]:
    """The arguments of an operation's value check: values for tensors."""
    found: list[Any] = []
    waiting = iter(values)
    for (role, _), arg in zip(op.roles, args, strict=True):
        if isinstance(arg, Tensor) and role in _TENSOR_ROLES:
            found.append(next(waiting))
        elif role in ("arrays", "indices") and arg is not None:
            found.append([None if item is None else next(waiting) for item in arg])
        else:
            found.append(arg)
    return found


def run_call(
    call: Call, tensors: Sequence[Tensor], numbers: Sequence[Any] = (), values: list[Value] | None = None
) -> list[Tensor]:
    """Records a call on tensors and, where one of them requires grad, its node on the tape."""
    if values is None:
        values = [tensor._read() for tensor in tensors]
    found = record(call, values, numbers)
    results = []
    for value in found:
        result = _new(Tensor)
        result._storage = Storage(value)
        result._meta = value.meta
        results.append(result)
    if modes.grad:
        if tracks(call):
            for tensor in tensors:
                if tensor._rg or tensor._base is not None:
                    _put_on_tape(call, tensors, values, results, numbers)
                    break
    elif modes.inference:
        for result in results:
            result._inference = True
    return results


def run_fast(call: Call, tensors: tuple[Tensor, ...], values: tuple[Value, ...], numbers: Sequence[Any]) -> Tensor:
    """`run_call` for a call with one result, written out: the path that nearly every operation takes."""
    trace = local.trace
    if trace.device is not call.device:
        return run_call(call, tensors, numbers, values)[0]
    key = trace.key
    mark = len(key)
    key.append(call.id)
    leaf_of = trace.leaf_of
    for value in values:
        owner = value.trace
        if owner is trace:
            key.append(value.slot)
        elif owner is None:
            number = leaf_of.get(id(value))
            key.append(number if number is not None else trace.leaf(value))
        else:
            del key[mark:]
            return run_call(call, tensors, numbers, values)[0]
    if numbers:
        call.pack(numbers, trace.floats, trace.ints)
    result = _new(Tensor)
    result._meta = meta = call.results[0]
    value = _new(Value)
    value.meta, value.trace, value.slot = meta, trace, len(trace.outputs)
    storage = _new(Storage)
    storage.value = value
    result._storage = storage
    trace.outputs.append(weakref.ref(value))
    trace.nodes.append(call)
    trace.bytes += call.nbytes
    if len(trace.nodes) >= NODE_LIMIT or trace.bytes > BYTE_LIMIT or engine.eager:
        trace.flush("the engine is eager" if engine.eager else "the trace is full")
    if modes.grad:
        for tensor in tensors:
            if tensor._rg or tensor._base is not None:
                if tracks(call):
                    _put_on_tape(call, tensors, values, [result], numbers)
                break
    elif modes.inference:
        result._inference = True
    return result


def tracks(call: Call) -> bool:
    """Whether a call has anything to differentiate."""
    found = call.values.get("tracks")
    if found is None:
        found = call.op is None or call.op.differentiable
        found = found and any(m.tracked for m in call.results)
        call.values["tracks"] = found
    return found  # type: ignore[no-any-return]


def _put_on_tape(
    call: Call, tensors: Sequence[Tensor], values: Sequence[Value], results: list[Tensor], numbers: Sequence[Any]
) -> None:
    for tensor in tensors:
        if tensor._base is not None:
            tensor._refresh()
        if tensor._inference:
            raise RuntimeError(
                "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
                "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and "
                "use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`."
            )
    needs = tuple([tensor._rg for tensor in tensors])
    if True not in needs:
        return
    node = node_class(call)(call, tensors, values, needs, results, numbers)
    for index, result in enumerate(results):
        if result._meta.tracked:
            result._rg, result._node, result._index = True, node, index


_node_classes: dict[str, type[OpNode]] = {}


def node_class(call: Call) -> Any:
    """The class of a call's nodes, named as PyTorch names it: AddBackward0."""
    found = call.values.get("node")
    if found is None:
        name = call.op.node if call.op is not None else None
        if callable(name):
            name = name(call.inputs)
        if call.name.endswith(".scatter"):
            name = "CopySlices"  # PyTorch's name for the write of a view into its base
        elif name is None:
            parts = call.name.replace(".", "_").split("_")
            name = "".join(part[:1].upper() + part[1:] for part in parts) + "Backward0"
        elif name.endswith("Backward"):
            name += "0"
        found = _node_classes.get(name)
        if found is None:
            found = _node_classes[name] = type(name, (OpNode,), {})
        call.values["node"] = found
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
    raise TypeError(_wrong_type(op, param, arg, "Tensor" if param.role == "operand" else "Number"))


def _tensor_list(op: Op, param: Any, arg: Any) -> Sequence[Any]:
    if isinstance(arg, Tensor) or not isinstance(arg, (tuple, list)):
        raise TypeError(_wrong_type(op, param, arg, "tuple of Tensors"))
    for number, item in enumerate(arg):
        if not isinstance(item, Tensor) and not (item is None and param.role == "indices"):
            raise TypeError(
                f"expected Tensor as element {number} in argument {op.params.index(param)}, but got {type(item).__name__}"
            )
    return arg


def _wrong_type(op: Op, param: Any, arg: Any, wanted: str) -> str:
    if wanted.startswith("must be"):
        wanted = wanted.removeprefix("must be ").partition(",")[0]
    return (
        f"{op.name}(): argument '{param.name}' (position {op.params.index(param) + 1}) must be {wanted}, "
        f"not {type(arg).__name__}"
    )


def _in_subclass(result: Any, tensors: Sequence[Tensor]) -> Any:
    """Results of operations on a subclass of Tensor are of that subclass."""
    cls = next(type(tensor) for tensor in tensors if not tensor._plain)
    for item in result if isinstance(result, (tuple, list)) else (result,):
        if type(item) is Tensor:
            item.__class__ = cls
    return result


# -- views -----------------------------------------------------------------------------------------


def _as_view(call: Call, base: Tensor, result: Tensor, numbers: tuple[Any, ...]) -> Tensor:
    """Turns a fresh result of a view operation into a view: same storage, one step further."""
    value = result._storage.value
    storage = base._storage
    result._storage = storage
    result._views = (*base._views, (call, numbers))
    result._value, result._seen = value, storage.epoch
    result._stride = stride_of_view(call, base._stride)
    if base._untracked:
        result._untracked = True
    if base._inference:
        result._inference = True
    if modes.inference and not base._inference:
        result._inference = False
    root = base._base
    if root is None:
        root = base
        result._from_base = ((call, numbers),)
    else:
        result._from_base = (*base._from_base, (call, numbers))
    result._base = root
    result._rebased_seen = root._rebased
    if base._made_in:
        result._made_in = base._made_in
    elif not modes.grad:
        result._made_in = "inference" if modes.inference else "no_grad"
    return result


def stride_of_view(call: Call, stride: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Strides of a view of a tensor with these strides; None where the result is contiguous."""
    known = call.values.setdefault("strides", {})
    if stride not in known:
        shape = call.inputs[0].shape
        actual = stride if stride is not None else stride_rules.contiguous_strides(shape)
        _, *arguments = call.op._shape_arguments(call.source, list(call.inputs))
        found = tuple(call.op.stride_rule(shape, actual, *arguments))
        known[stride] = None if found == stride_rules.contiguous_strides(call.results[0].shape) else found
    return known[stride]  # type: ignore[no-any-return]


def rederive(view: Tensor) -> None:
    """Gives a view the history that follows from its base's present one."""
    base = view._base
    assert base is not None
    view._rebased_seen = base._rebased
    previous = modes.grad
    modes.grad = True
    try:
        tensor = base
        for call, numbers in view._from_base:
            (step,) = run_call(call, [tensor], numbers)
            tensor = step
    finally:
        modes.grad = previous
    view._node, view._index, view._rg = tensor._node, tensor._index, tensor._rg


# -- writing in place ------------------------------------------------------------------------------


def check_writable(target: Tensor) -> None:
    """Raises where PyTorch forbids an in-place write while grad mode is on."""
    if target._inference and not modes.inference and modes.grad:
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal "
            "tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
        )
    if target._stride is not None and 0 in target._stride:
        shape = target._meta.shape
        if any(stride == 0 and size > 1 for stride, size in zip(target._stride, shape, strict=True)):
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to a single memory "
                "location. Please clone() the tensor before performing the operation."
            )
    if not modes.grad:
        return
    if target._rg and target._node is None and target._base is None:
        error = RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        error.add_note("Do it inside `with torch.no_grad():`, or on a copy: tensor.clone().")
        raise error
    if target._base is not None:
        target._refresh()
        root = target._base
        if root._rg and root._node is None:
            error = RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
            error.add_note("Do it inside `with torch.no_grad():`, or on a copy: tensor.clone().")
            raise error


def check_view_origin(target: Tensor) -> None:
    """Raises for a view whose history could not be kept, when gradients would have to flow through the write."""
    if not target._made_in or target._base is None:
        return
    name = target._node.name() if target._node is not None else "a function"
    if target._made_in == "multi":
        raise RuntimeError(
            f"Output {target._index} of {name} is a view and is being modified inplace. This view is the output of a "
            "function that returns multiple views. Such functions do not allow the output views to be modified inplace. "
            "You should replace the inplace operation by an out-of-place one."
        )
    mode = "inference mode" if target._made_in == "inference" else "no_grad mode"
    raise RuntimeError(
        f"A view was created in {mode} and is being modified inplace with grad mode enabled. Given that this use case is "
        "ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace "
        "either both inside the no_grad block (if you don't want the inplace to be tracked) or both outside (if you want "
        "the inplace to be tracked)."
    )


def write(target: Tensor, result: Tensor, name: str = "") -> Tensor:
    """Writes `result` (of the target's shape) into `target` in place, with history. `check_writable` came before."""
    if result._meta.dtype is not target._meta.dtype:
        if not dtypes.can_cast(result._meta.dtype, target._meta.dtype):
            raise RuntimeError(
                f"result type {result._meta.dtype.scalar_type} can't be cast to the desired output type "
                f"{target._meta.dtype.scalar_type}"
            )
        result = result.to(target._meta.dtype)  # type: ignore[attr-defined]
    if result._meta.shape != target._meta.shape:
        raise RuntimeError(
            f"output with shape {list(target._meta.shape)} doesn't match the broadcast shape {list(result._meta.shape)}"
        )
    tracked = modes.grad and (result._rg or target.requires_grad)
    if tracked and not target._untracked:
        check_view_origin(target)
        _rebase(target, result)
    else:
        target._write(result._read())
    return target


def _rebase(target: Tensor, result: Tensor) -> None:
    """The write as a step of the graph: of the target itself, or of the base it is a view of."""
    base = target._base
    node = result._node
    if isinstance(node, OpNode):
        # `x.sin_()` saves what x was: values never change, so this very write does not spoil it.
        node.guards = [guard for guard in node.guards if guard[0] is not target._storage]
    if base is None:
        target._write(result._read())
        target._node, target._index, target._rg = result._node, result._index, result._rg
        target._rebased += 1
        _guard_rewritten(result, target)
        return
    below = [base]
    for call, numbers in target._from_base[:-1]:
        below.append(run_call(call, [below[-1]], numbers)[0])
    new = result
    for (call, numbers), under in zip(reversed(target._from_base), reversed(below), strict=True):
        (new,) = run_call(scatter_call(call), [under, new], numbers)
    base._write(new._read())
    base._node, base._index, base._rg = new._node, new._index, new._rg
    base._rebased += 1
    target._refresh()


def _guard_rewritten(result: Tensor, target: Tensor) -> None:
    """The node that made `result` saved it under a storage of its own; its guard moves to the target's."""
    node = result._node
    if isinstance(node, OpNode):
        node.guards = [
            (target._storage, target._storage.version, out) if storage is result._storage else (storage, version, out)
            for storage, version, out in node.guards
        ]


def write_out(out: Tensor, result: Tensor, name: str) -> Tensor:
    """Puts a result into an `out=` tensor, resizing it where PyTorch does; returns `out`."""
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if out._meta.device is not result._meta.device:
        raise RuntimeError(f"Expected out tensor to have device {result.device}, but got {out.device} instead")
    if not dtypes.can_cast(result._meta.dtype, out._meta.dtype):
        raise RuntimeError(
            f"result type {result._meta.dtype.scalar_type} can't be cast to the desired output type "
            f"{out._meta.dtype.scalar_type}"
        )
    if modes.grad and (out.requires_grad or result._rg):
        who = "one of the arguments requires grad" if result._rg else "the out tensor requires grad"
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but {who}."
        )
    if out._meta.shape != result._meta.shape:
        if out._meta.numel:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(out._meta.shape)}, which does "
                f"not match the required output shape {list(result._meta.shape)}. This behavior is deprecated, and in a "
                "future PyTorch release outputs will not be resized unless they have zero elements. You can explicitly "
                "reuse an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).",
                UserWarning, stacklevel=3,
            )  # fmt: skip
        resize(out, result._meta.shape)
    if result._meta.dtype is not out._meta.dtype:
        result = result.to(out._meta.dtype)  # type: ignore[attr-defined]
    out._write(result._read())
    return out


def resize(target: Tensor, shape: tuple[int, ...]) -> None:
    """Gives a tensor another shape in place: its elements in order, then zeros. Other views of the storage keep theirs."""
    meta = meta_of(tuple(shape), target._meta.dtype, target._meta.device)
    if meta is target._meta:
        return
    old = target._host_array().reshape(-1) if target._meta.numel and meta.numel else np.zeros(0, meta.np)
    new = np.zeros(meta.numel, meta.np)
    count = min(old.size, new.size)
    new[:count] = old[:count]
    target._storage = Storage(Value(meta, new.reshape(meta.shape)))
    target._meta, target._views, target._value, target._seen, target._stride = meta, (), None, -1, None


# -- declaring -------------------------------------------------------------------------------------


def op(*names: str, **options: Any) -> Callable[[Callable[..., Any]], Op]:
    """Declares an operation; see `declare.py` for the form."""

    def wrap(body: Callable[..., Any]) -> Op:
        declared = Op(body, names, options)
        function = _public_function(declared)
        declared.function = function  # type: ignore[attr-defined]
        _publish(names, function)
        return declared

    return wrap


def function(*names: str, out: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declares a public function written over tensors and other functions."""

    def wrap(body: Callable[..., Any]) -> Callable[..., Any]:
        public = _with_out(body, names[0].rpartition(".")[2] if names else body.__name__) if out else body
        signature = inspect.signature(public)
        if "dim" in signature.parameters and any(not name.startswith("nn.") for name in names):
            public = accept_numpy_names(public, signature)
        _publish(names, public)
        return public

    return wrap


def _publish(names: Sequence[str], function: Callable[..., Any]) -> None:
    for name in names:
        where, _, last = name.rpartition(".")
        if last.endswith("_") and not last.endswith("__"):
            public: Callable[..., Any] = in_place(function, last)
        else:
            public = function
        register(name, public)
        if where == "Tensor":
            setattr(Tensor, last, public)


def in_place(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The in-place form of a function: computes, then writes into the first argument."""

    @functools.wraps(function)
    def inplace(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        check_writable(input)
        return write(input, function(input, *args, **kwargs), name)

    signature = inspect.signature(function)
    inplace.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[p for p in signature.parameters.values() if p.name != "out"]
    )
    inplace.__name__ = inplace.__qualname__ = name
    return inplace


# NumPy's names that PyTorch accepts for its own.
_NUMPY_NAMES = {"dim": ("axis",), "keepdim": ("keepdims",), "input": ("x", "a", "x1"), "other": ("x2",)}


def operator_method(declared: Op, name: str) -> Callable[..., Any]:
    """An operation as a method of Python's operators: operands it does not know give NotImplemented."""
    method = _public_function(declared, name, _apply_or_decline)
    method.__name__, method.__qualname__ = name, f"Tensor.{name}"
    return method


_OPERANDS = (Tensor, int, float, complex, np.generic)


def _apply_or_decline(op: Op, args: Sequence[Any]) -> Any:
    if not isinstance(args[1], _OPERANDS):
        if not isinstance(args[1], np.ndarray):
            return NotImplemented
        array = np.asarray(args[1])
        args = (args[0], constant(array, dtypes.from_numpy_dtype(array.dtype), args[0]._meta), *args[2:])
    return apply(op, args)


def _apply_with_number(op: Op, args: Sequence[Any]) -> Any:
    """For the operations whose first operand may be a number, which then becomes a tensor beside the second."""
    first, second = args[0], args[1]
    if type(first) in _NUMBERS:
        like = second._meta if isinstance(second, Tensor) else None
        first = constant(first, dtypes.scalar_dtype(first), like)
    return apply(op, (first, *args[1:]))


def _public_function(declared: Op, name: str | None = None, slow: Callable[..., Any] = apply) -> Callable[..., Any]:
    """A function with the signature of the operation, which hands its arguments to `slow` unless all is as usual."""
    parameters = []
    names = []
    for param in declared.params:
        kind = inspect.Parameter.KEYWORD_ONLY if param.keyword else inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters.append(inspect.Parameter(param.name, kind, default=param.default))
        names.append(param.name)
    if declared.out:
        parameters.append(inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None))
    signature = inspect.Signature(parameters)
    public_name = name or (declared.name if declared.name.isidentifier() else declared.body.__name__)
    if declared.accepts_numbers and slow is apply:
        slow = _apply_with_number
    scope: dict[str, Any] = {"_op": declared, "_write_out": _write_outs, "_apply": slow} | _FAST_SCOPE
    source = _source_of(public_name, declared, parameters, names, scope)
    exec(source, scope)  # noqa: S102
    function = scope[public_name]
    if name is None and any(alias in signature.parameters for alias in _NUMPY_NAMES):
        function = accept_numpy_names(function, signature)
    function.__doc__ = declared.body.__doc__
    function.__module__ = declared.body.__module__
    function.__signature__ = signature
    return function  # type: ignore[no-any-return]


_FAST_SCOPE: dict[str, Any] = {
    "_Tensor": Tensor, "_local": local, "_modes": modes, "_run_fast": run_fast, "_as_view": _as_view,
    "_preserved": stride_rules.preserved, "_all": all,
}  # fmt: skip


def _source_of(
    name: str, declared: Op, parameters: list[inspect.Parameter], names: list[str], scope: dict[str, Any]
) -> str:
    """Source of the public function: the usual case written out, everything else through `apply`.

    The usual case: plain tensors, numbers that are Python's own, static arguments of their declared type, no `out=`.
    """
    texts = []
    star = False
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not star:
            texts.append("*")
            star = True
        if parameter.default is inspect.Parameter.empty:
            texts.append(parameter.name)
        else:
            scope[f"_d_{parameter.name}"] = parameter.default
            texts.append(f"{parameter.name}=_d_{parameter.name}")
    slow = f"_apply(_op, ({', '.join(names)}{',' if names else ''}))"
    if declared.out:
        slow = f"{slow} if out is None else _write_out(out, {slow}, _op.name)"
    header = f"def {name}({', '.join(texts)}):\n"
    fast = _fast_path(declared, scope)
    return header + fast + f"    return {slow}\n"


def _fast_path(declared: Op, scope: dict[str, Any]) -> str:
    """The lines that try the usual case, or nothing where an operation has none."""
    tensors = [p for p in declared.params if p.role in _TENSOR_ROLES]
    if (
        not tensors or tensors[0].role == "operand" or declared.check is not None or declared.many_outputs
        or declared.outputs is not None or any(p.role in ("arrays", "indices") for p in declared.params)
    ):  # fmt: skip
        return ""
    conditions = ["out is None"] if declared.out else []
    conditions.append(f"type({tensors[0].name}) in _plain")
    key: list[str] = []
    scope["_plain"] = _plain_types
    lines: list[str] = []
    numbers: list[str] = []
    optional_tensor = None
    for p in declared.params:
        if p is tensors[0]:
            key.append(f"{p.name}_v.meta")
        elif p.role == "operand" or p.role in _TENSOR_ROLES:
            if optional_tensor is not None or numbers:
                return ""
            optional_tensor = p
            key.append("_k")
        elif p.role == "scalar" and p.default is inspect.Parameter.empty:
            # Such as the index of a selection: an int nearly always.
            if numbers or optional_tensor is not None:
                return ""
            numbers.append(p.name)
            conditions.append(f"{p.name}.__class__ is int")
            key.append("int")
        elif p.role == "scalar":
            if p.default is None:
                return ""
            scope[f"_p_{p.name}"] = p
            conditions.append(f"{p.name} is _d_{p.name}")
            key.append(f"_p_{p.name}")
        elif p.role in ("int", "bool", "str", "float"):
            test = f"{p.name}.__class__ is {p.role}"
            conditions.append(f"({p.name} is None or {test})" if p.optional else test)
            key.append(p.name)
        elif p.role in ("dims", "sizes"):
            test = f"({p.name}.__class__ is tuple and _all([i.__class__ is int for i in {p.name}]))"
            conditions.append(f"({p.name} is None or {test})" if p.optional else test)
            key.append(p.name)
        else:
            return ""
    first = tensors[0].name
    read = "{0}_v = {0}._storage.value if not {0}._views and {0}._storage.host is None else {0}._read()"
    lines.append(f"    if {' and '.join(conditions)}:")
    body = ["_t = _local.trace", "if _t.armed and _modes.grad: _t.flush('a new step begins after backward')"]
    body.append(read.format(first))
    arguments, values, packed = f"({first},)", f"({first}_v,)", f"({numbers[0]},)" if numbers else "()"
    if optional_tensor is not None:
        other = optional_tensor.name
        arguments, values, packed = "_a", "_v", "_n"
        body.append(f"if type({other}) in _plain:")
        body.append("    " + read.format(other))
        body.append(f"    _k = {other}_v.meta; _a = ({first}, {other}); _v = ({first}_v, {other}_v); _n = ()")
        if optional_tensor.role == "operand":
            body.append(f"elif {other}.__class__ is float or {other}.__class__ is int or {other}.__class__ is bool:")
            body.append(f"    _k = {other}.__class__; _a = ({first},); _v = ({first}_v,); _n = ({other},)")
        if optional_tensor.optional:
            body.append(f"elif {other} is None:")
            body.append(f"    _k = None; _a = ({first},); _v = ({first}_v,); _n = ()")
        body.append("else: _k = _op")  # never a key
    body.append(f"_c = _op.calls.get(({', '.join(key)},))")
    body.append("if _c is not None and len(_c.results) == 1:")
    body.append(f"    _r = _run_fast(_c, {arguments}, {values}, {packed})")
    if declared.view:
        body.append(f"    return _as_view(_c, {first}, _r, {packed})")
    else:
        if declared.pointwise:
            strided = f"{first}._stride is not None"
            if optional_tensor is not None:
                strided += f" or (len({arguments}) == 2 and {optional_tensor.name}._stride is not None)"
            body.append(f"    if {strided}: _r._stride = _preserved({arguments}, _r._meta.shape)")
        body.append("    return _r")
    return "\n".join([*lines, *("        " + line for line in body)]) + "\n"


# Classes whose instances take the usual path; `nn.Parameter` joins when it is defined.
_plain_types: set[type] = {Tensor}


def _rename(kwargs: dict[str, Any], signature: inspect.Signature) -> dict[str, Any] | None:
    """Keyword arguments with NumPy's names replaced by PyTorch's; None where nothing was replaced."""
    renamed = dict(kwargs)
    for own, others in _NUMPY_NAMES.items():
        for other in others:
            if other in renamed and other not in signature.parameters and own in signature.parameters:
                renamed[own] = renamed.pop(other)
    return renamed if renamed != kwargs else None


def accept_numpy_names(function: Callable[..., Any], signature: inspect.Signature) -> Callable[..., Any]:
    """Lets `axis=`, `keepdims=`, `x=` stand for `dim=`, `keepdim=`, `input=`."""
    known = frozenset(signature.parameters)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if kwargs and not known.issuperset(kwargs):
            kwargs = _rename(kwargs, signature) or kwargs
        return function(*args, **kwargs)

    wrapped.__signature__ = signature  # type: ignore[attr-defined]
    return wrapped


def _write_outs(out: Any, result: Any, name: str) -> Any:
    if isinstance(result, (tuple, list)):
        for target, item in zip(out, result, strict=True):
            write_out(target, item, name)
        return type(result)(out) if isinstance(result, tuple) else tuple(out)
    return write_out(out, result, name)


def _with_out(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Adds a keyword `out=` to a function."""

    @functools.wraps(function)
    def wrapped(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return result if out is None else _write_outs(out, result, name)

    signature = inspect.signature(function)
    if "out" not in signature.parameters:
        extra = inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None)
        variable = [p for p in signature.parameters.values() if p.kind is inspect.Parameter.VAR_KEYWORD]
        others = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        wrapped.__signature__ = signature.replace(parameters=[*others, extra, *variable])  # type: ignore[attr-defined]
    return wrapped


def is_plain_leaf(tensor: Tensor) -> bool:
    edge = edge_of(tensor)
    return edge is not None and isinstance(edge[0], AccumulateGrad)


def constant(array: Any, dtype: dtypes.dtype, like: Meta | None = None) -> Tensor:
    """A tensor of these host values."""
    from flambeau._core.tensor import from_array

    array = np.asarray(array, dtype.np)
    return from_array(array, meta_of(array.shape, dtype, like.device if like is not None else CPU))
