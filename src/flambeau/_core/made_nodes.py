"""Nodes of custom functions (`autograd.Function`) in a graph that a replay makes anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flambeau._core.assigned import Tree, tree_of
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
class MadeFunction:
    """The node of a custom function; `state` holds what its methods kept on `ctx`, with the places of tensors."""

    kind: type
    edges: list[Any]
    saved: list[MadeSaved | None] | None
    state: list[tuple[str, Tree, list[Any]]]
    guards: tuple[Any, ...] = ()  # those of recorded calls; here they are in `saved`


def is_plain(node: Any) -> bool:
    """Whether a node can be made anew: nothing of it belongs to one call, or is in the hands of `saved_tensors_hooks`."""
    if not isinstance(node, FunctionNode) or node._function.of_one_call:
        return False
    return all(saved is None or saved.unpack is None for saved in node._saved or ())


def describe(node: Any, edge: Callable[[Any], Any], description: Any) -> MadeFunction:
    """The node in places. `edge` gives the place of an edge."""
    saved: list[MadeSaved | None] | None = None
    if node._saved is not None:
        saved = []
        for each in node._saved:
            if each is None:
                saved.append(None)
                continue
            tensor = None if each.tensor is None else description.tensor(each.tensor)
            saved.append(
                MadeSaved(
                    description.storage(each.storage), each.version, each.output, tensor, edge(each.made_by),
                    description.value(each.value),
                )
            )  # fmt: skip
    state = []
    for name, kept in node.__dict__.items():
        if name not in _OWN:
            tree = tree_of(kept)
            places = [description.tensor(tensor) for tensor in tree.tensors]
            tree.tensors = []
            state.append((name, tree, places))
    return MadeFunction(type(node), [edge(each) for each in node.edges], saved, state)


def make(
    made: MadeFunction, edge: Callable[[Any], Any], tensor: Callable[[Any], Any], storage: Callable[[Any, int], Any],
    values: Any,
) -> Any:  # fmt: skip
    """A node like that one. `storage` gives a storage, and the version that stands for one of the recorded call."""
    node: Any = _new(made.kind)
    node.sequence = next_sequence()
    node.edges = tuple([None if each is None else edge(each) for each in made.edges])
    for name, tree, places in made.state:
        node.__dict__[name] = tree.with_tensors([tensor(place) for place in places])
    node._saved = None
    if made.saved is not None:
        node._saved = [
            None if each is None else _saved(each, edge, tensor, storage, values) for each in made.saved
        ]
    return node


def _saved(made: MadeSaved, edge: Any, tensor: Any, storage: Any, values: Any) -> _Saved:
    saved = _new(_Saved)
    saved.storage, saved.version = storage(made.storage, made.version)
    saved.output, saved.packed, saved.unpack = made.output, None, None
    saved.tensor = None if made.tensor is None else tensor(made.tensor)
    saved.made_by = None if made.made_by is None else edge(made.made_by)
    saved.value = values[made.value]
    return saved
