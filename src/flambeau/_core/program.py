"""A call that was recorded once, and is done again without its Python: what `flambeau.compile` replays.

A `Capture` records one call with the sources of all that it reads: arguments, storages, gradients, random draws. What it did
becomes a `Program`: one block of calls, and what follows from it for Python's side (writes, gradients, results, the graph of
what is returned). Replaying gathers the present values, records the block as one call onto this thread's trace and does the
rest; so a replayed call is lazy, joins the segment around it and is run, cut and donated like anything else.
"""

from __future__ import annotations

import copy
import functools
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from flambeau._core import made_nodes
from flambeau._core.assigned import Assigned, put_state, state_of
from flambeau._core.autograd import AccumulateGrad, Node, OpNode, accumulator
from flambeau._core.capture import Check, Recording, Structure, structure_of
from flambeau._core.guards import Guards
from flambeau._core.modes import modes
from flambeau._core.node_kind import next_sequence, next_sequences
from flambeau._core.pack import PackedStorage
from flambeau._core.pytree import TreeSpec, tree_flatten, tree_unflatten
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import end_program, local, record, run_check, user_line
from flambeau._core.value import META, Meta, Value

WHERE = "inside a compiled function"

_new = object.__new__
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
        "_rebased",
        "_rebased_seen",
        "_made_at",
    }
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is found at each replay: `kind` says in which list, `at` which item; or `held`, the thing itself.

    Kinds of storages: "argument", "gradient", "made", "held"; of tensors: "argument", "made", "held"; of values: "storage"
    (held: the storage's place), "view" of an argument, "draw", "held".
    """

    kind: str
    at: int = -1
    held: Any = None


@dataclass(slots=True)
class Renewal:
    """Numbers that are asked for anew at each replay: an optimizer's options."""

    floats: int
    ints: int
    kinds: Any
    ask: Callable[[], tuple[list[Any], Any]]


class Capture(Recording):
    """The recording of one call, with where everything came from."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__(WHERE)
        self.guards = Guards()
        self.tensors = tensors
        self.states = [state_of(tensor) for tensor in tensors]
        # Views among the arguments are inputs themselves, wherever in their base they lie.
        self.views: dict[Any, tuple[Tensor, Value]] = {}
        for tensor in tensors:
            if tensor._views and tensor._meta.device is not META:
                self.views.setdefault((id(tensor._storage), tensor._views), (tensor, tensor._read()))
        self.holders: dict[int, list[Storage]] = {}  # by value: all storages that were read and held it
        self.versions: dict[int, tuple[Storage, int, int]] = {}
        self.gradients: dict[int, tuple[Tensor, Tensor | None]] = {}
        self.renewals: list[Renewal] = []
        self.looked_at: dict[int, Value] = {}
        self.assigned: list[Assigned] = []
        self._checking = False

    def __enter__(self) -> Self:
        # Nodes of the tape from here on are of the recorded function.
        self.first_node = next_sequence()
        return super().__enter__()

    def read_storage(self, storage: Storage) -> Value:
        if isinstance(storage, PackedStorage):
            written = self.writes.get(id(storage.pack.storage))
            if written is not None:
                return storage.of(written[1])
        value = super().read_storage(storage)
        if value.trace is not self and id(value) in self.reads:
            holders = self.holders.setdefault(id(value), [])
            if not any(holder is storage for holder in holders):
                holders.append(storage)
        return value

    def read_view(self, view: Tensor, base: Value) -> Value:
        known = self.views.get((id(view._storage), view._views))
        if known is not None and id(view._storage) not in self.writes:
            return known[1]
        return super().read_view(view, base)

    def allow_write(self, storage: Storage, value: Value) -> None:
        self.versions[id(storage)] = storage, storage.version, storage.hidden

    def check(self, value: Value, check: Callable[[Value], None], stalls: bool) -> None:
        self.checks.append(Check(value, check, user_line()))
        if value.trace is not self:
            self._checking = True
            try:
                self.outer.check(value, check, stalls)
            finally:
                self._checking = False

    def note_looked_at(self, value: Value) -> None:
        if not self._checking and not self.owns(value):
            self.looked_at[id(value)] = value

    def note_gradient(self, variable: Tensor) -> None:
        if variable._storage.value is None or not self.owns(variable._storage.value):
            self.gradients.setdefault(id(variable), (variable, variable._grad))

    def note_numbers(self, kinds: Any, ask: Callable[[], tuple[list[Any], Any]]) -> None:
        self.renewals.append(Renewal(len(self.floats), len(self.ints), kinds, ask))

    def note_options(self, options: dict[str, Any]) -> None:
        for mapping in getattr(options, "maps", (options,)):
            self.guards.note_mapping(mapping, "the options of a group of parameters")

    def roll_back(self) -> None:
        """Makes Python's side what it was before the call."""
        for assigned in self.assigned or self.guards.take_assigned():
            assigned.settle()
        for tensor, state in [*zip(self.tensors, self.states, strict=False), *self.guards.states.values()]:
            put_state(tensor, state)
        for storage, version, hidden in self.versions.values():
            storage.version, storage.hidden = version, hidden
        for variable, gradient in self.gradients.values():
            variable._grad = gradient


# -- what a call did -------------------------------------------------------------------------------


@dataclass(slots=True)
class _MadeTensor:
    """A tensor that each replay makes anew."""

    kind: type
    storage: Place
    state: dict[str, Any]
    node: Place | None
    base: Place | None
    since: tuple[
        int, int
    ]  # how often its base has a new history, and its storage was written to, since it was made


@dataclass(slots=True)
class _Changed:
    """A tensor from outside that is another one after the call: with another history, other sizes, other memory."""

    tensor: Place
    becomes: _MadeTensor
    rebased: int  # how often it was given a new history


@dataclass(slots=True)
class _MadeNode:
    """A node of the graph behind a result."""

    kind: type
    call: Any  # the NodeKind
    edges: list[tuple[Place, int] | None]
    saved: list[int] | None  # numbers of values
    numbers: Sequence[Any]
    guards: list[
        tuple[Place, int, int, int, Any]
    ]  # storage, version and hidden writes then, which output, views


class _FreedGraph:
    """A graph whose saved values were freed within the call that made it: each node is made when somebody asks for it.

    Args:
        nodes: how to make them.
        captured: what edges lead to that is not told by the edge's place alone, by the place's id.
    """

    def __init__(self, nodes: Sequence[_MadeNode], captured: dict[int, Any]) -> None:
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

    def _edges(self, made: _MadeNode) -> tuple[Any, ...]:
        return tuple([None if edge is None else (self._end(edge[0]), edge[1]) for edge in made.edges])

    def _end(self, place: Place) -> Node:
        if place.kind == "made":
            return self[place.at]
        captured = self._captured.get(id(place))
        if place.kind == "accumulate":
            return accumulator(place.held.held if captured is None else captured)
        return captured  # type: ignore[return-value]


@dataclass(slots=True)
class _Written:
    """A storage that the call wrote to."""

    storage: Place
    value: int
    versions: int
    hidden: int


class _Description:
    """Puts what a call did into words that hold for the next call as well.

    `tensors`: what the next call will have others of: arguments, what stood in the assigned places, and their bases.
    """

    def __init__(self, capture: Capture, tensors: Sequence[Tensor]) -> None:
        self.capture = capture
        self.values: list[Value] = []
        self._number: dict[int, int] = {}
        self.storages: list[tuple[int, int]] = []  # made anew: number of the value, version
        self.tensors: list[_MadeTensor] = []
        self.nodes: list[Any] = []
        # Hooks that the call put on its own nodes: of the node, before it, on its outputs.
        self.hooks: list[tuple[int, Any, Any, Any]] = []
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
        if (
            not self.is_made(tensor._storage)
            and not tensor._views
            and tensor._node is None
            and type(tensor) is not Tensor
        ):
            place = Place("held", held=tensor)  # a parameter
            self._keep(tensor, place)
            return place
        if tensor._hooks or tensor._post_hooks or tensor._retains:
            raise RuntimeError(
                f"A hook was registered {WHERE}, on a tensor that it returns: register it outside, on the result."
            )
        place = Place("made", len(self.tensors))
        self._keep(tensor, place)
        made = self._made(tensor)
        self.tensors.append(made)
        self._link(made, tensor)
        return place

    def _made(self, tensor: Tensor) -> _MadeTensor:
        base = tensor._base
        since = (
            0 if base is None else base._rebased - tensor._rebased_seen,
            tensor._storage.version - tensor._made_at,
        )
        state = {name: value for name, value in tensor.__dict__.items() if name not in _OWN_STATE}
        return _MadeTensor(type(tensor), self.storage(tensor._storage), state, None, None, since)

    def _link(self, made: _MadeTensor, tensor: Tensor) -> None:
        made.base = None if tensor._base is None else self.tensor(tensor._base)
        made.node = None if tensor._node is None else self.node(tensor._node)

    def changes(self) -> list[_Changed]:
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
            found.append(_Changed(place, made, tensor._rebased - before.get("_rebased", 0)))
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
        elif not (made_nodes.is_plain(node) if not isinstance(node, OpNode) else not node.packed) or any(
            reference() is not None for reference in (node.retained or {}).values()
        ):
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
            function = made_nodes.describe(node, self._edge, self)
            place = Place("made", len(self.nodes))
            self.nodes.append(function)
        else:
            place = Place("made", len(self.nodes))
            edges = [self._edge(edge) for edge in node.edges]
            saved = None if node.saved is None else [self.value(value) for value in node.saved]
            guards = []
            for storage, version, output, hidden, views in node.guards:
                guards.append((self.storage(storage), version, hidden, output, views))
            self.nodes.append(_MadeNode(type(node), node.kind, edges, saved, node.numbers, guards))
        self._keep(node, place)
        if node.hooks or node.prehooks or node.tensor_hooks:
            self.hooks.append((place.at, node.hooks, node.prehooks, node.tensor_hooks))

    def _edge(self, edge: Any) -> tuple[Place, int] | None:
        return None if edge is None else (self.node(edge[0]), edge[1])

    def _leaf(self, variable: Tensor) -> Place:
        """The place of a tensor whose gradient is accumulated: one from outside is that very tensor at each replay."""
        if id(variable) not in self._places and not self.is_made(variable._storage):
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


@dataclass(slots=True)
class Program:
    """What one call did, ready to be done again."""

    structure: Structure
    sources: list[Place]  # of the block's inputs
    numbers: list[Any]
    description: _Description
    written: list[_Written]
    new_gradients: list[tuple[int, Place | None]]  # of the noted variables, by number: the tensor, or None
    changed: list[_Changed]
    assigned: list[tuple[Assigned, list[Place]]]  # with the tensors that are put there
    kinds: Any  # of the tensors, where there are more than arguments
    results: list[Any]  # places of tensors, other leaves as they are
    spec: TreeSpec
    draws: list[tuple[Any, Meta]]
    checks: list[tuple[int, Any, Any]]  # number of the value, check, line
    looked_at: list[tuple[Place, Any]]
    alike: list[list[Place]]  # storages that hold one value
    lie: list[
        tuple[int, Any]
    ]  # views among the arguments into a base that is used as a whole, with their numbers
    floats: int
    renewals: list[Renewal]
    guards: Guards
    arms: bool
    freed: (
        list[Place] | None
    )  # of a graph that the call freed: ends that each replay has to look up; None: it is alive
    calls: int = 0
    versions: dict[Any, tuple[int, int]] = field(default_factory=dict)  # of held storages, before the call
    _inputs: list[tuple[Any, Place]] = field(init=False)

    def __post_init__(self) -> None:
        # Many are the values of storages that are known; they are read without a detour.
        self._inputs = [
            (place.held.held if place.kind == "storage" and place.held.kind == "held" else None, place)
            for place in self.sources
        ]

    # -- whether it still holds ------------------------------------------------------------------

    def change(self, tensors: Sequence[Tensor]) -> str:
        """What is different from when the call was recorded, in words; empty if nothing is."""
        if not self.guards.hold():
            return self.guards.change()
        if self.assigned:
            for assigned, _ in self.assigned:
                if assigned.now() is None:
                    return f"{assigned.words} is something else"
            tensors = self.all_tensors(tensors)
            if kinds_of(tensors) != self.kinds:
                return f"a tensor that was kept is of another kind: {self.assigned[0][0].words}"
        else:
            tensors = self.all_tensors(tensors)
        for place, meta in self.description.gradients:
            gradient = self._tensor(place, tensors, ())._grad
            now = None if gradient is None else gradient._meta
            if now is not meta:
                return f"a tensor's .grad was {meta} and is {now}"
        for number, lies in self.lie:
            if _where(tensors[number]) != lies:
                return "an argument that is written to lies elsewhere in its base"
        for places in self.alike:
            first, *others = [self._storage(place, tensors, ()).read() for place in places]
            if any(other is not first for other in others):
                return "tensors that were equal no longer are one value"
        for place, content in self.looked_at:
            if not np.array_equal(
                self._source(place, tensors, ()).numpy(), content, equal_nan=content.dtype.kind in "fc"
            ):
                return "the values of a tensor that the function looks at on the host"
        for renewal in self.renewals:
            if renewal.ask()[1] != renewal.kinds:
                return "an option of an optimizer that decides what its step does"
        return ""

    def equals(self, other: Program) -> bool:
        """Whether another call did the same."""
        return (
            self.structure.does_the_same(other.structure)
            and len(self.assigned) == len(other.assigned)
            and all(map(_is_same_source, self.sources, other.sources))
            and self._fixed_numbers() == other._fixed_numbers()
        )

    def difference(self, other: Program) -> str:
        """Where two calls differ, in words."""
        one, two = ([step.call.name for step in program.structure.block.steps] for program in (self, other))
        for number, (a, b) in enumerate(zip(one, two, strict=False)):
            if a != b:
                return f"operation {number} was {a} and is {b}"
        if len(one) != len(two):
            return f"there were {len(one)} operations and are {len(two)}"
        if self._fixed_numbers() != other._fixed_numbers():
            return "a Python number differs"
        return "it reads other tensors, or of other shapes"

    def _fixed_numbers(self) -> list[Any]:
        """The numbers that no replay asks for anew; as text, in which nan equals itself."""
        numbers = list(self.numbers)
        for place, _ in self._renewed():
            numbers[place] = None
        return [repr(number) for number in numbers]

    # -- doing it again --------------------------------------------------------------------------

    def run(self, tensors: Sequence[Tensor], drawn: Sequence[Value] | None = None) -> Any:
        """Does what the captured call did, with these tensors among its arguments."""
        trace = local.trace
        tensors = self.all_tensors(tensors)
        if trace.armed and modes.grad:
            trace.cut("a new step begins after backward")
        if drawn is None:
            drawn = [trace.draw(draw, meta) for draw, meta in self.draws]
        inputs = [
            (held.value if held.direct else held.read())
            if held is not None
            else self._source(place, tensors, drawn)
            for held, place in self._inputs
        ]
        found = record(self.structure.block, inputs, self._numbers()) if self.structure.block.steps else []
        values = self._values(inputs, found)
        for number, check, line in self.checks:
            value = values[number]
            if value.trace is None:
                run_check(value, check, line)
            else:
                trace.check_later(functools.partial(run_check, value, check, line))
        result = self._python_side(tensors, values)
        if self.arms:
            local.trace.armed = True
        elif not modes.grad and not modes.inside:
            end_program("a compiled function returns without grad")
        return result

    def all_tensors(self, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
        """The arguments, what stands in the assigned places, and their bases."""
        if self.assigned:
            tensors = [
                *tensors,
                *[tensor for assigned, _ in self.assigned for tensor in assigned.now() or ()],
            ]
        return with_bases(tensors)

    def _numbers(self) -> list[Any]:
        if not self.renewals:
            return self.numbers
        numbers = list(self.numbers)
        for place, number in self._renewed():
            numbers[place] = number
        return numbers

    def _renewed(self) -> Iterator[tuple[int, Any]]:
        """The numbers that are asked for anew, each with its place among all."""
        for renewal in self.renewals:
            at = {"f": renewal.floats, "i": self.floats + renewal.ints}
            for number in renewal.ask()[0]:
                kind = "f" if type(number) is float else "i"
                yield at[kind], number
                at[kind] += 1

    def _values(self, inputs: Sequence[Value], found: Sequence[Value]) -> list[Value]:
        block = self.structure.block
        by_slot = dict(enumerate(inputs)) | dict(zip(block.outputs, found, strict=True))
        return [by_slot[slot] for slot in self.structure.places]

    def _storage(self, place: Place, tensors: Sequence[Tensor], made: Sequence[Storage]) -> Storage:
        if place.kind == "held":
            return place.held  # type: ignore[no-any-return]
        if place.kind == "argument":
            return tensors[place.at]._storage
        if place.kind == "made":
            return made[place.at]
        return self._gradient(place.at, tensors)._storage  # type: ignore[no-any-return]

    def _gradient(self, number: int, tensors: Sequence[Tensor]) -> Any:
        return self._tensor(self.description.gradients[number][0], tensors, ())._grad

    def _source(self, place: Place, tensors: Sequence[Tensor], drawn: Sequence[Value]) -> Value:
        if place.kind == "storage":
            return self._storage(place.held, tensors, ()).read()
        if place.kind == "view":
            return tensors[place.at]._read()
        if place.kind == "draw":
            return drawn[place.at]
        return place.held  # type: ignore[no-any-return]

    def _python_side(self, tensors: Sequence[Tensor], values: Sequence[Value]) -> Any:
        description = self.description
        written = [self._storage(each.storage, tensors, ()) for each in self.written]
        held: dict[int, tuple[int, int]] = {}
        for storage, each in zip(written, self.written, strict=True):
            if self.freed is None:
                held[id(storage)] = storage.version, storage.hidden
            if storage.direct:
                storage.value = values[each.value]
                storage.epoch += 1
            else:
                storage.write(values[each.value])
            storage.version += each.versions
            if each.hidden:
                storage.hidden += each.hidden
        storages = []
        for number, version in description.storages:
            storage = Storage(values[number])
            if version:
                storage.version = version
            storages.append(storage)
        made = [self._made_tensor(tensor, tensors, storages) for tensor in description.tensors]
        nodes: Any = []
        if self.freed is not None:
            nodes = _FreedGraph(description.nodes, self._captured(tensors, made))
        else:
            for how_made in description.nodes:
                nodes.append(self._made_node(how_made, tensors, values, storages, made, nodes, held))
        for number, after, first, outputs in description.hooks:
            node = nodes[number]
            node.hooks, node.prehooks = copy.copy(after), copy.copy(first)
            node.tensor_hooks = {index: copy.copy(hooks) for index, hooks in (outputs or {}).items()} or None
        changes = [self._found(each, tensors, storages, made, nodes) for each in self.changed]
        for tensor, how in zip(made, description.tensors, strict=True):
            if how.node is not None:
                tensor._node = self._node(how.node, tensors, made, nodes)
        for change, tensor, storage, history in changes:
            tensor.__dict__.update(change.becomes.state)
            tensor._storage, tensor._node = storage, history
            tensor._value, tensor._seen = None, -1
            tensor._rebased += change.rebased
        becomes = [(tensor, change.becomes) for change, tensor, _, _ in changes]
        for tensor, how in [*zip(made, description.tensors, strict=True), *becomes]:
            if how.base is not None:
                tensor._base = self._tensor(how.base, tensors, made)
                tensor._rebased_seen = tensor._base._rebased - how.since[0]
                tensor._made_at = tensor._storage.version - how.since[1]
        for number, place in self.new_gradients:
            variable = self._tensor(description.gradients[number][0], tensors, ())
            variable._grad = None if place is None else self._tensor(place, tensors, made)
        for assigned, places in self.assigned:
            assigned.put([self._tensor(place, tensors, made) for place in places])
        return tree_unflatten(
            [self._tensor(leaf, tensors, made) if type(leaf) is Place else leaf for leaf in self.results],
            self.spec,
        )

    def _captured(self, tensors: Sequence[Tensor], made: Sequence[Tensor]) -> dict[int, Any]:
        """What the edges of a freed graph lead to in this replay, by the places' ids."""
        captured: dict[int, Any] = {}
        for place in self.freed or ():
            if place.kind == "argument":
                captured[id(place)] = tensors[place.at]._node
            else:
                captured[id(place)] = self._tensor(place.held, tensors, made)
        return captured

    def _found(
        self, changed: _Changed, tensors: Sequence[Tensor], storages: Sequence[Storage], made: Sequence[Tensor],
        nodes: Sequence[Node],
    ) -> tuple[_Changed, Tensor, Storage, Node | None]:  # fmt: skip
        """A tensor that changes, with its storage and node from then on: found before any of them changes."""
        how = changed.becomes
        history = None if how.node is None else self._node(how.node, tensors, made, nodes)
        return (
            changed,
            self._tensor(changed.tensor, tensors, made),
            self._storage(how.storage, tensors, storages),
            history,
        )

    def _made_tensor(
        self, made: _MadeTensor, tensors: Sequence[Tensor], storages: Sequence[Storage]
    ) -> Tensor:
        tensor: Any = _new(made.kind)
        tensor.__dict__.update(made.state)
        tensor._storage = self._storage(made.storage, tensors, storages)
        return tensor  # type: ignore[no-any-return]

    def _tensor(self, place: Place, tensors: Sequence[Tensor], made: Sequence[Tensor]) -> Any:
        if place.kind == "made":
            return made[place.at]
        if place.kind == "argument":
            return tensors[place.at]
        if place.kind == "gradient":
            return self._gradient(place.at, tensors)
        return place.held

    def _node(
        self, place: Place, tensors: Sequence[Tensor], made: Sequence[Tensor], nodes: Sequence[Node]
    ) -> Node:
        if place.kind == "made":
            return nodes[place.at]
        if place.kind == "argument":
            return tensors[place.at]._node  # type: ignore[return-value]
        return accumulator(self._tensor(place.held, tensors, made))

    def _made_node(
        self, made: Any, tensors: Sequence[Tensor], values: Sequence[Value], storages: Sequence[Storage],
        new: Sequence[Tensor], nodes: Sequence[Node], held: dict[int, tuple[int, int]],
    ) -> Node:  # fmt: skip
        if isinstance(made, made_nodes.MadeFunction):
            return made_nodes.make(  # type: ignore[no-any-return]
                made, lambda edge: self._edge(edge, tensors, new, nodes), lambda place: self._tensor(place, tensors, new),
                lambda place, version: self._guarded(place, version, 0, tensors, storages, held)[:2], values,
            )  # fmt: skip
        node: Any = _new(made.kind)
        node.kind, node.sequence = made.call, next_sequence()
        node.edges = tuple([
            None if edge is None else self._edge(edge, tensors, new, nodes) for edge in made.edges
        ])  # fmt: skip
        if made.numbers:
            node.numbers = made.numbers
        node.saved = None if made.saved is None else [values[number] for number in made.saved]
        guards = []
        for place, version, hidden, output, views in made.guards:
            storage, version, hidden = self._guarded(place, version, hidden, tensors, storages, held)
            guards.append((storage, version, output, hidden, views))
        if guards:
            node.guards = guards
        return node  # type: ignore[no-any-return]

    def _guarded(
        self, place: Place, version: int, hidden: int, tensors: Sequence[Tensor], storages: Sequence[Storage],
        held: dict[int, tuple[int, int]],
    ) -> tuple[Storage, int, int]:  # fmt: skip
        """A storage, and its version and hidden writes when the call had come as far as when these were noted."""
        storage = self._storage(place, tensors, storages)
        if place.kind != "made":
            # How many writes the call had made by then, on top of those before it.
            before = held.get(id(storage), (storage.version, storage.hidden))
            captured = self.versions.get(_place_key(place), (version, hidden))
            version, hidden = before[0] + version - captured[0], before[1] + hidden - captured[1]
        return storage, version, hidden

    def _edge(
        self,
        edge: tuple[Place, int],
        tensors: Sequence[Tensor],
        made: Sequence[Tensor],
        nodes: Sequence[Node],
    ) -> tuple[Node, int]:
        place, index = edge
        return self._node(place, tensors, made, nodes), index


def with_bases(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """The tensors, then those that they are views of and that are not among them."""
    bases: list[Tensor] = []
    for tensor in tensors:
        base = tensor._base
        if base is not None and not any(base is other for other in (*tensors, *bases)):
            bases.append(base)
    return [*tensors, *bases] if bases else tensors


def kinds_of(tensors: Sequence[Tensor]) -> list[Any]:
    """What of tensors decides which program serves: all but their values."""
    kinds: list[Any] = []
    seen: dict[int, int] = {}
    for number, tensor in enumerate(tensors):
        base = tensor._base
        if base is not None:
            tensor._refresh()
            kinds += (base._rg, base._node is None)
        kinds += (tensor._meta, tensor._rg, type(tensor), tensor._stride, tensor._node is None)
        # Which of them are one tensor, or share memory.
        kinds += (seen.setdefault(id(tensor), number), seen.setdefault(id(tensor._storage), number))
        if type(tensor) is not Tensor:
            kinds.append(id(tensor))
        if tensor._views:
            kinds += [call.id for call, _ in tensor._views]
    return kinds


def _is_same_state(before: dict[str, Any], now: dict[str, Any]) -> bool:
    for name in {*before, *now}:
        a, b = (state.get(name, getattr(Tensor, name, None)) for state in (before, now))
        if a is not b and not (isinstance(a, (int, str, tuple)) and type(a) is type(b) and a == b):
            return False
    return True


def _where(view: Tensor) -> Any:
    return [numbers for _, numbers in view._views]


def _place_key(place: Place) -> Any:
    return place.kind, place.at, id(place.held)


def _is_same_source(a: Place, b: Place) -> bool:
    if a.kind == b.kind == "held":  # a constant, made at each call
        return a.held.meta is b.held.meta and a.held.numpy().tobytes() == b.held.numpy().tobytes()
    return a == b


# -- capturing -------------------------------------------------------------------------------------


def capture_call(
    function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], tensors: Sequence[Tensor]
) -> tuple[Program, list[Value]]:
    """Records one call, whose tensor arguments are `tensors`; the program, and the random numbers that it drew.

    Nothing has happened afterwards: running the program with these numbers is the call.
    Raises: what the function raises; RuntimeError for what cannot be recorded.
    """
    capture = Capture(with_bases(tensors))
    capture.guards.note_function(function)
    try:
        with capture:
            with capture.guards.watch():
                result = function(*args, **kwargs)
            leaves, spec = tree_flatten(result)
            del result
            capture.guards.forget_temporaries()
            capture.assigned = capture.guards.take_assigned()
            program = _describe(capture, tensors, leaves, spec)
    finally:
        capture.roll_back()
    changed = capture.guards.change()
    if changed:
        raise RuntimeError(
            f"{changed}: Python code that runs only while a function is compiled must not change what it finds. Keep "
            "counts and states in tensors (buffers), return results, or do this outside of the compiled function."
        )
    capture.guards.settle()
    return program, [value for _, value in capture.draws]


def _ends_to_capture(nodes: Sequence[Any]) -> list[Place] | None:
    """The ends of a freed graph that are another node or tensor at each replay; None for one that is alive."""
    if any(isinstance(node, made_nodes.MadeFunction) or node.saved or node.guards for node in nodes):
        return None
    ends = {id(edge[0]): edge[0] for node in nodes for edge in node.edges if edge is not None}
    return [
        place for place in ends.values()
        if place.kind == "argument" or (place.kind == "accumulate" and place.held.kind != "held")
    ]  # fmt: skip


def _describe(capture: Capture, tensors: Sequence[Tensor], leaves: list[Any], spec: TreeSpec) -> Program:
    stood = [tensor for assigned in capture.assigned for tensor in assigned.before.tensors]
    everything = with_bases([*tensors, *stood])
    description = _Description(capture, everything)
    written = []
    for storage, value in capture.writes.values():
        _, version, hidden = capture.versions[id(storage)]
        written.append(
            _Written(
                description.storage(storage), description.value(value), storage.version - version, storage.hidden - hidden
            )
        )  # fmt: skip
    gradients: list[tuple[int, Place | None]] = []
    for number, (variable, gradient) in enumerate(list(capture.gradients.values())):
        if variable._grad is not gradient:
            now = variable._grad
            gradients.append((number, None if now is None else description.tensor(now)))
    results = [description.tensor(leaf) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
    assigned = [
        (each, [description.tensor(tensor) for tensor in each.after.tensors]) for each in capture.assigned
    ]
    changed = description.changes()
    checks = [(description.value(check.value), check.check, check.position) for check in capture.checks]
    structure = structure_of(capture, description.values)
    sources = [description.source(capture.leaves[number]) for number in structure.leaves]
    versions = {
        _place_key(description.storage(storage)): (version, hidden)
        for storage, version, hidden in capture.versions.values()
    }
    for tensor, state in description.states.values():  # as they were before the call
        put_state(tensor, state)
    kinds = kinds_of(everything) if capture.assigned else None
    used = {place.held.at for place in sources if place.kind == "storage" and place.held.kind == "argument"}
    used |= {each.storage.at for each in written if each.storage.kind == "argument"}
    shared = {id(everything[number]._storage) for number in used}
    program = Program(
        structure=structure, sources=sources, numbers=[*capture.floats, *capture.ints], description=description,
        written=written, new_gradients=gradients, changed=changed, assigned=assigned, kinds=kinds, results=results, spec=spec,
        draws=[(draw, value.meta) for draw, value in capture.draws], checks=checks,
        looked_at=[(description.source(value), np.array(value.numpy())) for value in list(capture.looked_at.values())],
        alike=[
            [description.storage(storage) for storage in holders]
            for holders in capture.holders.values() if len(holders) > 1
        ],
        lie=[
            (number, _where(tensor)) for number, tensor in enumerate(everything)
            if tensor._views and id(tensor._storage) in shared
        ],
        floats=len(capture.floats), renewals=capture.renewals, guards=capture.guards, arms=capture.armed,
        freed=None if description.hooks else _ends_to_capture(description.nodes), versions=versions,
    )  # fmt: skip
    # Names by id were for describing; what was made while recording is let go.
    description.values, description.capture = [], None  # type: ignore[assignment]
    description._number, description._places, description._kept = {}, {}, []
    description.states, description.known = {}, []
    return program
