"""Python objects that a recorded function made and that outlive it, taken apart so that each replay makes its own.

They are what the function returns, hooks, what is kept on `ctx` and what packs saved tensors. Containers, dataclasses, model
outputs, closures, bound methods: any object whose contents are attributes or those of a container. Nothing of its class runs, as
when it is copied. What was there before the call is the same object at each replay.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, SimpleNamespace
from typing import Any

import numpy as np

from flambeau._core.assigned import SCALARS, same
from flambeau._core.autograd import Node
from flambeau._core.handles import RemovableHandle
from flambeau._core.pytree import SUPPORTED_NODES, children_of
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.value import Value

# The builtin classes whose contents can be read, and put into a new object, whatever a class derived from them overrides.
_MAPPINGS = (OrderedDict, defaultdict, dict)
_FROM_CONTENTS = (tuple, frozenset)  # which cannot be filled later
_BASES = (*_MAPPINGS, *_FROM_CONTENTS, list, set, deque, SimpleNamespace, object)
_MADE_IN_PYTHON = 1 << 9  # the flag of classes that are no part of the interpreter
_ENGINE = tuple(f"{__name__.partition('.')[0]}.{part}." for part in ("_core", "_ops"))

Place = Callable[[Any], Any]


@dataclass(slots=True, eq=False)
class _Numbered:
    """What is found by its number at each call."""

    number: int


class _Leaf(_Numbered):
    """A tensor."""

    __slots__ = ()


class _Drawn(_Numbered):
    """The state of a random generator, among what was drawn."""

    __slots__ = ()


class _NodeLeaf(_Numbered):
    """A node of the graph."""

    __slots__ = ()


class _Handle(_Numbered):
    """The handle of a hook, by its key."""

    __slots__ = ()


class _Given(_Numbered):
    """A container that the call was given."""

    __slots__ = ()


@dataclass(slots=True, eq=False)
class _Part:
    """An object that is made anew, with parts in the places of what is in it.

    Args:
        kind: its class.
        base: the builtin class that holds its contents; None for a registered container.
        more: of a registered container, its context; else what its base needs to know besides the contents.
    """

    kind: Any
    base: Any
    contents: list[Any] = field(default_factory=list)
    more: Any = None
    attributes: dict[str, Any] | None = None
    slots: dict[str, Any] = field(default_factory=dict)


class MadeObjects:
    """Objects taken apart.

    Args:
        is_made: tells of an object whether the call made it.
        given: containers that the call was given; each call has its own.
        drawn: what was drawn: states of random generators are others at each call, too.

    >>> from types import SimpleNamespace
    >>> from flambeau._core.tensor import Tensor
    >>> objects = MadeObjects(lambda item: True, [], [])
    >>> part = objects.add(SimpleNamespace(sizes=[1, 2]), "result")
    >>> one, two = Anew([], [], [], {}), Anew([], [], [], {})
    >>> one(part), one(part) is one(part), two(part) is one(part)
    (namespace(sizes=[1, 2]), True, False)
    """

    def __init__(self, is_made: Callable[[Any], bool], given: Sequence[Any], drawn: Sequence[Any]) -> None:
        self._is_made = is_made
        self._given: dict[int, Any] = {id(each): _Given(number) for number, each in enumerate(given)}
        self._given |= {
            id(each): _Drawn(number) for number, each in enumerate(drawn) if isinstance(each, np.ndarray)
        }
        self.takes_given = False
        self._tensors: list[Tensor] = []
        self._nodes: list[Node] = []
        # Of the tensors and of the nodes.
        self.places: list[Any] = []
        self.nodes: list[Any] = []
        self._parts: dict[int, _Part] = {}
        self._kept: list[Any] = []  # what `_parts` names by id lives
        self._open: set[int] = set()  # registered containers that are being taken apart
        self._opaque: list[tuple[Any, str]] = []  # made by the call, but not to be taken apart

    def add(self, item: Any, words: str) -> Any:
        """The part that stands for an object; `words` say in messages what it is."""
        if isinstance(item, Tensor):
            self._tensors.append(item)
            return _Leaf(len(self._tensors) - 1)
        given = self._given.get(id(item))
        if given is not None:
            self.takes_given |= type(given) is _Given
            return given
        if isinstance(item, SCALARS) or not self._is_made(item):
            return item
        known = self._parts.get(id(item))
        if known is not None:
            return known
        if isinstance(item, Node):
            self._nodes.append(item)
            return self._keep(item, _NodeLeaf(len(self._nodes) - 1))
        kind = type(item)
        if kind is RemovableHandle:
            return self._keep(item, _Handle(item.id))
        take = _TAKE.get(kind)
        if take is not None:
            return take(self, item, words)
        if kind in _BASES:
            return self._take_object(item, kind, words)
        found = children_of(item)
        if found is not None:
            return self._take_container(item, found, words)
        base = None if kind.__module__.startswith(_ENGINE) else _base_of(kind)
        if base is None:
            self._opaque.append((item, words))
            self._keep(item, item)
            return item
        return self._take_object(item, base, words)

    def find_places(self, tensor: Place, node: Place) -> None:
        """Finds the places of the tensors and nodes. Looking for them may add more objects: those that a graph leads to."""
        while len(self.places) < len(self._tensors) or len(self.nodes) < len(self._nodes):
            if len(self.places) < len(self._tensors):
                self.places.append(tensor(self._tensors[len(self.places)]))
            else:
                self.nodes.append(node(self._nodes[len(self.nodes)]))

    def settle(self, tensor: Place, node: Place) -> None:
        """Keeps nothing of the call.

        Raises: RuntimeError, where a tensor of the call is in something that cannot be taken apart.
        """
        self.find_places(tensor, node)
        for item, words in self._opaque:
            self._refuse_tensors(item, words, tensor)
        self._tensors, self._nodes, self._parts, self._kept, self._opaque, self._given = (
            [],
            [],
            {},
            [],
            [],
            {},
        )

    # -- taking apart ----------------------------------------------------------------------------

    def _keep(self, item: Any, part: Any) -> Any:
        self._parts[id(item)] = part
        self._kept.append(item)
        return part

    def _take_container(self, item: Any, found: tuple[Any, Any, list[Any]], words: str) -> _Part:
        if id(item) in self._open:
            raise RuntimeError(f"A compiled function cannot make a container that holds itself ({words}).")
        self._open.add(id(item))
        kind, context, children = found
        contents = [self.add(child, f"{words}[{number}]") for number, child in enumerate(children)]
        return self._keep(item, _Part(kind, None, contents, context))  # type: ignore[no-any-return]

    def _take_object(self, item: Any, base: Any, words: str) -> Any:
        part: _Part = self._keep(item, _Part(type(item), base))
        if base in _MAPPINGS:
            keys = list(base.keys(item))
            shown = [repr(key) if isinstance(key, SCALARS) else "..." for key in keys]
            part.contents = [self.add(key, f"a key of {words}") for key in keys]
            part.contents += [
                self.add(base.__getitem__(item, key), f"{words}[{name}]")
                for key, name in zip(keys, shown, strict=True)
            ]
            part.more = item.default_factory if base is defaultdict else None
        elif base not in (object, SimpleNamespace):
            part.contents = [self.add(each, f"{words}[{n}]") for n, each in enumerate(base.__iter__(item))]
            part.more = item.maxlen if base is deque else None
            if part.kind in _FROM_CONTENTS and all(map(_is_fixed, part.contents)):
                return self._keep(item, item)
        if part.kind is not base or base is SimpleNamespace:
            state: Any = object.__getstate__(item)  # type: ignore[attr-defined]
            state, slots = state if isinstance(state, tuple) else (state, {})
            part.attributes = None if state is None else self._take_named(state, words)
            part.slots = self._take_named(slots, words)
        return part

    def _take_named(self, state: dict[str, Any], words: str) -> dict[str, Any]:
        return {name: self.add(value, f"{words}.{name}") for name, value in state.items()}

    def _take_function(self, item: FunctionType, words: str) -> Any:
        part = self._keep(item, _Part(FunctionType, FunctionType, more=item))
        part.contents = [self.add(cell, f"{words}, a closure") for cell in item.__closure__ or ()]
        part.attributes = {
            name: self.add(getattr(item, name), f"{words}, a function")
            for name in ("__defaults__", "__kwdefaults__", "__dict__")
        }
        if all(map(_is_fixed, part.contents)) and all(map(_is_fixed, part.attributes.values())):
            return self._keep(item, item)  # one is as good as another
        return part

    def _take_cell(self, item: CellType, words: str) -> _Part:
        part: _Part = self._keep(item, _Part(CellType, CellType))
        with contextlib.suppress(ValueError):  # an empty one
            part.contents = [self.add(item.cell_contents, words)]
        return part

    def _take_method(self, item: MethodType, words: str) -> _Part:
        contents = [self.add(item.__func__, words), self.add(item.__self__, words)]
        return self._keep(item, _Part(MethodType, MethodType, contents))  # type: ignore[no-any-return]

    def _take_partial(self, item: functools.partial[Any], words: str) -> _Part:
        contents = [self.add(each, words) for each in (item.func, *item.args)]
        part: _Part = self._keep(item, _Part(functools.partial, functools.partial, contents))
        part.attributes = self._take_named(item.keywords, words)
        return part

    def _take_reference(self, item: weakref.ref[Any], words: str) -> Any:
        target = item()
        if target is None:
            return item
        contents = [self.add(target, words), self.add(item.__callback__, words)]
        return self._keep(item, _Part(weakref.ref, weakref.ref, contents))

    def _refuse_tensors(self, item: Any, words: str, place: Place) -> None:
        waiting, seen = [item], {id(item)}
        while waiting:
            current = waiting.pop()
            if isinstance(current, Tensor):
                found = place(current).kind != "held"  # those that are the same at each call may stay
            else:
                found = isinstance(current, Storage | Value | Node)
            if found:
                raise RuntimeError(
                    f"A compiled function cannot make a {type(item).__name__} ({words}) for each call, with the tensors in it: "
                    "put tensors into containers, dataclasses or other objects with attributes."
                )
            if not isinstance(current, Tensor) and (current is item or self._is_made(current)):
                new = [each for each in gc.get_referents(current) if id(each) not in seen]
                seen.update(map(id, new))
                waiting += new


_TAKE: dict[type, Callable[[MadeObjects, Any, str], Any]] = {
    FunctionType: MadeObjects._take_function,
    CellType: MadeObjects._take_cell,
    MethodType: MadeObjects._take_method,
    functools.partial: MadeObjects._take_partial,
    weakref.ref: MadeObjects._take_reference,
}


def _is_fixed(part: Any) -> bool:
    return type(part) not in _LEAVES and (type(part) is not _Part or not _inside(part))


def _base_of(kind: Any) -> type | None:
    """The builtin class that makes the objects of a class; None if they hold what cannot be read."""
    for base in kind.__mro__:
        makes = isinstance(base.__dict__.get("__new__"), BuiltinFunctionType)
        if makes or not base.__flags__ & _MADE_IN_PYTHON:
            if base not in _BASES:
                return None
            try:
                base.__new__(kind)
            except TypeError:  # a class of an extension, whose objects only it can make
                return None
            return base  # type: ignore[no-any-return]
    return None


# -- making anew -----------------------------------------------------------------------------------


class Anew:
    """Makes the objects of one call, each once.

    Args:
        tensors, given, drawn: those of this call.
        node: finds a node by its number.
    """

    def __init__(
        self,
        tensors: Sequence[Tensor],
        given: Sequence[Any],
        drawn: Sequence[Any],
        node: Callable[[int], Node],
    ) -> None:
        self._tensors, self._given, self._drawn, self._node = tensors, given, drawn, node
        self._handles: dict[int, RemovableHandle] = {}
        self._made: dict[int, Any] = {}
        self._cells: list[tuple[CellType, Any]] = []  # to be filled

    def __call__(self, part: Any) -> Any:
        """The object that a part stands for."""
        if type(part) is _Leaf:  # as nearly always
            return self._tensors[part.number]
        made = self._make(part)
        while self._cells:
            cell, content = self._cells.pop()
            cell.cell_contents = self._make(content)
        return made

    def handle(self, key: int) -> RemovableHandle:
        """The handle of this call for the one that had this key."""
        found = self._handles.get(key)
        if found is None:
            found = self._handles[key] = RemovableHandle(OrderedDict())
        return found

    def _make(self, part: Any) -> Any:
        if type(part) is _Leaf:
            return self._tensors[part.number]
        if type(part) is not _Part:
            find = _LEAVES.get(type(part))
            return part if find is None else find(self, part)
        known = self._made.get(id(part))
        return _MAKE.get(part.base, Anew._object)(self, part) if known is None else known

    def _keep(self, part: _Part, new: Any) -> Any:
        self._made[id(part)] = new
        return new

    def _contents(self, part: _Part) -> list[Any]:
        return [self._make(each) for each in part.contents]

    def _container(self, part: _Part) -> Any:
        return self._keep(part, SUPPORTED_NODES[part.kind].unflatten_fn(self._contents(part), part.more))

    def _from_contents(self, part: _Part) -> Any:
        new = self._keep(part, part.base.__new__(part.kind, self._contents(part)))
        self._set_attributes(new, part)
        return new

    def _object(self, part: _Part) -> Any:
        base = part.base
        new = self._keep(part, base.__new__(part.kind))
        if part.contents or part.more is not None:
            _fill(new, base, self._contents(part), part.more)
        self._set_attributes(new, part)
        return new

    def _set_attributes(self, new: Any, part: _Part) -> None:
        if part.attributes is not None:
            new.__dict__.update({name: self._make(value) for name, value in part.attributes.items()})
        for name, value in part.slots.items():
            object.__setattr__(new, name, self._make(value))

    def _function(self, part: _Part) -> FunctionType:
        old: FunctionType = part.more
        new: FunctionType = self._keep(
            part,
            FunctionType(old.__code__, old.__globals__, old.__name__, closure=tuple(self._contents(part))),
        )
        for name in ("__qualname__", "__module__", "__doc__", "__annotations__"):
            setattr(new, name, getattr(old, name))
        for name, value in (part.attributes or {}).items():
            setattr(new, name, self._make(value))
        return new

    def _cell(self, part: _Part) -> CellType:
        new = CellType()
        self._cells += [(new, content) for content in part.contents]  # which may lead to the closure itself
        return self._keep(part, new)  # type: ignore[no-any-return]

    def _method(self, part: _Part) -> MethodType:
        function, owner = self._contents(part)
        return MethodType(function, owner)

    def _partial(self, part: _Part) -> Any:
        keywords = {name: self._make(value) for name, value in (part.attributes or {}).items()}
        function, *arguments = self._contents(part)
        return self._keep(part, functools.partial(function, *arguments, **keywords))

    def _reference(self, part: _Part) -> Any:
        return self._keep(part, weakref.ref(*self._contents(part)))


_MAKE: dict[Any, Callable[[Anew, _Part], Any]] = {
    None: Anew._container, tuple: Anew._from_contents, frozenset: Anew._from_contents, FunctionType: Anew._function,
    CellType: Anew._cell, MethodType: Anew._method, functools.partial: Anew._partial, weakref.ref: Anew._reference,
}  # fmt: skip


_LEAVES: dict[type, Callable[[Anew, Any], Any]] = {
    _Leaf: lambda anew, part: anew._tensors[part.number],
    _NodeLeaf: lambda anew, part: anew._node(part.number),
    _Given: lambda anew, part: anew._given[part.number],
    _Drawn: lambda anew, part: anew._drawn[part.number],
    _Handle: lambda anew, part: anew.handle(part.number),
}


def _fill(new: Any, base: Any, contents: list[Any], more: Any) -> None:
    """Puts its contents into a new object, past what its class overrides."""
    if base in _MAPPINGS:
        if base is defaultdict:
            new.default_factory = more
        count = len(contents) // 2
        for key, value in zip(contents[:count], contents[count:], strict=True):
            base.__setitem__(new, key, value)
    elif base is list:
        list.extend(new, contents)
    elif base is set:
        set.update(new, contents)
    else:
        deque.__init__(new, contents, more)


# -- comparing -------------------------------------------------------------------------------------


def difference(one: Any, two: Any, seen: set[int] | None = None) -> str:
    """Where two parts that were returned are not alike, in words; empty if nowhere."""
    seen = set() if seen is None else seen
    if type(one) is not _Part or type(two) is not _Part:
        is_alike = same(one, two) or (type(one) is type(two) and not isinstance(one, SCALARS))
        return "" if is_alike else _other(one, two)
    if id(one) in seen:
        return ""
    seen.add(id(one))
    if one.kind is not two.kind or len(one.contents) != len(two.contents):
        return _other(one, two)
    if [*(one.attributes or ()), *one.slots] != [*(two.attributes or ()), *two.slots]:
        return f"it returned {_shown(one)} with other attributes"
    pairs = zip(_inside(one), _inside(two), strict=True)
    return next((found for a, b in pairs if (found := difference(a, b, seen))), "")


def _other(one: Any, two: Any) -> str:
    return f"it returned {_shown(one)} and returns {_shown(two)}"


def _inside(part: _Part) -> list[Any]:
    return [*part.contents, *(part.attributes or {}).values(), *part.slots.values()]


def _shown(part: Any) -> str:
    if type(part) is _Leaf:
        return "a tensor"
    if type(part) is _Part:
        size = f" of {len(part.contents)}" if part.contents else ""
        return f"a {part.kind.__name__}{size}"
    return repr(part) if isinstance(part, SCALARS) else f"a {type(part).__name__}"
