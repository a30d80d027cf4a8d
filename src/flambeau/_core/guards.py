"""What a recorded function depends on besides its arguments: Python values that it may have looked at.

While a function is recorded, each Python function that runs shows its arguments, globals and closure. Of the objects
found there the scalars are noted, one level into lists and dicts, and which tensors and modules they hold. Before the
recording serves again all are compared: a change that no `__setattr__` sees (`model.config.x = 3`) counts as well.
"""

from __future__ import annotations

import gc
import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter, call, is_, itemgetter
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from flambeau._core.assigned import MISSING, SCALARS, Assigned, Variable, same, state_of
from flambeau._core.autograd import Node
from flambeau._core.pytree import children_of
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor

_CONTAINERS = (list, dict, tuple, set, frozenset)
_OPAQUE = (*SCALARS, type, ModuleType, BuiltinFunctionType, CodeType, Tensor, Node)
# Packages whose functions keep no settings of the user's.
_FOREIGN = sys.stdlib_module_names - {"__main__"} | {"jax", "jaxlib", "numpy", "ml_dtypes", "opt_einsum"}
# Containers with more items than this are data, not settings.
_LARGEST = 10_000


class Guards:
    """The noted values, and whether they are still the same."""

    def __init__(self) -> None:
        self._mappings: dict[int, _Mapping] = {}
        self._sequences: dict[int, _Sequence] = {}
        self._empty: dict[int, tuple[Any, str]] = {}
        # The tensors found there: with storage, whether they require grad and share memory with NumPy, and hooks; and as
        # they were when they were noted.
        self._tensors: list[tuple[Tensor, Storage, bool, bool, tuple[Any, ...]]] = []
        self.states: dict[int, tuple[Tensor, dict[str, Any]]] = {}
        self._free: dict[int, Tensor] = {}  # free variables and globals of the functions that ran
        self._cells: dict[int, tuple[Any, Any, str]] = {}
        self._codes: set[CodeType] = set()
        self._empties: list[Any] = []
        # By id: what was made while the function ran; whose the noted `__dict__`s are; and containers of scalars alone, which
        # may be older than the garbage collector thinks.
        self._made: set[int] = set()
        self._owners: dict[int, int] = {}
        self._untracked: set[int] = set()

    # -- noting ----------------------------------------------------------------------------------

    def watch(self) -> _Watch:
        """A context in which the Python functions that run are noted."""
        return _Watch(self)

    def note_frame(self, frame: FrameType) -> None:
        """Notes what a function that begins can see."""
        code, names = frame.f_code, frame.f_globals
        package, _, rest = names.get("__name__", "").partition(".")
        own = package == _PACKAGE
        if package in _FOREIGN or (own and not rest.startswith(("nn.modules.", "optim."))):
            return
        arguments = frame.f_locals
        count = min(code.co_argcount, 1) if own else code.co_argcount + code.co_kwonlyargcount
        for name in code.co_varnames[:count]:
            self.note_object(arguments.get(name), name)
        if own or code in self._codes:
            return
        self._codes.add(code)
        used = [name for name in code.co_names if name in names]
        if used:
            self._note_mapping(names, used, f"the global `{{}}` of {names.get('__name__')}")
        for held, name in [(names[name], name) for name in used] + [
            (arguments.get(name), name) for name in code.co_freevars
        ]:
            self.note_object(held, name)
            self._note_tensors((held,))
            if isinstance(held, Tensor):
                self._free[id(held)] = held
            if "param_groups" in code.co_names:  # options that are otherwise read afresh
                for group in getattr(held, "param_groups", ()):
                    self.note_mapping(group, "a group of parameters")

    def note_function(self, function: Any) -> None:
        """Notes the cells of a closure."""
        function = getattr(function, "__func__", function)
        if not isinstance(function, FunctionType):
            return
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            if id(cell) not in self._cells:
                try:
                    held = cell.cell_contents
                except ValueError:  # not yet filled
                    continue
                self._cells[id(cell)] = cell, held, name
                self.note_object(held, name)
                self._note_tensors((held,))
                self.note_function(held)

    def note_object(self, item: Any, name: str, deeper: bool = True) -> None:
        """Notes the scalars of an object's `__dict__`, or of a container; `deeper`, of the objects in it as well."""
        if isinstance(item, (*_OPAQUE, FunctionType)):
            return
        if isinstance(item, _CONTAINERS):
            self._note_container(item, name)
            return
        state = getattr(item, "__dict__", None)
        if type(state) is not dict or id(state) in self._mappings:
            return
        self._owners[id(state)] = id(item)
        kind = type(item).__name__
        held = {key: value for key, value in state.items() if isinstance(value, _CONTAINERS)}
        self._note_mapping(state, [key for key in state if key not in held or held[key]], f"`{{}}` of {kind}")
        self._mappings[id(state)].before = dict(state)
        self._note_tensors(state.values())
        for key, value in list(state.items()):
            if key in held:
                self._note_container(value, f"{key} of {kind}")
            elif deeper:
                self.note_object(value, key, deeper=False)

    def note_mapping(self, mapping: Mapping[str, Any], name: str) -> None:
        """Notes the entries of a dict that the function looks at after all."""
        self._note_container(mapping, name)

    def _note_container(self, container: Any, name: str) -> None:
        if len(container) > _LARGEST:
            return
        if not gc.is_tracked(container):
            self._untracked.add(id(container))
        if not container:
            if not isinstance(container, (tuple, frozenset)):
                self._empty[id(container)] = container, name
        elif isinstance(container, Mapping):
            if id(container) not in self._mappings:
                self._note_mapping(container, list(container), f"{{!r}} in {name}", len(container))
                self._mappings[id(container)].before = dict(container)
                self._note_tensors(container.values())
        elif isinstance(container, (list, tuple)) and id(container) not in self._sequences:
            self._sequences[id(container)] = _Sequence(container, name)
            self._note_tensors(container)

    def _note_mapping(
        self, mapping: Mapping[str, Any], keys: Sequence[Any], words: str, size: int = -1
    ) -> None:
        found = self._mappings.get(id(mapping))
        if found is None:
            self._mappings[id(mapping)] = _Mapping(mapping, keys, words, size)
        else:
            found.add(keys)

    def _note_tensors(self, items: Any) -> None:
        for item in items:
            if isinstance(item, Tensor) and id(item) not in self.states:
                self.states[id(item)] = item, state_of(item)

    def forget_temporaries(self) -> None:
        """Drops what was made while the function ran, and what lives on here alone: it cannot be looked at again."""
        tables: tuple[dict[int, Any], ...] = (self._mappings, self._sequences, self._empty)
        for table in tables:
            for key in [
                key
                for key in table
                if key not in self._untracked and self._owners.get(key, key) in self._made
            ]:
                del table[key]
        count = sys.getrefcount
        dropped = True
        while dropped:
            before = len(self._mappings), len(self._sequences), len(self._empty)
            noted_by_id: tuple[dict[int, Any], ...] = (self._mappings, self._sequences)
            for found in noted_by_id:
                for key, noted in list(found.items()):
                    if count(noted.held) <= 2:
                        del found[key]
            # Held by the dict's tuple, by `container`, and by the call.
            for key, (container, _) in list(self._empty.items()):
                if count(container) <= 3:
                    del self._empty[key]
            dropped = before != (len(self._mappings), len(self._sequences), len(self._empty))
        # Held here, in `states`, by `tensor`, and by the call.
        self._free = {key: tensor for key, tensor in self._free.items() if count(tensor) > 4}
        self._empties = [container for container, _ in self._empty.values()]

    def is_made(self, item: Any) -> bool:
        """Whether an object, one that lives now, was made while the function ran."""
        # What holds nothing but scalars may be unknown to the garbage collector, and is as good as new.
        return id(item) in self._made or (isinstance(item, _CONTAINERS) and not gc.is_tracked(item))

    # -- what the function puts there --------------------------------------------------------------

    def take_assigned(self, given: Sequence[Any] = ()) -> list[Assigned]:
        """Where the function put tensors; these places are compared no longer. `given` are containers among its arguments."""
        found = [
            *[each for noted in self._mappings.values() for each in noted.take()],
            *[Assigned(held, None, [], name) for held, name in self._empty.values() if type(held) is list and held],
        ]  # fmt: skip
        for held, name in self._empty.values():
            if isinstance(held, dict):
                found += [Assigned(held, key, MISSING, f"{key!r} in {name}") for key in held]
        for sequence in self._sequences.values():
            if type(sequence.held) is list and not sequence.holds():
                found.append(Assigned(sequence.held, None, sequence.expected, f"the list {sequence.name}"))
        for cell, held, name in self._cells.values():
            variable = Variable(cell)
            if not same(variable.get(None, MISSING), held):
                found.append(Assigned(variable, None, held, f"the variable `{name}`"))
        found = [assigned for assigned in found if assigned.holds_tensors]
        numbers = {id(container): number for number, container in enumerate(given)}
        for assigned in found:
            assigned.given = numbers.get(id(assigned.container))
            self._release(assigned)
        return found

    def _release(self, assigned: Assigned) -> None:
        """Compares a place no longer, nor the containers that stood there."""
        place = id(assigned.container)
        if type(assigned.container) is list:
            self._sequences.pop(place, None)
        elif isinstance(assigned.container, Variable):
            del self._cells[id(assigned.container.cell)]
        elif place in self._mappings:
            self._mappings[place].release(assigned.key)
        waiting = [assigned.stood]
        while waiting:
            found = children_of(waiting.pop())
            if found is not None:
                for each in found[2]:
                    self._sequences.pop(id(each), None)
                    self._mappings.pop(id(each), None)
                waiting += found[2]
        self._sequences.pop(id(assigned.stood), None)
        self._mappings.pop(id(assigned.stood), None)

    def settle(self, given: Sequence[Any]) -> None:
        """Keeps what is compared from now on, and nothing of the call, such as the containers that it was given."""
        for container in given:
            self._mappings.pop(id(container), None)
            self._sequences.pop(id(container), None)
            self._empty.pop(id(container), None)
        self._empties = [container for container, _ in self._empty.values()]
        found = {id(tensor): tensor for tensor in self.known_tensors()}
        self._tensors = [
            (tensor, tensor._storage, tensor._rg, tensor._storage.host is None, hooks_of(tensor))
            for tensor in found.values()
        ]
        self.states, self._free = {}, {}
        self._made, self._owners, self._untracked = set(), {}, set()
        for mapping in self._mappings.values():
            mapping.before = {}
        self._glance = _Glance(self._mappings.values(), self._sequences.values(), self._tensors)

    def known_tensors(self) -> Iterator[Tensor]:
        """The tensors that stand in the noted places."""
        for mapping in self._mappings.values():
            yield from [value for value in mapping.expected.values() if isinstance(value, Tensor)]
        for sequence in self._sequences.values():
            yield from [value for value in sequence.expected if isinstance(value, Tensor)]
        for _, held, _ in self._cells.values():
            if isinstance(held, Tensor):
                yield held
        yield from self._free.values()

    def storages(self) -> list[Storage]:
        """Those of the known tensors, once settled."""
        return [storage for _, storage, _, _, _ in self._tensors]

    # -- comparing -------------------------------------------------------------------------------

    def hold(self) -> bool:
        """Whether everything noted is as it was."""
        if any(self._empties):
            return False
        if not self._glance.finds_no_change():
            if not self._hold_one_by_one():
                return False
            self._glance.look()
        for cell, held, _ in self._cells.values():
            if cell.cell_contents is not held and not same(cell.cell_contents, held):
                return False
        return True

    def _hold_one_by_one(self) -> bool:
        for mapping in self._mappings.values():
            if not mapping.holds():
                return False
        for sequence in self._sequences.values():
            if not sequence.holds():
                return False
        for tensor, storage, requires_grad, alone, hooks in self._tensors:
            if tensor._storage is not storage or tensor._rg is not requires_grad:
                return False
            if (storage.host is None) is not alone:
                return False
            if (hooks or tensor._hooks or tensor._post_hooks) and hooks_of(tensor) != hooks:
                return False
        return True

    def change(self) -> str:
        """What has changed, in words; empty if nothing has."""
        return next(self._changes(), "")

    def _changes(self) -> Iterator[str]:
        for container, name in self._empty.values():
            if container:
                yield f"{name} was empty and is not"
        every: list[Any] = [*self._mappings.values(), *self._sequences.values()]
        for noted in every:
            if not noted.holds():
                yield noted.change()
        for tensor, storage, requires_grad, alone, hooks in self._tensors:
            if tensor._storage is not storage:
                yield "the memory of a tensor was replaced (`.data = ...`)"
            if tensor._rg is not requires_grad:
                yield f"requires_grad of a tensor was {requires_grad}"
            if (storage.host is None) is not alone:
                yield "a tensor's memory was or is shared with NumPy"
            if hooks_of(tensor) != hooks:
                yield "the hooks of a tensor"
        for cell, held, name in self._cells.values():
            if cell.cell_contents is not held and not same(cell.cell_contents, held):
                yield f"the variable `{name}`"


