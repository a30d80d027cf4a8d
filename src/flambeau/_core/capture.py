"""Recording a function without running it: the trace of its calls on placeholders, and that as one block.

`vmap`, `compile`, `cond` and export call the user's function once inside a `Recording`, this thread's trace for that long.
What the function does with tensors is recorded as ever; what would need a value, or change something outside, comes to the
recording, which refuses it or keeps a note for whoever runs the recorded program.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from flambeau._core.block import Block, BlockBuilder, run_steps
from flambeau._core.modes import modes
from flambeau._core.plan import steps_of
from flambeau._core.pytree import TreeSpec, tree_flatten, tree_unflatten
from flambeau._core.remembered import Remembered
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import Trace, describe_line, local, record, user_line
from flambeau._core.value import CPU, META, Meta, Value

if TYPE_CHECKING:
    from types import CodeType

    from flambeau._core.autograd import OpNode
    from flambeau._core.device import device as Device

Draw = Callable[[tuple[int, ...]], Any]

ADVICE = "Let values decide through torch.where or torch.cond, and keep .item(), printing and NumPy outside of the function."


@dataclass(frozen=True, slots=True)
class Check:
    """A check of a value that was not known when it was asked for."""

    value: Value
    check: Callable[[Value], None]
    position: tuple[CodeType, int] | None


class Recording(Trace):
    """A trace that never runs: a context within which this thread records a function.

    Args:
        where: how messages call the place: "inside vmap".
        advice: what messages tell to do instead of looking at values.

    What it learns on the way, besides the calls:
        checks: of values that are not known here.
        draws: random numbers that were drawn: how to draw them again, and the value.
        reads: outer values that were read, by id, each with the storage that held it.
        writes: storages outside that were written to, by id, each with its value now. Outside nobody sees it.
    """

    records = True

    def __init__(self, where: str, advice: str = ADVICE) -> None:
        super().__init__()
        self.where, self.advice = where, advice
        self.outer: Trace = local.trace
        self.ended = False
        self.placeholders: list[Value] = []
        self.checks: list[Check] = []
        self.draws: list[tuple[Draw, Any]] = []
        self.reads: dict[int, tuple[Value, Storage]] = {}
        self.writes: dict[int, tuple[Storage, Value]] = {}
        # Nodes of the tape that were made here, each with the slots of its call's inputs.
        self.tape: dict[OpNode, tuple[int, ...]] = {}
        # Concrete values and storages made here, by id: reading them tells nothing of the outside.
        self._own: dict[int, Value | Storage] = {}
        self._views: dict[Any, tuple[Value, Value]] = {}

    def __enter__(self) -> Self:
        self.outer, local.trace = local.trace, self
        self._were_recording, modes.recording = modes.recording, True
        modes.watch()
        _watch_more(1)
        return self

    def __exit__(self, *error: object) -> None:
        local.trace = self.outer
        modes.recording = self._were_recording
        modes.watch()
        self.ended = True
        _watch_more(-1)
        for storage, _ in self.writes.values():
            storage.epoch += 1  # views look again, and find what it was

    def placeholder(self, meta: Meta) -> Value:
        """A value of which nothing but its meta is known, the next of the recording's leaves."""
        value = Value(meta)
        value.trace, value.slot = self, -1 - len(self.leaves)
        self.leaves.append(value)
        self.placeholders.append(value)
        if self.device is None and meta.device is not META:
            self.device = meta.device
        return value

    def owns(self, value: Value) -> bool:
        """Whether a value was made here."""
        return value.trace is self or id(value) in self._own

    def slot_of(self, value: Value) -> int:
        """Where a value stands in the recording; one from outside becomes a leaf."""
        if value.trace is self:
            return value.slot
        return self.leaf_of.get(id(value)) or self.leaf(value)

    def is_inside(self, storage: Storage) -> bool:
        """Whether a storage was made here."""
        return id(storage) in self._own or (storage.value is not None and self.owns(storage.value))

    # -- running: never ------------------------------------------------------------------------------

    def refusal(self, asked: str) -> RuntimeError:
        """The error for `asked`, a way of looking at a value."""
        line = describe_line(user_line())
        if self.ended:
            return RuntimeError(
                f"{asked} of a tensor that was made {self.where} ({line}): it has no value outside. Return it instead."
            )
        return RuntimeError(
            f"{asked} {self.where} needs a value that is not there yet ({line}). {self.advice}"
        )

    def flush(self, reason: str) -> None:
        raise self.refusal(_asked())

    def cut(self, reason: str) -> None:
        self.armed = False

    def fill(self, value: Value) -> None:
        raise self.refusal(_asked())

    def move_to(self, device: Device) -> None:
        if self.device is not None and self.device is not device:
            raise RuntimeError(
                f"A change of device {self.where}, from {self.device} to {device} ({describe_line(user_line())}), is not "
                "possible: move the tensors outside of the function."
            )
        self.device = device

    def admit(self, value: Value) -> None:
        trace: Any = self.outer
        while trace is not value.trace and isinstance(trace, Recording):
            trace = trace.outer
        if trace is not value.trace:  # another thread's, or of a recording that has ended
            assert value.trace is not None
            value.trace.flush("a value is used on another thread")

    # -- what is read and written outside --------------------------------------------------------

    def read_storage(self, storage: Storage) -> Value:
        value = storage.value
        if value is not None and value.trace is self:
            return value
        written = self.writes.get(id(storage))
        if written is not None:
            return written[1]
        value = self.outer.read_storage(storage)
        if id(storage) not in self._own and not self.owns(value):
            self.reads.setdefault(id(value), (value, storage))
        return value

    def read_view(self, view: Tensor, base: Value) -> Value:
        known = view._value
        if known is not None and known.trace is self and view._seen == view._storage.epoch:
            return known
        # Not kept with the tensor, which may belong to the outside.
        key = (id(base), view._views)
        found = self._views.get(key)
        if found is None:
            value = base
            for call, numbers in view._views:
                (value,) = record(call, (value,), numbers)
            found = self._views[key] = base, value
        return found[1]

    def takes_write(self, storage: Storage, value: Value) -> bool:
        if id(storage) not in self.writes:
            if self.is_inside(storage):
                self.note_made(storage)
                return False
            self.allow_write(storage, value)
        self.writes[id(storage)] = storage, value
        return True

    def allow_write(self, storage: Storage, value: Value) -> None:
        """Raises where a storage of the outside must not be written to."""

    def note_made(self, made: Value | Storage) -> None:
        self._own[id(made)] = made

    def note_node(self, node: OpNode) -> None:
        self.tape[node] = tuple(self.key[-len(node.call.inputs) :])

    def note_looked_at(self, value: Value) -> None:
        if not self.owns(value):
            self.outer.note_looked_at(value)

    def note_hook(self, owner: Any, kind: str, table: dict[int, Any], key: int) -> None:
        self.outer.note_hook(owner, kind, table, key)

    def note_state(self, generator: Any, state: Any, put: bool) -> None:
        self.outer.note_state(generator, state, put)

    def note_retained(self, tensor: Tensor) -> None:
        self.outer.note_retained(tensor)

    def note_gradient(self, variable: Tensor) -> None:
        self.outer.note_gradient(variable)

    def check(self, value: Value, check: Callable[[Value], None], stalls: bool) -> None:
        if value.trace is self:
            self.checks.append(Check(value, check, user_line()))
        else:
            self.outer.check(value, check, stalls)

    def draw(self, draw: Draw, meta: Meta) -> Value:
        value = self.outer.draw(draw, meta)
        self.note_made(value)
        self.draws.append((draw, value))
        return value


