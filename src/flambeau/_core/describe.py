"""What a recorded call did, in words that hold for the next call as well: a `Program` out of a `Capture`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from flambeau._core import made_nodes
from flambeau._core.assigned import put_state, state_of
from flambeau._core.autograd import AccumulateGrad, Node, OpNode
from flambeau._core.capture import structure_of
from flambeau._core.function import FunctionNode
from flambeau._core.made_nodes import MadeFunction
from flambeau._core.made_objects import MadeObjects
from flambeau._core.places import Changed, MadeHook, MadeNode, MadeTensor, Place, Written
from flambeau._core.program import Program, kinds_of, where, with_bases
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, Value

if TYPE_CHECKING:
    from flambeau._core.capture_call import Capture

WHERE = "inside a compiled function"

# What a tensor that is made anew at each replay does not take over from the captured one.
_OWN_STATE = frozenset(
    {
        "_storage",
        "_value",
        "_seen",
        "_node",
        "_base",
        "_grad",
        "_accumulator",
        "_hooks",
        "_post_hooks",
        "_rebased",
        "_rebased_seen",
        "_made_at",
    }
)


class _Description:
    """Puts what a call did into words that hold for the next call as well.

    `tensors`: what the next call will have others of: arguments, what stood in the assigned places, and their bases. `given`:
    containers among the arguments.
    """

    def __init__(self, capture: Capture, tensors: Sequence[Tensor], given: Sequence[Any]) -> None:
        self.capture = capture
        self.objects = MadeObjects(capture.guards.is_made, given, [drawn for _, drawn in capture.draws])
        self.values: list[Value] = []
        self._number: dict[int, int] = {}
        self.storages: list[tuple[int, int]] = []  # made anew: number of the value, version
        self.tensors: list[MadeTensor] = []
        self.nodes: list[Any] = []
        self.made_gradients: list[tuple[int, Place]] = []  # of tensors that are made
        self.retaining: list[Place] = []
        self.hooks: list[MadeHook] = []
        self._places: dict[int, Place] = {}
        self._kept: list[Any] = []  # what `_places` names by id lives
        self.states = {id(tensor): (tensor, state) for tensor, state in capture.guards.states.values()}
        self.states.update(
            {id(t): (t, state) for t, state in zip(capture.tensors, capture.states, strict=True)}
        )
        for number, tensor in reversed(list(enumerate(tensors))):
            state = self.states[id(tensor)][1] if id(tensor) in self.states else state_of(tensor)
            for part in (tensor, state["_storage"], state.get("_node")):
                if part is not None:
                    self._keep(part, Place("argument", number))
        # The storages of those that are the same at each call are found by identity; so are they themselves.
        self.known = [tensor for tensor in capture.guards.known_tensors() if id(tensor) not in self._places]
        for tensor in self.known:
            self._keep(tensor, Place("held", held=tensor))
        # With the meta of the gradient before the call.
        self.gradients: list[tuple[Place, Meta | None]] = []
        for number, (variable, gradient) in enumerate(capture.gradients.values()):
            place = self._places.get(id(variable)) or Place("held", held=variable)
            self.gradients.append((place, None if gradient is None else gradient._meta))
            if gradient is not None:
                self._places.setdefault(id(gradient._storage), Place("gradient", number))
                self._places.setdefault(id(gradient), Place("gradient", number))

    def value(self, value: Value) -> int:
        """The number of a value among the wanted ones."""
        number = self._number.get(id(value))
        if number is None:
            number = self._number[id(value)] = len(self.values)
            self.values.append(value)
        return number

    def is_made(self, storage: Storage) -> bool:
        return id(storage) in self.capture._own or (
            storage.value is not None and self.capture.owns(storage.value)
        )

    def storage(self, storage: Storage) -> Place:
        place = self._places.get(id(storage))
        if place is None:
            if self.is_made(storage):
                place = Place("made", len(self.storages))
                self.storages.append((self.value(storage.read()), storage.version))
            else:
                place = Place("held", held=storage)
            self._keep(storage, place)
        return place

    def tensor(self, tensor: Tensor) -> Place:
        place = self._places.get(id(tensor))
        if place is not None:
            return place
        if type(tensor) is not Tensor and not self.capture.guards.is_made(tensor):
            place = Place("held", held=tensor)  # a parameter
            self._keep(tensor, place)
            return place
        place = Place("made", len(self.tensors))
        self._keep(tensor, place)
        made = self._made(tensor)
        self.tensors.append(made)
        self._link(made, tensor)
        if tensor._grad is not None:
            self.made_gradients.append((place.at, self.tensor(tensor._grad)))
        if tensor._retains:
            self.retaining.append(place)
        return place

    def _made(self, tensor: Tensor) -> MadeTensor:
        base = tensor._base
        since = (
            0 if base is None else base._rebased - tensor._rebased_seen,
            tensor._storage.version - tensor._made_at,
        )
        state = {name: value for name, value in tensor.__dict__.items() if name not in _OWN_STATE}
        return MadeTensor(type(tensor), self.storage(tensor._storage), state, None, None, since)

    def _link(self, made: MadeTensor, tensor: Tensor) -> None:
        made.base = None if tensor._base is None else self.tensor(tensor._base)
        made.node = None if tensor._node is None else self.node(tensor._node)

    def changes(self) -> list[Changed]:
        """The tensors from outside that the call changed."""
        found = []
        for tensor, before in list(self.states.values()):
            place = self._places.get(id(tensor))
            now = state_of(tensor)
            if place is None or place.kind not in ("argument", "held") or _is_same_state(before, now):
                continue
            made = self._made(tensor)
            made.state = {
                name: now.get(name, getattr(Tensor, name, None))
                for name in (*before, *now)
                if name not in _OWN_STATE
            }
            self._link(made, tensor)
            found.append(Changed(place, made, tensor._rebased - before.get("_rebased", 0)))
        return found

    def node(self, node: Node) -> Place:
        """The place of a node, after those that it leads to."""
        place = self._places.get(id(node))
        if place is not None:
            return place
        stack: list[Node] = [node]
        while stack:
            current = stack[-1]
            if id(current) in self._places:
                stack.pop()
                continue
            waiting = [
                edge[0] for edge in current.edges if edge is not None and id(edge[0]) not in self._places
            ]
            if waiting:
                stack += waiting
                continue
            stack.pop()
            self._place_node(current)
        return self._places[id(node)]

    def _place_node(self, node: Node) -> None:
        if isinstance(node, AccumulateGrad):
            place = Place("accumulate", held=self._leaf(node.variable))
        elif not isinstance(node, OpNode | FunctionNode):
            raise RuntimeError(
                f"The graph of a result goes through {node.name()}, which has Python code of its own: call backward "
                "inside of the compiled function, or leave this part uncompiled."
            )
        elif node.sequence < self.capture.first_node:
            raise RuntimeError(
                f"The graph of a result goes on into one that was made before the call ({node.name()}): give the compiled "
                "function the tensors in question as arguments."
            )
        elif not isinstance(node, OpNode):
            # First what it kept, which may have a graph of its own.
            function = made_nodes.describe(node, self)
            place = Place("made", len(self.nodes))
            self.nodes.append(function)
        else:
            place = Place("made", len(self.nodes))
            edges = [self.edge(edge) for edge in node.edges]
            saved = None if node.saved is None else [self._saved(item, node) for item in node.saved]
            guards = []
            for storage, version, output, hidden, views in node.guards:
                guards.append((self.storage(storage), version, hidden, output, views))
            self.nodes.append(
                MadeNode(type(node), node.kind, edges, saved, node.packed, node.numbers, guards)
            )
        self._keep(node, place)
        if place.kind == "made":
            self._add_hooks(place, "after", 0, node.hooks)
            self._add_hooks(place, "before", 0, node.prehooks)
            for index, hooks in (node.tensor_hooks or {}).items():
                self._add_hooks(place, "output", index, hooks)

    def _saved(self, item: Any, node: OpNode) -> Any:
        if not node.packed:
            return self.value(item)
        words = f"what saved_tensors_hooks made for {node.name()}"
        return self.objects.add(item.packed, words), self.objects.add(item.unpacks, words)

    def _add_hooks(self, place: Place, kind: str, index: int, hooks: dict[int, Any] | None) -> None:
        for key, hook in (hooks or {}).items():
            self.hooks.append(MadeHook(place, kind, index, key, self.objects.add(hook, "a hook")))

    def outer_hooks(self) -> None:
        """Adds the hooks on what is from outside, and which tensors of it retain their gradients."""
        for owner, kind, table, key in self.capture.hooks:
            if key not in table:  # taken away again
                continue
            place = self._places.get(id(owner))
            if isinstance(owner, AccumulateGrad):
                place = self.node(owner)
            elif place is None and isinstance(owner, Tensor):
                if self.capture.guards.is_made(owner):
                    continue  # nobody has it
                place = Place("held", held=owner)
            if place is None:
                raise RuntimeError(
                    f"A hook was registered {WHERE} on a node of a graph that was made before the call ({owner.name()}): "
                    "register it outside."
                )
            self._add_hooks(place, kind, 0, {key: table[key]})
        for tensor in self.capture.retained:
            place = self._places.get(id(tensor))
            if place is not None and place.kind != "made":
                self.retaining.append(place)

    def edge(self, edge: Any) -> tuple[Place, int] | None:
        return None if edge is None else (self.node(edge[0]), edge[1])

    def _leaf(self, variable: Tensor) -> Place:
        """The place of a tensor whose gradient is accumulated: one from outside is that very tensor at each replay."""
        if id(variable) not in self._places and not self.capture.guards.is_made(variable):
            self._keep(variable, Place("held", held=variable))
        return self.tensor(variable)

    def _keep(self, item: Any, place: Place) -> None:
        self._places[id(item)] = place
        self._kept.append(item)

    def source(self, value: Value) -> Place:
        """Where an input of the block comes from."""
        for tensor, known in self.capture.views.values():
            if known is value:
                return Place("view", self._places[id(tensor)].at)
        for number, (_, drawn) in enumerate(self.capture.draws):
            if drawn is value:
                return Place("draw", number)
        holders = self.capture.holders.get(id(value))
        if holders:
            return Place("storage", held=self.storage(holders[0]))
        if self.capture.owns(value):
            return Place("held", held=value)
        raise RuntimeError(
            f"A value came {WHERE} from a graph that was made before the call: compute the loss inside of the compiled "
            "function, or leave `backward` outside."
        )


def describe(capture: Capture, tensors: Sequence[Tensor], given: Sequence[Any], result: Any) -> Program:
    """The program that does what was captured and returns this result. The capture still goes on.

    `tensors` are the arguments, `given` the containers among them.
    """
    stood = [tensor for assigned in capture.assigned for tensor in assigned.before.tensors]
    everything = with_bases([*tensors, *stood])
    description = _Description(capture, everything, given)
    objects = description.objects
    written = []
    for storage, value in capture.writes.values():
        _, version, hidden = capture.versions[id(storage)]
        written.append(
            Written(
                description.storage(storage), description.value(value), storage.version - version, storage.hidden - hidden
            )
        )  # fmt: skip
    gradients: list[tuple[int, Place | None]] = []
    for number, (variable, gradient) in enumerate(list(capture.gradients.values())):
        if variable._grad is not gradient:
            now = variable._grad
            gradients.append((number, None if now is None else description.tensor(now)))
    result = objects.add(result, "its result")
    objects.find_places(description.tensor, description.node)
    assigned = [
        (each, [description.tensor(tensor) for tensor in each.after.tensors]) for each in capture.assigned
    ]
    changed = description.changes()
    description.outer_hooks()
    objects.settle(description.tensor, description.node)
    checks = [(description.value(check.value), check.check, check.position) for check in capture.checks]
    structure = structure_of(capture, description.values)
    sources = [description.source(capture.leaves[number]) for number in structure.leaves]
    versions = {
        description.storage(storage).key: (version, hidden)
        for storage, version, hidden in capture.versions.values()
    }
    for tensor, state in description.states.values():  # as they were before the call
        put_state(tensor, state)
    kinds = kinds_of(everything) if capture.assigned else None
    used = {place.held.at for place in sources if place.kind == "storage" and place.held.kind == "argument"}
    used |= {each.storage.at for each in written if each.storage.kind == "argument"}
    shared = {id(everything[number]._storage) for number in used}
    looked_at = [
        (description.source(value), np.array(value.numpy())) for value in [*capture.looked_at.values()]
    ]
    alike = [
        [description.storage(storage) for storage in holders]
        for holders in capture.holders.values() if len(holders) > 1
    ]  # fmt: skip
    lie = [
        (number, where(tensor)) for number, tensor in enumerate(everything)
        if tensor._views and id(tensor._storage) in shared
    ]  # fmt: skip
    return Program(
        structure=structure, sources=sources, numbers=[*capture.floats, *capture.ints], floats=len(capture.floats),
        renewals=capture.renewals, draws=[(draw, getattr(value, "meta", None)) for draw, value in capture.draws],
        guards=capture.guards,
        gradients=description.gradients, looked_at=looked_at, alike=alike, lie=lie, assigned=assigned, kinds=kinds,
        checks=checks, written=written, new_gradients=gradients, changed=changed, storages=dict(enumerate(description.storages)),
        tensors=dict(enumerate(description.tensors)), nodes=description.nodes, hooks=description.hooks,
        made_gradients=description.made_gradients, retaining=description.retaining,
        freed=None if description.hooks else _ends_to_capture(description.nodes), versions=versions, objects=objects,
        result=result, arms=capture.armed,
    )  # fmt: skip


def _ends_to_capture(nodes: Sequence[Any]) -> list[Place] | None:
    """The ends of a freed graph that are another node or tensor at each replay; None for one that is alive."""
    if any(isinstance(node, MadeFunction) or node.saved or node.guards for node in nodes):
        return None
    ends = {id(edge[0]): edge[0] for node in nodes for edge in node.edges if edge is not None}
    return [
        place for place in ends.values()
        if place.kind == "argument" or (place.kind == "accumulate" and place.held.kind != "held")
    ]  # fmt: skip


def _is_same_state(before: dict[str, Any], now: dict[str, Any]) -> bool:
    for name in {*before, *now}:
        a, b = (state.get(name, getattr(Tensor, name, None)) for state in (before, now))
        if a is not b and not (isinstance(a, (int, str, tuple)) and type(a) is type(b) and a == b):
            return False
    return True
