"""A step: one call of a segment, as plans and programs have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flambeau._core.call import Call


@dataclass(slots=True)
class Step:
    """One call of a segment: the slots that it makes and reads, and where its numbers start."""

    outputs: tuple[int, ...]
    call: Call
    inputs: tuple[int, ...]
    floats: int
    ints: int
    free: list[int] | tuple[()] = ()  # slots nobody needs after this step


def useful(steps: Sequence[Step], alive: Sequence[int]) -> list[Step]:
    """The steps whose results matter for the slots `alive`, each with what may be dropped after it."""
    kept = set(alive)
    found: list[Step] = []
    for step in reversed(steps):
        if kept.isdisjoint(step.outputs):
            continue
        # Last use in program order is first use in this direction.
        free = []
        for slot in step.inputs + step.outputs:
            if slot not in kept:
                kept.add(slot)
                free.append(slot)
        found.append(replace(step, free=free))
    return found[::-1]
