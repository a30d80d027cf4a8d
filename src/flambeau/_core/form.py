"""How the values of a segment go into its compiled programs and come out of them: one by one, or many as one flat array.

An optimizer updates its small parameters joined to one array (`pack.py`). As long as nobody looks, these parameters and their
gradients may as well stay joined from one step to the next: to all the rest of flambeau each is a value like any other, only its
data is a part of an array that several share (`flat.py`).
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

from flambeau._core import xla
from flambeau._core.flat import Flat, Layout, PackCall, SplitCall, joined, layout_of
from flambeau._core.step import Step, useful
from flambeau._core.value import Meta, Value

# Fewer values than this are passed one by one.
FEWEST = 4
# So often may leaves come as parts of arrays that the programs do not take before there are other programs.
MISFITS = 2


class _Group:
    """Leaves that go in as one flat array."""

    def __init__(self, layout: Layout, leaves: Sequence[int], parts: Sequence[int]) -> None:
        self.layout, self.leaves, self.parts = layout, tuple(leaves), tuple(parts)
        self._get = itemgetter(*leaves)

    @property
    def is_whole(self) -> bool:
        """Whether the leaves are all parts, in order."""
        return self.parts == tuple(range(len(self.layout.metas)))

    def find(self, leaves: Sequence[Value], data: Sequence[Any], dead: set[int]) -> Flat:
        """The array that they lie in. Where they come otherwise it is made, and those that live on lie there from now on."""
        found = self._get(data)
        if type(found[0]) is tuple:
            flat: Flat = found[0][0]
            if flat.layout is self.layout and found == tuple(zip(itertools.repeat(flat), self.parts)):
                return flat
        arrays = {part: leaves[leaf].known() for leaf, part in zip(self.leaves, self.parts, strict=True)}
        flat = Flat(xla.to_device(joined(arrays, self.layout), self.layout.meta.device), self.layout)
        for leaf, part in zip(self.leaves, self.parts, strict=True):
            if leaf not in dead:
                leaves[leaf].data = (flat, part)
        return flat


class Form:
    """The steps of a plan on joined values.

    Args:
        steps, leaves, alive: of the plan.
        data: what the leaves hold now.
        joins: whether anything may be joined.

    Slots of leaves that go in joined are replaced: `members` tells in which leaf they lie, and which part they are. The leaves that
    hold them are counted on from the plan's. `results` are the slots that the programs give: those `single`, then the arrays of
    `joined`.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        leaves: tuple[Meta, ...],
        alive: tuple[int, ...],
        data: Sequence[Any],
        joins: bool = True,
    ) -> None:
        self.misfits = 0
        self.joined: list[tuple[Layout, tuple[int, ...]]] = []
        self.groups: list[_Group] = []
        self.members: dict[int, tuple[int, Layout, int]] = {}
        whole: dict[tuple[int, ...], int] = {}  # which slot is these slots joined
        wholes = []
        if joins:
            steps = self._split_leaves(steps, set(alive), whole)
            wholes = self._join_results(steps, set(alive))
            self._join_leaves(steps, data)
        self.leaves = (*leaves, *[group.layout.meta for group in self.groups])
        for number, group in enumerate(self.groups, len(leaves)):
            for leaf, part in zip(group.leaves, group.parts, strict=True):
                self.members[-1 - leaf] = -1 - number, group.layout, part
            if group.is_whole:
                whole[tuple([-1 - leaf for leaf in group.leaves])] = -1 - number
        inside = {slot for _, slots in self.joined for slot in slots}
        self.single = tuple([slot for slot in alive if slot not in inside])
        steps, same = _without_packing_again(steps, whole, set(alive))
        self.results = self.single + tuple([same.get(slot, slot) for slot in wholes])
        self.steps = useful(steps, self.results)
        self._in_groups = {leaf for group in self.groups for leaf in group.leaves}

    def _split_leaves(
        self, steps: Sequence[Step], alive: set[int], whole: dict[tuple[int, ...], int]
    ) -> list[Step]:
        """The steps without those that split a leaf: what such a step makes is taken out of the leaf where it is used."""
        kept = []
        for step in steps:
            if isinstance(step.call, SplitCall) and step.inputs[0] < 0 and alive.isdisjoint(step.outputs):
                layout = layout_of(step.call.results)
                whole[step.outputs] = step.inputs[0]
                for part, slot in enumerate(step.outputs):
                    self.members[slot] = step.inputs[0], layout, part
            else:
                kept.append(step)
        return kept

    def _join_results(self, steps: Sequence[Step], alive: set[int]) -> list[int]:
        """Finds the results that are joined anyway; gives the slots of the arrays."""
        wholes = []
        for step in steps:
            if isinstance(step.call, SplitCall):
                parts, (whole,) = step.outputs, step.inputs
            elif isinstance(step.call, PackCall):
                parts, (whole,) = step.inputs, step.outputs
            else:
                continue
            if (
                len(parts) >= FEWEST
                and min(parts) >= 0
                and whole >= 0
                and whole not in alive
                and alive.issuperset(parts)
            ):
                alive = alive.difference(parts)
                if len(set(parts)) == len(parts):
                    wholes.append(whole)
                    self.joined.append((layout_of(_metas_joined(step)), parts))
        return wholes

    def _join_leaves(self, steps: Sequence[Step], data: Sequence[Any]) -> None:
        """Finds the leaves that the programs themselves give joined, and those that lie in flat arrays now."""
        taken: set[int] = set()
        given = {layout for layout, _ in self.joined}
        for step in steps:
            if isinstance(step.call, PackCall) and max(step.inputs) < 0 and len(step.inputs) >= FEWEST:
                leaves = [-1 - slot for slot in step.inputs]
                layout = layout_of(_metas_joined(step))
                if layout in given and taken.isdisjoint(leaves) and len(set(leaves)) == len(leaves):
                    taken.update(leaves)
                    self.groups.append(_Group(layout, leaves, range(len(leaves))))
        lying: dict[Flat, list[int]] = {}
        for leaf, item in enumerate(data):
            if type(item) is tuple and leaf not in taken:
                lying.setdefault(item[0], []).append(leaf)
        for flat, leaves in lying.items():
            if len(leaves) >= FEWEST:
                self.groups.append(_Group(flat.layout, leaves, [data[leaf][1] for leaf in leaves]))

    def arrays(self, leaves: Sequence[Value], dead: Sequence[int]) -> tuple[list[Any], list[int]]:
        """The leaves' arrays, and which of them nobody else holds."""
        arrays = [leaf.data for leaf in leaves]
        gone, dead = set(dead), list(dead)
        others = 0
        for leaf, item in enumerate(arrays):
            if type(item) is tuple and leaf not in self._in_groups:
                arrays[leaf] = leaves[leaf].known()
                others += 1
        if others >= FEWEST:
            self.misfits += 1
        for group in self.groups:
            flat = group.find(leaves, arrays, gone)
            # Each value that lies in it holds it, and so do this function and `getrefcount`.
            held = flat.owner is not None or sys.getrefcount(flat) > len(group.leaves) + 2
            if not held and gone.issuperset(group.leaves):
                dead.append(len(arrays))
            arrays.append(flat.array)
        return arrays, dead

    def fill(self, outputs: Sequence[Value], results: Sequence[Any]) -> None:
        """Gives the values that are alive their data."""
        for slot, result in zip(self.single, results, strict=False):
            value = outputs[slot]
            value.data, value.trace = result, None
        for (layout, slots), result in zip(self.joined, results[len(self.single) :], strict=True):
            flat = Flat(result, layout)
            for number, slot in enumerate(slots):
                value = outputs[slot]
                value.data, value.trace = (flat, number), None


def _metas_joined(step: Step) -> tuple[Meta, ...]:
    return step.call.results if isinstance(step.call, SplitCall) else step.call.inputs


def _without_packing_again(
    steps: Sequence[Step], whole: dict[tuple[int, ...], int], alive: set[int]
) -> tuple[list[Step], dict[int, int]]:
    """The steps without those that join what was one array before, and which slots stand for theirs.

    `whole` tells which slots are known to be parts of which.
    """
    same: dict[int, int] = {}
    kept = []
    for step in steps:
        if not same.keys().isdisjoint(step.inputs):
            step = replace(step, inputs=tuple([same.get(slot, slot) for slot in step.inputs]))
        if isinstance(step.call, SplitCall):
            whole[step.outputs] = step.inputs[0]
        elif isinstance(step.call, PackCall) and step.inputs in whole and step.outputs[0] not in alive:
            same[step.outputs[0]] = whole[step.inputs]
            continue
        kept.append(step)
    return kept, same
