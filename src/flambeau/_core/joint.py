"""Which parameters and gradients a program may take and give joined, and its block on joined values.

They are found by what an optimizer records for its small parameters (`pack.run_flat`): parameters and gradients are packed, and
the new parameters split. A parameter is joined if its storage is the same at each replay and the program writes to all of a pack
alike; a gradient, if it is a new tensor that nothing else in the program knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from flambeau._core.block import Block, BlockBuilder, BlockStep
from flambeau._core.flat import PackCall, SplitCall, layout_of, split_call
from flambeau._core.form import FEWEST
from flambeau._core.joined import JoinedGradients, JoinedParameters
from flambeau._core.places import Place, Written
from flambeau._core.remembered import Remembered
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor

if TYPE_CHECKING:
    from flambeau._core.program import Program

_blocks: Remembered[Block] = Remembered(500)


class Joint:
    """A program's block, with what it takes and gives.

    Args:
        known: the storages that the program's guards look at.

    The block's inputs are those `inputs` of the program, by number, then one for each of `parameters`; its results are first
    single ones, then one for each of `parameters`, then one for each of `gradients`. `values` tells where the program's numbered
    values are among all these.
    """

    def __init__(self, program: Program, known: Sequence[Storage]) -> None:
        self.parameters: list[JoinedParameters] = []
        self.gradients: list[JoinedGradients] = []
        self._program = program
        self._steps = program.structure.block.steps
        # Steps that pack parameters, with those that split the new ones; steps that pack gradients.
        self._updates: list[tuple[BlockStep, BlockStep]] = []
        self._packed_gradients: list[BlockStep] = []
        block = program.structure.block
        if block.device.type == "cpu" and program.freed is not None:
            self._find_parameters(known)
            self._find_gradients()
        gone = {slot for pack, _ in self._updates for slot in pack.inputs}
        self.inputs = [number for number in range(len(block.inputs)) if number not in gone]
        given = {slot for _, split in self._updates for slot in split.outputs}
        given.update(slot for pack in self._packed_gradients for slot in pack.inputs)
        single = [slot for slot in block.outputs if slot not in given]
        at = {slot: number for number, slot in enumerate(self.inputs)}
        count = len(self.inputs) + len(self.parameters)
        at.update((slot, count + number) for number, slot in enumerate(single))
        self.values = [
            (number, at[slot]) for number, slot in enumerate(program.structure.places) if slot in at
        ]
        self.block = block
        if self.parameters or self.gradients:
            key = (
                block.id, tuple([(pack.inputs, split.outputs) for pack, split in self._updates]),
                tuple([pack.inputs for pack in self._packed_gradients]),
            )  # fmt: skip
            self.block = _blocks.find(key, lambda: self._build(single))
        del self._program, self._steps, self._updates, self._packed_gradients

    # -- parameters --------------------------------------------------------------------------------

    def _find_parameters(self, known: Sequence[Storage]) -> None:
        program = self._program
        alike = {id(place.held) for places in program.alike for place in places}
        free = {id(storage) for storage in known if storage.host is None} - alike
        storages = {
            slot: place.held.held for slot, place in enumerate(program.sources)
            if place.kind == "storage" and place.held.kind == "held" and id(place.held.held) in free
        }  # fmt: skip
        for slot in program.structure.places:
            storages.pop(slot, None)
        splits = {
            tuple([id(each.storage.held) for each in written]): (step, written)
            for step, written in self._writes()
        }
        for step in self._steps:
            if isinstance(step.call, PackCall) and storages.keys() >= set(step.inputs):
                found = [storages[slot] for slot in step.inputs]
                update = splits.pop(tuple(map(id, found)), None)
                if update is not None:
                    split, written = update
                    self._updates.append((step, split))
                    self.parameters.append(JoinedParameters(found, step.call.inputs, written[0].versions))
                    gone = set(map(id, written))
                    program.written = [each for each in program.written if id(each) not in gone]

    def _writes(self) -> Iterator[tuple[BlockStep, list[Written]]]:
        """The steps whose results are all written to storages that are the same at each replay, each alike."""
        numbers = self._numbers()
        writes = {each.value: each for each in self._program.written if each.storage.kind == "held"}
        for step in self._steps:
            if isinstance(step.call, SplitCall) and len(step.outputs) >= FEWEST:
                written = [writes.get(numbers.get(slot, -1)) for slot in step.outputs]
                found = [each for each in written if each is not None]
                if len(found) == len(written) and {(each.versions, each.hidden) for each in found} == {
                    (found[0].versions, 0)
                }:
                    yield step, found

    def _numbers(self) -> dict[int, int]:
        """The numbers of computed values that are wanted for one purpose alone, by slot."""
        program = self._program
        uses = Counter([each.value for each in program.written])
        uses.update([number for number, _ in program.storages.values()])
        uses.update([number for number, _, _ in program.checks])
        places = program.structure.places
        inputs = len(program.structure.block.inputs)
        return {slot: number for number, slot in enumerate(places) if uses[number] == 1 and slot >= inputs}

    # -- gradients ---------------------------------------------------------------------------------

    def _find_gradients(self) -> None:
        numbers = self._numbers()
        alone = self._gradients_by_value()
        for step in self._steps:
            if isinstance(step.call, PackCall) and len(set(step.inputs)) == len(step.inputs) >= FEWEST:
                found = [alone.get(numbers.get(slot, -1)) for slot in step.inputs]
                new = [each for each in found if each is not None]
                if len(new) == len(found) and len({(version, before) for _, _, version, before in new}) == 1:
                    self._join_gradients(step, new)

    def _gradients_by_value(self) -> dict[int, Any]:
        """New gradients that nothing else knows, by their value's number: number of the variable, of the tensor, version,
        whether there was one before."""
        program = self._program
        known = [place for _, places in program.assigned for place in places]
        known += [*program.objects.places, *program.retaining, *[hook.place for hook in program.hooks]]
        known += [
            place
            for number, gradient in program.made_gradients
            for place in (Place("made", number), gradient)
        ]
        made = [*program.tensors.values(), *[each.becomes for each in program.changed]]
        known += [each.base for each in made if each.base is not None]
        tensors = {place.at for place in known if place.kind == "made"}
        storages = Counter([each.storage.at for each in made if each.storage.kind == "made"])
        found = {}
        for variable, place in program.new_gradients:
            whose, before = program.gradients[variable]
            if place is None or place.kind != "made" or place.at in tensors or whose.kind != "held":
                continue
            how = program.tensors[place.at]
            plain = (
                how.kind is Tensor
                and how.state == {"_meta": whose.held._meta}
                and how.node is None
                and how.base is None
            )
            if plain and storages[how.storage.at] == 1 and before in (None, whose.held._meta):
                value, version = program.storages[how.storage.at]
                found[value] = variable, place.at, version, before is not None
        return found

    def _join_gradients(self, step: BlockStep, new: Sequence[Any]) -> None:
        program = self._program
        variables = {variable for variable, _, _, _ in new}
        _, _, version, before = new[0]
        self._packed_gradients.append(step)
        self.gradients.append(
            JoinedGradients(
                [program.gradients[variable][0].held for variable, _, _, _ in new], version, before
            )
        )
        program.new_gradients = [each for each in program.new_gradients if each[0] not in variables]
        program.compared = [number for number in program.compared if number not in variables]
        for _, tensor, _, _ in new:
            del program.storages[program.tensors.pop(tensor).storage.at]

    # -- the block ---------------------------------------------------------------------------------

    def _build(self, single: Sequence[int]) -> Block:
        block = self._program.structure.block
        builder = BlockBuilder()
        slots = {slot: builder.input(block.inputs[slot]) for slot in self.inputs}
        wholes = [builder.input(layout_of(pack.call.inputs).meta) for pack, _ in self._updates]
        builder.numbers = block.numbers
        used = Counter([slot for step in block.steps for slot in step.inputs])
        left_out = set()
        for (pack, split), whole in zip(self._updates, wholes, strict=True):
            parts = builder.call(split_call(pack.call.inputs), [whole], (0, 0))
            slots.update(zip(pack.inputs, parts, strict=True))
            slots[pack.outputs[0]] = whole
            left_out.add(pack.outputs)
            if not any(used[slot] for slot in split.outputs):
                left_out.add(split.outputs)
        for step in block.steps:
            if step.outputs not in left_out:
                made = builder.call(
                    step.call, [slots[slot] for slot in step.inputs], (step.floats, step.ints)
                )
                slots.update(zip(step.outputs, made, strict=True))
        outputs = [*single, *[split.inputs[0] for _, split in self._updates]]
        outputs += [pack.outputs[0] for pack in self._packed_gradients]
        return Block("recorded function, joined", builder, [slots[slot] for slot in outputs], block.device)
