"""Recording calls on tensors: values in, tensors out, and a node on the tape where an input requires grad."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from flambeau._core.autograd import OpNode
from flambeau._core.call import Call
from flambeau._core.modes import modes
from flambeau._core.node_kind import NodeKind
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import BYTE_LIMIT, engine, record
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
        for tensor in tensors:
            if tensor._rg or tensor._base is not None:
                _put_on_tape(call, tensors, values, results, numbers)
                break
    elif modes.inference:
        for result in results:
            result._inference = True
    return results


_RUN = """
def run(call, {given}, numbers, trace):
    if trace.device is not call.device:
        return {otherwise}
    leaf_of = trace.leaf_of
    {slots}
    trace.key += (call.id, {keys})
    if numbers:
        call.pack(numbers, trace.floats, trace.ints)
    outputs = trace.outputs
    {make}
    nodes = trace.nodes
    nodes.append(call)
    trace.bytes += call.nbytes
    if len(nodes) >= engine.limit or trace.bytes > BYTE_LIMIT:
        trace.cut(engine.full)
    if modes.grad:
        if {tracked}:
            {refresh}
            needs = ({needs},)
            kind = call.node_kinds.get(needs)
            if kind is None:
                kind = node_kind(call, needs)
            if kind:
                {track}
    elif modes.inference:
        {infer}
    return {result}
"""

_SINGLE = {
    "make": """
    value = new(Value)
    value.meta = meta = call.results[0]
    value.trace, value.slot = trace, len(outputs)
    outputs.append(value)
    storage = new(Storage)
    storage.value = value
    result = new(Tensor)
    result._meta, result._storage = meta, storage
    """,
    "track": """
                result._rg = True
                result._node = kind.make(kind, ({tensors},), ({values},), (storage,), numbers)
    """,
    "infer": "result._inference = True",
    "result": "result",
}

_SEVERAL = {
    "make": """
    results, storages = [], []
    for meta in call.results:
        value = new(Value)
        value.meta, value.trace, value.slot = meta, trace, len(outputs)
        outputs.append(value)
        storage = new(Storage)
        storage.value = value
        storages.append(storage)
        result = new(Tensor)
        result._meta, result._storage = meta, storage
        results.append(result)
    """,
    "track": """
                node = kind.make(kind, ({tensors},), ({values},), storages, numbers)
                for index, result in enumerate(results):
                    if result._meta.tracked:
                        result._rg, result._node, result._index = True, node, index
    """,
    "infer": "for result in results: result._inference = True",
    "result": "tuple(results)",
}

_SLOT = """
    owner = v{i}.trace
    if owner is trace:
        k{i} = v{i}.slot
    elif owner is None:
        k{i} = leaf_of.get(id(v{i})) or trace.leaf(v{i})  # numbers of leaves are below 0
    else:
        return {otherwise}
"""


@functools.cache
def run_fast(count: int, several: bool = False) -> Callable[..., Any]:
    """`run_call` for a call of `count` tensors, written out: the path that nearly every operation takes.

    The function takes (call, first tensor, its value, second tensor, ..., numbers, this thread's trace). It returns the
    one result, or a tuple if there may be `several`.
    """
    each = range(count)
    words = {
        "tensors": ", ".join(f"t{i}" for i in each),
        "values": ", ".join(f"v{i}" for i in each),
    }
    otherwise = "run_call(call, ({tensors},), numbers, [{values}])".format(**words)
    words["otherwise"] = f"tuple({otherwise})" if several else f"{otherwise}[0]"
    blocks = {name: text.strip().format(**words) for name, text in (_SEVERAL if several else _SINGLE).items()}
    source = _RUN.format(
        given=", ".join(f"t{i}, v{i}" for i in each),
        slots="".join(_SLOT.format(i=i, **words) for i in each).strip(),
        keys=", ".join(f"k{i}" for i in each),
        tracked=" or ".join(f"t{i}._rg or t{i}._base is not None" for i in each),
        refresh="; ".join(f"t{i}._base is None or t{i}._refresh()" for i in each),
        needs=", ".join(f"t{i}._rg" for i in each),
        **words,
        **blocks,
    )
    scope: dict[str, Any] = {
        "run_call": run_call, "new": object.__new__, "Value": Value, "Storage": Storage, "Tensor": Tensor, "engine": engine,
        "BYTE_LIMIT": BYTE_LIMIT, "modes": modes, "node_kind": node_kind, "__name__": __name__,
    }  # fmt: skip
    exec(source, scope)
    return scope["run"]


def node_kind(call: Call, needs: tuple[bool, ...]) -> Any:
    """The kind of the call's nodes when these inputs want gradients; False where there is nothing to differentiate."""
    tracked = True in needs and (call.op is None or call.op.differentiable)
    tracked = tracked and any(m.tracked for m in call.results)
    return call.node_kinds.setdefault(needs, tracked and NodeKind(call, needs, node_class(call)))


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
        kind = node_kind(call, needs)
    if not kind:
        return
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
        found = call.values.setdefault("node", named_node_class(name))
    return found


def named_node_class(name: str) -> type[OpNode]:
    """The one class of nodes of that name."""
    found = _node_classes.get(name)
    if found is None:
        found = _node_classes.setdefault(name, type(name, (OpNode,), {}))
    return found