def hooks_of(tensor: Tensor) -> tuple[Any, ...]:
    """The hooks on a tensor's gradient and those after it is accumulated; empty, as nearly always, if there are none."""
    hooks, post_hooks = tensor._hooks or {}, tensor._post_hooks or {}
    return (*hooks.values(), None, *post_hooks.values()) if hooks or post_hooks else ()


class _Glance:
    """All that is noted, compared at once by identity. Nearly always nothing has changed; then no Python runs for each part."""

    def __init__(
        self, mappings: Iterable[_Mapping], sequences: Iterable[_Sequence], tensors: Sequence[Any]
    ) -> None:
        found = [mapping for mapping in mappings if mapping.get is not None]
        self._mappings = [each.held for each in found]
        self._getters: list[Any] = [each.get for each in found]
        lists = [sequence.held for sequence in sequences if type(sequence.held) is list]
        self._lists = lists
        self._sized = [*lists, *[mapping.held for mapping in mappings if mapping.size >= 0]]
        self._tensors = [tensor for tensor, *_ in tensors]
        self._storages = [storage for _, storage, *_ in tensors]
        # Hooks come and go without another dictionary.
        self._plain = all(tensor._hooks is None and tensor._post_hooks is None for tensor in self._tensors)
        # An entry that has to be missing.
        self._plain &= not any(value is MISSING for each in found for value in each.expected.values())
        self.look()

    def look(self) -> None:
        """Notes what there is, which is known to be as it has to be."""
        if self._plain:
            self._seen, self._sizes = list(self._all()), list(map(len, self._sized))

    def finds_no_change(self) -> bool:
        """Whether everything is the very same as at the last look; otherwise it has to be looked at one by one."""
        try:
            return (
                self._plain
                and list(map(len, self._sized)) == self._sizes
                and all(map(is_, self._all(), self._seen))
            )
        except KeyError:
            return False

    def _all(self) -> Iterator[Any]:
        each = itertools.chain.from_iterable
        entries, tensors = map(call, self._getters, self._mappings), map(_state_of, self._tensors)
        return itertools.chain(each(entries), each(self._lists), each(tensors), map(_host_of, self._storages))


