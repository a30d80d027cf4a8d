"""Recording calls on tensors: values in, tensors out, and a node on the tape where an input requires grad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flambeau._core.autograd import OpNode
from flambeau._core.call import Call
from flambeau._core.modes import modes
from flambeau._core.node_kind import NodeKind
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import BYTE_LIMIT, NODE_LIMIT, engine, local, record
from flambeau._core.value import Value

_new = object.__new__


def run_call(
    call: Call, tensors: Sequence[Tensor], numbers: Sequence[Any] = (), values: Sequence[Value] | None = None
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


def run_fast(
    call: Call, tensors: tuple[Tensor, ...], values: tuple[Value, ...], numbers: Sequence[Any]
) -> Tensor:
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
    trace.outputs.append(value)
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
    call: Call,
    tensors: Sequence[Tensor],
    values: Sequence[Value],
    results: list[Tensor],
    numbers: Sequence[Any],
) -> None:
    for tensor in tensors:
        if tensor._base is not None:
            tensor._refresh()
    needs = tuple([tensor._rg for tensor in tensors])
    kind = call.node_kinds.get(needs)
    if kind is None:
        if True not in needs:
            return
        kind = call.node_kinds[needs] = NodeKind(call, needs, node_class(call))
    node = kind.make(kind, tensors, values, [result._storage for result in results], numbers)
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
        found = call.values["node"] = named_node_class(name)
    return found


def named_node_class(name: str) -> type[OpNode]:
    """The one class of nodes of that name."""
    found = _node_classes.get(name)
    if found is None:
        found = _node_classes[name] = type(name, (OpNode,), {})
    return found