def _asked() -> str:
    """What of flambeau the user called that needs a value, in words."""
    frame: Any = sys._getframe(1)
    name = ""
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        if frame.f_globals["__name__"] == f"{__package__}.capture_call":  # the function is one of flambeau's
            break
        if "<locals>" not in frame.f_code.co_qualname:  # no wrapper
            name = frame.f_code.co_name
        frame = frame.f_back
    if name == "__bool__":
        return "A decision by a tensor's value (`if`, `while`, `and`, `bool()`)"
    if name in ("__repr__", "__str__", "__format__"):
        return "Printing a tensor"
    if name.startswith("__"):
        return f"{name.strip('_')}() of a tensor"
    return f".{name}()"


_PACKAGE = __name__.partition(".")[0]


# -- while some thread records ---------------------------------------------------------------------


class _Watching:
    """Hands what is seen on to this thread's trace."""

    def made(self, value: Value) -> None:
        local.trace.note_made(value)

    def looked_at(self, value: Value) -> None:
        local.trace.note_looked_at(value)


_lock = threading.Lock()
_recordings = 0


def _watch_more(count: int) -> None:
    """Counts recordings of all threads; without any, nothing is watched and nothing costs."""
    global _recordings
    with _lock:
        _recordings += count
        Storage.direct = _recordings == 0
        Value.watch = _Watching() if _recordings else None


# -- what was recorded -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Structure:
    """A recording as a block, known by its shape alone.

    Args:
        block: its inputs are the placeholders, then the outer values that are used.
        leaves: which of the recording's leaves the inputs are.
        places: where the wanted values stand among the block's slots.
    """

    block: Block
    leaves: tuple[int, ...]
    places: tuple[int, ...]

    def does_the_same(self, other: Structure) -> bool:
        """Whether the blocks are equal; recordings with other calls that nobody needed in between have equal ones, too."""
        return self is other or (
            (self.block.steps, self.block.outputs, self.block.inputs, self.block.numbers, self.places)
            == (other.block.steps, other.block.outputs, other.block.inputs, other.block.numbers, other.places)
        )