_state_of = attrgetter("_storage", "_rg", "_hooks", "_post_hooks")
_host_of = attrgetter("host")


class _Mapping:
    """Entries of a dict; with `size`, all of them."""

    __slots__ = ("before", "expected", "get", "held", "size", "words")

    def __init__(self, mapping: Mapping[str, Any], keys: Sequence[Any], words: str, size: int) -> None:
        self.held, self.words, self.size = mapping, words, size
        self.expected: dict[Any, Any] = {}
        self.before: dict[Any, Any] = {}  # while the function is recorded: all entries
        self.add(keys)

    def add(self, keys: Sequence[Any]) -> None:
        for key in keys:
            if key not in self.expected:
                self.expected[key] = self.held.get(key, MISSING)
        self._keys_changed()

    def _keys_changed(self) -> None:
        keys = list(self.expected)
        # Gives a tuple of the entries, without any Python.
        self.get = itemgetter(*keys, keys[0]) if keys else None

    def take(self) -> Iterator[Assigned]:
        """The entries that are others than before."""
        before = self.before or self.expected
        for key in list(dict.fromkeys([*before, *(self.held if self.before else ())])):
            stood = before.get(key, MISSING)
            if not same(self.held.get(key, MISSING), stood):
                yield Assigned(self.held, key, stood, self.words.format(key))

    def release(self, key: Any) -> None:
        """Compares an entry no longer."""
        self.expected.pop(key, None)
        self._keys_changed()

    def holds(self) -> bool:
        if self.size >= 0 and len(self.held) != self.size:
            return False
        get = self.held.get
        return all(same(get(key, MISSING), value) for key, value in self.expected.items())

    def change(self) -> str:
        for key, value in self.expected.items():
            now = self.held.get(key, MISSING)
            if not same(now, value):
                return f"{self.words.format(key)} was {_shown(value)} and is {_shown(now)}"
        return f"{self.words.format('an entry')} is new"


