"""Places outside of a recorded function that it puts tensors into: attributes, items of dicts and lists, variables.

`self.hidden = h` is done anew at each replay, and what stood there before is an input like an argument: the tensor that the
last call put there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flambeau._core.pytree import LEAF, TreeSpec, tree_flatten, tree_unflatten
from flambeau._core.tensor import Tensor

SCALARS = (int, float, bool, str, bytes, complex, type(None))
MISSING: Any = type("Missing", (), {"__repr__": lambda self: "missing"})()


# What of a tensor's attributes a call can change and a replay changes again.
_STATE = (
    "_storage", "_meta", "_views", "_stride", "_rg", "_node", "_index", "_base", "_from_base", "_rebased", "_rebased_seen",
    "_made_in", "_made_at", "_untracked", "_inference",
)  # fmt: skip


def state_of(tensor: Tensor) -> dict[str, Any]:
    """What a tensor is, apart from its values and its gradient."""
    held = tensor.__dict__
    return {name: held[name] for name in _STATE if name in held}


def put_state(tensor: Tensor, state: dict[str, Any]) -> None:
    """Makes a tensor what it was."""
    for name in _STATE:
        if name in state:
            tensor.__dict__[name] = state[name]
        else:
            tensor.__dict__.pop(name, None)
    tensor._value, tensor._seen = None, -1  # what it remembered may be of the call


def same(a: Any, b: Any) -> bool:
    """Whether two values are the same to a program: equal scalars of one type, else one object."""
    return a is b or (type(a) is type(b) and isinstance(a, SCALARS) and (a == b or (a != a and b != b)))


@dataclass(slots=True)
class Tree:
    """The tensors in a value, and all else of it."""

    tensors: list[Tensor]
    others: list[Any]  # its leaves, with a mark for each tensor
    spec: TreeSpec

    def is_alike(self, other: Tree) -> bool:
        return self.spec == other.spec and all(map(same, self.others, other.others))

    def with_tensors(self, tensors: Any) -> Any:
        """The value with these tensors in the places of its own."""
        waiting = iter(tensors)
        leaves = [next(waiting) if leaf is _TENSOR else leaf for leaf in self.others]
        return tree_unflatten(leaves, self.spec)


_TENSOR: Any = type("Tensor", (), {})()


def tree_of(value: Any) -> Tree:
    if isinstance(value, Tensor):
        return Tree([value], [_TENSOR], LEAF)
    leaves, spec = tree_flatten(value)
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    return Tree(tensors, [_TENSOR if isinstance(leaf, Tensor) else leaf for leaf in leaves], spec)


class Variable:
    """The cell of a closure as a place with one item."""

    def __init__(self, cell: Any) -> None:
        self.cell = cell

    def get(self, key: Any, default: Any) -> Any:
        try:
            return self.cell.cell_contents
        except ValueError:
            return default

    def put(self, value: Any) -> None:
        self.cell.cell_contents = value


class Assigned:
    """A place, with what stood there before the call and after it.

    Args:
        container: a dict; a list, which is one value as a whole; or a `Variable`.
        key: of a dict, which item.
        words: how messages call the place.

    `given` is the number of the container among those that the call is given, if it is one of them: each call has its own.
    """

    __slots__ = ("after", "before", "container", "given", "key", "stood", "words")

    def __init__(self, container: Any, key: Any, stood: Any, words: str) -> None:
        self.container, self.key, self.words = container, key, words
        self.stood: Any = stood
        self.given: int | None = None
        self.before, self.after = tree_of(stood), tree_of(_read(container, key))

    @property
    def holds_tensors(self) -> bool:
        """Whether it is about tensors, and nothing but tensors and scalars is put there."""
        plain = all(isinstance(leaf, (*SCALARS, type(_TENSOR), type(MISSING))) for leaf in self.after.others)
        return plain and bool(self.before.tensors or self.after.tensors)

    def now(self, given: Sequence[Any]) -> list[Tensor] | None:
        """The tensors that stand there now; None if something else does than before the call. `given`: this call's containers."""
        tree = tree_of(_read(self._container(given), self.key))
        return tree.tensors if self.before.is_alike(tree) else None

    def settle(self) -> None:
        """Puts back what stood there, and forgets the tensors of the call."""
        _put(self.container, self.key, self.stood)
        self.stood = None
        if self.given is not None:
            self.container = None
        self.before.tensors, self.after.tensors = [], []

    def put(self, tensors: Any, given: Sequence[Any]) -> None:
        """Puts there what the call did, with these tensors in the places of its own."""
        _put(self._container(given), self.key, self.after.with_tensors(tensors))

    def _container(self, given: Sequence[Any]) -> Any:
        return self.container if self.given is None else given[self.given]


def _read(container: Any, key: Any) -> Any:
    return list(container) if type(container) is list else container.get(key, MISSING)


def _put(container: Any, key: Any, value: Any) -> None:
    if type(container) is list:
        container[:] = value
    elif isinstance(container, Variable):
        container.put(value)
    elif value is MISSING:
        container.pop(key, None)
    else:
        container[key] = value
