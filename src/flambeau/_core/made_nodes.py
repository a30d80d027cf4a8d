"""Nodes of custom functions (`autograd.Function`) in a graph that a replay makes anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flambeau._core.function import FunctionNode, _Saved
from flambeau._core.node_kind import next_sequence

_new = object.__new__
# What of a node is not taken over as it is.
_OWN = frozenset(
    {"sequence", "edges", "_saved", "hooks", "prehooks", "tensor_hooks", "retained", "_metadata"}
)


@dataclass(slots=True)
class MadeSaved:
    """A tensor that was kept for backward, as places: its storage and how it was then, itself, where it came from."""

    storage: Any
    version: int
    output: int | None
    tensor: Any
    made_by: Any
    value: int


@dataclass(slots=True)
class MadePacked:
    """One in the hands of `saved_tensors_hooks`: what they made of it, and what makes it a tensor again."""

    packed: Any
    unpack: Any
    output: int | None
    made_by: Any


@dataclass(slots=True)
class MadeFunction:
    """The node of a custom function; `state` is what its methods kept on `ctx`."""

    kind: type
    edges: list[Any]
    saved: list[MadeSaved | MadePacked | None] | None
    state: list[tuple[str, Any]]
    guards: tuple[Any, ...] = ()  # those of recorded calls; here they are in `saved`


def describe(node: FunctionNode, description: Any) -> MadeFunction:
    """The node in places and parts."""
    saved = (
        None if node._saved is None else [_describe_saved(each, node, description) for each in node._saved]
    )
    state = [
        (name, description.objects.add(kept, f"what {node.name()} keeps, {name}"))
        for name, kept in node.__dict__.items()
        if name not in _OWN
    ]
    return MadeFunction(type(node), [description.edge(each) for each in node.edges], saved, state)


def _describe_saved(
    saved: _Saved | None, node: FunctionNode, description: Any
) -> MadeSaved | MadePacked | None:
    if saved is None:
        return None
    if saved.unpack is not None:
        words = f"what saved_tensors_hooks made for {node.name()}"
        packed, unpack = (description.objects.add(each, words) for each in (saved.packed, saved.unpack))
        return MadePacked(packed, unpack, saved.output, description.edge(saved.made_by))
    tensor = None if saved.tensor is None else description.tensor(saved.tensor)
    return MadeSaved(
        description.storage(saved.storage), saved.version, saved.output, tensor, description.edge(saved.made_by),
        description.value(saved.value),
    )  # fmt: skip


def make(
    made: MadeFunction, edge: Callable[[Any], Any], tensor: Callable[[Any], Any], storage: Callable[[Any, int], Any],
    values: Any,
) -> Any:  # fmt: skip
    """A node like that one, but for what `fill` adds. `storage` gives a storage, and the version that stands for a recorded one."""
    node: Any = _new(made.kind)
    node.sequence = next_sequence()
    node.edges = tuple([None if each is None else edge(each) for each in made.edges])
    node._saved = None
    if made.saved is not None:
        node._saved = [_saved(each, edge, tensor, storage, values) for each in made.saved]
    return node


def fill(node: Any, made: MadeFunction, anew: Callable[[Any], Any]) -> None:
    """Gives a node the objects that it keeps."""
    for name, part in made.state:
        node.__dict__[name] = anew(part)
    for saved, how in zip(node._saved or (), made.saved or (), strict=True):
        if isinstance(how, MadePacked):
            saved.packed, saved.unpack = anew(how.packed), anew(how.unpack)


def _saved(made: Any, edge: Any, tensor: Any, storage: Any, values: Any) -> _Saved | None:
    if made is None:
        return None
    saved = _new(_Saved)
    saved.output, saved.packed, saved.unpack = made.output, None, None
    saved.made_by = None if made.made_by is None else edge(made.made_by)
    if isinstance(made, MadePacked):
        saved.storage, saved.version, saved.tensor, saved.value = None, 0, None, None
    else:
        saved.storage, saved.version = storage(made.storage, made.version)
        saved.tensor = None if made.tensor is None else tensor(made.tensor)
        saved.value = values[made.value]
    return saved
