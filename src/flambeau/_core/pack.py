"""Many small tensors kept in one array: an optimizer's state.

Each array that goes into an executable or comes out of it costs about a microsecond, and each small kernel more than that.
So the state of many small parameters is one flat value, and the tensors that hold it read their part when someone looks.
Writing to one of them takes it out again.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from flambeau._core.block import Block, BlockBuilder
from flambeau._core.call import Call
from flambeau._core.declare import Op
from flambeau._core.flat import member_call, pack_call, split_call
from flambeau._core.remembered import Remembered
from flambeau._core.rows import Renew, call_for, note_numbers, numbers_among
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import local, record
from flambeau._core.value import Meta, Value


def may_begin() -> bool:
    """Whether packs may be made now: not while a function is recorded, whose every call would make them anew."""
    return not local.trace.records


class Pack:
    """The present value of several storages: their elements one after another, or one value that all have."""

    def __init__(self, tensors: Sequence[Tensor], same: bool = False) -> None:
        metas = [tensor._meta for tensor in tensors]
        values = [tensor._read() for tensor in tensors]
        value = values[0] if same else record(pack_call(tuple(metas)), values)[0]
        self.storage = Storage(value)
        self.intact = True  # no member has left
        starts = itertools.accumulate((meta.numel for meta in metas), initial=0)
        for tensor, meta, start in zip(tensors, metas, starts, strict=False):
            storage: Any = tensor._storage
            storage.__class__ = PackedStorage
            storage.pack, storage.seen, storage.direct = self, -1, False
            storage.part = None if same else member_call(value.meta, start, meta)

    @property
    def value(self) -> Value:
        return self.storage.read()

    def set(self, value: Value) -> None:
        """Gives all members their next values."""
        self.storage.write(value)


class PackedStorage(Storage):
    """A storage whose value is a part of a pack's."""

    pack: Pack
    part: Call | None
    seen: int

    def present(self) -> Value:
        storage = self.pack.storage
        if self.seen != storage.epoch or self.value.failure is not None:  # type: ignore[union-attr]
            self.value = self.of(storage.read())
            self.seen = storage.epoch
            self.epoch += 1  # views must look again
        return self.value  # type: ignore[return-value]

    def of(self, whole: Value) -> Value:
        """This storage's part of a pack's value."""
        return whole if self.part is None else record(self.part, (whole,))[0]

    def write(self, value: Value) -> None:
        self.leave()
        Storage.write(self, value)

    def share_with_numpy(self) -> Any:
        self.leave()
        return Storage.share_with_numpy(self)

    def leave(self) -> None:
        """Makes this a storage with a value of its own, the present one."""
        self.read()
        self.pack.intact = False
        self.__class__ = Storage  # type: ignore[assignment]
        del self.direct, self.pack, self.part, self.seen


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
