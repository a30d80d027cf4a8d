"""Python's side of a replay: writes, gradients, new tensors and the graph behind them, as the recorded call left them.

The calls on values are recorded before, as one block (`program.py`); here each object of Python's that the function would have
made or changed is made or changed.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flambeau._core import made_nodes
from flambeau._core.autograd import Node, Packed, accumulator, hook_table
from flambeau._core.made_objects import Anew
from flambeau._core.node_kind import next_sequence, next_sequences
from flambeau._core.places import Changed, Finder, MadeHook, MadeNode, MadeTensor, Place
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.value import Value

if TYPE_CHECKING:
    from flambeau._core.program import Program

_new = object.__new__


class Replay(Finder):
    """One replay of a program.

    Args:
        tensors: the arguments, what stands in the assigned places, and their bases.
        values: what was computed, by number.
        given: the containers among the arguments.
        drawn: random numbers, and states of their generators.
    """

    def __init__(
        self, program: Program, tensors: Sequence[Tensor], values: Mapping[int, Value], given: Sequence[Any],
        drawn: Sequence[Any],
    ) -> None:  # fmt: skip
        super().__init__(tensors, program.gradients)
        self._program, self._values, self._given, self._drawn = program, values, given, drawn
        self._storages: dict[int, Storage] = {}
        self._made: dict[int, Tensor] = {}
        self._nodes: Any = []
        # Versions and hidden writes before the call, where a graph that stays alive asks for them.
        self._before: dict[int, tuple[int, int]] = {}

    def run(self) -> Any:
        """Does everything; gives what the function returns."""
        program = self._program
        self._write()
        for number, (value, version) in program.storages.items():
            storage = self._storages[number] = Storage(self._values[value])
            if version:
                storage.version = version
        self._made = {number: self._make(tensor) for number, tensor in program.tensors.items()}
        for at, gradient in program.made_gradients:
            self._made[at]._grad = self.tensor(gradient)
        objects = program.objects
        tensors = [self.tensor(place) for place in objects.places]
        # Nothing that this holds leads to it: tensors are let go when the last reference is.
        anew = Anew(tensors, self._given, self._drawn, lambda number: self.node(objects.nodes[number]))
        self._make_nodes(anew)
        for hook in program.hooks:
            anew.handle(hook.key).put(self._hook_table(hook), anew(hook.function))
        self._link_tensors()
        for retaining in program.retaining:
            self.tensor(retaining).retain_grad()
        for number, place in program.new_gradients:
            variable = self.tensor(program.gradients[number][0])
            variable._grad = None if place is None else self.tensor(place)
        for assigned, places in program.assigned:
            assigned.put([self.tensor(place) for place in places], self._given)
        return anew(program.result)

    # -- places ------------------------------------------------------------------------------------

    def tensor(self, place: Place) -> Any:
        return self._made[place.at] if place.kind == "made" else super().tensor(place)

    def storage(self, place: Place) -> Storage:
        return self._storages[place.at] if place.kind == "made" else super().storage(place)

    def node(self, place: Place) -> Node:
        if place.kind == "made":
            return self._nodes[place.at]  # type: ignore[no-any-return]
        if place.kind == "argument":
            return self.tensors[place.at]._node  # type: ignore[return-value]
        return accumulator(self.tensor(place.held))

    def _edge(self, edge: tuple[Place, int]) -> tuple[Node, int]:
        return self.node(edge[0]), edge[1]

    # -- storages and tensors ----------------------------------------------------------------------

    def _write(self) -> None:
        program, values = self._program, self._values
        written = [self.storage(each.storage) for each in program.written]
        for storage, each in zip(written, program.written, strict=True):
            if program.freed is None:
                self._before[id(storage)] = storage.version, storage.hidden
            if storage.direct:
                storage.value = values[each.value]
                storage.epoch += 1
            else:
                storage.write(values[each.value])
            storage.version += each.versions
            if each.hidden:
                storage.hidden += each.hidden

    def _make(self, made: MadeTensor) -> Tensor:
        tensor: Any = _new(made.kind)
        tensor.__dict__.update(made.state)
        tensor._storage = self.storage(made.storage)
        return tensor  # type: ignore[no-any-return]

    def _link_tensors(self) -> None:
        """Gives tensors their history and their bases."""
        program = self._program
        changes = [self._found(each) for each in program.changed]
        made = [(self._made[number], how) for number, how in program.tensors.items()]
        for tensor, how in made:
            if how.node is not None:
                tensor._node = self.node(how.node)
        for change, tensor, storage, history in changes:
            tensor.__dict__.update(change.becomes.state)
            tensor._storage, tensor._node = storage, history
            tensor._value, tensor._seen = None, -1
            tensor._rebased += change.rebased
        for tensor, how in [*made, *[(tensor, change.becomes) for change, tensor, _, _ in changes]]:
            if how.base is not None:
                base = tensor._base = self.tensor(how.base)
                tensor._rebased_seen = base._rebased - how.since[0]
                tensor._made_at = tensor._storage.version - how.since[1]

    def _found(self, changed: Changed) -> tuple[Changed, Tensor, Storage, Node | None]:
        """A tensor that changes, with its storage and node from then on: found before any of them changes."""
        how = changed.becomes
        history = None if how.node is None else self.node(how.node)
        return changed, self.tensor(changed.tensor), self.storage(how.storage), history

    # -- the graph ---------------------------------------------------------------------------------

    def _make_nodes(self, anew: Anew) -> None:
        program = self._program
        if program.freed is not None:
            self._nodes = _FreedGraph(program.nodes, self._captured(program.freed))
        else:
            for made in program.nodes:
                self._nodes.append(self._make_node(made))
            for node, made in zip(self._nodes, program.nodes, strict=True):
                # Objects may lead to any node.
                if isinstance(made, made_nodes.MadeFunction):
                    made_nodes.fill(node, made, anew)
                elif made.packed:
                    node.packed = True
                    node.saved = [Packed(anew(packed), anew(unpack)) for packed, unpack in made.saved]

    def _hook_table(self, hook: MadeHook) -> dict[int, Any]:
        if hook.kind in ("gradient", "accumulated"):
            return hook_table(self.tensor(hook.place), hook.kind)
        return self.node(hook.place).hook_table(hook.kind, hook.index)

    def _captured(self, ends: Sequence[Place]) -> dict[int, Any]:
        """What the edges of a freed graph lead to in this replay, by the places' ids."""
        return {
            id(place): self.tensors[place.at]._node if place.kind == "argument" else self.tensor(place.held)
            for place in ends
        }

    def _make_node(self, made: Any) -> Node:
        if isinstance(made, made_nodes.MadeFunction):
            return made_nodes.make(  # type: ignore[no-any-return]
                made, self._edge, self.tensor, lambda place, version: self._guarded(place, version, 0)[:2], self._values
            )  # fmt: skip
        node: Any = _new(made.kind)
        node.kind, node.sequence = made.call, next_sequence()
        node.edges = tuple([None if edge is None else self._edge(edge) for edge in made.edges])
        if made.numbers:
            node.numbers = made.numbers
        if not made.packed:
            node.saved = None if made.saved is None else [self._values[number] for number in made.saved]
        guards = []
        for place, version, hidden, output, views in made.guards:
            storage, version, hidden = self._guarded(place, version, hidden)
            guards.append((storage, version, output, hidden, views))
        if guards:
            node.guards = guards
        return node  # type: ignore[no-any-return]

    def _guarded(self, place: Place, version: int, hidden: int) -> tuple[Storage, int, int]:
        """A storage, and its version and hidden writes when the call had come as far as when these were noted."""
        storage = self.storage(place)
        if place.kind != "made":
            # How many writes the call had made by then, on top of those before it.
            before = self._before.get(id(storage), (storage.version, storage.hidden))
            captured = self._program.versions.get(place.key, (version, hidden))
            version, hidden = before[0] + version - captured[0], before[1] + hidden - captured[1]
        return storage, version, hidden


