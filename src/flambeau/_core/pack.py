"""Many small tensors kept in one array: an optimizer's state.

Each array that goes into an executable or comes out of it costs about a microsecond, and each small kernel more than that.
So the state of many small parameters is one flat value, and the tensors that hold it read their part when someone looks.
Writing to one of them takes it out again.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from flambeau._core.block import Block, BlockBuilder
from flambeau._core.declare import Op
from flambeau._core.flat import Flat, Layout, layout_of, member_call, pack_call, split_call
from flambeau._core.remembered import Remembered
from flambeau._core.rows import Renew, call_for, note_numbers, numbers_among
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import local, record
from flambeau._core.value import CPU, Meta, Value


def may_begin() -> bool:
    """Whether packs may be made now: not while a function is recorded, whose every call would make them anew."""
    return not local.trace.records


class Pack:
    """The present value of several storages: their elements one after another, or one value that all have.

    Args:
        storages: those that become its members.
        value: their values joined, or the one value.
        layout: what lies where in it; None for one value.
    """

    def __init__(self, storages: Sequence[Storage], value: Value, layout: Layout | None) -> None:
        self.storage = Storage(value)
        self.layout = layout
        self.intact = True  # no member has left
        self._flat: Flat | None = None
        for number, storage in enumerate(storages):
            enter(storage, self, number)

    @classmethod
    def of(cls, tensors: Sequence[Tensor], same: bool = False) -> Pack:
        """The pack of these tensors' storages; `same` if all hold one value."""
        values = [tensor._read() for tensor in tensors]
        storages = [tensor._storage for tensor in tensors]
        if same:
            return cls(storages, values[0], None)
        metas = tuple([tensor._meta for tensor in tensors])
        return cls(storages, record(pack_call(metas), values)[0], layout_of(metas))

    @property
    def value(self) -> Value:
        return self.storage.read()

    def set(self, value: Value, writes: int = 1) -> None:
        """Gives all members their next values."""
        self.storage.write(value)
        self.storage.version += writes
        self._flat = None

    def member(self, number: int, whole: Value) -> Value:
        """A member's part of `whole`."""
        layout = self.layout
        if layout is None:
            return whole
        meta = layout.metas[number]
        if whole.trace is not None or meta.device is not CPU:
            return record(member_call(whole.meta, layout.starts[number], meta), (whole,))[0]
        flat = self._flat
        if flat is None or flat.owner is not whole:
            flat = self._flat = Flat(whole.known(), layout, whole)
        value = Value(meta)
        value.data = flat, number
        return value


class PackedStorage(Storage):
    """A storage whose value is a part of a pack's. It is found when somebody reads it, and kept for as long as that is held."""

    direct = False
    pack: Pack
    number: int
    seen: int  # the pack's epoch when it was read last
    kept: Callable[[], Value | None]
    apart: int  # writes that the other members had not

    @property
    def version(self) -> int:  # type: ignore[override]
        return self.pack.storage.version + self.apart

    @version.setter
    def version(self, version: int) -> None:
        self.apart = version - self.pack.storage.version

    def present(self) -> Value:
        storage = self.pack.storage
        epoch = storage.epoch
        value = self.kept() if self.seen == epoch else None
        if value is None or value.failure is not None:
            value = self.pack.member(self.number, storage.read())
            if self.seen != epoch:
                self.epoch += 1  # views must look again
            self.kept, self.seen = weakref.ref(value), epoch
        return value

    def write(self, value: Value) -> None:
        self.leave()
        Storage.write(self, value)

    def share_with_numpy(self) -> Any:
        self.leave()
        return Storage.share_with_numpy(self)

    def leave(self) -> None:
        """Makes this a storage with a value of its own, the present one."""
        value = self.read()
        self.value, self.__dict__["version"] = value, self.version
        self.pack.intact = False
        self.__class__ = Storage  # type: ignore[assignment]
        del self.pack, self.number, self.seen, self.kept, self.apart


def enter(storage: Any, pack: Pack, number: int, kind: type[PackedStorage] = PackedStorage) -> None:
    """Makes a storage with a value of its own a member of a pack.

    It keeps that value, for a thread that has just looked whether it is the present one.
    """
    apart = storage.version - pack.storage.version
    storage.__dict__.pop("version", None)
    storage.pack, storage.number, storage.seen, storage.kept, storage.apart = (
        pack,
        number,
        -1,
        _nothing,
        apart,
    )
    storage.__class__ = kind


def _nothing() -> None:
    """In the place of a reference to a value that is gone."""


def unpack(tensors: Sequence[Tensor]) -> None:
    """Takes all that are still in a pack out of it."""
    for tensor in tensors:
        storage = tensor._storage
        if isinstance(storage, PackedStorage):
            storage.leave()


# -- updates ---------------------------------------------------------------------------------------

_blocks: Remembered[Block] = Remembered(100)


def run_flat(
    op: Op, params: Sequence[Tensor], gradients: Sequence[Tensor], state: Sequence[Value | None], arguments: Sequence[Any],
    renew: Renew | None = None,
) -> tuple[list[Value], list[Value]]:  # fmt: skip
    """Records an elementwise `op(param, gradient, *state, *arguments)` on all parameters as one flat array.

    Gives the parameters' next values, and those of the state that there is. `renew` gives the arguments as they are now.
    """
    values = [param._read() for param in params]
    metas = tuple([value.meta for value in values])
    values += [gradient._read() for gradient in gradients]
    present = [value for value in state if value is not None]
    values += present
    state_metas = tuple([None if value is None else value.meta for value in state])
    numbers, kinds = numbers_among(op, 2 + len(state), arguments)
    key = (op, metas, state_metas, kinds)
    block = _blocks.find(key, lambda: _build(op, metas, state_metas, arguments, kinds))
    note_numbers(op, 2 + len(state), kinds, renew)
    found = record(block, values, numbers)
    return found[: len(params)], found[len(params) :]


def _build(
    op: Op, metas: tuple[Meta, ...], state: tuple[Meta | None, ...], arguments: Sequence[Any], kinds: Sequence[Any]
) -> Block:  # fmt: skip
    builder = BlockBuilder()
    params = [builder.input(meta) for meta in metas]
    gradients = [builder.input(meta) for meta in metas]
    kept = [builder.input(meta) for meta in state if meta is not None]
    pack = pack_call(metas)
    (flat,) = pack.results
    (param,) = builder.call(pack, params, (0, 0))
    (gradient,) = builder.call(pack, gradients, (0, 0))
    update = call_for(op, [flat, flat, *state], arguments, kinds)
    numbers_at = builder.add_numbers(update.numbers)
    new, *new_state = builder.call(update, [param, gradient, *kept], numbers_at)
    parts = builder.call(split_call(metas), [new], (0, 0))
    return Block(f"{op.name} of {len(metas)} small", builder, [*parts, *new_state], flat.device)
