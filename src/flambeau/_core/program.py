"""A call that was recorded once, and is done again without its Python: what `flambeau.compile` replays.

A program is one block of calls with the sources of all that it reads (arguments, storages, gradients, random draws), and what
follows from it for Python's side (writes, gradients, results, the graph of what is returned). A replay gathers the present values,
records the block as one call onto this thread's trace and does the rest (`replay.py`); so it is lazy, joins the segment around
it and is run, cut and donated like anything else. `describe.py` makes programs out of recorded calls (`capture_call.py`).
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flambeau._core import xla
from flambeau._core.assigned import Assigned
from flambeau._core.block import run_steps
from flambeau._core.capture import Structure
from flambeau._core.guards import Guards, hooks_of
from flambeau._core.joint import Joint
from flambeau._core.made_objects import MadeObjects, difference
from flambeau._core.modes import modes
from flambeau._core.places import Changed, Finder, MadeHook, MadeTensor, Place, Renewal, Written
from flambeau._core.replay import Replay
from flambeau._core.step import Step, useful
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import Trace, end_program, local, record, run_check
from flambeau._core.value import Meta, Value


@dataclass(slots=True)
class Program:
    """What one call did, ready to be done again. Values, tensors and nodes that it makes are told by number.

    Args:
        structure: the block, and where the numbered values stand among its slots.
        sources: where the block's inputs come from.
        numbers: the block's Python numbers, `floats` of them first; those of `renewals` are asked for anew.
        draws: random numbers: how to draw them, and what; without that, what happens to the state of a generator then.
        guards: what the function looked at, which has to be as it was.
        gradients: the variables whose `.grad` was looked at, with its meta before the call.
        looked_at: values that the host looked at, with what they were.
        alike: storages that hold one value.
        lie: views among the arguments into a base that is used as a whole, with their numbers.
        assigned: the places that tensors are put into, with these tensors. `kinds` are then those of all tensors.
        checks: of values that the call computes: the value, the check, the line.
        written: the storages that the call writes to.
        new_gradients: the variables that get another `.grad`, by number: the tensor, or None.
        changed: tensors from outside that are others afterwards.
        storages: those that are made, by number: the value, and the version.
        tensors, nodes: how to make them; tensors by number.
        made_gradients: of tensors that are made, by number.
        hooks: those that are registered.
        retaining: tensors that retain their gradients.
        freed: of a graph that the call freed, the ends that each replay has to look up; None if it is alive.
        versions: of storages from outside, before the call, with their hidden writes.
        objects, result: Python objects that are made, and which of them is returned.
        arms: whether a new step begins afterwards.
    """

    structure: Structure
    sources: list[Place]
    numbers: list[Any]
    floats: int
    renewals: list[Renewal]
    draws: list[tuple[Any, Meta | None]]
    guards: Guards
    gradients: list[tuple[Place, Meta | None]]
    looked_at: list[tuple[Place, Any]]
    alike: list[list[Place]]
    lie: list[tuple[int, Any]]
    assigned: list[tuple[Assigned, list[Place]]]
    kinds: Any
    checks: list[tuple[int, Any, Any]]
    written: list[Written]
    new_gradients: list[tuple[int, Place | None]]
    changed: list[Changed]
    storages: dict[int, tuple[int, int]]
    tensors: dict[int, MadeTensor]
    nodes: list[Any]
    made_gradients: list[tuple[int, Place]]
    hooks: list[MadeHook]
    retaining: list[Place]
    freed: list[Place] | None
    versions: dict[Any, tuple[int, int]]
    objects: MadeObjects
    result: Any
    arms: bool
    calls: int = 0
    compared: list[int] = field(init=False)  # of `gradients`: those that are looked at one by one
    _joint: Joint = field(init=False)
    _inputs: list[tuple[Any, Place]] = field(init=False)
    # Known storages that are written to, with the inputs that they hold before; and other storages that are.
    _replaced: list[weakref.ref[Storage]] = field(init=False)
    _replaced_inputs: list[int] = field(init=False)
    _others_written: list[Place] = field(init=False)
    # With the place of the value among the joint's inputs and results.
    _checks_of_inputs: list[tuple[int, Any, Any]] = field(init=False)
    _checks_of_results: list[tuple[int, Any, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.compared = list(range(len(self.gradients)))

    def settle(self) -> None:
        """Called before the first run: joins what may be joined. A program that is but compared needs none of it."""
        self._joint = Joint(self, self.guards.storages())
        # Many are the values of storages that are known; they are read without a detour.
        self._inputs = [
            (place.held.held if place.kind == "storage" and place.held.kind == "held" else None, place)
            for place in [self.sources[number] for number in self._joint.inputs]
        ]
        places, count = dict(self._joint.values), len(self._joint.block.inputs)
        checks = [(places[number], check, line) for number, check, line in self.checks]
        self._checks_of_inputs = [each for each in checks if each[0] < count]
        self._checks_of_results = [each for each in checks if each[0] >= count]
        read = {id(storage): number for number, (storage, _) in enumerate(self._inputs) if storage}
        self._replaced, self._replaced_inputs, self._others_written = [], [], []
        for place in [each.storage for each in self.written]:
            number = read.get(id(place.held))
            if number is None:
                self._others_written.append(place)
            else:
                self._replaced.append(weakref.ref(place.held))
                self._replaced_inputs.append(number)

    # -- whether it still holds ------------------------------------------------------------------

    @property
    def takes_containers(self) -> bool:
        """Whether it changes or returns containers that it is given."""
        return self.objects.takes_given or any(assigned.given is not None for assigned, _ in self.assigned)

    def change(self, tensors: Sequence[Tensor], given: Sequence[Any] = ()) -> str:
        """What is different from when the call was recorded, in words; empty if nothing is.

        `given` are the containers among the arguments.
        """
        if not self.guards.hold():
            return self.guards.change()
        if self.assigned:
            for assigned, _ in self.assigned:
                if assigned.now(given) is None:
                    return f"{assigned.words} is something else"
            tensors = self._all_tensors(tensors, given)
            if kinds_of(tensors) != self.kinds:
                return f"a tensor that was kept is of another kind: {self.assigned[0][0].words}"
        else:
            tensors = self._all_tensors(tensors, given)
        finder = Finder(tensors, self.gradients)
        for joined in self._joint.gradients:
            if not joined.hold():
                return "a tensor's .grad was or is None"
        for number in self.compared:
            place, meta = self.gradients[number]
            gradient = finder.tensor(place)._grad
            now = None if gradient is None else gradient._meta
            if now is not meta:
                return f"a tensor's .grad was {meta} and is {now}"
        for number, lies in self.lie:
            if where(tensors[number]) != lies:
                return "an argument that is written to lies elsewhere in its base"
        for places in self.alike:
            first, *others = [finder.storage(place).read() for place in places]
            if any(other is not first for other in others):
                return "tensors that were equal no longer are one value"
        for place, content in self.looked_at:
            now = finder.value(place).numpy()
            if not np.array_equal(now, content, equal_nan=content.dtype.kind in "fc"):
                return "the values of a tensor that the function looks at on the host"
        for renewal in self.renewals:
            if renewal.ask()[1] != renewal.kinds:
                return "an option of an optimizer that decides what its step does"
        return ""

    def equals(self, other: Program) -> bool:
        """Whether another call did the same."""
        return (
            self.structure.does_the_same(other.structure)
            and len(self.assigned) == len(other.assigned)
            and all(map(Place.is_same_source, self.sources, other.sources))
            and self._fixed_numbers() == other._fixed_numbers()
            and not difference(self.result, other.result)
        )

    def difference(self, other: Program) -> str:
        """Where two calls differ, in words."""
        one, two = ([step.call.name for step in program.structure.block.steps] for program in (self, other))
        for number, (a, b) in enumerate(zip(one, two, strict=False)):
            if a != b:
                return f"operation {number} was {a} and is {b}"
        if len(one) != len(two):
            return f"there were {len(one)} operations and are {len(two)}"
        if self._fixed_numbers() != other._fixed_numbers():
            return "a Python number differs"
        return difference(self.result, other.result) or "it reads other tensors, or of other shapes"

    def _fixed_numbers(self) -> list[Any]:
        """The numbers that no replay asks for anew; as text, in which nan equals itself."""
        numbers = list(self.numbers)
        for place, _ in self._renewed():
            numbers[place] = None
        return [repr(number) for number in numbers]

    # -- doing it again --------------------------------------------------------------------------

    def run(
        self, tensors: Sequence[Tensor], drawn: list[Any] | None = None, given: Sequence[Any] = ()
    ) -> Any:
        """Does what the captured call did, with these tensors and containers among its arguments."""
        trace = local.trace
        tensors = self._all_tensors(tensors, given)
        if trace.armed and modes.grad:
            trace.cut("a new step begins after backward")
        if drawn is None:
            drawn = []
            for draw, meta in self.draws:
                drawn.append(draw(drawn) if meta is None else trace.draw(draw, meta))
        finder = Finder(tensors, self.gradients)
        joint = self._joint
        inputs = [
            (held.value if held.direct else held.read()) if held is not None else finder.value(place, drawn)
            for held, place in self._inputs
        ]
        inputs += [joined.read() for joined in joint.parameters]
        # Before anything else happens, as far as they can be known before.
        for place, check, line in self._checks_of_inputs:
            _check(trace, inputs[place], check, line)
        if self._checks_of_results and joint.block.device.type == "cpu":
            trace.flush("an index is checked")  # a call that fails takes no earlier one with it
        found = record(joint.block, inputs, self._numbers()) if joint.block.steps else []
        if found and found[0].trace is trace:
            self._note_replaced(trace, finder)
        both = inputs + found
        values = {number: both[place] for number, place in joint.values}
        for place, check, line in self._checks_of_results:
            try:
                _check(trace, both[place], check, line)
            except Exception:
                if both[place].failure is not None:
                    self._check_apart(inputs)
                raise
        new = iter(both[len(both) - len(joint.parameters) - len(joint.gradients) :])
        for parameters in joint.parameters:
            parameters.write(next(new))
        result = Replay(self, tensors, values, given, drawn).run()
        # Last: what the call made of the gradients before is found by their variables.
        for gradients in joint.gradients:
            gradients.write(next(new))
        if self.arms:
            local.trace.armed = True
        elif not modes.grad and not modes.inside:
            end_program("a compiled function returns without grad")
        return result

    def _check_apart(self, inputs: Sequence[Value]) -> None:
        """Runs the checks after an operation has failed, on values computed for that: what it failed on may be what they find."""
        block = self._joint.block
        steps = [Step(step.outputs, step.call, step.inputs, step.floats, step.ints) for step in block.steps]
        places = [block.outputs[place - len(inputs)] for place, _, _ in self._checks_of_results]
        needed: Sequence[Any] = useful(steps, places)
        numbers, arrays = self._numbers(), [value.known() for value in inputs]
        with xla.x64():
            found = run_steps(needed, places, arrays, numbers[: self.floats], numbers[self.floats :])
        metas = dict(zip(block.outputs, block.results, strict=True))
        for array, place, (_, check, line) in zip(found, places, self._checks_of_results, strict=True):
            run_check(Value(metas[place], array), check, line)

    def _note_replaced(self, trace: Trace, finder: Finder) -> None:
        """Tells the trace what the storages hold that results of the block, which it has just recorded, are written to."""
        slots = trace.key[len(trace.key) - len(self._joint.block.inputs) :]
        trace.replaced.append((self._replaced, [slots[number] for number in self._replaced_inputs]))
        others = [finder.storage(place) for place in self._others_written]
        trace.note_replaced([storage for storage in others if type(storage) is Storage])

    def _all_tensors(self, tensors: Sequence[Tensor], given: Sequence[Any]) -> Sequence[Tensor]:
        """The arguments, what stands in the assigned places, and their bases."""
        if self.assigned:
            tensors = [
                *tensors,
                *[tensor for assigned, _ in self.assigned for tensor in assigned.now(given) or ()],
            ]
        return with_bases(tensors)

    def _numbers(self) -> list[Any]:
        if not self.renewals:
            return self.numbers
        numbers = list(self.numbers)
        for place, number in self._renewed():
            numbers[place] = number
        return numbers

    def _renewed(self) -> Iterator[tuple[int, Any]]:
        """The numbers that are asked for anew, each with its place among all."""
        for renewal in self.renewals:
            at = {"f": renewal.floats, "i": self.floats + renewal.ints}
            for number in renewal.ask()[0]:
                kind = "f" if type(number) is float else "i"
                yield at[kind], number
                at[kind] += 1


def _check(trace: Trace, value: Value, check: Callable[[Value], None], line: Any) -> None:
    """Runs a check: now, or with the next value that is read if looking now would stall an accelerator."""
    if value.trace is None or value.meta.device.type == "cpu":
        run_check(value, check, line)
    else:
        trace.check_later(functools.partial(run_check, value, check, line))


def with_bases(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """The tensors, then those that they are views of and that are not among them."""
    bases: list[Tensor] = []
    for tensor in tensors:
        base = tensor._base
        if base is not None and not any(base is other for other in (*tensors, *bases)):
            bases.append(base)
    return [*tensors, *bases] if bases else tensors


def kinds_of(tensors: Sequence[Tensor]) -> list[Any]:
    """What of tensors decides which program serves: all but their values."""
    kinds: list[Any] = []
    seen: dict[int, int] = {}
    for number, tensor in enumerate(tensors):
        base = tensor._base
        if base is not None:
            tensor._refresh()
            kinds += (base._rg, base._node is None)
        kinds += (tensor._meta, tensor._rg, type(tensor), tensor._stride, tensor._node is None)
        # Which of them are one tensor, or share memory.
        kinds += (seen.setdefault(id(tensor), number), seen.setdefault(id(tensor._storage), number))
        if type(tensor) is not Tensor:
            kinds.append(id(tensor))
        if tensor._hooks or tensor._post_hooks:
            kinds += map(_Same, hooks_of(tensor))
        if tensor._views:
            kinds += [call.id for call, _ in tensor._views]
    return kinds


class _Same:
    """Something that equals itself alone, in a key."""

    def __init__(self, item: Any) -> None:
        self._item = item

    def __hash__(self) -> int:
        return id(self._item)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._item is self._item


def where(view: Tensor) -> Any:
    """The numbers that tell where a view lies in its base."""
    return [numbers for _, numbers in view._views]
