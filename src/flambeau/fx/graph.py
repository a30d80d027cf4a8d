"""A program as a list of nodes, each after those whose results it takes."""

from __future__ import annotations

import builtins
import keyword
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flambeau.fx._codegen import PythonCode, python_code
from flambeau.fx.node import Node, Target, map_arg

_NUMBERED = re.compile(r"(.*)_(\d+)$")
_ILLEGAL = re.compile(r"[^0-9a-zA-Z_]+")


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class Namespace:
    """Names that are in use, and new ones like those that are asked for."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.counts: defaultdict[str, int] = defaultdict(int)

    def create_name(self, candidate: str) -> str:
        """A name that is not in use: `candidate`, or that with a number."""
        candidate = _ILLEGAL.sub("_", candidate) or "_unnamed"
        if candidate[0].isdigit():
            candidate = f"_{candidate}"
        found = _NUMBERED.match(candidate)
        base, number = (found[1], int(found[2])) if found else (candidate, 0)
        number = number or self.counts[base]
        while candidate in self.used or keyword.iskeyword(candidate) or candidate in _TAKEN:
            number += 1
            candidate = f"{base}_{number}"
        self.used.add(candidate)
        self.counts[base] = number
        return candidate


_TAKEN = {*dir(builtins), "inf", "nan", "NoneType", "torch", "device", "fx_pytree", "pytree", "self"}


class _NodeList:
    def __init__(self, graph: Graph, backwards: bool = False) -> None:
        self.graph, self.backwards = graph, backwards

    def __len__(self) -> int:
        return self.graph._count

    def __iter__(self) -> Iterator[Node]:
        root = self.graph._root
        at = root._prev if self.backwards else root._next
        while at is not root:
            following = at._prev if self.backwards else at._next
            if not at._erased:
                yield at
                following = at._prev if self.backwards else at._next
            at = following

    def __reversed__(self) -> _NodeList:
        return _NodeList(self.graph, not self.backwards)


class Graph:
    """A program: nodes in the order in which they run.

    >>> import flambeau
    >>> graph = Graph()
    >>> x = graph.placeholder("x")
    >>> graph.output(graph.call_function(flambeau.relu, (x,)))
    output
    >>> print(graph)
    graph():
        %x : [num_users=1] = placeholder[target=x]
        %relu : [num_users=1] = call_function[target=torch.relu](args = (%x,), kwargs = {})
        return relu
    """

    def __init__(
        self, owning_module: Any = None, tracer_cls: type | None = None, tracer_extras: Any = None
    ) -> None:
        self._root = Node(self, "", "root", "", (), {})
        self._count = 0
        self._namespace = Namespace()
        self._insert: Callable[[Node], None] = self._root.prepend
        self._tracer_cls = tracer_cls
        self.owning_module = owning_module

    @property
    def nodes(self) -> _NodeList:
        """All nodes, in order."""
        return _NodeList(self)

    # -- making nodes ------------------------------------------------------------------------------

    def create_node(
        self,
        op: str,
        target: Target,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        name: str | None = None,
        type_expr: Any = None,
    ) -> Node:
        """Adds a node where insertions go, at the end by default."""
        name = self._namespace.create_name(name if name is not None else self._name_for(op, target))
        node = Node(self, name, op, target, args or (), kwargs or {}, type_expr)
        self._insert(node)
        self._count += 1
        return node

    def _name_for(self, op: str, target: Target) -> str:
        name = target if isinstance(target, str) else getattr(target, "__name__", str(target))
        if isinstance(name, str) and name.startswith("__") and name.endswith("__"):
            name = name[2:-2]
        return _snake_case(_ILLEGAL.sub("_", name))

    def placeholder(self, name: str, type_expr: Any = None, default_value: Any = ...) -> Node:
        """An argument of the program; `default_value` may be left out."""
        args = () if default_value is ... else (default_value,)
        return self.create_node("placeholder", name, args=args, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """A parameter, buffer or other attribute of the module."""
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(
        self, module_name: str, args: Any = None, kwargs: Any = None, type_expr: Any = None
    ) -> Node:
        """A call of a submodule by its path."""
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(
        self, method_name: str, args: Any = None, kwargs: Any = None, type_expr: Any = None
    ) -> Node:
        """A call of a method of the first argument."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(
        self,
        the_function: Callable[..., Any],
        args: Any = None,
        kwargs: Any = None,
        type_expr: Any = None,
        name: str | None = None,
    ) -> Node:
        """A call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name=name, type_expr=type_expr)

    def output(self, result: Any, type_expr: Any = None) -> Node:
        """What the program returns."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Any] = lambda node: node) -> Node:
        """A node of another graph here; `arg_transform` gives this graph's node for each that it takes."""
        args, kwargs = map_arg(node.args, arg_transform), map_arg(node.kwargs, arg_transform)
        copy = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        copy.meta = dict(node.meta)
        return copy

    def graph_copy(self, g: Graph, val_map: dict[Node, Node], return_output_node: bool = False) -> Any:
        """Adds the nodes of another graph, noting the copies in `val_map`; returns this graph's value of its output."""
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                found = map_arg(node.args[0], lambda n: val_map[n])
                return (found, node) if return_output_node else found
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    def __deepcopy__(self, memo: Any = None) -> Graph:
        copy, seen = Graph(tracer_cls=self._tracer_cls), dict[Node, Node]()
        found = copy.graph_copy(self, seen, return_output_node=True)
        if found is not None:
            output, old = found
            copy.output(output, type_expr=old.type).meta = dict(old.meta)
        return copy

    # -- changing it -------------------------------------------------------------------------------

    def erase_node(self, to_erase: Node) -> None:
        """Removes a node.

        Raises: RuntimeError, if another node takes its result.
        """
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in the graph: {to_erase.users}!"
            )
        if to_erase.graph is not self:
            raise RuntimeError(f"Attempting to remove {to_erase} from wrong graph!")
        if to_erase._erased:
            return
        to_erase._remove_from_list()
        to_erase._erased = True
        self._count -= 1
        to_erase._take((), {})

    @contextmanager
    def _inserting(self, insert: Callable[[Node], None]) -> Iterator[None]:
        before, self._insert = self._insert, insert
        try:
            yield
        finally:
            self._insert = before

    def inserting_before(self, n: Node | None = None) -> Any:
        """In a `with` statement, puts new nodes before this one; at the beginning of the graph without one."""
        return self.inserting_after(self._root) if n is None else self._inserting(n.prepend)

    def inserting_after(self, n: Node | None = None) -> Any:
        """In a `with` statement, puts new nodes after this one; at the end of the graph without one."""
        if n is None:
            return self.inserting_before(self._root)
        last = n

        def insert(node: Node) -> None:
            nonlocal last
            last.append(node)
            last = node

        return self._inserting(insert)

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Removes what nobody uses; whether there was anything."""
        self.lint()
        impure = is_impure_node or Node.is_impure
        dead = [node for node in reversed(self.nodes) if not node.users and not impure(node)]
        changed = False
        while dead:
            for node in dead:
                self.erase_node(node)
            changed = True
            dead = [node for node in reversed(self.nodes) if not node.users and not impure(node)]
        return changed

    def find_nodes(self, *, op: str, target: Target | None = None, sort: bool = True) -> list[Node]:
        """The nodes of one kind, and with one target if it is given."""
        return [node for node in self.nodes if node.op == op and (target is None or node.target == target)]

    def output_node(self) -> Node:
        """The node that returns."""
        return next(node for node in reversed(self.nodes) if node.op == "output")

    def lint(self) -> None:
        """Checks that each node comes after those that it takes, and that what it names is there.

        Raises: RuntimeError or ValueError, if not.
        """
        seen: set[Node] = set()
        names: set[str] = set()
        for node in self.nodes:
            for taken in node.all_input_nodes:
                if taken.graph is not self:
                    raise RuntimeError(f"Argument '{taken}' of Node '{node}' does not belong to this Graph")
                if taken not in seen:
                    raise RuntimeError(
                        f"Argument '{taken}' of Node '{node}' was used before it has been defined! Please check that Nodes "
                        f"in the graph are topologically ordered\n{self}"
                    )
            if node.name in names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            seen.add(node)
            names.add(node.name)
            if self.owning_module is not None and node.op in ("get_attr", "call_module"):
                self._check_path(node)

    def _check_path(self, node: Node) -> None:
        at = self.owning_module
        for step in str(node.target).split("."):
            if not hasattr(at, step):
                raise RuntimeError(
                    f"Node {node} target {node.target} references nonexistent attribute {step} of {at}"
                )
            at = getattr(at, step)

    # -- showing it --------------------------------------------------------------------------------

    def python_code(self, root_module: str, *, verbose: bool = False, **_: Any) -> PythonCode:
        """The program as Python, which finds the module under the name `root_module`."""
        return python_code(self, root_module)

    def print_tabular(self) -> None:
        """Prints the nodes as a table."""
        rows = [("opcode", "name", "target", "args", "kwargs")]
        rows += [(n.op, n.name, str(n.target), str(n.args), str(n.kwargs)) for n in self.nodes]
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        rows.insert(1, tuple(["-" * width for width in widths]))  # type: ignore[arg-type]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def __str__(self) -> str:
        return "\n    ".join(["graph():", *[node.format_node() for node in self.nodes]])
