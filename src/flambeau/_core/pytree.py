"""Nested tuples, lists and dicts taken apart into their leaves, and put together again, as `torch.utils._pytree` does."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flambeau._core.return_types import StructSequence


class TreeSpec:
    """The structure of a nested container: its type, what puts it together again, and the specs of its children."""

    __slots__ = ("children", "context", "num_leaves", "type")

    def __init__(self, type: Any, context: Any, children: Sequence[TreeSpec]) -> None:
        self.type, self.context, self.children = type, context, tuple(children)
        self.num_leaves: int = 1 if type is None else sum(child.num_leaves for child in self.children)

    def is_leaf(self) -> bool:
        return self.type is None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and (
            (self.type, self.context, self.children) == (other.type, other.context, other.children)
        )

    def __hash__(self) -> int:
        return hash((self.type, repr(self.context), self.children))

    def __repr__(self) -> str:
        return self._shown(0)

    def _shown(self, indent: int) -> str:
        if self.is_leaf():
            return "*"
        inner = indent + 2
        children = f",\n{' ' * inner}".join(child._shown(inner) for child in self.children)
        return f"TreeSpec({self.type.__name__}, {self.context}, [{children}])"


LEAF = TreeSpec(None, None, ())


def _is_named(tree: Any) -> bool:
    return isinstance(tree, tuple) and type(tree) is not tuple and hasattr(tree, "_fields")


def children_of(tree: Any) -> tuple[Any, Any, list[Any]] | None:
    """The type, the context and the children of a container; None for a leaf."""
    kind = type(tree)
    if kind is dict or kind is OrderedDict:
        return kind, list(tree), list(tree.values())
    if kind is defaultdict:
        return kind, (tree.default_factory, list(tree)), list(tree.values())
    if kind is list or kind is tuple:
        return kind, None, list(tree)
    if kind is deque:
        return kind, tree.maxlen, list(tree)
    if _is_named(tree):
        return kind, None, list(tree)
    if isinstance(tree, StructSequence):
        return kind, None, list(tree)
    return None


def tree_flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], TreeSpec]:
    """The leaves of a tree in order, and its structure.

    >>> leaves, spec = tree_flatten({"a": (1, 2), "b": 3})
    >>> leaves, tree_unflatten([4, 5, 6], spec)
    ([1, 2, 3], {'a': (4, 5), 'b': 6})
    """
    leaves: list[Any] = []

    def visit(node: Any) -> TreeSpec:
        found = None if is_leaf is not None and is_leaf(node) else children_of(node)
        if found is None:
            leaves.append(node)
            return LEAF
        kind, context, children = found
        return TreeSpec(kind, context, [visit(child) for child in children])

    return leaves, visit(tree)


def tree_unflatten(leaves: Iterable[Any], spec: TreeSpec) -> Any:
    """The tree of this structure with these leaves."""
    waiting = iter(leaves)

    def build(spec: TreeSpec) -> Any:
        if spec.is_leaf():
            return next(waiting)
        return _put_together(spec, [build(child) for child in spec.children])

    return build(spec)


def _put_together(spec: TreeSpec, children: list[Any]) -> Any:
    kind, context = spec.type, spec.context
    if kind is list:
        return children
    if kind is dict or kind is OrderedDict:
        return kind(zip(context, children, strict=True))
    if kind is defaultdict:
        return defaultdict(context[0], zip(context[1], children, strict=True))
    if kind is deque:
        return deque(children, context)
    if hasattr(kind, "_fields") and kind.__new__ is not tuple.__new__:
        return kind(*children)
    return kind(children)


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    return tree_flatten(tree, is_leaf)[0]


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """`function` on each leaf, and on those of trees of the same structure beside it."""
    leaves, spec = tree_flatten(tree)
    columns = [leaves, *[broadcast_to(other, spec) for other in others]]
    if any(column is None for column in columns):
        raise ValueError(f"tree_map: the trees differ in structure from {spec}")
    return tree_unflatten([function(*row) for row in zip(*columns, strict=True)], spec)


def broadcast_to(tree: Any, spec: TreeSpec) -> list[Any] | None:
    """The leaves that a tree has under a structure that it is a prefix of; None if it is none."""
    if spec.is_leaf():
        return [tree] if children_of(tree) is None else None
    found = children_of(tree)
    if found is None:
        return [tree] * spec.num_leaves
    kind, context, children = found
    if kind is not spec.type or context != spec.context or len(children) != len(spec.children):
        return None
    leaves: list[Any] = []
    for child, below in zip(children, spec.children, strict=True):
        part = broadcast_to(child, below)
        if part is None:
            return None
        leaves += part
    return leaves
