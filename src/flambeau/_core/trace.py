"""The trace: what was asked for and has not run yet, as one flat list of calls on slots.

Recording appends a node and hands out pending values; nothing runs. A flush runs the whole trace and fills in every value
that somebody still holds; the rest never exist. One trace per thread; recording takes no lock, flushing one.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from flambeau._core import xla
from flambeau._core.errors import takes_memory
from flambeau._core.value import META, Meta, Value

if TYPE_CHECKING:
    from types import CodeType

    from flambeau._core.call import Call
    from flambeau._core.device import device as Device
    from flambeau._core.storage import Storage
    from flambeau._core.tensor import Tensor

_new = object.__new__

# A trace this long is flushed even when nobody asks for a value, so that it cannot grow without bound.
NODE_LIMIT = 4000
BYTE_LIMIT = 2 << 30
# So many checks of values on an accelerator wait for a value to be read.
CHECK_LIMIT = 1000

# Held while any trace runs. Re-entrant: running an operation may read another thread's pending value.
flush_lock = threading.RLock()

# `flush.run_trace`, imported at the first flush.
_run_trace: Any = None


class Trace:
    """The pending part of one thread's program.

    `key` describes the structure as a flat list of integers: a call's id, then one integer for each array that it takes
    (a slot, or `-1 - i` for leaf `i`). Numbers wait in `floats` and `ints` in the order in which the calls take them.

    `flush` is for those who need a value; `cut` for those who know a good place for a program to end. A `Recording`
    (`capture.py`) is a trace that never runs, and answers the methods below in its own way.
    """

    __slots__ = (
        "armed",
        "bytes",
        "device",
        "floats",
        "ints",
        "key",
        "late_checks",
        "leaf_of",
        "leaves",
        "nodes",
        "outputs",
        "replaced",
    )  # fmt: skip

    records = False  # whether it is a `Recording`

    def __init__(self) -> None:
        # What waits for the next value to be read: checks of values that an accelerator computes.
        self.late_checks: list[Callable[[], None]] = []
        # Set by `backward`: the next operation recorded with grad mode on begins a new step.
        self.armed = False
        self.device: Device | None = None  # of the calls; None before the first
        self.reset()

    def reset(self) -> None:
        self.nodes: list[Call] = []
        self.key: list[int] = []
        # Strong references: whether anybody else holds a value is told by its count of references.
        self.outputs: list[Value] = []
        self.leaves: list[Value] = []
        self.leaf_of: dict[int, int] = {}
        self.floats: list[float] = []
        self.ints: list[int] = []
        self.bytes = 0
        # What storages held that hold results of the trace now: each a slot, or a value that the trace does not take.
        self.replaced: list[tuple[Sequence[weakref.ref[Storage]], Sequence[int | Value]]] = []

    def take(self) -> Trace:
        """What waits, as a trace of its own; this one is empty afterwards."""
        taken = _new(Trace)
        taken.armed, taken.device, taken.late_checks = self.armed, self.device, self.late_checks
        taken.nodes, taken.key, taken.outputs, taken.leaves = self.nodes, self.key, self.outputs, self.leaves
        taken.leaf_of, taken.floats, taken.ints, taken.bytes = (
            self.leaf_of,
            self.floats,
            self.ints,
            self.bytes,
        )
        taken.replaced = self.replaced
        # Written out, since an interrupt that came within a call of `reset` would lose what was taken.
        self.nodes, self.key, self.outputs, self.leaves = [], [], [], []
        self.leaf_of, self.floats, self.ints, self.bytes, self.replaced = {}, [], [], 0, []
        return taken

    def put_back(self, taken: Trace) -> None:
        """Undoes `take`, if nothing was recorded since."""
        if not self.nodes:
            for name in Trace.__slots__:
                setattr(self, name, getattr(taken, name))

    def note_replaced(self, storages: Sequence[Storage]) -> None:
        """Called before storages are written to that are to hold results of this trace."""
        references, befores, leaf_of = [], [], self.leaf_of
        for storage in storages:
            value = storage.value
            if value is not None and value.trace is None:
                references.append(weakref.ref(storage))
                # By slot, because one more reference would keep a program from taking over the memory.
                befores.append(leaf_of.get(id(value)) or value)
        if references:
            self.replaced.append((references, befores))

    def fail(self, error: BaseException) -> None:
        """Says why the results will never be there, and has the storages that held other values hold them again.

        Those whose memory a program has taken over are lost.
        """
        for value in self.outputs:
            value.fail(error)
        for references, befores in reversed(self.replaced):
            for reference, before in zip(references, befores, strict=True):
                storage = reference()
                if storage is not None and storage.value is not None and storage.value.failure is not None:
                    self._put_back_into(storage, before)

    def _put_back_into(self, storage: Storage, before: int | Value) -> None:
        if isinstance(before, int):
            if before >= 0:  # a result itself
                return
            before = self.leaves[-1 - before]
        if not xla.is_taken(before.data):
            storage.value = before
            storage.epoch += 1  # views look again

    def flush(self, reason: str) -> None:
        """Runs everything recorded; afterwards each value that is still alive is concrete."""
        global _run_trace
        if _run_trace is None:
            from flambeau._core.flush import run_trace as _run_trace

        with flush_lock:
            self.armed = False
            if self.nodes:
                _run_trace(self, reason)

    def cut(self, reason: str) -> None:
        """Runs everything recorded, for no value's sake: the program is long enough, or a new part of it begins."""
        self.flush(reason)

    def fill(self, value: Value) -> None:
        """Makes a value that waits in this trace concrete, because somebody looks at it."""
        self.flush("a value is read")
        if self.late_checks:
            self.run_checks()

    def move_to(self, device: Device) -> None:
        """Makes `device` the one that the next call runs on."""
        if self.nodes:
            self.flush("the device changes")
        self.device = device

    def admit(self, value: Value) -> None:
        """Makes a value that waits elsewhere fit to be a leaf."""
        assert value.trace is not None
        value.trace.flush("a value is used on another thread")

    # -- what a recording wants to know ----------------------------------------------------------

    def read_storage(self, storage: Storage) -> Value:
        """The present value of a storage. Called only while some thread records a function, as the next ones are."""
        here, local.trace = local.trace, self
        try:
            return storage.present()
        finally:
            local.trace = here

    def read_view(self, view: Tensor, base: Value) -> Value:
        """The present value of a view of a storage that holds `base`."""
        return view._derived(base)

    def takes_write(self, storage: Storage, value: Value) -> bool:
        """Whether a write is the trace's business; otherwise the storage is to hold the value."""
        return False

    def note_made(self, made: Value | Storage) -> None:
        """Called for a new concrete value, and for a new storage."""

    def note_node(self, node: Any) -> None:
        """Called for a new node of the tape, whose call was recorded last."""

    def note_looked_at(self, value: Value) -> None:
        """Called when the host looks at a concrete value."""

    def check(self, value: Value, check: Callable[[Value], None], stalls: bool) -> None:
        """Runs `check(value)`: now, or with the next value that is read if looking now `stalls` a device."""
        if not stalls:
            check(value)
            return
        position = user_line()
        self.check_later(lambda: run_check(value, check, position))

    def note_hook(self, owner: Any, kind: str, table: dict[int, Any], key: int) -> None:
        """A hook was registered on a tensor or a node."""

    def note_state(self, generator: Any, state: Any, put: bool) -> None:
        """The state of a random generator was read, or put back."""

    def note_retained(self, tensor: Tensor) -> None:
        """A tensor will retain its gradient from now on."""

    def apply_function(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Calls an `autograd.Function`. Called only by recordings, which may do so in another way."""
        return function._apply(*args, **kwargs)

    def apply_rule(
        self, rule: Callable[..., Any], args: Sequence[Any], finish: Callable[[Any], tuple[Any, Any]],
        otherwise: Callable[[], Any],
    ) -> Any:  # fmt: skip
        """Calls what has a rule for `vmap`: by the rule where it is called for a batch, else by `otherwise()`.

        `finish` gives elements of what the rule gave their history within the recording, and returns their node as well.
        """
        return otherwise()

    def call_by_elements(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], draws: bool
    ) -> Any:
        """Calls a function that looks at values on the host, and may draw random numbers. Called only by recordings."""
        return function(*args, **kwargs)

    def note_gradient(self, variable: Tensor) -> None:
        """Called before the `.grad` of a tensor is looked at or replaced."""

    def note_numbers(self, kinds: Any, ask: Callable[[], tuple[list[Any], Any]]) -> None:
        """Called before a call whose numbers are options that may change: `ask()` gives them with their kinds."""

    def note_options(self, options: dict[str, Any]) -> None:
        """Called where options are read that may change, and do not come through `note_numbers`."""

    @takes_memory
    def draw(self, draw: Callable[[tuple[int, ...]], Any], meta: Meta) -> Value:
        """Random numbers: `draw(batch)` makes those for a tensor like `meta` with these dimensions in front."""
        return concrete(draw(()), meta)

    def check_later(self, check: Callable[[], None]) -> None:
        """Has `check` run when the next value is read, at which the device is waited for anyway."""
        self.late_checks.append(check)
        if len(self.late_checks) >= CHECK_LIMIT:
            self.run_checks()

    def run_checks(self) -> None:
        """Runs the checks that wait. Raises: what the first of them raises; the others are dropped."""
        checks, self.late_checks = self.late_checks, []
        for check in checks:
            check()

    def leaf(self, value: Value) -> int:
        """The number of a concrete value among the leaves, as it stands in the key."""
        number = self.leaf_of.get(id(value))
        if number is None:
            if value.trace is not None:
                self.admit(value)
            elif value.failure is not None:
                raise value.missing()
            number = self.leaf_of[id(value)] = -1 - len(self.leaves)
            self.leaves.append(value)
        return number


class _Local(threading.local):
    def __init__(self) -> None:
        self.trace = Trace()


local = _Local()


def record(call: Call, values: Sequence[Value], numbers: Sequence[float] = ()) -> list[Value]:
    """Appends `call` on `values` to this thread's trace; returns its results, pending."""
    if call.device is META:
        return [Value(meta) for meta in call.results]
    trace = local.trace
    if trace.device is not call.device:
        trace.move_to(call.device)
    # Leaves first: making one concrete may flush, and that empties this very trace.
    for value in values:
        if value.trace is not trace and value.trace is not None:
            trace.admit(value)
    leaf_of, leaf = trace.leaf_of, trace.leaf
    key = trace.key
    slots = [
        value.slot if value.trace is trace else leaf_of.get(id(value)) or leaf(value) for value in values
    ]
    key.append(call.id)
    key += slots
    if numbers:
        call.pack(numbers, trace.floats, trace.ints)
    outputs = trace.outputs
    results = []
    slot = len(outputs)
    for meta in call.results:
        value = _new(Value)
        value.meta, value.trace, value.slot = meta, trace, slot
        slot += 1
        results.append(value)
    outputs += results
    trace.nodes.append(call)
    trace.bytes += call.nbytes
    if len(trace.nodes) >= engine.limit or trace.bytes > BYTE_LIMIT:
        trace.cut(engine.full)
    return results


def end_program(reason: str) -> None:
    """Ends this thread's program here, so that what comes next is one of its own."""
    local.trace.cut(reason)


def concrete(array: Any, meta: Meta) -> Value:
    """A value of these host values, which nobody may write to afterwards."""
    if meta.device.type != "cpu":
        array = xla.to_device(array, meta.device)
    return Value(meta, array)


def run_check(value: Value, check: Callable[[Value], None], position: tuple[CodeType, int] | None) -> None:
    """Runs a check that had to wait. Raises: what it raises, with the line that it is about."""
    try:
        check(value)
    except (IndexError, RuntimeError, ValueError) as error:
        error.add_note(f"Its values were computed; it was used at {describe_line(position)}.")
        raise


class Engine:
    """How traces run; changed through `flambeau.inspect.set_engine`."""

    __slots__ = ("deterministic", "full", "limit", "tier")

    def __init__(self) -> None:
        self.eager = False
        # The highest tier a flush may use: 0 NumPy, 1 one executable a call, 2 one program a segment. None: as pays.
        self.tier: int | None = None
        self.deterministic = False

    @property
    def eager(self) -> bool:
        """Whether each operation runs at once, rather than with all that is recorded until a value is needed."""
        return self.limit == 1

    @eager.setter
    def eager(self, eager: bool) -> None:
        self.limit = 1 if eager else NODE_LIMIT
        self.full = "the engine is eager" if eager else "the trace is full"


engine = Engine()

_NOT_USERS = (__name__.partition(".")[0], "jax")


def user_line() -> tuple[CodeType, int] | None:
    """The code and instruction of the nearest caller outside flambeau and JAX; no frame, which would keep locals alive."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] not in _NOT_USERS:
            return frame.f_code, frame.f_lasti
        frame = frame.f_back  # type: ignore[assignment]
    return None


def describe_line(position: tuple[CodeType, int] | None) -> str:
    """`file.py:12 in function` for a position that `user_line` gave."""
    if position is None:
        return "an unknown line"
    code, instruction = position
    line: Any = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= instruction < end and number is not None:
            line = number
    return f"{code.co_filename}:{line} in {code.co_name}"
