"""Places: where a recorded call finds at each replay what it works on, and what it then makes, in terms of places.

The objects of one call (tensors, storages, nodes) are others at the next. A program keeps none of the call's own; it says "the
second argument", "the third tensor that is made", or names a thing that is the same at each call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, Value


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is found at each replay: `kind` says in which list, `at` which item; or `held`, the thing itself.

    Kinds of storages: "argument", "gradient", "made", "held"; of tensors: "argument", "gradient", "made", "held"; of values:
    "storage" (held: the storage's place), "view" of an argument, "draw", "held"; of nodes: "argument" (its tensor's), "made",
    "accumulate" (held: the tensor's place).
    """

    kind: str
    at: int = -1
    held: Any = None

    @property
    def key(self) -> Any:
        """Equal for places of one storage, without comparing what they hold."""
        return self.kind, self.at, id(self.held)

    def is_same_source(self, other: Place) -> bool:
        """Whether a value at the one is a value at the other."""
        if self.kind == other.kind == "held":  # a constant, made at each call
            ours, theirs = self.held, other.held
            return ours.meta is theirs.meta and ours.numpy().tobytes() == theirs.numpy().tobytes()
        return self == other


class Finder:
    """Finds at one call what places stand for, before the call has made anything.

    Args:
        tensors: the arguments, what stands in the assigned places, and their bases.
        gradients: places of the variables whose gradients were noted, each with its gradient's meta.
    """

    def __init__(self, tensors: Sequence[Tensor], gradients: Sequence[tuple[Place, Meta | None]]) -> None:
        self.tensors, self._gradients = tensors, gradients

    def tensor(self, place: Place) -> Any:
        if place.kind == "argument":
            return self.tensors[place.at]
        if place.kind == "gradient":
            return self.tensor(self._gradients[place.at][0])._grad
        assert place.kind == "held"
        return place.held

    def storage(self, place: Place) -> Storage:
        if place.kind == "held":
            return place.held  # type: ignore[no-any-return]
        return self.tensor(place)._storage  # type: ignore[no-any-return]

    def value(self, place: Place, drawn: Sequence[Value] = ()) -> Value:
        """An input of the block; `drawn` are the random numbers."""
        if place.kind == "storage":
            return self.storage(place.held).read()
        if place.kind == "view":
            return self.tensors[place.at]._read()
        if place.kind == "draw":
            return drawn[place.at]
        return place.held  # type: ignore[no-any-return]


# -- what a replay does ----------------------------------------------------------------------------


@dataclass(slots=True)
class Renewal:
    """Numbers that are asked for anew at each replay: an optimizer's options."""

    floats: int
    ints: int
    kinds: Any
    ask: Callable[[], tuple[list[Any], Any]]


@dataclass(slots=True)
class Written:
    """A storage that the call wrote to."""

    storage: Place
    value: int  # the value's number
    versions: int
    hidden: int


@dataclass(slots=True)
class MadeTensor:
    """A tensor that each replay makes anew.

    `since`: how often its base got a new history, and its storage was written to, since it was made.
    """

    kind: type
    storage: Place
    state: dict[str, Any]
    node: Place | None
    base: Place | None
    since: tuple[int, int]


@dataclass(slots=True)
class Changed:
    """A tensor from outside that is another one after the call: with another history, other sizes, other memory."""

    tensor: Place
    becomes: MadeTensor
    rebased: int  # how often it was given a new history


@dataclass(slots=True)
class MadeHook:
    """A hook that each replay registers.

    Args:
        place: of the node or the tensor.
        kind, index: which of its hooks: see `hook_table` of both.
        key: of the handle of the call that was recorded.
        function: the part that stands for it.
    """

    place: Place
    kind: str
    index: int
    key: int
    function: Any


@dataclass(slots=True)
class MadeNode:
    """A node of the graph behind a result.

    `saved` are numbers of values, or each what `saved_tensors_hooks` packed it to and what unpacks that, where `packed`;
    `guards` hold storage, its version and hidden writes then, which output, views.
    """

    kind: type
    call: Any  # the NodeKind
    edges: list[tuple[Place, int] | None]
    saved: list[Any] | None
    packed: bool
    numbers: Sequence[Any]
    guards: list[tuple[Place, int, int, int, Any]]
