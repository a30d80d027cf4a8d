"""Nested containers taken apart into their leaves, and put together again: what `torch.utils._pytree` is, and all of flambeau uses.

Lists, tuples, named tuples, dicts, ordered and default dicts and deques are containers, and classes that are registered;
all else is a leaf.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

from flambeau._core.return_types import StructSequence

PyTree = Any
IsLeaf = Callable[[Any], bool]


class NodeDef(NamedTuple):
    """How containers of one class are taken apart and put together."""

    type: type[Any]
    flatten_fn: Callable[[Any], tuple[list[Any], Any]]
    unflatten_fn: Callable[[Iterable[Any], Any], Any]


SUPPORTED_NODES: dict[type[Any], NodeDef] = {}


def register_pytree_node(
    cls: type[Any],
    flatten_fn: Callable[[Any], tuple[list[Any], Any]],
    unflatten_fn: Callable[[Iterable[Any], Any], Any],
    *,
    serialized_type_name: str | None = None,
    **_: Any,
) -> None:
    """Makes a class a container: `flatten_fn(it)` gives its children and what else it is, `unflatten_fn` makes it again.

    Raises: ValueError, if it is one already.
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn)


_register_pytree_node = register_pytree_node


def _dict_flatten(d: dict[Any, Any]) -> tuple[list[Any], Any]:
    return list(d.values()), list(d.keys())


def _dict_unflatten(values: Iterable[Any], context: Any) -> dict[Any, Any]:
    return dict(zip(context, values, strict=True))


def _default_dict_unflatten(values: Iterable[Any], context: Any) -> defaultdict[Any, Any]:
    factory, keys = context
    return defaultdict(factory, zip(keys, values, strict=True))


for _cls, _flatten, _unflatten in (
    (list, lambda d: (list(d), None), lambda values, context: list(values)),
    (tuple, lambda d: (list(d), None), lambda values, context: tuple(values)),
    (dict, _dict_flatten, _dict_unflatten),
    (OrderedDict, _dict_flatten, lambda values, context: OrderedDict(zip(context, values, strict=True))),
    (
        defaultdict,
        lambda d: (list(d.values()), [d.default_factory, list(d.keys())]),
        _default_dict_unflatten,
    ),
    (deque, lambda d: (list(d), d.maxlen), lambda values, context: deque(values, maxlen=context)),
    (namedtuple, lambda d: (list(d), type(d)), lambda values, context: context(*values)),
):
    register_pytree_node(_cls, _flatten, _unflatten)  # type: ignore[arg-type]


def _get_node_type(tree: Any) -> Any:
    """The class under which a container is registered; for named tuples that is the function that makes them."""
    kind = type(tree)
    if kind in SUPPORTED_NODES or not isinstance(tree, tuple):
        return kind
    if isinstance(tree, StructSequence):
        register_pytree_node(kind, lambda it: (list(it), None), lambda values, context: kind(list(values)))
    return namedtuple if hasattr(tree, "_fields") else kind


class TreeSpec:
    """The structure of a tree: the class of its root (None for a leaf), what else the root is, and its children's."""

    __slots__ = ("_children", "_hash", "context", "num_children", "num_leaves", "type")

    def __init__(self, type: Any, context: Any, children_specs: list[TreeSpec]) -> None:
        self.type, self.context, self._children = type, context, children_specs
        self.num_leaves: int = 1 if type is None else sum([child.num_leaves for child in children_specs])
        self.num_children = len(children_specs)
        self._hash: int | None = None  # programs are found by it, call after call

    @property
    def num_nodes(self) -> int:
        return 1 + sum([child.num_nodes for child in self._children])

    @property
    def children_specs(self) -> list[TreeSpec]:
        return self._children

    def children(self) -> list[TreeSpec]:
        return list(self._children)

    def child(self, index: int) -> TreeSpec:
        return self._children[index]

    def is_leaf(self) -> bool:
        return self.type is None

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        return tree_unflatten(leaves, self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TreeSpec):
            return NotImplemented
        mine, theirs = (self.type, self.context, self._children), (other.type, other.context, other._children)
        return mine == theirs

    def __hash__(self) -> int:
        if self._hash is None:
            context = tuple(self.context) if isinstance(self.context, list) else self.context
            self._hash = hash((
                self.type, context if isinstance(context, Hashable) else None, tuple(self._children),
            ))  # fmt: skip
        return self._hash

    def __repr__(self) -> str:
        return self._written(2)

    def _written(self, indent: int) -> str:
        if self.type is None:
            return "*"
        children = f",\n{' ' * indent}".join([child._written(indent + 2) for child in self._children])
        return f"TreeSpec({self.type.__name__}, {self.context}, [{children}])"


