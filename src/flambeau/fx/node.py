"""One step of a graph: what is called with which arguments, and who uses its result."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flambeau.fx.immutable_collections import immutable_dict, immutable_list

if TYPE_CHECKING:
    from flambeau.fx.graph import Graph

Target = Callable[..., Any] | str
_PACKAGE = __name__.partition(".")[0]


def map_aggregate(a: Any, fn: Callable[[Any], Any]) -> Any:
    """`a` with `fn` of each thing in its tuples, lists, dicts and slices, however deep."""
    if isinstance(a, tuple):
        items = [map_aggregate(each, fn) for each in a]
        return type(a)(*items) if hasattr(a, "_fields") else tuple(items)
    if isinstance(a, list):
        return immutable_list([map_aggregate(each, fn) for each in a])
    if isinstance(a, dict):
        return immutable_dict((key, map_aggregate(value, fn)) for key, value in a.items())
    if isinstance(a, slice):
        return slice(*[map_aggregate(each, fn) for each in (a.start, a.stop, a.step)])
    return fn(a)


def map_arg(a: Any, fn: Callable[[Node], Any]) -> Any:
    """The same for the nodes alone."""
    return map_aggregate(a, lambda each: fn(each) if isinstance(each, Node) else each)


def qualified_name(function: Callable[..., Any]) -> str:
    """Where a function is found, by PyTorch's path."""
    name = getattr(function, "__name__", repr(function))
    if getattr(builtins, name, None) is function:
        return name
    module = getattr(function, "__module__", None) or "builtins"
    if module.partition(".")[0] == _PACKAGE:
        return "torch" + module.removeprefix(_PACKAGE) + "." + getattr(function, "__qualname__", name)
    return f"{'operator' if module == '_operator' else module}.{name}"


def type_repr(kind: Any) -> str:
    """An annotation as source."""
    return qualified_name(kind) if isinstance(kind, type) else repr(kind)


