"""Plans: what was learnt about one structure of trace, and the pieces it is cut into when it is compiled.

A long segment is cut where its sequence of calls repeats, so that equal pieces (layer after layer, parameter after
parameter) share one executable and compile time stays nearly flat in depth.
"""

from __future__ import annotations

import functools
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flambeau._core import recompiling, store, xla
from flambeau._core.block import Block, BlockStep, run_steps
from flambeau._core.call import Call, number_specs
from flambeau._core.flat import members_calls
from flambeau._core.light import TINY_COST, Light, is_light
from flambeau._core.loops import Loops, repetition
from flambeau._core.statistics import statistics
from flambeau._core.step import Step, useful
from flambeau._core.trace import engine, user_line
from flambeau._core.trial import Trial
from flambeau._core.value import Meta

if TYPE_CHECKING:
    from flambeau._core.form import Form

# A program has at most this many calls: compile time grows faster than their number.
PROGRAM_LIMIT = 300
# Of light calls, few of which differ, more are one program: XLA compiles equal kernels once, and what passes from program to
# program would cost more than the work. 1,500 calls of a chain of 200 layers compile in 3 s either way, and run in 4.3 ms, not 5.8.
LIGHT_LIMIT = 3000
LIGHT_KINDS = 100
# The longest stretch of calls that is looked at for a repetition.
LONGEST_PERIOD = 60
# A segment of no more than this many light calls is not compiled, unless its runs take longer than a program's call, and
# all together as long as a compile.
SMALL_SEGMENT = 10
SLOW_SECONDS = 60e-6
REPAID_SECONDS = 0.05


class Piece:
    """A stretch of steps that is one program; `inputs` and `outputs` are slots of the whole segment.

    Args:
        kept, donatable: slots that are needed afterwards; that are not, so their memory may be taken over.
        turned: slots whose arrays have their channels last between programs.
    """

    def __init__(
        self, steps: Sequence[Step], kept: set[int], donatable: set[int], metas: Mapping[int, Meta], turned: set[int]
    ) -> None:  # fmt: skip
        def meta_of_slot(slot: int) -> Meta:
            meta = metas[slot]
            return (
                meta.with_shape((meta.shape[0], *meta.shape[2:], meta.shape[1])) if slot in turned else meta
            )

        self.steps = steps
        # Calls may share numbers (all updates of an optimizer do), so their places do not always rise.
        first_float, first_int = min(step.floats for step in steps), min(step.ints for step in steps)
        self.floats = (first_float, max(step.floats + step.call.numbers.count("f") for step in steps))
        self.ints = (first_int, max(step.ints + step.call.numbers.count("i") for step in steps))
        made = {slot for step in steps for slot in step.outputs}
        self.inputs = tuple(dict.fromkeys(i for step in steps for i in step.inputs if i not in made))
        self.outputs = tuple(sorted(made & kept))
        # Inputs whose memory an output can take over: dead afterwards, and of an output's shape and dtype.
        wanted = [meta_of_slot(slot) for slot in self.outputs]
        donate = []
        for number, slot in enumerate(self.inputs):
            meta = meta_of_slot(slot)
            if slot in donatable and meta.numel and meta in wanted:
                wanted.remove(meta)
                donate.append(number)
        self.donate = tuple(donate)
        self.metas = tuple(meta_of_slot(slot) for slot in self.inputs)
        local = {slot: i for i, slot in enumerate(self.inputs)}
        for step in steps:
            for slot in step.outputs:
                local[slot] = len(local)
        self._body = [
            BlockStep(
                step.call, tuple(local[i] for i in step.inputs), tuple(local[i] for i in step.outputs),
                step.floats - first_float if "f" in step.call.numbers else 0,
                step.ints - first_int if "i" in step.call.numbers else 0,
            )
            for step in steps
        ]  # fmt: skip
        self._results = tuple(local[slot] for slot in self.outputs)
        self._turned_inputs = tuple(i for i, slot in enumerate(self.inputs) if slot in turned)
        self._turned_outputs = tuple(i for i, slot in enumerate(self.outputs) if slot in turned)
        # Equal pieces of any segment have equal keys and share their executable.
        self.key = (
            tuple((step.call.id, *_wiring(step)) for step in self._body),
            self.metas, self._results, self.donate, self._turned_inputs, self._turned_outputs,
        )  # fmt: skip
        self.device = steps[0].call.device
        self._channels_last = any(step.call.channels_last for step in steps)

    def function(self, floats: Any, ints: Any, *arrays: Any) -> list[Any]:
        """The piece as one function of arrays, for JAX to trace."""
        values = list(arrays)
        for i in self._turned_inputs:
            values[i] = xla.channels_second(values[i])
        results = run_steps(self._body, self._results, values, floats, ints)
        for i in self._turned_outputs:
            results[i] = xla.channels_at_end(results[i])
        return results

    def is_at_hand(self) -> bool:
        """Whether the executable is in memory or in the store."""
        return self.key in _programs or store.holds(self._stable_name)

    def executable(self, compiles: bool = True) -> Callable[..., Any] | None:
        """From memory, from the store, or compiled now; None if that is not wanted."""
        program = _programs.get(self.key)
        if program is not None:
            return program
        name = self._stable_name
        program = store.load(name)
        if program is None and not compiles:
            return None
        if program is None:
            started = time.perf_counter()
            specs = [
                *number_specs(self.floats[1] - self.floats[0], self.ints[1] - self.ints[0]), *map(xla.spec, self.metas)
            ]  # fmt: skip
            program = xla.compile_program(
                self.function, specs, self.device, tuple(i + 2 for i in self.donate), self._channels_last
            )
            statistics.compiled("segment", time.perf_counter() - started, len(self.steps))
            store.save(name, program)
        else:
            statistics.loaded()
        with _programs_lock:
            if len(_programs) > 4096:
                _programs.clear()
            return _programs.setdefault(self.key, program)

    @functools.cached_property
    def _stable_name(self) -> str | None:
        """The piece's structure in words that mean the same in another process; None if something has none."""
        words = [step.call.stable_name() for step in self._body]
        if any(word is None for word in words):
            return None
        wiring = [[*_wiring(step)] for step in self._body]
        turned = self._turned_inputs, self._turned_outputs
        return repr((words, wiring, self.metas, self._results, self.donate, turned, str(self.device)))