class _FreedGraph:
    """A graph whose saved values were freed within the call that made it: each node is made when somebody asks for it.

    Args:
        nodes: how to make them.
        captured: what edges lead to that is not told by the edge's place alone, by the place's id.
    """

    def __init__(self, nodes: Sequence[MadeNode], captured: dict[int, Any]) -> None:
        self._nodes, self._captured = nodes, captured
        self._sequences = next_sequences(len(nodes))
        self._found: weakref.WeakValueDictionary[int, Node] = weakref.WeakValueDictionary()

    def __getitem__(self, number: int) -> Node:
        found = self._found.get(number)
        if found is None:
            made = self._nodes[number]
            node: Any = _new(made.kind)
            node.kind, node.sequence, node.saved = made.call, self._sequences[number], made.saved
            if made.numbers:
                node.numbers = made.numbers
            node.find_edges = functools.partial(self._edges, made)
            found = self._found.setdefault(number, node)
        return found

    def _edges(self, made: MadeNode) -> tuple[Any, ...]:
        return tuple([None if edge is None else (self._end(edge[0]), edge[1]) for edge in made.edges])

    def _end(self, place: Place) -> Node:
        if place.kind == "made":
            return self[place.at]
        captured = self._captured.get(id(place))
        if place.kind == "accumulate":
            return accumulator(place.held.held if captured is None else captured)
        return captured  # type: ignore[return-value]