class _Sequence:
    """The items of a list or tuple."""

    __slots__ = ("expected", "held", "name")

    def __init__(self, items: Sequence[Any], name: str) -> None:
        self.held, self.name = items, name
        self.expected = list(items)

    def holds(self) -> bool:
        if len(self.held) != len(self.expected):
            return False
        return all(map(is_, self.held, self.expected)) or all(map(same, self.held, self.expected))

    def change(self) -> str:
        return f"the list {self.name} changed"


def _shown(value: Any) -> str:
    if value is MISSING:
        return "missing"
    return repr(value) if isinstance(value, SCALARS) else f"a {type(value).__name__}"


_PACKAGE = __name__.partition(".")[0]


class _Watch:
    """Shows each Python function that begins on this thread to the guards, and then which objects were made meanwhile.

    A profiler or debugger that was there goes on. `cProfile`'s hook cannot be called from Python, so beside it the tracing hook
    serves. The garbage collector rests: what its callbacks and finalizers do is no part of the function.
    """

    def __init__(self, guards: Guards) -> None:
        self._guards = guards

    def __enter__(self) -> None:
        note = self._guards.note_frame
        self._collects = gc.isenabled()
        gc.disable()
        # The collector's youngest generation has what was made since it ran last. What is there already is held, so that
        # nothing new takes its id.
        self._young = gc.get_objects(generation=0)
        # Where the function itself collects, others' callbacks run: they are no part of it either.
        aside = {getattr(callback, "__code__", None) for callback in gc.callbacks}
        gc.callbacks.append(self._before_collection)
        profiler = sys.getprofile()
        self._traces = profiler is not None and not callable(profiler)
        previous: Any = sys.gettrace() if self._traces else profiler
        self._previous = previous

        def begun(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "call" and frame.f_code not in aside:
                note(frame)
            return None if previous is None else previous(frame, event, argument)

        if self._traces:
            sys.settrace(begun)
        else:
            sys.setprofile(begun)

    def __exit__(self, *error: object) -> None:
        if self._traces:
            sys.settrace(self._previous)
        else:
            sys.setprofile(self._previous)
        gc.callbacks.remove(self._before_collection)
        self._note_made()
        self._young = []
        if self._collects:
            gc.enable()

    def _before_collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":  # by the function, or on another thread
            self._note_made()

    def _note_made(self) -> None:
        self._guards._made.update(set(map(id, gc.get_objects(generation=0))).difference(map(id, self._young)))