def _wiring(step: BlockStep) -> tuple[Any, ...]:
    return step.inputs, step.outputs, step.floats, step.ints


_programs: dict[Any, Any] = {}
_programs_lock = threading.Lock()


class Plan:
    """How a structure runs: its steps, what is alive, and its pieces once they are compiled."""

    def __init__(
        self, calls: list[Call], key: Sequence[int], leaves: tuple[Meta, ...], alive: tuple[int, ...]
    ) -> None:
        self.leaves, self.alive = leaves, alive
        self.device = calls[0].device
        self.restore(calls, key)
        self.seen = 0
        self.noted = False  # as compiled, for the warning about places that keep compiling
        self.future: Future[Any] | None = None
        self.programs: list[tuple[Piece, Any]] | None = None
        self.form: Form | None = None  # of the programs
        self.next_form: Form | None = None  # of those that are being compiled
        self.forms = 0  # how often programs were looked for
        # Whether it may be compiled.
        self.worthwhile = self.light is None or len(self.steps) > SMALL_SEGMENT
        self._seconds = 0.0
        self.trial = Trial()
        self._place: Any = None  # the user's line, with the operations; found when it is first asked for

    def restore(self, calls: list[Call], key: Sequence[int]) -> None:
        """Works out the steps, from the calls and the key of any trace of this structure."""
        self.steps = steps_of(calls, key, self.alive)
        self.light: Light | None = None
        if self.device.type == "cpu" and all(is_light(step.call) for step in self.steps):
            self.light = Light(self.steps, self.alive)

    def forget_steps(self) -> None:
        """Called after the first run. Most structures of a program whose shapes keep changing never come again.

        What they would keep is much for the memory and for Python's garbage collector.
        """
        if self.future is None and self.programs is None and not self.noted:
            self.steps, self.light = [], None

    def note_seconds(self, seconds: float) -> None:
        """Called after a run of a segment that is not worthwhile; it becomes so when the runs together took long."""
        self._seconds += seconds
        if self._seconds > REPAID_SECONDS and self._seconds > SLOW_SECONDS * self.seen:
            self.worthwhile = not engine.deterministic

    def place(self) -> Any:
        """Where in the user's program this runs, and what, for telling places that keep compiling; None if unknown."""
        if self._place is None:
            position = user_line()
            self._place = position and (position, frozenset([step.call.name for step in self.steps]))
        return self._place

    def sightings(self) -> int:
        """How often the structure has to come before it is compiled: more, where much was compiled already."""
        return recompiling.sightings(self.place())

    def note_compile(self) -> None:
        """Called when something is compiled for this plan."""
        if not self.noted:
            self.noted = True
            recompiling.note(self)

    def pieces(self, form: Form, dead: Sequence[int]) -> list[Piece]:
        """The segment as programs; `dead` are the leaves, as the form has them, that nobody else holds."""
        metas: dict[int, Meta] = {-1 - i: meta for i, meta in enumerate(form.leaves)}
        for step in form.steps:
            metas.update(zip(step.outputs, step.call.results, strict=True))
        metas.update((slot, layout.metas[part]) for slot, (_, layout, part) in form.members.items())
        if _is_light_program(form.steps) and self.device.type == "cpu":
            parts = [Loops(form.steps, form.members, form.results, metas).steps()]
        else:
            parts = [form.steps[start:end] for start, end in _cut([step.call.id for step in form.steps])]
        groups = [_with_members(form, steps, metas) for steps in parts]
        last_use = {
            slot: number for number, steps in enumerate(groups) for step in steps for slot in step.inputs
        }
        alive = set(form.results)
        turned = _turned(groups, metas, alive) if self.device.type == "cpu" else set()
        dead_slots = {-1 - i for i in dead}
        pieces = []
        for number, steps in enumerate(groups):
            kept = alive | {slot for slot, last in last_use.items() if last > number}
            donatable = {
                slot for slot, last in last_use.items()
                if last == number and slot not in alive and (slot >= 0 or slot in dead_slots)
            }  # fmt: skip
            pieces.append(Piece(steps, kept, donatable, metas, turned))
        return pieces

    def compile(self, pieces: Sequence[Piece]) -> list[tuple[Piece, Any]]:
        return [(piece, piece.executable()) for piece in pieces]

    def at_hand(self, pieces: Sequence[Piece]) -> list[tuple[Piece, Any]] | None:
        """What `compile` gives, if nothing has to be compiled for it."""
        if not all(piece.is_at_hand() for piece in pieces):
            return None
        found = [(piece, piece.executable(compiles=False)) for piece in pieces]
        return None if any(program is None for _, program in found) else found


