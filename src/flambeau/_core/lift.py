"""`vmap` at its core: a function recorded for one element of a batch, replayed for all of them at once.

The recorded calls become one block of batched calls. The nodes of the tape that were made meanwhile become nodes of the
batched calls, so gradients flow exactly as they do for one element: through what the function did with tensors, `detach`
and `no_grad` included, not through what follows from its values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from flambeau._core.autograd import AccumulateGrad, Edge, Node, OpNode, attach, edge_of
from flambeau._core.batched_function import VmapInfo, batch_first, check_batchable, on_batch
from flambeau._core.batching import batch_block, batched, batched_meta
from flambeau._core.call import Call
from flambeau._core.capture import Draw, Recording, structure_of
from flambeau._core.declare import registry
from flambeau._core.inplace import check_writable, write
from flambeau._core.modes import modes, no_grad
from flambeau._core.node_kind import NodeKind, next_sequence
from flambeau._core.pytree import broadcast_to, tree_flatten, tree_unflatten
from flambeau._core.storage import Storage
from flambeau._core.strides import contiguous_strides, dense_order
from flambeau._core.tensor import Tensor
from flambeau._core.trace import local, record
from flambeau._core.value import Meta, Value

_RANDOM = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' randomness "
    "flags on vmap or perform the randomness operation out of vmap"
)
_SAME = "Vmap does not currently support same randomness with a batched tensor input. Please file an issue with functorch"
_IN_PLACE = (
    "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in extra_args that has "
    "more elements than `self`. This happened due to `other` being vmapped over but `self` not being vmapped over in a vmap. "
    "Please try to use out-of-place operators instead of inplace arithmetic. If said operator is being called inside the "
    "PyTorch framework, please file a bug report instead."
)
_ITEM = (
    "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor, please "
    "try to rewrite what you're doing with other operations. If error is occurring somewhere inside PyTorch internals, please "
    "file a bug report."
)
_CONTROL_FLOW = (
    "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't support that yet, "
    "please file an issue at https://github.com/pytorch/pytorch/issues ."
)


class _Input(Node):
    """Stands behind a placeholder for a tensor that has a history of its own."""

    def __init__(self, meta: Meta) -> None:
        super().__init__()
        self.results = (meta,)

    def pull(self, cotangents: list[Any], work: Any) -> Sequence[Any]:
        raise RuntimeError("A backward pass inside vmap reached a tensor whose history lies outside of it.")


@dataclass(frozen=True, slots=True)
class Input:
    """A placeholder, as tensor and value, and the tensor that it is an element of, with its value when recording began.

    `source` stands behind the placeholder if the real tensor has a history.
    """

    own: Tensor
    value: Value
    real: Tensor
    real_value: Value
    source: _Input | None


class BatchRecording(Recording):
    """The recording of a function for one element of a batch of `size`.

    Args:
        randomness: "error", "same" or "different", as `vmap` has it.
    """

    def __init__(self, size: int, randomness: str) -> None:
        super().__init__("inside vmap")
        self.size, self.randomness = size, randomness
        self.inputs: list[Input] = []
        # What custom functions gave for the whole batch, by their nodes: gradients that lead outside go there.
        self.applied: dict[Any, list[Any]] = {}
        self._flags: list[bool] = []  # of the slots: whether they depend on the batch
        self._seen = 0, 0  # up to which call, and which place in the key, `_flags` goes

    def __enter__(self) -> Self:
        self.started = next_sequence()
        return super().__enter__()

    def input(self, tensor: Tensor, real_value: Value) -> Tensor:
        """One element of `tensor`, which has the batch as its first dimension and holds `real_value`."""
        meta = tensor._meta
        value = self.placeholder(meta.with_shape(meta.shape[1:]))
        own = Tensor._of(value)
        source = None
        if tensor.requires_grad:
            if tensor._node is None:
                own._rg = True
            else:
                source = _Input(value.meta)
                own._set_history(source, 0)
        if tensor._stride is not None:
            stride = tensor._stride[1:]
            own._stride = None if stride == contiguous_strides(value.meta.shape) else stride
        self.inputs.append(Input(own, value, tensor, real_value, source))
        return own

    def value_at(self, slot: int) -> Value:
        return self.outputs[slot] if slot >= 0 else self.leaves[-1 - slot]

    def has_batch(self, slot: int) -> bool:
        """Whether what stands in a slot is not the same for all elements of the batch."""
        if slot < 0:
            return self.leaves[-1 - slot].trace is self
        number, at = self._seen
        for call in self.nodes[number:]:
            end = at + 1 + len(call.inputs)
            self._flags += [any(map(self._flag, self.key[at + 1 : end]))] * len(call.results)
            at = end
        self._seen = len(self.nodes), at
        return self._flags[slot]

    def _flag(self, slot: int) -> bool:
        return self._flags[slot] if slot >= 0 else self.leaves[-1 - slot].trace is self

    def refusal(self, asked: str) -> RuntimeError:
        if self.ended:
            return super().refusal(asked)
        text = _CONTROL_FLOW if asked.startswith("A decision") else _ITEM
        error = RuntimeError(text)
        error.add_note(str(super().refusal(asked)))
        return error

    def fill(self, value: Value) -> None:
        if self.ended or self.has_batch(value.slot):
            super().fill(value)
        structure = structure_of(self, [value], whole=False)
        leaves = [self.leaves[number] for number in structure.leaves]
        here, local.trace = local.trace, self.outer
        try:
            (found,) = record(structure.block, leaves, [*self.floats, *self.ints])
            array = found.array()
        finally:
            local.trace = here
        value.data, value.trace = array, None
        self.note_made(value)

    def allow_write(self, storage: Storage, value: Value) -> None:
        if value.trace is self and self.has_batch(value.slot):
            raise RuntimeError(_IN_PLACE)

    def apply_function(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if function.of_operations:
            return function._apply(*args, **kwargs)
        check_batchable(function)
        result, real = self._from_whole(
            args, lambda info, in_dims, whole: on_batch(function, info, in_dims, whole, run_batched)
        )
        node = function._node_for(args)
        with no_grad():
            function.setup_context(node, args, result)
        self.applied[node] = real
        return node._finish(args, result)

    def apply_rule(
        self, rule: Callable[..., Any], args: Sequence[Any], finish: Callable[[Any], tuple[Any, Any]],
        otherwise: Callable[[], Any],
    ) -> Any:  # fmt: skip
        leaves, spec = tree_flatten(list(args))
        if not any(isinstance(leaf, Tensor) and is_batched(leaf) for leaf in leaves):
            return otherwise()

        def on_whole(info: VmapInfo, in_dims: tuple[int | None, ...], whole: tuple[Any, ...]) -> Any:
            output, out_dims = rule(info, tuple(tree_unflatten(in_dims, spec)), *tree_unflatten(whole, spec))
            return output, broadcast_to(out_dims, tree_flatten(output)[1])

        result, real = self._from_whole(tuple(leaves), on_whole)
        finished, node = finish(result)
        if node is not None:
            self.applied[node] = real
        return finished

    def _from_whole(self, args: tuple[Any, ...], compute: Callable[..., Any]) -> tuple[Any, list[Any]]:
        """What `compute(info, in_dims, whole)` gives for the whole batch: as elements without history, and as it is.

        `compute` runs outside, and says where the leaves of its result have the batch.
        """
        places = [i for i, arg in enumerate(args) if isinstance(arg, Tensor)]
        lifted = Lifted(self, [args[i] for i in places])
        here, local.trace = local.trace, self.outer
        try:
            whole: list[Any] = list(args)
            in_dims: list[int | None] = [None] * len(args)
            for place, (tensor, has_batch) in zip(places, lifted.lift(), strict=True):
                whole[place], in_dims[place] = tensor, 0 if has_batch else None
            output, dims = compute(VmapInfo(self.size, self.randomness), tuple(in_dims), tuple(whole))
            leaves, spec = tree_flatten(output)
            real = [batch_first(leaf, dim) for leaf, dim in zip(leaves, dims, strict=True)]
            values = [leaf._read() if isinstance(leaf, Tensor) else None for leaf in real]
        finally:
            local.trace = here
        elements: list[Any] = []
        for leaf, value, dim in zip(real, values, dims, strict=True):
            if value is None:
                elements.append(leaf)
            else:
                elements.append(Tensor._of(value) if dim is None else self.input(leaf, value).detach())  # type: ignore[attr-defined]
        return tree_unflatten(elements, spec), real

    def call_by_elements(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], draws: bool
    ) -> Any:
        leaves, spec = tree_flatten((args, kwargs))
        places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor) and is_batched(leaf)]
        if not places:
            return function(*args, **kwargs)
        if draws and self.randomness == "error":
            raise RuntimeError(_RANDOM)
        if draws and self.randomness == "same":
            raise RuntimeError(_SAME)
        lifted = Lifted(self, [leaves[i].detach() for i in places])
        here, local.trace = local.trace, self.outer
        try:
            whole = [tensor for tensor, _ in lifted.lift()]
            rows, out_spec = [], spec
            for number in range(self.size):
                filled = list(leaves)
                for place, tensor in zip(places, whole, strict=True):
                    filled[place] = tensor[number]  # type: ignore[index]
                own_args, own_kwargs = tree_unflatten(filled, spec)
                found = local.trace.call_by_elements(function, own_args, own_kwargs, draws)
                row, out_spec = tree_flatten(found)
                rows.append(row)
            stacked = [registry["stack"](list(column)) for column in zip(*rows, strict=True)]
            values = [tensor._read() for tensor in stacked]
        finally:
            local.trace = here
        elements = [self.input(tensor, value) for tensor, value in zip(stacked, values, strict=True)]
        return tree_unflatten(elements, out_spec)

    def draw(self, draw: Draw, meta: Meta) -> Value:
        if self.randomness == "error":
            raise RuntimeError(_RANDOM)
        if self.randomness == "same":
            return super().draw(draw, meta)
        drawn = self.outer.draw(lambda batch: draw((*batch, self.size)), batched_meta(meta, self.size))
        value = self.placeholder(meta)
        self.inputs.append(Input(Tensor._of(value), value, Tensor._of(drawn), drawn, None))
        return value


class Lifted:
    """What was recorded for one element, to be run for all of them: made while the recording goes on, run afterwards."""

    def __init__(self, recording: BatchRecording, results: Sequence[Tensor]) -> None:
        self.recording, self.results = recording, results
        self.changed = [item for item in recording.inputs if item.own._storage.value is not item.value]
        self.values = [tensor._read() for tensor in [*results, *[item.own for item in self.changed]]]
        self.nodes = _nodes_behind(recording, [*results, *[item.own for item in self.changed]])
        self.wanted = [
            *self.values,
            *[value for _, value in recording.writes.values()],
            *[check.value for check in recording.checks],
            *[value for node in self.nodes for value in node.saved or ()],
        ]
        if isinstance(recording.outer, Recording):
            # A recording around this one wants to know what the nodes' calls take.
            slots = dict.fromkeys(slot for node in self.nodes for slot in recording.tape[node])
            self.wanted += [recording.value_at(slot) for slot in slots]
        self.structure = structure_of(recording, self.wanted)
        self.pattern = tuple([recording.has_batch(-1 - number) for number in self.structure.leaves])

    def lift(self) -> list[tuple[Tensor, bool]]:
        """The results, each with whether it has the batch as its first dimension."""
        recording = self.recording
        self.found = self._record()
        # What stands outside for a storage, a leaf and a node of the inside.
        self.storages: dict[int, Storage] = {id(i.own._storage): i.real._storage for i in recording.inputs}
        self.leaves: dict[int, Tensor] = {id(item.own): item.real for item in recording.inputs}
        self.nodes_outside: dict[Node, Edge] = {
            item.source: edge_of(item.real) for item in recording.inputs if item.source is not None
        }
        results = [
            self._result(tensor, value) for tensor, value in zip(self.results, self.values, strict=False)
        ]
        for node in self.nodes:
            self._lift(node)
        for tensor, (result, _) in zip(self.results, results, strict=True):
            self._attach(tensor, result)
        return results

    def run(self) -> list[tuple[Tensor, bool]]:
        """What `lift` gives, when all else that the function did has been done as well: checks, and writes."""
        results, recording = self.lift(), self.recording
        for check in recording.checks:
            value, _ = self.found[id(check.value)]
            local.trace.check(value, check.check, value.trace is not None and value.meta.device.type != "cpu")
        for storage, written in recording.writes.values():
            storage.write(self.found[id(written)][0])
        for item, value in zip(self.changed, self.values[len(results) :], strict=True):
            changed = Tensor._of(self.found[id(value)][0])
            self._attach(item.own, changed)
            check_writable(item.real)
            write(item.real, changed)
        return results

    def _record(self) -> dict[int, tuple[Value, bool]]:
        """Replays the calls for the whole batch, as one: for each wanted value what it is now, and whether it has the batch."""
        recording, structure = self.recording, self.structure
        real = {id(item.value): item.real_value for item in recording.inputs}
        leaves = [recording.leaves[number] for number in structure.leaves]
        values = [real.get(id(leaf), leaf) for leaf in leaves]
        batch = batch_block(structure.block, self.pattern, recording.size)
        outputs = batch.block.outputs
        found = record(batch.block, values, [*recording.floats, *recording.ints]) if outputs else []
        by_place = dict(enumerate(values)) | dict(zip(outputs, found, strict=True))
        return {
            id(value): (by_place[place], batch.flags[place])
            for value, place in zip(self.wanted, structure.places, strict=True)
        }

    def _result(self, tensor: Tensor, value: Value) -> tuple[Tensor, bool]:
        """The result as a tensor, still without its history."""
        if id(tensor) in self.leaves:
            return self.leaves[id(tensor)], True
        real, has_batch = self.found[id(value)]
        if not self.recording.owns(value) and not has_batch:
            return tensor, False  # a tensor of the outside as it is
        result = Tensor._of(real)
        if tensor._stride is not None and dense_order(tensor._meta.shape, tensor._stride) is not None:
            result._stride = (tensor._meta.numel, *tensor._stride) if has_batch else tensor._stride
        self.storages[id(tensor._storage)] = result._storage
        return result, has_batch

    def _attach(self, tensor: Tensor, result: Tensor) -> None:
        """Gives a result the history that the tensor inside has."""
        if (
            tensor.requires_grad
            and tensor._node is not None
            and result is not tensor
            and not result.requires_grad
        ):
            edge = self._edge((tensor._node, tensor._index))
            if edge is not None:
                attach(result, edge)

    def _lift(self, node: OpNode) -> OpNode | None:
        """The node of the batched call; None if nothing outside wants gradients from it."""
        recording, kind = self.recording, node.kind
        if node.hooks or node.prehooks or node.tensor_hooks or node.retained or node.packed:
            raise RuntimeError(
                "vmap: hooks on tensors that are made inside of it, retain_grad() and saved_tensors_hooks are not supported."
            )
        edges = [self._edge(edge) for edge in node.edges]
        needs = tuple([need and edge is not None for need, edge in zip(kind.needs, edges, strict=True)])
        if not any(needs):
            self.nodes_outside[node] = None
            return None
        slots = recording.tape[node]
        pattern = tuple(map(recording.has_batch, slots))
        call = batched(kind.call, pattern, recording.size) if any(pattern) else kind.call
        lifted: OpNode = object.__new__(type(node))
        lifted.kind, lifted.sequence = _kind_of(call, needs, kind.node_class), next_sequence()
        lifted.edges = tuple(edges)
        lifted.numbers = node.numbers
        lifted.saved = None if node.saved is None else self._saved(node, lifted.kind)
        kept = {-1 - i for i in lifted.kind.saving.inputs} | set(lifted.kind.saving.outputs)
        guards = [self._guard(guard) for guard in node.guards if guard[2] in kept]
        lifted.guards = [guard for guard in guards if guard is not None]
        if node.line is not None:
            lifted.line = node.line
        self.nodes_outside[node] = lifted, 0
        outer = recording.outer
        if isinstance(outer, Recording):
            values = [self.found[id(recording.value_at(slot))][0] for slot in slots]
            outer.tape[lifted] = tuple(map(outer.slot_of, values))
        if modes.saved_hooks:
            lifted.pack()
        return lifted

    def _saved(self, node: OpNode, kind: NodeKind) -> list[Value]:
        """What the node saved of what the lifted one needs."""
        before, now = node.kind.saving, kind.saving
        places = [*[(i, True) for i in before.inputs], *[(i, False) for i in before.outputs]]
        known = dict(zip(places, node.saved or (), strict=True))
        wanted = [*[known[i, True] for i in now.inputs], *[known[i, False] for i in now.outputs]]
        return [self.found[id(value)][0] for value in wanted]

    def _edge(self, edge: Edge) -> Edge:
        if edge is None:
            return None
        node, index = edge
        applied = self.recording.applied.get(node)
        if applied is not None:
            output = applied[index]
            return edge_of(output) if output.requires_grad else None
        if node in self.nodes_outside:
            outside = self.nodes_outside[node]
            return outside if outside is None or isinstance(node, _Input) else (outside[0], index)
        if isinstance(node, AccumulateGrad):
            real = self.leaves.get(id(node.variable))
            if real is not None:
                return edge_of(real)
            if self.recording.is_inside(node.variable._storage):
                return None
        return edge

    def _guard(self, guard: Any) -> Any:
        """What must not be written to from now on; None for what nobody outside can write to."""
        storage, version, place, _hidden, views = guard
        if not self.recording.is_inside(storage) or storage.version != version:
            return guard
        real = self.storages.get(id(storage))
        if real is None:
            return None
        return real, real.version, place, real.hidden, views


def _kind_of(call: Call, needs: tuple[bool, ...], node_class: type) -> NodeKind:
    key = ("kind", needs, node_class)
    found = call.values.get(key)
    if found is None:
        found = call.values.setdefault(key, NodeKind(call, needs, node_class))
    return found


def _nodes_behind(recording: BatchRecording, tensors: Sequence[Tensor]) -> list[OpNode]:
    """The nodes of the recorded function that these tensors come from, oldest first."""
    found: set[Any] = set()
    stack: list[Any] = [tensor._node for tensor in tensors if tensor.requires_grad]
    while stack:
        node = stack.pop()
        if node in found or node is None or node in recording.applied:
            continue
        if node not in recording.tape:
            if node.sequence > recording.started and not isinstance(node, (AccumulateGrad, _Input)):
                raise RuntimeError(
                    f"vmap: the gradient of {node.name()} cannot be batched: call what made it outside of vmap."
                )
            continue
        found.add(node)
        stack += [edge[0] for edge in node.edges if edge is not None]
    return sorted(found, key=lambda node: node.sequence)


def is_batched(tensor: Tensor) -> bool:
    """Whether a tensor stands for one element of a batch, which `vmap` records right now, and differs between them."""
    trace, value = local.trace, tensor._read()
    return isinstance(trace, BatchRecording) and value.trace is trace and trace.has_batch(value.slot)


def run_batched(
    function: Callable[..., Sequence[Tensor]], tensors: Sequence[Tensor], size: int, randomness: str
) -> list[tuple[Tensor, bool]]:
    """Calls `function` once for all elements of a batch.

    Args:
        function: takes one element of each of `tensors`; gives the tensors that it returns.
        tensors: each with the batch as its first dimension.

    Returns: what `function` returned for all, each with whether it has the batch as its first dimension.
    """
    values = [tensor._read() for tensor in tensors]
    with BatchRecording(size, randomness) as recording:
        elements = [recording.input(tensor, value) for tensor, value in zip(tensors, values, strict=True)]
        lifted = Lifted(recording, function(*elements))
    return lifted.run()
