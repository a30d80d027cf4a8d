"""Repeated stretches of a program as loops, so that its compile time does not grow with its depth.

Layer after layer a deep network records the same calls, forward and then backward. Where each repetition reads what the one
before made, what lies at equal distances in a flat array, or what an earlier loop made at the same or the mirrored turn, one body
is compiled, and `jax.lax.scan` runs it as often.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from flambeau._core.call import Call
from flambeau._core.flat import Layout, PackCall
from flambeau._core.remembered import Remembered
from flambeau._core.step import Step
from flambeau._core.value import Meta

# Fewer turns than this, or than these calls in all, are compiled one by one: that takes no long time, and XLA may fuse them.
FEWEST_TURNS = 8
FEWEST_CALLS = 32
# The longest body, in calls.
LONGEST_BODY = 60

# Where a body finds an input, at turn k; `made` numbers the results of the body's calls:
# ("same", input), ("made", made), ("before", made), ("flat", input, start, step, meta), ("turn", input, first, step).
Source = tuple[Any, ...]


class Loops:
    """Puts loops in the place of repeated steps.

    Args:
        steps: of one program.
        members: of slots that are parts of flat arrays: the array's slot, its layout, which part.
        results: the slots that are wanted.
        metas: of all slots; those that are made are added.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        members: Mapping[int, tuple[int, Layout, int]],
        results: Sequence[int],
        metas: dict[int, Meta],
    ) -> None:
        self._steps, self._members, self._results, self._metas = steps, members, results, metas
        self._free = itertools.count(
            max(max(metas), max((slot for step in steps for slot in step.outputs), default=0)) + 1
        )
        self._uses: dict[int, list[int]] = {}  # by slot: which steps read it
        for number, step in enumerate(steps):
            for slot in step.inputs:
                self._uses.setdefault(slot, []).append(number)
        self._wanted = set(results)
        # What a loop made at one turn: the slot of all turns' together, and which turn.
        self._turns: dict[int, tuple[int, int]] = {}
        self._taken: set[int] = set()  # those that were taken out one by one
        self._found: list[Step] = []

    def steps(self) -> list[Step]:
        """The steps with loops; the very same ones where there are none."""
        ids = [step.call.id if not step.call.numbers else -1 - at for at, step in enumerate(self._steps)]
        at = failures = 0
        while at < len(ids):
            period, turns = repetition(ids, at, LONGEST_BODY)
            loop = self._loop(at, period, turns)
            if loop is not None:
                end, failures = loop.start, 0
            else:
                failures = failures + 1 if turns >= FEWEST_TURNS and period * turns >= FEWEST_CALLS else 0
                # A body may begin at each of its calls; then it is irregular all the way.
                end = at + (period * (turns - 1) if failures > period else 1)
            for step in self._steps[at:end]:
                self._add(step)
            at = end
            if loop is not None:
                self._add_loop(loop)
                at = loop.stop
        for slot in self._results:
            self._single(slot)
        return self._found

    def _loop(self, at: int, period: int, turns: int) -> _Loop | None:
        """These turns as a loop. The first often begins otherwise than the others, and the last ends so."""
        for first, last in ((0, 0), (1, 0), (0, 1), (1, 1)):
            left = turns - first - last
            if left >= FEWEST_TURNS and left * period >= FEWEST_CALLS:
                loop = _Loop(self, at + first * period, at + (turns - last) * period, period)
                if loop.is_regular:
                    return loop
        return None

    def _add(self, step: Step) -> None:
        if isinstance(step.call, PackCall) and any(slot in self._turns for slot in step.inputs):
            step = self._packed(step)
        for slot in step.inputs:
            self._single(slot)
        self._found.append(step)

    def _single(self, slot: int) -> None:
        """Takes a slot out of what a loop made, if it is there and somebody wants it alone."""
        if slot in self._turns and slot not in self._taken:
            self._taken.add(slot)
            stack, turn = self._turns[slot]
            call = _turn_call(self._metas[stack], turn, self._metas[slot])
            self._found.append(Step((slot,), call, (stack,), 0, 0))

    def _new(self, meta: Meta) -> int:
        slot = next(self._free)
        self._metas[slot] = meta
        return slot

    # -- loops -------------------------------------------------------------------------------------

    def _add_loop(self, loop: _Loop) -> None:
        for slot in loop.inputs:
            self._single(slot)
        last, stacked = [], []
        for made, slots in enumerate(loop.made):
            outside = [self._is_used_outside(slot, loop) for slot in slots]
            if not any(outside):
                continue
            if made in loop.carried and not any(outside[:-1]):
                last.append(made)
            else:
                stacked.append(made)
        call = _loop_call(loop, tuple(last), tuple(stacked))
        outputs = [loop.made[made][-1] for made in last]
        for made, meta in zip(stacked, call.results[len(last) :], strict=True):
            stack = self._new(meta)
            outputs.append(stack)
            for turn, slot in enumerate(loop.made[made]):
                self._turns[slot] = stack, turn
        first = self._steps[loop.start]
        self._found.append(Step(tuple(outputs), call, tuple(loop.inputs), first.floats, first.ints))

    def _is_used_outside(self, slot: int, loop: _Loop) -> bool:
        return slot in self._wanted or any(
            not loop.start <= number < loop.stop for number in self._uses.get(slot, ())
        )

    # -- packing what loops made -------------------------------------------------------------------

    def _packed(self, step: Step) -> Step:
        """The step with runs of its inputs, what loops made turn after turn, as the arrays of all turns."""
        slots = step.inputs
        inputs: list[int] = []
        parts: list[tuple[Any, ...]] = []  # ("one",), or how many stacks in turns, first turn, step, count
        at = 0
        while at < len(slots):
            width, count = self._run(slots, at)
            if count < FEWEST_TURNS:
                inputs.append(slots[at])
                parts.append(("one",))
                at += 1
                continue
            found = [self._turns[slot] for slot in slots[at : at + width]]
            step_of = self._turns[slots[at + width]][1] - found[0][1]
            parts.append(("turns", tuple([turn for _, turn in found]), step_of, count))
            inputs += [stack for stack, _ in found]
            at += width * count
        if len(inputs) == len(slots):
            return step
        metas = tuple([self._metas[slot] for slot in inputs])
        return replace(step, inputs=tuple(inputs), call=_pack_turns(metas, tuple(parts), step.call))

    def _run(self, slots: Sequence[int], at: int) -> tuple[int, int]:
        """How many stacks take turns from `at` on, and how often."""
        turns = self._turns
        best = (1, 1)
        for width in range(1, min(LONGEST_BODY, (len(slots) - at) // FEWEST_TURNS) + 1):
            if slots[at] not in turns or slots[at + width] not in turns:
                continue
            step = turns[slots[at + width]][1] - turns[slots[at]][1]
            if step not in (1, -1) or not all(slot in turns for slot in slots[at : at + width]):
                continue
            end = at + width
            while end < len(slots) and slots[end] in turns:
                stack, turn = turns[slots[end - width]]
                if turns[slots[end]] != (stack, turn + step):
                    break
                end += 1
            count = (end - at) // width
            if count > 1 and width * count > best[0] * best[1]:
                best = (width, count)
        return best


class _Loop:
    """A stretch of steps as a loop, if it is regular.

    `inputs` are slots from outside; `body` has each call with the sources of its inputs; `made` the slots of the body's results
    at all turns; `carried` those that the next turn reads, each with the input that is there before the first turn.
    """

    def __init__(self, loops: Loops, start: int, stop: int, period: int) -> None:
        self.start, self.stop = start, stop
        self.inputs: list[int] = []
        self.carried: dict[int, int] = {}
        self.turns = (stop - start) // period
        self._loops = loops
        turns = [loops._steps[at : at + period] for at in range(start, stop, period)]
        self.made: list[tuple[int, ...]] = []
        for steps in zip(*turns, strict=True):
            self.made += zip(*[step.outputs for step in steps], strict=True)
        self._made = {
            slot: (made, turn) for made, slots in enumerate(self.made) for turn, slot in enumerate(slots)
        }
        self.body: list[tuple[Call, list[Source]]] = []
        self.is_regular = True
        for steps in zip(*turns, strict=True):
            sources = [self._source(slots) for slots in zip(*[step.inputs for step in steps], strict=True)]
            if None in sources:
                self.is_regular = False
                return
            self.body.append((steps[0].call, sources))  # type: ignore[arg-type]

    def _input(self, slot: int) -> int:
        if slot not in self.inputs:
            self.inputs.append(slot)
        return self.inputs.index(slot)

    def _source(self, slots: Sequence[int]) -> Source | None:
        """Where a call finds these slots, one at each turn; None if they are not regular."""
        first = slots[0]
        here = [self._made.get(slot) for slot in slots]
        if here[0] is not None:
            made, turn = here[0]
            return (
                ("made", made) if turn == 0 and here == [(made, turn) for turn in range(self.turns)] else None
            )
        if all(slot == first for slot in slots):
            return "same", self._input(first)
        if here[1] is not None:
            return self._carried(here, first)
        return self._part_of_flat(slots) or self._made_at_turns(slots)

    def _carried(self, here: Sequence[tuple[int, int] | None], first: int) -> Source | None:
        """A result of the turn before."""
        assert here[1] is not None
        made, _ = here[1]
        if list(here[1:]) != [(made, turn) for turn in range(self.turns - 1)]:
            return None
        metas = self._loops._metas
        if metas[first] is not metas[self.made[made][0]] or self.carried.get(made, first) != first:
            return None
        self.carried[made] = first
        self._input(first)
        return "before", made

    def _part_of_flat(self, slots: Sequence[int]) -> Source | None:
        """What lies at equal distances in a flat array."""
        found = [self._loops._members[slot] for slot in slots if slot in self._loops._members]
        if len(found) < len(slots):
            return None
        flat, layout, part = found[0]
        starts = [layout.starts[part] for _, layout, part in found]
        meta = layout.metas[part]
        step = starts[1] - starts[0]
        if all(other[:2] == (flat, layout) and layout.metas[other[2]] is meta for other in found) and all(
            after - before == step for before, after in itertools.pairwise(starts)
        ):
            return "flat", self._input(flat), starts[0], step, meta
        return None

    def _made_at_turns(self, slots: Sequence[int]) -> Source | None:
        """What an earlier loop made, turn by turn, in the same order or in the other."""
        found = [self._loops._turns[slot] for slot in slots if slot in self._loops._turns]
        if len(found) < len(slots):
            return None
        stack, turn = found[0]
        step = found[1][1] - turn
        if step in (1, -1) and found == [(stack, turn + step * number) for number in range(self.turns)]:
            return "turn", self._input(stack), turn, step
        return None


def repetition(ids: Sequence[int], start: int, longest: int) -> tuple[int, int]:
    """The period and number of repeats of the longest repetition that begins at `start`."""
    best = (1, 1)
    for period in range(1, min(longest, (len(ids) - start) // 2) + 1):
        end = start + period
        while end < len(ids) and ids[end] == ids[end - period]:
            end += 1
        repeats = (end - start) // period
        if repeats > 1 and period * repeats > best[0] * best[1]:
            best = (period, repeats)
    return best


# -- calls -----------------------------------------------------------------------------------------

_calls: Remembered[Any] = Remembered(500)


def _loop_call(loop: _Loop, last: tuple[int, ...], stacked: tuple[int, ...]) -> Call:
    """All turns as one call: it gives results of the last turn, then others of all turns."""
    metas = [loop._loops._metas[slot] for slot in loop.inputs]
    carried = tuple([(made, loop.inputs.index(slot)) for made, slot in loop.carried.items()])
    wiring = (tuple([tuple(sources) for _, sources in loop.body]), loop.turns, carried, last, stacked)
    calls = [call for call, _ in loop.body]
    made = [loop._loops._metas[slots[0]] for slots in loop.made]
    body, turns = loop.body, loop.turns
    place = {number: at for at, (number, _) in enumerate(carried)}

    def run(xp: Any, arrays: Any, numbers: Any) -> tuple[Any, ...]:
        def turn(before: list[Any], k: Any) -> tuple[list[Any], list[Any]]:
            found: list[Any] = []
            for call, sources in body:
                results = call.run(
                    jnp, [_found(source, arrays, found, before, place, k) for source in sources], ()
                )
                found += [
                    jnp.asarray(result, meta.np) for result, meta in zip(results, call.results, strict=True)
                ]
            return [found[number] for number, _ in carried], [found[number] for number in stacked]

        first = [jnp.asarray(arrays[at], made[number].np) for number, at in carried]
        end, all_turns = jax.lax.scan(turn, first, jnp.arange(turns, dtype=jnp.int32))
        return (*[end[place[number]] for number in last], *all_turns)

    def make() -> Call:
        results = [made[number] for number in last]
        results += [made[number].with_shape((turns, *made[number].shape)) for number in stacked]
        call = Call(
            "loop",
            run,
            tuple(metas),
            tuple(results),
            calls[0].device,
            cost=turns * sum(call.cost for call in calls),
        )
        names = [each.stable_name() for each in calls]
        if None not in names:
            call.stable = repr(("loop", names, wiring))
        return call

    found: Call = _calls.find(("loop", tuple([call.id for call in calls]), tuple(metas), wiring), make)
    return found


def _found(
    source: Source,
    arrays: Sequence[Any],
    found: Sequence[Any],
    before: Sequence[Any],
    place: Mapping[int, int],
    k: Any,
) -> Any:
    """An input of the body at turn `k`."""
    kind, number = source[:2]
    if kind == "made":
        return found[number]
    if kind == "before":
        return before[place[number]]
    if kind == "same":
        return arrays[number]
    if kind == "turn":
        _, _, first, step = source
        return jax.lax.dynamic_index_in_dim(arrays[number], first + step * k, keepdims=False)
    _, _, start, step, meta = source
    part = jax.lax.dynamic_slice(arrays[number], (start + step * k,), (meta.numel,))
    return part.reshape(meta.shape)


def _turn_call(stack: Meta, turn: int, meta: Meta) -> Call:
    """What was made at one turn."""

    def run(xp: Any, arrays: Any, numbers: Any) -> tuple[Any, ...]:
        return (arrays[0][turn],)

    return _remembered(
        ("turn", (stack, meta), turn),
        lambda: Call("turn", run, (stack,), (meta,), meta.device, cost=meta.numel),
    )


def _pack_turns(metas: tuple[Meta, ...], parts: tuple[tuple[Any, ...], ...], packed: Call) -> Call:
    """A `PackCall` some of whose inputs are results of loops, of all turns together."""

    def run(xp: Any, arrays: Any, numbers: Any) -> tuple[Any, ...]:
        waiting = iter(arrays)
        return (jax.lax.optimization_barrier(jnp.concatenate([_part(part, waiting) for part in parts])),)

    return _remembered(
        ("pack turns", (metas, packed.results), parts),
        lambda: PackCall("pack", run, metas, packed.results, packed.device, cost=packed.cost),
    )


def _part(part: tuple[Any, ...], waiting: Iterator[Any]) -> Any:
    if part[0] == "one":
        return next(waiting).reshape(-1)
    _, firsts, step, count = part
    columns = []
    for first in firsts:
        low = first if step == 1 else first - count + 1
        rows = next(waiting)[low : low + count]
        columns.append((rows if step == 1 else rows[::-1]).reshape(count, -1))
    return jnp.concatenate(columns, 1).reshape(-1)


def _remembered(key: Any, make: Callable[[], Call]) -> Call:
    def named() -> Call:
        call = make()
        call.stable = repr((key[0], key[2]))  # the metas come with a call's name
        return call

    found: Call = _calls.find(key, named)
    return found