class Node:
    """One step of a graph.

    Attributes:
        op: "placeholder", "get_attr", "call_function", "call_method", "call_module" or "output".
        target: the function, or the name of the method, module, attribute or argument.
        args, kwargs: arguments, with nodes where results of other steps go in.
        users: the nodes that take this one's result.
        meta: whatever passes over graphs note.
    """

    def __init__(
        self,
        graph: Graph,
        name: str,
        op: str,
        target: Target,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        return_type: Any = None,
    ) -> None:
        if op == "call_function" and not callable(target):
            raise ValueError(
                f"Node [graph = {graph}, name = '{name}'] target {target} has type {type(target).__name__} "
                "but a Callable is expected"
            )
        self.graph, self.name, self.op, self.target, self.type = graph, name, op, target, return_type
        self.users: dict[Node, None] = {}
        self.meta: dict[str, Any] = {}
        self._input_nodes: dict[Node, None] = {}
        self._prev = self._next = self
        self._erased = False
        self._take(args, kwargs)

    def _take(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        for old in self._input_nodes:
            old.users.pop(self, None)
        self._input_nodes = {}

        def note(node: Node) -> Node:
            self._input_nodes[node] = None
            node.users[self] = None
            return node

        self._args, self._kwargs = map_arg(tuple(args), note), map_arg(dict(kwargs), note)

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments."""
        return self._args  # type: ignore[no-any-return]

    @args.setter
    def args(self, args: tuple[Any, ...]) -> None:
        self._take(args, self._kwargs)

    @property
    def kwargs(self) -> dict[str, Any]:
        """The arguments by name."""
        return self._kwargs  # type: ignore[no-any-return]

    @kwargs.setter
    def kwargs(self, kwargs: dict[str, Any]) -> None:
        self._take(self._args, kwargs)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes among the arguments, each once."""
        return list(self._input_nodes)

    @property
    def next(self) -> Node:
        """The node after this one."""
        return self._next

    @property
    def prev(self) -> Node:
        """The node before this one."""
        return self._prev

    @property
    def stack_trace(self) -> str | None:
        """Where it was recorded, if somebody noted it in `meta`."""
        return self.meta.get("stack_trace")

    def _remove_from_list(self) -> None:
        self._prev._next, self._next._prev = self._next, self._prev

    def prepend(self, x: Node) -> None:
        """Moves a node of this graph to the place before this one."""
        if self.graph is not x.graph:
            raise AssertionError("Attempting to move a Node into a different Graph")
        if self is x:
            return
        x._remove_from_list()
        before = self._prev
        before._next, x._prev, x._next, self._prev = x, before, self, x

    def append(self, x: Node) -> None:
        """Moves a node of this graph to the place after this one."""
        self._next.prepend(x)

    def update_arg(self, idx: int, arg: Any) -> None:
        """Puts another positional argument in the place of one."""
        args = list(self.args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Any) -> None:
        """Puts a positional argument before one."""
        if not 0 <= idx <= len(self.args):
            raise AssertionError("insert_args index must be between 0 and len(self.args)")
        self.args = (*self.args[:idx], arg, *self.args[idx:])

    def update_kwarg(self, key: str, arg: Any) -> None:
        """Sets an argument by name."""
        self.kwargs = {**self.kwargs, key: arg}

    def replace_all_uses_with(
        self,
        replace_with: Node,
        delete_user_cb: Callable[[Node], bool] = lambda user: True,
        *,
        propagate_meta: bool = False,
    ) -> list[Node]:
        """Has all users take another node's result; returns them. `delete_user_cb` may spare some."""
        if propagate_meta:
            replace_with.meta.update(self.meta)
        changed = [user for user in self.users if delete_user_cb(user)]
        for user in changed:
            user.replace_input_with(self, replace_with)
        return changed

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Takes another node's result wherever it takes one's."""

        def replaced(node: Node) -> Node:
            return new_input if node is old_input else node

        self._take(map_arg(self._args, replaced), map_arg(self._kwargs, replaced))

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether it may do more than give a result, so that it stays where nobody uses that."""
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_function":
            name = getattr(self.target, "__name__", "")
            return name in ("_assert", "seed", "manual_seed") or (
                name.endswith("_") and not name.endswith("__")
            )
        if self.op == "call_module":
            return bool(getattr(self.graph.owning_module, "training", False))
        return False

    def _pretty_print_target(self, target: Any) -> str:
        if isinstance(target, str):
            return target
        module = getattr(target, "__module__", None)
        return f"builtins.{target.__name__}" if module == "builtins" else qualified_name(target)

    def format_node(self) -> str:
        """One line about it."""
        if self.op == "output":
            return f"return {self.args[0]}"
        kind = "" if self.type is None else f"{type_repr(self.type)} "
        target = self._pretty_print_target(self.target)
        head = f"%{self.name} : {kind}[num_users={len(self.users)}] = {self.op}[target={target}]"
        if self.op == "placeholder":
            return f"{head}(default={self.args[0]})" if self.args else head
        if self.op == "get_attr":
            return head
        return f"{head}(args = {_shown(self.args)}, kwargs = {_shown(self.kwargs)})"

    def __repr__(self) -> str:
        return self.name


def _shown(a: Any) -> str:
    """Arguments with % before nodes' names, and other things as `str` shows them."""
    if isinstance(a, (tuple, list)):
        items = ", ".join(map(_shown, a))
        if isinstance(a, list):
            return f"[{items}]"
        return f"({items}{',' if len(a) == 1 else ''})"
    if isinstance(a, dict):
        return "{" + ", ".join(f"{key}: {_shown(value)}" for key, value in a.items()) + "}"
    return f"%{a.name}" if isinstance(a, Node) else str(a)


def nodes_in(a: Any) -> Iterable[Node]:
    """The nodes among arguments."""
    found: list[Node] = []
    map_arg(a, lambda node: found.append(node))
    return found
