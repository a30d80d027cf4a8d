"""Parameters and gradients that pass from replay to replay joined: one array for all small ones, however many they are.

An optimizer updates its small parameters as one array (`pack.py`). A program that ends so takes them as this array and gives
the next one, and its gradients as another: Python's part of a replay does not grow with their number. The storages of both are
members of a pack, which find their value when somebody reads it. Who writes to one takes it out, and the next replay joins
them anew; who holds on to a gradient keeps it, and the next replay makes new ones.
"""

from __future__ import annotations

import itertools
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter, is_
from typing import Any

from flambeau._core import xla
from flambeau._core.flat import joined, layout_of, pack_call
from flambeau._core.pack import Pack, PackedStorage, enter
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import local, record
from flambeau._core.value import Meta, Value

_new = object.__new__
_gradient_of = attrgetter("_grad")
_apart_of = attrgetter("apart")
# The count of references to an object that only a list holds.
_UNHELD = next(map(sys.getrefcount, [object()]))


class JoinedStorage(PackedStorage):
    """A member of a pack that only replays use as a whole: a recorded function reads and writes the members."""

    def write(self, value: Value) -> None:
        if Storage.direct or not local.trace.takes_write(self, value):
            self.leave()
            Storage.write(self, value)
        else:
            self.epoch += 1


class JoinedParameters:
    """Storages that a program takes as one array, and writes to as one.

    Args:
        writes: how often autograd sees a replay write to each.
    """

    def __init__(self, storages: Sequence[Any], metas: tuple[Meta, ...], writes: int) -> None:
        self.storages, self.layout, self.writes = storages, layout_of(metas), writes
        self._pack: Pack | None = None

    def read(self) -> Value:
        """The present values as one; joined anew if one of them has left."""
        if self._pack is None or not self._pack.intact:
            self._pack = self._pack_of_another() or self._join()
        return self._pack.value

    def write(self, value: Value) -> None:
        """Gives all of them their next values; comes after `read`."""
        assert self._pack is not None
        self._pack.set(value, self.writes)

    def _pack_of_another(self) -> Pack | None:
        """The pack that another program has made of them."""
        first = self.storages[0]
        if type(first) is JoinedStorage and first.pack.layout is self.layout:
            members = [
                (type(each), each.__dict__.get("pack"), each.__dict__.get("number")) for each in self.storages
            ]
            if members == [(JoinedStorage, first.pack, number) for number in range(len(members))]:
                return first.pack
        return None

    def _join(self) -> Pack:
        layout = self.layout
        values = [storage.read() for storage in self.storages]
        for storage in self.storages:
            if isinstance(storage, PackedStorage):
                storage.leave()
        if any(value.trace is not None for value in values):
            (whole,) = record(pack_call(layout.metas), values)
        else:
            arrays = {number: value.known() for number, value in enumerate(values)}
            whole = Value(layout.meta)
            whole.data = xla.to_device(joined(arrays, layout), layout.meta.device)
        pack = Pack((), whole, layout)
        for number, storage in enumerate(self.storages):
            if whole.trace is None:  # rather than an array of its own, what a thread may still read
                storage.value = pack.member(number, whole)
            enter(storage, pack, number, JoinedStorage)
        return pack


class _Gradients:
    """Gradients with their storages, the members of a pack. All programs that make them share them."""

    def __init__(self, metas: Sequence[Meta], pack: _GradientsPack, version: int) -> None:
        self.pack, self.version = pack, version
        pack.gradients = weakref.ref(self)
        self.tensors: list[Tensor] = []
        self.storages: list[Any] = []
        for number, meta in enumerate(metas):
            storage: Any = _new(Storage)
            storage.value, storage.version = None, version
            enter(storage, pack, number, JoinedStorage)
            tensor = _new(Tensor)
            tensor._storage, tensor._meta = storage, meta
            self.storages.append(storage)
            self.tensors.append(tensor)
        self._states = [tensor.__dict__ for tensor in self.tensors]
        self._expected = list(self._attributes())

    def _attributes(self) -> Iterator[Any]:
        return itertools.chain(itertools.chain.from_iterable(map(dict.values, self._states)), (None,))

    def are_ours(self, attached: bool) -> bool:
        """Whether nobody else holds one of them, or anything of one, and they are as they were made.

        `attached`: they are the gradients of their variables now.
        """
        return (
            self.pack.intact
            and set(map(sys.getrefcount, self.tensors)) == {_UNHELD + attached}
            and set(map(sys.getrefcount, self.storages)) == {_UNHELD + 2}  # by the tensor and `_expected`
            and all(map(is_, self._attributes(), self._expected))
            and set(map(_apart_of, self.storages)) == {self.version}
            and not any(map(weakref.getweakrefcount, self.tensors))
        )


class JoinedGradients:
    """Gradients that a program makes as one array.

    Args:
        variables: whose they are.
        version: of their storages.
        before: whether the variables have gradients when the program begins.
    """

    def __init__(self, variables: Sequence[Tensor], version: int, before: bool) -> None:
        self.variables, self.version, self.before = variables, version, before
        self.metas = tuple([variable._meta for variable in variables])
        self.layout = layout_of(self.metas)
        self._last: _Gradients | None = None

    def hold(self) -> bool:
        """Whether the variables have gradients now, of their own sizes, as they had when the call was recorded."""
        if not self.before:
            return self._are_those_of(itertools.repeat(None))
        if self._last is not None and self._are_those_of(self._last.tensors):
            return True
        gradients = [variable._grad for variable in self.variables]
        return all(
            gradient is not None and gradient._meta is meta
            for gradient, meta in zip(gradients, self.metas, strict=True)
        )

    def write(self, value: Value) -> None:
        """Gives the variables gradients whose values are these joined: new tensors, as far as anybody can tell."""
        last, attached = self._last, self.before
        if attached and (last is None or not self._are_those_of(last.tensors)):
            last = self._last = self._gradients_of_another()
        if last is None or not last.are_ours(attached):
            last = self._last = _Gradients(self.metas, _GradientsPack((), value, self.layout), self.version)
            attached = False
        else:
            last.pack.set(value, 0)
        if not attached:
            for variable, gradient in zip(self.variables, last.tensors, strict=True):
                variable._grad = gradient

    def _are_those_of(self, gradients: Iterable[Tensor | None]) -> bool:
        return all(map(is_, map(_gradient_of, self.variables), gradients))

    def _gradients_of_another(self) -> _Gradients | None:
        """What the variables' gradients are, if another program has made them joined."""
        first = self.variables[0]._grad
        pack = None if first is None else first._storage.__dict__.get("pack")
        if not isinstance(pack, _GradientsPack) or pack.layout is not self.layout:
            return None
        found = pack.gradients()
        fits = found is not None and found.version == self.version and self._are_those_of(found.tensors)
        return found if fits else None


class _GradientsPack(Pack):
    gradients: Callable[[], _Gradients | None]