_structures: Remembered[Structure] = Remembered(500)


def structure_of(recording: Recording, wanted: Sequence[Value], whole: bool = True) -> Structure:
    """The calls that the wanted values need, as a block; equal recordings share it.

    `whole`: with all placeholders among the inputs, rather than those alone that are used.
    """
    slots = [recording.slot_of(value) for value in wanted]
    kept = [value.slot for value in recording.placeholders] if whole else []
    key = (
        tuple(recording.key), tuple([leaf.meta for leaf in recording.leaves]), tuple(kept), tuple(slots), recording.device,
    )  # fmt: skip
    return _structures.find(key, lambda: _build(recording, kept, slots))


def _build(recording: Recording, kept: Sequence[int], wanted: Sequence[int]) -> Structure:
    alive = tuple(dict.fromkeys(slot for slot in wanted if slot >= 0))
    steps = steps_of(recording.nodes, recording.key, alive)
    used = [slot for step in steps for slot in step.inputs if slot < 0]
    used += [slot for slot in wanted if slot < 0]
    inputs = list(dict.fromkeys([*kept, *used]))
    builder = BlockBuilder()
    places = {slot: builder.input(recording.leaves[-1 - slot].meta) for slot in inputs}
    builder.numbers = "f" * len(recording.floats) + "i" * len(recording.ints)
    for step in steps:
        made = builder.call(step.call, [places[slot] for slot in step.inputs], (step.floats, step.ints))
        places.update(zip(step.outputs, made, strict=True))
    device = recording.device or CPU
    block = Block("recorded function", builder, [places[slot] for slot in alive], device)
    return Structure(block, tuple([-1 - slot for slot in inputs]), tuple([places[slot] for slot in wanted]))


@dataclass(frozen=True, slots=True)
class Recorded:
    """A function that was recorded.

    Args:
        block: inputs are the placeholders, then the outer values; results those that need computing.
        outer: the values that it takes from outside.
        numbers: the block's Python numbers, all floats before all ints.
        slots: where each tensor that was returned stands among the block's slots.
        leaves, spec: what was returned: its leaves, with None for each tensor, and their structure.
        recording: how it came about, with checks, draws and writes.
    """

    block: Block
    outer: list[Value]
    numbers: list[Any]
    slots: tuple[int, ...]
    leaves: list[Any]
    spec: TreeSpec
    recording: Recording

    def results(self, tensors: Sequence[Any]) -> Any:
        """What the function returns, with these in the places of its tensors."""
        waiting = iter(tensors)
        return tree_unflatten(
            [next(waiting) if leaf is None else leaf.kept for leaf in self.leaves], self.spec
        )

    def function(self, floats: Any, ints: Any, *arrays: Any) -> list[Any]:
        """The returned tensors from the block's inputs: a function for JAX to trace."""
        return run_steps(self.block.steps, self.slots, arrays, floats, ints)


@dataclass(frozen=True, slots=True)
class Kept:
    """A returned leaf that is no tensor of the recording."""

    kept: Any


def record_function(
    function: Callable[..., Any], metas: Sequence[Meta], recording: Recording | None = None
) -> Recorded:
    """Calls `function` with a placeholder for each meta, and gives what it did.

    >>> import flambeau
    >>> from flambeau._core.value import meta_of
    >>> recorded = record_function(lambda x: {"y": x * 2}, [meta_of((3,), flambeau.float32)])
    >>> len(recorded.block.steps), recorded.numbers, recorded.results(["twice x"])
    (1, [2], {'y': 'twice x'})
    """
    recording = recording or Recording("inside a function that is recorded")
    with recording:
        tensors = [Tensor._of(recording.placeholder(meta)) for meta in metas]
        return finish(recording, function(*tensors))


def finish(recording: Recording, result: Any) -> Recorded:
    """What the recording holds, given what the function returned. The recording still goes on."""
    leaves, spec = tree_flatten(result)
    wanted: list[Value] = []
    for number, leaf in enumerate(leaves):
        if isinstance(leaf, Tensor) and leaf._meta.device is not META:
            wanted.append(leaf._read())
            leaves[number] = None
        else:
            leaves[number] = Kept(leaf)
    structure = structure_of(recording, wanted)
    values = [recording.leaves[number] for number in structure.leaves]
    return Recorded(
        structure.block, values[len(recording.placeholders) :], [*recording.floats, *recording.ints],
        structure.places, leaves, spec, recording,
    )  # fmt: skip
