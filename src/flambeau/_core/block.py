"""A stretch of calls that is recorded as one: a whole backward pass, the updates of all parameters.

To the trace a `Block` is a call like any other, so recording it costs the same however many calls it holds. A plan takes it
apart again, so it runs, is compiled and cut at repeats as if its calls had been recorded one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp

from flambeau._core.call import Call
from flambeau._core.device import device as Device
from flambeau._core.value import Meta


class BlockStep(NamedTuple):
    """One call of a block: the block's slots that it reads and makes, and where its numbers start."""

    call: Call
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    floats: int
    ints: int


def run_steps(
    steps: Sequence[BlockStep], results: Sequence[int], arrays: Sequence[Any], floats: Any, ints: Any
) -> list[Any]:
    """The slots `results` after the steps have run on `arrays`, the first slots: a function for JAX to trace."""
    slots: dict[int, Any] = dict(enumerate(arrays))
    for step in steps:
        call = step.call
        found = call.run(
            jnp, [slots[i] for i in step.inputs], call.unpack(floats, ints, [step.floats, step.ints])
        )
        for slot, result, meta in zip(step.outputs, found, call.results, strict=True):
            slots[slot] = jnp.asarray(result, meta.np)
    return [slots[i] for i in results]


class Block(Call):
    """Calls in order, on slots of their own: first the block's inputs, then each call's results.

    `outputs` are the slots that are the block's results.
    """

    __slots__ = ("outputs", "steps")

    def __init__(self, name: str, builder: BlockBuilder, outputs: Sequence[int], device: Device) -> None:
        self.steps = tuple(builder.steps)
        self.outputs = tuple(outputs)
        super().__init__(
            name,
            self._run_steps,
            tuple(builder.metas[: builder.inputs]),
            tuple([builder.metas[slot] for slot in outputs]),
            device,
            numbers=builder.numbers,
            cost=sum(step.call.cost for step in self.steps),
        )

    def _run_steps(self, xp: Any, arrays: Sequence[Any], numbers: Sequence[Any]) -> tuple[Any, ...]:
        raise AssertionError("a plan takes blocks apart before it runs")


class BlockBuilder:
    """A block being put together."""

    __slots__ = ("inputs", "metas", "numbers", "steps")

    def __init__(self) -> None:
        self.metas: list[Meta] = []
        self.steps: list[BlockStep] = []
        self.numbers = ""
        self.inputs = 0

    def input(self, meta: Meta) -> int:
        """The slot of one more input; all inputs come before the first call."""
        assert not self.steps
        self.metas.append(meta)
        self.inputs += 1
        return self.inputs - 1

    def add_numbers(self, kinds: str) -> tuple[int, int]:
        """Where these numbers will stand among the block's: the place of their first float and of their first int."""
        at = self.numbers.count("f"), self.numbers.count("i")
        self.numbers += kinds
        return at

    def call(self, call: Call, inputs: Sequence[int], numbers_at: tuple[int, int]) -> list[int]:
        """Adds a call; gives the slots of its results."""
        outputs = list(range(len(self.metas), len(self.metas) + len(call.results)))
        self.metas += call.results
        self.steps.append(BlockStep(call, tuple(inputs), tuple(outputs), *numbers_at))
        return outputs
