"""Running a segment: call by call, in NumPy or from each call's own executable, or as compiled programs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np

from flambeau._core import xla
from flambeau._core.call import Call
from flambeau._core.plan import TINY_COST, Plan
from flambeau._core.trace import engine

# Up to this cost (elements touched) a call that has no executable yet runs in NumPy rather than wait for a compile.
NUMPY_COST = 8_000_000


class Programs:
    """One run of a segment's programs, which an interrupt (Ctrl-C) stops only between them.

    A program that took over an input's memory cannot run again, so what it gave is kept before Python gets to look at
    signals; `results` may then be called once more and goes on where it was.
    """

    def __init__(
        self, plan: Plan, arrays: Sequence[Any], dead: Sequence[int], floats: list[float], ints: list[int]
    ) -> None:
        self._plan = plan
        self._slots: dict[int, Any] = {-1 - i: array for i, array in enumerate(arrays)}
        self._free = {-1 - i for i in dead}
        self._floats, self._ints = np.array(floats, np.float64), np.array(ints, np.int64)
        self._found: list[list[Any]] = [[] for _ in plan.programs or ()]

    @property
    def begun(self) -> bool:
        """Whether a program has run, and may have given away what it was given."""
        return any(self._found)

    def results(self) -> list[Any]:
        slots = self._slots
        for (piece, program), found in zip(self._plan.programs or (), self._found, strict=True):
            if not found:
                arguments = [self._floats[slice(*piece.floats)], self._ints[slice(*piece.ints)]]
                arguments += [slots[slot] for slot in piece.inputs]
                for number in piece.donate:
                    slot = piece.inputs[number]
                    if slot < 0 and slot not in self._free:
                        # Somebody holds this time what could be given away before: the program gets a copy.
                        arguments[2 + number] = xla.copy(arguments[2 + number])
                with xla.x64():
                    # Without a step of Python's between the program's end and the keeping of its results.
                    found.extend(itertools.starmap(xla.native(program), (arguments,)))
            slots.update(zip(piece.outputs, found[0], strict=True))
        return [slots[slot] for slot in self._plan.alive]


def run_calls(
    plan: Plan, arrays: Sequence[Any], floats: list[float], ints: list[int], use_numpy: bool, pool: Executor
) -> list[Any]:  # fmt: skip
    """Call by call: NumPy where that is quick and allowed, else each call's own executable."""
    slots: dict[int, Any] = {-1 - i: array for i, array in enumerate(arrays)}
    if not engine.eager:
        _compile_ahead(plan, use_numpy, pool)
    with np.errstate(all="ignore"):
        for step in plan.steps:
            call = step.call
            numbers = call.unpack(floats, ints, [step.floats, step.ints]) if call.numbers else ()
            given = [slots[i] for i in step.inputs]
            if use_numpy and call.dual and _prefers_numpy(call):
                results: Any = call.run_numpy(given, numbers)
            else:
                results = _run_executable(call, given, numbers)
            if len(step.outputs) == 1:
                slots[step.outputs[0]] = results[0]
            else:
                slots.update(zip(step.outputs, results, strict=True))
            for slot in step.free:
                del slots[slot]
    return [slots[slot] for slot in plan.alive]


def _run_executable(call: Call, given: list[Any], numbers: Sequence[Any]) -> Any:
    packed = [n for k, n in zip(call.numbers, numbers, strict=True) if k == "f"]
    integers = [n for k, n in zip(call.numbers, numbers, strict=True) if k == "i"]
    return xla.call(call.program(), [np.array(packed, np.float64), np.array(integers, np.int64), *given])


def _prefers_numpy(call: Call) -> bool:
    if call.cost <= TINY_COST or engine.tier == 0:
        return True
    return call.executable is None and call.cost <= NUMPY_COST


def _compile_ahead(plan: Plan, use_numpy: bool, pool: Executor) -> None:
    """Starts the compiles that the walk through the calls would wait for, side by side."""
    missing = {}
    for step in plan.steps:
        call = step.call
        if call.executable is None and not (use_numpy and call.dual and _prefers_numpy(call)):
            missing[call.id] = call
    if missing:
        plan.note_compile()
    if len(missing) > 1:
        list(pool.map(Call.program, missing.values()))