def _with_members(form: Form, steps: Sequence[Step], metas: dict[int, Meta]) -> list[Step]:
    """The steps of one piece, after those that take the values which it reads out of flat arrays."""
    used: dict[int, int] = {}
    inside: dict[int, list[int]] = {}  # by the flat array's slot
    for slot in dict.fromkeys(slot for step in steps for slot in step.inputs if slot in form.members):
        inside.setdefault(form.members[slot][0], []).append(slot)
    free = itertools.count(max(metas) + 1)
    first: list[Step] = []
    for flat, slots in inside.items():
        layout = form.members[slots[0]][1]
        begin, takes = members_calls(layout, tuple([form.members[slot][2] for slot in slots]))
        starts = tuple(itertools.islice(free, len(slots)))
        calls: list[tuple[Call, tuple[int, ...], tuple[int, ...]]] = [(begin, starts, (flat,))]
        for take, slot, start in zip(takes, slots, starts, strict=True):
            used[slot] = next(free)
            calls.append((take, (used[slot],), (flat, start)))
        for call, outputs, inputs in calls:
            metas.update(zip(outputs, call.results, strict=True))
            first.append(Step(outputs, call, inputs, steps[0].floats, steps[0].ints))
    return first + [
        replace(step, inputs=tuple([used.get(slot, slot) for slot in step.inputs])) for step in steps
    ]


