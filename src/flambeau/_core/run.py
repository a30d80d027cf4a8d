"""Running a segment: call by call, in NumPy or from each call's own executable, or as compiled programs."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np

from flambeau._core import xla
from flambeau._core.call import Call
from flambeau._core.light import TINY_COST
from flambeau._core.plan import Plan
from flambeau._core.step import Step
from flambeau._core.trace import engine

# Up to this cost (elements touched) a call that has no executable yet runs in NumPy rather than wait for a compile.
NUMPY_COST = 8_000_000
# From this size on memory is given away from call to call: each pattern of what is given away is an executable of its own.
DONATED_BYTES = 1 << 20


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
        self._floats, self._ints = floats, ints
        self._found: list[list[Any]] = [[] for _ in plan.programs or ()]

    @property
    def begun(self) -> bool:
        """Whether a program has run, and may have given away what it was given."""
        return any(self._found)

    def results(self) -> list[Any]:
        slots = self._slots
        assert self._plan.form is not None
        for (piece, program), found in zip(self._plan.programs or (), self._found, strict=True):
            if not found:
                floats, ints = self._floats[slice(*piece.floats)], self._ints[slice(*piece.ints)]
                arguments = xla.numbers(floats, ints, piece.device)
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
        return [slots[slot] for slot in self._plan.form.results]


class Calls:
    """One run of a segment call by call: NumPy where that is quick and allowed, else each call's own executable.

    A large array that the call is the last to use is given away to it. From then on an interrupt comes when all is done:
    `results` may be called once more, and goes on where it was.
    """

    def __init__(
        self, plan: Plan, arrays: Sequence[Any], dead: Sequence[int], floats: list[float], ints: list[int], use_numpy: bool,
        pool: Executor,
    ) -> None:  # fmt: skip
        self._plan, self._pool = plan, pool
        self._slots: dict[int, Any] = {-1 - i: array for i, array in enumerate(arrays)}
        self._free = {-1 - i for i in dead}
        self._floats, self._ints = floats, ints
        self._use_numpy = use_numpy
        self._at = 0
        self._found: list[Any] = []  # the results of the call that is under way
        self.begun = False

    def results(self) -> list[Any]:
        if not engine.eager:
            self._compile_ahead()
        slots, steps, use_numpy = self._slots, self._plan.steps, self._use_numpy
        with np.errstate(all="ignore"):
            while self._at < len(steps):
                step = steps[self._at]
                call = step.call
                numbers: Sequence[Any] = ()
                if call.numbers:
                    numbers = call.unpack(self._floats, self._ints, [step.floats, step.ints])
                if use_numpy and call.dual and _prefers_numpy(call):
                    results: Any = call.run_numpy([slots[i] for i in step.inputs], numbers)
                else:
                    results = self._run_executable(step, numbers)
                if len(step.outputs) == 1:
                    slots[step.outputs[0]] = results[0]
                else:
                    slots.update(zip(step.outputs, results, strict=True))
                self._at += 1
                for slot in step.free:
                    del slots[slot]
        return [slots[slot] for slot in self._plan.alive]

    def _run_executable(self, step: Step, numbers: Sequence[Any]) -> Any:
        call, found = step.call, self._found
        if not found:
            floats = [n for k, n in zip(call.numbers, numbers, strict=True) if k == "f"]
            ints = [n for k, n in zip(call.numbers, numbers, strict=True) if k == "i"]
            donate = self._donated(step)
            program = call.program(donate)
            arguments = xla.numbers(floats, ints, call.device)
            arguments += [self._slots[i] for i in step.inputs]
            if not donate:
                return xla.call(program, arguments)
            for number in donate:
                if type(arguments[2 + number]) is np.ndarray:  # may be another's memory, or a view
                    arguments[2 + number] = xla.to_device(arguments[2 + number], call.device)
            self.begun = True
            with xla.x64():
                # Without a step of Python's between the program's end and the keeping of its results.
                found.extend(itertools.starmap(xla.native(program), (arguments,)))
        self._found = []
        return found[0]

    def _donated(self, step: Step) -> tuple[int, ...]:
        """The inputs whose memory a result can take over: large, dead afterwards, and of the result's shape and dtype."""
        call = step.call
        if call.nbytes < DONATED_BYTES:
            return ()
        wanted = list(call.results)
        donate = []
        for number, slot in enumerate(step.inputs):
            meta = call.inputs[number]
            if (
                meta in wanted and meta.nbytes >= DONATED_BYTES and slot in step.free and step.inputs.count(slot) == 1
                and (slot >= 0 or slot in self._free)
            ):  # fmt: skip
                wanted.remove(meta)
                donate.append(number)
        return tuple(donate)

    def _compile_ahead(self) -> None:
        """Starts the compiles that the walk through the calls would wait for, side by side."""
        missing = {}
        for step in self._plan.steps[self._at :]:
            call = step.call
            if call.executable is None and not (self._use_numpy and call.dual and _prefers_numpy(call)):
                donate = self._donated(step)
                if not donate or not call.has_program(donate):
                    missing[call.id, donate] = functools.partial(call.program, donate)
        if missing:
            self._plan.note_compile()
        if len(missing) > 1:
            list(self._pool.map(lambda compile: compile(), missing.values()))


def _prefers_numpy(call: Call) -> bool:
    if call.cost <= TINY_COST or engine.tier == 0:
        return True
    return call.executable is None and call.cost <= NUMPY_COST
