"""Recording one call of a user's function, for `flambeau.compile`: nothing has happened afterwards.

A `Capture` notes where all that the call reads comes from, what it writes and which Python values it looks at; at its end
Python's side is what it was before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from flambeau._core.assigned import Assigned, put_state, state_of
from flambeau._core.autograd import OpNode
from flambeau._core.capture import Check, Recording
from flambeau._core.describe import WHERE, describe
from flambeau._core.function import FunctionNode
from flambeau._core.guards import Guards
from flambeau._core.node_kind import next_sequence
from flambeau._core.pack import PackedStorage
from flambeau._core.places import Renewal
from flambeau._core.program import Program, with_bases
from flambeau._core.pytree import containers_in
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import user_line
from flambeau._core.value import META, Value


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
        # Hooks that were registered on what may be from outside: the tensor or node, the kind, the table, the key.
        self.hooks: list[tuple[Any, str, dict[int, Any], int]] = []
        self.retained: list[Tensor] = []
        self._checking = False

    def __enter__(self) -> Self:
        # Nodes of the tape from here on are of the recorded function.
        self.first_node = next_sequence()
        return super().__enter__()

    def read_storage(self, storage: Storage) -> Value:
        if isinstance(storage, PackedStorage):
            written = self.writes.get(id(storage.pack.storage))
            if written is not None:
                return storage.pack.member(storage.number, written[1])
        value = super().read_storage(storage)
        if value.trace is not self and id(value) in self.reads and id(storage) not in self._own:
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

    def note_hook(self, owner: Any, kind: str, table: dict[int, Any], key: int) -> None:
        node = owner._node if isinstance(owner, Tensor) and kind == "gradient" else owner
        # Nodes of the call itself show their hooks when they are described.
        if not isinstance(node, OpNode | FunctionNode) or node.sequence < self.first_node:
            self.hooks.append((owner, kind, table, key))

    def note_state(self, generator: Any, state: Any, put: bool) -> None:
        if not put:
            self.draws.append((lambda drawn: generator.state_bytes(), state))
            return
        read = [
            number
            for number, (_, known) in enumerate(self.draws)
            if isinstance(known, np.ndarray) and np.array_equal(known, state)
        ]
        if read:  # one that the function read itself
            self.draws.append((lambda drawn: generator.set_state_bytes(drawn[read[-1]]), None))
        else:
            state = state.copy()
            self.draws.append((lambda drawn: generator.set_state_bytes(state), None))

    def note_retained(self, tensor: Tensor) -> None:
        self.retained.append(tensor)

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
        for _, _, table, key in self.hooks:
            table.pop(key, None)
        for tensor in self.retained:
            tensor._retains = False
            if tensor._node is not None and tensor._node.retained is not None:
                tensor._node.retained.pop(tensor._index, None)
        # The graph goes now, not when the garbage collector comes: nodes of leaves keep their hooks for as long as they live.
        self.hooks, self.retained = [], []
        self.tape.clear()
        self.gradients = {}  # nothing of the call keeps a gradient alive


def capture_call(
    function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], tensors: Sequence[Tensor]
) -> tuple[Program, list[Any]]:
    """Records one call, whose tensor arguments are `tensors`; the program, and the random numbers and states that it drew.

    Nothing has happened afterwards: running the program with these numbers is the call.
    Raises: what the function raises; RuntimeError for what cannot be recorded.
    """
    capture = Capture(with_bases(tensors))
    capture.guards.note_function(function)
    given = containers_in(args, kwargs)
    try:
        with capture:
            with capture.guards.watch():
                result = function(*args, **kwargs)
            capture.guards.forget_temporaries()
            capture.assigned = capture.guards.take_assigned(given)
            program = describe(capture, tensors, given, result)
            del result
    finally:
        capture.roll_back()
    changed = capture.guards.change()
    if changed:
        raise RuntimeError(
            f"{changed}: Python code that runs only while a function is compiled must not change what it finds. Keep "
            "counts and states in tensors (buffers), return results, or do this outside of the compiled function."
        )
    capture.guards.settle(given)
    return program, [value for _, value in capture.draws]