def _turned(groups: Sequence[Sequence[Step]], metas: Mapping[int, Meta], alive: set[int]) -> set[int]:
    """The images that pass from one program with convolutions to others: as these keep them, with their channels last."""
    with_images = [any(step.call.channels_last for step in steps) for steps in groups]
    made_in = {slot: number for number, steps in enumerate(groups) for step in steps for slot in step.outputs}
    turned, others = set(), set(alive)
    for number, steps in enumerate(groups):
        for slot in {slot for step in steps for slot in step.inputs}:
            if slot < 0 or made_in[slot] == number:
                continue
            if with_images[number] and with_images[made_in[slot]] and len(metas[slot].shape) > 2:
                turned.add(slot)
            else:
                others.add(slot)
    return turned - others


def steps_of(calls: list[Call], key: Sequence[int], alive: tuple[int, ...]) -> list[Step]:
    """The calls whose results matter, in order, with what they read and what may be dropped after them."""
    steps: list[Step] = []
    floats = ints = slot = position = 0
    hidden = itertools.count(sum(len(call.results) for call in calls))  # slots for what stays inside a block
    for call in calls:
        start = position + 1
        position = start + len(call.inputs)
        inputs = tuple(key[start:position])
        outputs = tuple(range(slot, slot + len(call.results)))
        slot += len(call.results)
        if isinstance(call, Block):
            steps += _taken_apart(call, inputs, outputs, floats, ints, hidden)
        else:
            steps.append(Step(outputs, call, inputs, floats, ints))
        if call.numbers:
            floats += call.numbers.count("f")
            ints += call.numbers.count("i")
    return useful(steps, alive)


def _taken_apart(
    block: Block, inputs: Sequence[int], outputs: Sequence[int], floats: int, ints: int, hidden: Iterator[int]
) -> list[Step]:
    """A block's calls as steps of the segment."""
    slots = dict(enumerate(inputs)) | dict(zip(block.outputs, outputs, strict=True))
    steps = []
    for step in block.steps:
        for slot in step.outputs:
            if slot not in slots:
                slots[slot] = next(hidden)
        steps.append(
            Step(
                tuple(slots[slot] for slot in step.outputs), step.call, tuple(slots[slot] for slot in step.inputs),
                floats + step.floats, ints + step.ints,
            )
        )  # fmt: skip
    return steps


def _is_light_program(steps: Sequence[Step]) -> bool:
    """Whether the steps are one program although they are many."""
    kinds = {step.call.id for step in steps}
    cost = sum(step.call.cost for step in steps)
    return len(steps) <= LIGHT_LIMIT and len(kinds) <= LIGHT_KINDS and cost <= TINY_COST * len(steps)


def _cut(ids: Sequence[int]) -> list[tuple[int, int]]:
    """Ranges of at most `PROGRAM_LIMIT` steps, ending where the sequence of ids repeats if it does."""
    total = len(ids)
    if total <= PROGRAM_LIMIT:
        return [(0, total)]
    groups: list[tuple[int, int]] = []
    plain = start = 0
    while start < total:
        period, repeats = repetition(ids, start, LONGEST_PERIOD)
        if period * repeats < 2 * PROGRAM_LIMIT // 3:
            start += 1
            if start - plain == PROGRAM_LIMIT:
                groups.append((plain, start))
                plain = start
            continue
        if start > plain:
            groups.append((plain, start))
        per_piece = max(PROGRAM_LIMIT // (2 * period), 1) * period
        end = start + period * repeats
        while start < end:
            stop = min(start + per_piece, end)
            groups.append((start, stop))
            start = stop
        plain = start
    if start > plain:
        groups.append((plain, start))
    return groups