class LeafSpec(TreeSpec):
    """The structure of a leaf."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(None, None, [])


LEAF = LeafSpec()


def children_of(tree: PyTree) -> tuple[Any, Any, list[Any]] | None:
    """The registered class, the context and the children of a container; None for a leaf."""
    kind = type(tree)
    node = SUPPORTED_NODES.get(kind)
    if node is None:
        if not isinstance(tree, tuple):  # as nearly all leaves
            return None
        kind = _get_node_type(tree)
        node = SUPPORTED_NODES.get(kind)
        if node is None:
            return None
    children, context = node.flatten_fn(tree)
    return kind, context, list(children)


def containers_in(*trees: PyTree) -> list[Any]:
    """The containers within trees, always in the same order; not the trees themselves."""
    found: list[Any] = []
    for tree in trees:
        parts = children_of(tree)
        for child in parts[2] if parts is not None else ():
            if children_of(child) is not None:
                found.append(child)
                found += containers_in(child)
    return found


def tree_flatten(tree: PyTree, is_leaf: IsLeaf | None = None) -> tuple[list[Any], TreeSpec]:
    """The leaves in order, and the structure that `tree_unflatten` takes.

    >>> leaves, structure = tree_flatten({"a": [1, 2], "b": 3})
    >>> leaves
    [1, 2, 3]
    >>> tree_unflatten([leaf * 10 for leaf in leaves], structure)
    {'a': [10, 20], 'b': 30}
    """
    leaves: list[Any] = []
    return leaves, _flatten_into(tree, leaves, is_leaf)


def _flatten_into(tree: PyTree, leaves: list[Any], is_leaf: IsLeaf | None) -> TreeSpec:
    found = None if is_leaf is not None and is_leaf(tree) else children_of(tree)
    if found is None:
        leaves.append(tree)
        return LEAF
    kind, context, children = found
    return TreeSpec(kind, context, [_flatten_into(child, leaves, is_leaf) for child in children])


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """The tree of this structure with these leaves.

    Raises: TypeError for what is no structure, ValueError for another number of leaves.
    """
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            f"tree_unflatten(leaves, treespec): Expected `treespec` to be instance of TreeSpec but got item of type "
            f"{type(treespec)}."
        )
    items = list(leaves)
    if len(items) != treespec.num_leaves:
        raise ValueError(
            f"treespec.unflatten(leaves): `leaves` has length {len(items)} but the spec refers to a pytree that holds "
            f"{treespec.num_leaves} items ({treespec})."
        )
    return _built(treespec, iter(items))


def _built(treespec: TreeSpec, leaves: Any) -> PyTree:
    if treespec.type is None:
        return next(leaves)
    children = [_built(child, leaves) for child in treespec._children]
    return SUPPORTED_NODES[treespec.type].unflatten_fn(children, treespec.context)


def tree_leaves(tree: PyTree, is_leaf: IsLeaf | None = None) -> list[Any]:
    """The leaves in order."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: PyTree, is_leaf: IsLeaf | None = None) -> TreeSpec:
    """The structure alone."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf | None = None) -> PyTree:
    """The tree of what `func` makes of each leaf, and of the leaves in its place in the other trees."""
    leaves, structure = tree_flatten(tree, is_leaf)
    others = [_leaves_as(rest, structure) for rest in rests]
    return tree_unflatten([func(*each) for each in zip(leaves, *others, strict=True)], structure)


def _leaves_as(tree: PyTree, structure: TreeSpec) -> list[Any]:
    """The parts of a tree where another structure has its leaves.

    Raises: ValueError, if it is built differently.
    """
    if structure.type is None:
        return [tree]
    kind, context, children = children_of(tree) or (type(tree), None, [])
    if kind is not structure.type:
        raise ValueError(f"Node type mismatch; expected {structure.type}, but got {kind}.")
    if len(children) != structure.num_children or context != structure.context:
        raise ValueError(
            f"Node context or arity mismatch; expected {structure}, but got {tree_structure(tree)}."
        )
    return [
        leaf
        for child, each in zip(children, structure._children, strict=True)
        for leaf in _leaves_as(child, each)
    ]


def tree_map_(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf | None = None
) -> PyTree:
    """Calls `func` on each leaf for what it does; returns the tree itself."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_map_only(
    type_or_types: Any, func: Callable[[Any], Any], tree: PyTree, is_leaf: IsLeaf | None = None
) -> PyTree:
    """`tree_map` over the leaves of these types (or for which a function says so); the others stay."""
    chosen = _chooser(type_or_types)
    return tree_map(lambda leaf: func(leaf) if chosen(leaf) else leaf, tree, is_leaf=is_leaf)


def _chooser(types: Any) -> Callable[[Any], bool]:
    if callable(types) and not isinstance(types, type):
        return types
    return lambda leaf: isinstance(leaf, types)


def tree_all(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf | None = None) -> bool:
    """Whether `pred` holds for all leaves."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf | None = None) -> bool:
    """Whether `pred` holds for a leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))


def broadcast_to(tree: PyTree, spec: TreeSpec) -> list[Any] | None:
    """The leaves that a tree has under a structure that it is a prefix of; None if it is none."""
    found = children_of(tree)
    if spec.is_leaf():
        return [tree] if found is None else None
    if found is None:
        return [tree] * spec.num_leaves
    kind, context, children = found
    if kind is not spec.type or context != spec.context or len(children) != spec.num_children:
        return None
    leaves: list[Any] = []
    for child, below in zip(children, spec.children_specs, strict=True):
        part = broadcast_to(child, below)
        if part is None:
            return None
        leaves += part
    return leaves
