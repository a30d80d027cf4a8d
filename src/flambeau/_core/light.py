"""Light segments: nothing but calls that take next to no time in NumPy, so all that is spared around them counts."""

from __future__ import annotations

import contextvars
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from flambeau._core import xla
from flambeau._core.call import Call

if TYPE_CHECKING:
    from flambeau._core.step import Step
    from flambeau._core.value import Value

# Up to this cost (elements touched) NumPy is quicker than the call of an executable.
TINY_COST = 4_000


# A context in which NumPy does not warn; entering it costs a quarter of `np.errstate`. Only who holds the flush lock enters it,
# and not twice: running an operation may flush.
_silence = contextvars.copy_context()
_silence.run(np.seterr, all="ignore")
_silent = False


def is_light(call: Call) -> bool:
    """Whether a call is quickest in NumPy: a view costs nothing there, whatever its size."""
    return call.dual and (call.cost <= TINY_COST or (call.op is not None and call.op.view))


class Light:
    """The steps of a light segment, as far as they can be worked out beforehand."""

    def __init__(self, steps: Sequence[Step], alive: Sequence[int]) -> None:
        self._alive = alive
        self._slots = max((slot for step in steps for slot in step.outputs), default=-1) + 1
        self._steps = [_prepared(step) for step in steps]

    def run(self, leaves: Sequence[Value], floats: Sequence[float], ints: Sequence[int]) -> list[Any]:
        """The values that are alive, from those of the leaves and the segment's numbers. The flush lock is held."""
        global _silent
        # Leaf `i` stands in slot `-1 - i`, so the leaves are at the list's end, the first one last.
        slots: list[Any] = [None] * self._slots
        for leaf in reversed(leaves):
            data = leaf.data
            if type(data) is not np.ndarray:
                data = data[0].part(data[1]) if type(data) is tuple else xla.host(data)
            slots.append(data)
        if _silent:
            self._run(slots, floats, ints)
        else:
            _silent = True
            try:
                _silence.run(self._run, slots, floats, ints)
            finally:
                _silent = False
        return [slots[slot] for slot in self._alive]

    def _run(self, slots: list[Any], floats: Sequence[float], ints: Sequence[int]) -> None:
        for run, inputs, output, outputs, dtypes, places in self._steps:
            numbers = [(floats if kind == "f" else ints)[at] for kind, at in places] if places else ()
            results = run(np, [slots[slot] for slot in inputs], numbers)
            if output is not None:
                result, dtype = results[0], dtypes[0]
                fits = type(result) is np.ndarray and result.dtype == dtype
                slots[output] = result if fits else np.asarray(result, dtype)
            else:
                for slot, result, dtype in zip(outputs, results, dtypes, strict=True):
                    fits = type(result) is np.ndarray and result.dtype == dtype
                    slots[slot] = result if fits else np.asarray(result, dtype)


def _prepared(step: Step) -> tuple[Any, ...]:
    """What running a step takes: its function, input slots, its output's slot if there is but one, all of them, the dtypes
    of its results, and for each number its kind and place.
    """
    at = {"f": step.floats, "i": step.ints}
    places = []
    for kind in step.call.numbers:
        places.append((kind, at[kind]))
        at[kind] += 1
    dtypes = tuple([meta.np for meta in step.call.results])
    single = step.outputs[0] if len(step.outputs) == 1 else None
    return step.call.run, step.inputs, single, step.outputs, dtypes, tuple(places)
