"""A call on a whole batch: what `jax.vmap` makes of it, with the gradient that the call itself has.

The gradient of a batched call is the batched call of the gradient, so operations keep their own rules, edges included, and
second derivatives need nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau._core.block import Block, BlockBuilder
from flambeau._core.call import Call
from flambeau._core.declare import broadcast
from flambeau._core.gradient import Saving, backward_call, saving
from flambeau._core.value import Meta, meta_of

# Up to this size NumPy runs a call once for each element of the batch.
LOOP_LIMIT = 16


def batched_meta(meta: Meta, size: int) -> Meta:
    """The meta of `size` values like this, one after another along a new first dimension."""
    return meta_of((size, *meta.shape), meta.dtype, meta.device)


def batched(call: Call, pattern: tuple[bool, ...], size: int, summed: tuple[int, ...] = ()) -> Call:
    """The call for `size` inputs at once.

    Args:
        pattern: which inputs have the batch as their first dimension; the others are the same for all.
        summed: which results are added up over the batch; the others have it as their first dimension.
    """
    key = ("batched", pattern, size, summed)
    found = call.values.get(key)
    if found is None:
        found = call.values.setdefault(key, _build(call, pattern, size, summed))
    return found


def _build(call: Call, pattern: tuple[bool, ...], size: int, summed: tuple[int, ...]) -> Call:
    inputs = tuple(
        [batched_meta(m, size) if there else m for m, there in zip(call.inputs, pattern, strict=True)]
    )
    results = tuple(
        [meta if i in summed else batched_meta(meta, size) for i, meta in enumerate(call.results)]
    )
    pointwise = _is_pointwise(call)

    def run(xp: Any, arrays: Sequence[Any], numbers: Sequence[Any]) -> tuple[Any, ...]:
        if not any(pattern) or not size:
            found = _repeated(xp, call, arrays, numbers, pattern, size)
        elif pointwise:
            found = _broadcast(xp, call, arrays, numbers, pattern, size)
        elif xp is np:
            found = _looped(call, arrays, numbers, pattern, size)
        else:
            found = _mapped(call, arrays, numbers, pattern, size)
        return tuple(
            [
                result.sum(0, dtype=meta.np) if i in summed else result
                for i, (result, meta) in enumerate(zip(found, call.results, strict=True))
            ]
        )

    made = Call(
        call.name, run, inputs, results, call.device,
        numbers=call.numbers, dual=call.dual and (pointwise or size <= LOOP_LIMIT), cost=call.cost * max(size, 1),
    )  # fmt: skip
    name = call.stable_name()
    made.stable = None if name is None else repr(("batched", name, pattern, size, summed))
    made.values["gradient"] = _Gradient(call, pattern, size, summed)
    return made


def _is_pointwise(call: Call) -> bool:
    """Whether the call takes its inputs' elements one by one, as they stand side by side under broadcasting."""
    op = call.op
    return op is not None and op.pointwise and (op.shape is broadcast or len(call.inputs) == 1)


def _mapped(
    call: Call, arrays: Sequence[Any], numbers: Sequence[Any], pattern: Sequence[bool], size: int
) -> list[Any]:
    def once(*each: Any) -> list[Any]:
        results = call.run(jnp, each, numbers)
        return [jnp.asarray(result, meta.np) for result, meta in zip(results, call.results, strict=True)]

    axes = tuple([0 if there else None for there in pattern])
    return jax.vmap(once, in_axes=axes, axis_size=size)(*arrays)


def _looped(
    call: Call, arrays: Sequence[Any], numbers: Sequence[Any], pattern: Sequence[bool], size: int
) -> list[Any]:
    rows = [
        call.run_numpy([a[i] if there else a for a, there in zip(arrays, pattern, strict=True)], numbers)
        for i in range(size)
    ]
    return [np.stack(column) for column in zip(*rows, strict=True)]


def _broadcast(
    xp: Any, call: Call, arrays: Sequence[Any], numbers: Sequence[Any], pattern: Sequence[bool], size: int
) -> list[Any]:
    """Operations that act on each element by itself take the batch as they are, once dimensions are aligned."""
    ndim = max(len(meta.shape) for meta in call.inputs)
    aligned = [
        a.reshape((size, *(1,) * (ndim - len(meta.shape)), *meta.shape)) if there else a
        for a, there, meta in zip(arrays, pattern, call.inputs, strict=True)
    ]
    return [
        xp.asarray(result, meta.np).reshape((size, *meta.shape))
        for result, meta in zip(call.run(xp, aligned, numbers), call.results, strict=True)
    ]


def _repeated(
    xp: Any, call: Call, arrays: Sequence[Any], numbers: Sequence[Any], pattern: Sequence[bool], size: int
) -> list[Any]:
    """Without a batch among the inputs, or with an empty one, all results are alike, or there are none."""
    if not size:
        return [xp.zeros((0, *meta.shape), meta.np) for meta in call.results]
    return [
        xp.broadcast_to(xp.asarray(result, meta.np), (size, *meta.shape))
        for result, meta in zip(call.run(xp, arrays, numbers), call.results, strict=True)
    ]


class _Gradient:
    """The gradient of a batched call."""

    def __init__(self, call: Call, pattern: tuple[bool, ...], size: int, summed: tuple[int, ...]) -> None:
        self.call, self.pattern, self.size, self.summed = call, pattern, size, summed

    def saving(self, needs: tuple[bool, ...]) -> Saving:
        found = saving(self.call, needs)
        assert not set(found.outputs) & set(self.summed)
        return found

    def backward(self, needs: tuple[bool, ...], present: tuple[bool, ...]) -> Call:
        call, pattern = self.call, self.pattern
        backward = backward_call(call, needs, present)
        saved = saving(call, needs)
        own = (
            *[i not in self.summed for i, here in enumerate(present) if here],
            *[pattern[i] for i in saved.inputs],
            *[True for _ in saved.outputs],
        )
        wanted = [there for there, need in zip(pattern, needs, strict=True) if need]
        summed = tuple([i for i, there in enumerate(wanted) if not there])
        return batched(backward, own, self.size, summed)


class BatchedBlock:
    """A block on a batch: its calls that depend on the batch as batched calls, the others as they are.

    Args:
        block: the block, whose results are the `wanted` slots of the first one that needed computing.
        flags: for each slot of the first block, whether it has the batch.
    """

    __slots__ = ("block", "flags")

    def __init__(self, block: Block, flags: Sequence[bool]) -> None:
        self.block, self.flags = block, flags


def batch_block(block: Block, pattern: tuple[bool, ...], size: int) -> BatchedBlock:
    """The block for `size` inputs at once; `pattern` says which inputs have the batch."""
    key = ("batched", pattern, size)
    found = block.values.get(key)
    if found is None:
        found = block.values.setdefault(key, _batch_block(block, pattern, size))
    return found


def _batch_block(block: Block, pattern: tuple[bool, ...], size: int) -> BatchedBlock:
    builder = BlockBuilder()
    for meta, there in zip(block.inputs, pattern, strict=True):
        builder.input(batched_meta(meta, size) if there else meta)
    builder.numbers = block.numbers
    flags = list(pattern)
    for step in block.steps:
        own = tuple([flags[slot] for slot in step.inputs])
        call = batched(step.call, own, size) if any(own) else step.call
        # Slots are numbered alike in both blocks: inputs, then results in the order of the calls.
        builder.call(call, step.inputs, (step.floats, step.ints))
        flags += [any(own)] * len(step.outputs)
    made = Block("vmap", builder, block.outputs, block.device)
    return BatchedBlock(made, flags)
