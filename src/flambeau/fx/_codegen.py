"""Graphs as Python source."""

from __future__ import annotations

import builtins
import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flambeau._core.device import device
from flambeau._core.dtype import dtype, layout, memory_format
from flambeau.fx.node import Node, qualified_name

if TYPE_CHECKING:
    from flambeau.fx.graph import Graph

_BINARY = {
    "eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">=", "add": "+", "sub": "-", "mul": "*",
    "floordiv": "//", "truediv": "/", "mod": "%", "lshift": "<<", "rshift": ">>", "and_": "&", "or_": "|", "xor": "^",
    "matmul": "@", "pow": "**",
}  # fmt: skip
# How calls of Python's operators are written.
MAGIC = {name: f"{{}} {sign} {{}}" for name, sign in _BINARY.items()} | {
    "pos": "+{}", "neg": "-{}", "invert": "~{}", "getitem": "{}[{}]",
}  # fmt: skip
# Those that have a form for the right operand.
REFLECTED = tuple([name for name in _BINARY if name not in ("eq", "ne", "lt", "gt", "le", "ge")])


@dataclass
class PythonCode:
    """Source that defines `forward`, and the globals that it needs."""

    src: str
    globals: dict[str, Any]


def format_target(base: str, target: str) -> str:
    """An attribute at a dotted path, some of whose steps may be no identifiers."""
    for step in target.split("."):
        base = f"{base}.{step}" if step.isidentifier() else f'getattr({base}, "{step}")'
    return base


class _Writer:
    def __init__(self, graph: Graph, root: str) -> None:
        import flambeau

        self.graph, self.root = graph, root
        self.globals: dict[str, Any] = {
            "inf": math.inf, "nan": math.nan, "NoneType": type(None), "torch": flambeau, "device": device,
        }  # fmt: skip
        self.parameters: list[str] = []
        self.result = ""
        self.wrapped: dict[str, None] = {}
        # What is used for the last time by a node.
        self.last: dict[Node, list[Node]] = {}
        seen: set[Node] = set()
        for node in reversed(graph.nodes):
            for taken in node.all_input_nodes:
                if taken not in seen:
                    seen.add(taken)
                    self.last.setdefault(node, []).append(taken)

    def name_of(self, function: Any) -> str:
        """The name of a function in the source, which is then among the globals."""
        name = qualified_name(function)
        if name.startswith("torch.") or getattr(builtins, name, None) is function:
            return name
        name = name.replace(".", "_")
        self.globals[name] = function
        return name

    def argument(self, a: Any) -> str:
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            return f"{self.name_of(type(a))}({', '.join(map(self.argument, a))})"
        if isinstance(a, tuple):
            return f"({', '.join(map(self.argument, a))}{',' if len(a) == 1 else ''})"
        if isinstance(a, list):
            return f"[{', '.join(map(self.argument, a))}]"
        if isinstance(a, dict):
            return "{" + ", ".join(f"{key!r}: {self.argument(value)}" for key, value in a.items()) + "}"
        if isinstance(a, slice):
            return f"slice({', '.join(map(self.argument, (a.start, a.stop, a.step)))})"
        if isinstance(a, (dtype, layout, memory_format)):
            return str(a)
        if isinstance(a, type) or (callable(a) and not isinstance(a, Node)):
            return self.name_of(a)
        return repr(a)

    def arguments(self, args: Any, kwargs: dict[str, Any]) -> str:
        parts = [self.argument(each) for each in args]
        return ", ".join([*parts, *[f"{key} = {self.argument(value)}" for key, value in kwargs.items()]])

    def annotation(self, node: Node, sign: str) -> str:
        if node.type is None or not isinstance(node.type, (type, str)):
            return ""
        return sign + (self.name_of(node.type) if isinstance(node.type, type) else repr(node.type))

    def statement(self, node: Node) -> str:
        """The line of a node, without what it forgets."""
        if node.op == "placeholder":
            target = str(node.target)
            default = f" = {self.argument(node.args[0])}" if node.args else ""
            self.parameters.append(f"{target}{self.annotation(node, ' : ')}{default}")
            raw = target.lstrip("*")
            return f"{node} = {raw}" if raw != node.name else ""
        if node.op == "output":
            self.result = self.annotation(node, " -> ")
            return f"return {self.argument(node.args[0])}"
        return f"{node}{self.annotation(node, ' : ')} = {self.call(node)}"

    def call(self, node: Node) -> str:
        args, kwargs, target = node.args, node.kwargs, node.target
        if isinstance(target, str):
            if node.op == "get_attr":
                return format_target(self.root, target)
            if node.op == "call_module":
                return f"{format_target(self.root, target)}({self.arguments(args, kwargs)})"
            return f"{format_target(self.argument(args[0]), target)}({self.arguments(args[1:], kwargs)})"
        name = getattr(target, "__name__", "")
        if getattr(target, "__module__", "") == "_operator" and name in MAGIC and not kwargs:
            return MAGIC[name].format(*map(self.argument, args))
        if target is getattr and len(args) == 2 and isinstance(args[1], str) and args[1].isidentifier():
            return format_target(self.argument(args[0]), args[1])
        name = self.name_of(target)
        if node.meta.get("is_wrapped"):
            self.wrapped.setdefault(name)
        return f"{name}({self.arguments(args, kwargs)})"

    def forgotten(self, node: Node) -> str:
        if node.op in ("placeholder", "output"):
            return ""
        done = [*self.last.get(node, []), *([] if node.users else [node])]
        return f";  {' = '.join([each.name for each in done])} = None" if done else ""

    def write(self) -> PythonCode:
        lines = [self.statement(node) + self.forgotten(node) for node in self.graph.nodes]
        body = "".join(f"    {line}\n" for line in lines if line) or "    pass\n"
        wraps = "\n".join(f'torch.fx._symbolic_trace.wrap("{name}")' for name in self.wrapped)
        parameters = ", ".join([self.root, *self.parameters])
        source = f"\n{wraps}\n\ndef forward({parameters}){self.result}:\n{body}    "
        return PythonCode(source, self.globals)


def python_code(graph: Graph, root: str) -> PythonCode:
    """The source of a graph, which finds its module under the name `root`."""
    return _Writer(graph, root).write()


OPERATORS = {name: getattr(operator, name) for name in MAGIC}
