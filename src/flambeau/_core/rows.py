"""One operation on many rows of tensors, recorded as one block: the updates of all parameters of an optimizer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from flambeau._core.block import Block, BlockBuilder
from flambeau._core.call import Call
from flambeau._core.declare import Op
from flambeau._core.remembered import Remembered
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import local, record
from flambeau._core.value import Meta, Value

Row = Sequence[Tensor | None]
Renew = Callable[[], Sequence[Any]]

# With the number of results of each row.
_blocks: Remembered[tuple[Block, tuple[int, ...]]] = Remembered(200)


def run_rows(
    op: Op, rows: Sequence[Row], arguments: Sequence[Any], shared: bool = False, renew: Renew | None = None
) -> list[list[Value]]:
    """Records `op(*row, *arguments)` for each row; gives each row's results.

    Args:
        rows: the tensors of each row, all on one device, as many in each as the operation's first parameters take.
        arguments: the other arguments, the same for all rows: numbers and static values.
        renew: gives the arguments as they are now; a recording asks each time that it is replayed.
        shared: the last tensor of all rows is one value (a count of steps), and so is the last result.
    """
    width = len(rows[0])
    values: list[Value] = []
    metas: list[Meta | None] = []
    for row in rows:
        for tensor in row[:-1] if shared else row:
            if tensor is None:
                metas.append(None)
            else:
                value = tensor._read()
                values.append(value)
                metas.append(value.meta)
    if shared:
        value = rows[0][-1]._read()  # type: ignore[union-attr]
        values.append(value)
        metas.append(value.meta)
    numbers, kinds = numbers_among(op, width, arguments)
    key = (op, width, tuple(metas), kinds, shared)
    block, counts = _blocks.find(key, lambda: _build(op, width, metas, arguments, kinds, shared))
    note_numbers(op, width, kinds, renew)
    results = iter(record(block, values, numbers))
    if not shared:
        return [list(itertools.islice(results, count)) for count in counts]
    split = [list(itertools.islice(results, count - 1)) for count in counts]
    last = next(results)
    return [[*each, last] for each in split]


def note_numbers(op: Op, width: int, kinds: Any, renew: Renew | None) -> None:
    """Tells a recording, if there is one, that the numbers of the next call may change."""
    if renew is not None and not Storage.direct:
        local.trace.note_numbers(kinds, lambda: numbers_among(op, width, renew()))


def note_options(options: dict[str, Any], params: Sequence[Tensor], renewed: bool) -> None:
    """Tells a recording, if there is one, of options and gradients that an optimizer looks at."""
    if not Storage.direct:
        if not renewed:
            local.trace.note_options(options)
        for param in params:
            local.trace.note_gradient(param)


def numbers_among(op: Op, width: int, arguments: Sequence[Any]) -> tuple[list[Any], tuple[Any, ...]]:
    """The numbers among the arguments, and what the arguments mean for the structure."""
    numbers: list[Any] = []
    kinds: list[Any] = []
    for param, argument in zip(op.params[width:], arguments, strict=True):
        if param.role == "operand":
            numbers.append(argument)
            kinds.append(type(argument))
        else:
            kinds.append(None if argument is None and param.optional else param.convert(argument))
    return numbers, tuple(kinds)


def _build(
    op: Op,
    width: int,
    metas: Sequence[Meta | None],
    arguments: Sequence[Any],
    kinds: Sequence[Any],
    shared: bool,
) -> tuple[Block, tuple[int, ...]]:
    builder = BlockBuilder()
    slots = [None if meta is None else builder.input(meta) for meta in metas]
    common = [slots.pop()] if shared else []
    own = width - len(common)
    first: list[int] | None = None
    results: list[list[int]] = []
    numbers_at = (0, 0)
    for start in range(0, len(slots), own):
        row = [*slots[start : start + own], *common]
        call = call_for(op, [None if slot is None else builder.metas[slot] for slot in row], arguments, kinds)
        if first is None:
            numbers_at = builder.add_numbers(call.numbers)
        outputs = builder.call(call, [slot for slot in row if slot is not None], numbers_at)
        first = first or outputs
        results.append(outputs)
    outputs = [slot for each in results for slot in (each[:-1] if shared else each)]
    if shared:
        outputs.append(results[0][-1])
    device = builder.metas[0].device
    return Block(f"{op.name} of {len(results)}", builder, outputs, device), tuple(map(len, results))


def call_for(op: Op, metas: Sequence[Meta | None], arguments: Sequence[Any], kinds: Sequence[Any]) -> Call:
    """The call for one row, the same that recording it alone would make."""
    key = (*metas, *kinds)
    found = op.calls.get(key)
    if found is None:
        roles = [
            kind if param.role == "operand" else None
            for param, kind in zip(op.params[len(metas) :], kinds, strict=True)
        ]
        found = op.calls.setdefault(key, op.build([*metas, *arguments], [*metas, *roles]))
    return found
