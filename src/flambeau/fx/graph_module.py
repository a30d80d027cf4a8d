"""A module made of a graph: its `forward` is the graph as Python."""

from __future__ import annotations

import copy
import itertools
import linecache
from typing import Any

from flambeau._core.tensor import Tensor
from flambeau.fx._codegen import PythonCode
from flambeau.fx.graph import Graph
from flambeau.fx.node import Node, map_arg
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter

_USER_PRESERVED_ATTRIBUTES_KEY = "_user_preserved_attributes"
_numbers = itertools.count()


class GraphModule(Module):
    """A module whose `forward` is a graph.

    Args:
        root: the module, or a dict by path, that has what the graph names.
        graph: assign to `.graph`, or call `recompile()` after changing it, to change `forward`.
        class_name: what it says of itself.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> GraphModule:
        # A class for each: `forward` is a method of it. Made of the class that somebody wrote.
        written = next(each for each in cls.__mro__ if "_made_of_a_graph" not in vars(each))
        made = type(cls.__name__, (written,), {"_made_of_a_graph": True, "__module__": cls.__module__})
        return super().__new__(made)

    def __init__(self, root: Module | dict[str, Any], graph: Graph, class_name: str = "GraphModule") -> None:
        super().__init__()
        type(self).__name__ = type(self).__qualname__ = class_name
        paths = [str(node.target) for node in graph.nodes if node.op in ("get_attr", "call_module")]
        if isinstance(root, Module):
            self.training = getattr(root, "training", True)
            for path in paths:
                _copy_attr(root, self, path)
        else:
            for node in graph.nodes:
                if node.op in ("get_attr", "call_module") and node.target not in root:
                    raise RuntimeError(
                        f"Node {node} referenced target {node.target} but that target was not provided in ``root``!"
                    )
            for path in sorted(paths, key=lambda each: each.count(".")):
                _assign_attr(root[path], self, path)
        self.meta: dict[str, Any] = dict(getattr(root, "meta", {}))
        self.graph = graph

    @property
    def graph(self) -> Graph:
        """The graph that `forward` runs."""
        return self._graph

    @graph.setter
    def graph(self, g: Graph) -> None:
        if not isinstance(g, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(g)}")
        self._graph = g
        g.owning_module = self
        self.recompile()

    def recompile(self) -> PythonCode:
        """Writes `forward` anew after the graph was changed."""
        written = self._graph.python_code("self")
        self._code = written.src
        file = f"<eval_with_key>.{next(_numbers)}"
        linecache.cache[file] = len(written.src), None, written.src.splitlines(True), file
        scope = dict(written.globals)
        exec(compile(written.src, file, "exec"), scope)
        type(self).forward = scope["forward"]  # type: ignore[method-assign]
        return written

    @property
    def code(self) -> str:
        """The source of `forward`."""
        return self._code

    def add_submodule(self, target: str, m: Module) -> bool:
        """Puts a module at a dotted path; whether there was room."""
        at: Any = self
        *path, name = target.split(".")
        for step in path:
            if not hasattr(at, step):
                setattr(at, step, Module())
            at = getattr(at, step)
            if not isinstance(at, Module):
                return False
        at.add_module(name, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Removes the module at a dotted path; whether there was one."""
        at: Any = self
        *path, name = target.split(".")
        for step in path:
            at = getattr(at, step, None)
            if not isinstance(at, Module):
                return False
        if not isinstance(getattr(at, name, None), Module):
            return False
        delattr(at, name)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Removes the modules that the graph does not use."""
        used: set[str] = set()
        for node in self.graph.nodes:
            if node.op in ("call_module", "get_attr"):
                steps = str(node.target).split(".")
                used.update(".".join(steps[: n + 1]) for n in range(len(steps)))
                if node.op == "call_module":
                    inside = self.get_submodule(str(node.target)).named_modules()
                    used.update(f"{node.target}.{name}" for name, _ in inside)
        for name, _ in list(self.named_modules()):
            if name and name not in used:
                self.delete_submodule(name)

    def print_readable(self, print_output: bool = True, **_: Any) -> str:
        """The source inside of a class; printed, too, unless told otherwise."""
        body = "\n".join(f"    {line}" if line else line for line in self._code.splitlines())
        text = f"class {type(self).__name__}(torch.nn.Module):\n{body.strip(chr(10))}\n"
        if print_output:
            print(text)
        return text

    def __str__(self) -> str:
        reminder = "# To see more debug info, please use `graph_module.print_readable()`"
        return "\n".join([super().__str__(), self._code, reminder])

    def __deepcopy__(self, memo: Any) -> GraphModule:
        body = _CodeOnlyModule(copy.deepcopy(vars(self), memo))
        found = GraphModule(body, vars(body)["_graph"], type(self).__name__)
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_state_dict_hooks"):
            if name in vars(self):
                vars(found)[name] = vars(body)[name]
        found.meta = dict(self.meta)
        return found

    def __copy__(self) -> GraphModule:
        found = GraphModule(self, self.graph, type(self).__name__)
        found.meta = dict(self.meta)
        return found

    def __reduce__(self) -> Any:
        body = {key: value for key, value in vars(self).items() if key not in ("_graph", "_code")}
        rows = [
            (
                node.op,
                node.name,
                node.target,
                _packed(node.args),
                _packed(node.kwargs),
                node.type,
                node.meta.get("is_wrapped"),
            )
            for node in self.graph.nodes
        ]
        return _unpacked_module, (body, rows, type(self).__name__)


class _Name:
    """A node in a pickle."""

    def __init__(self, name: str) -> None:
        self.name = name


def _packed(arguments: Any) -> Any:
    return map_arg(arguments, lambda node: _Name(node.name))


def _unpacked_module(body: dict[str, Any], rows: list[Any], class_name: str) -> GraphModule:
    from flambeau.fx.node import map_aggregate

    graph, nodes = Graph(), dict[str, Node]()

    def found(each: Any) -> Any:
        return nodes[each.name] if isinstance(each, _Name) else each

    for op, name, target, args, kwargs, kind, wrapped in rows:
        given, named = map_aggregate(args, found), map_aggregate(kwargs, found)
        nodes[name] = graph.create_node(op, target, given, named, name, kind)
        if wrapped:
            nodes[name].meta["is_wrapped"] = True
    return GraphModule(_CodeOnlyModule(body), graph, class_name)


class _CodeOnlyModule(Module):
    """A module that holds another one's attributes, for making a copy of it."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__()
        self.__dict__ = body


def _copy_attr(from_module: Module, to_module: Module, target: str) -> None:
    """Copies the attribute at a dotted path, making empty modules on the way."""
    *path, name = target.split(".")
    for step in path:
        found = getattr(from_module, step)
        if getattr(to_module, step, None) is found:
            return  # the whole module is shared
        if not hasattr(to_module, step):
            setattr(to_module, step, Module())
        from_module, to_module = found, getattr(to_module, step)
    _put(getattr(from_module, name), to_module, name)


def _assign_attr(value: Any, to_module: Module, target: str) -> None:
    """Puts something at a dotted path, making empty modules on the way."""
    *path, name = target.split(".")
    for step in path:
        if not hasattr(to_module, step):
            setattr(to_module, step, Module())
        to_module = getattr(to_module, step)
    _put(value, to_module, name)


def _put(value: Any, module: Module, name: str) -> None:
    if isinstance(value, Tensor) and not isinstance(value, Parameter):
        module.register_buffer(name, value)
    else:
        setattr(module, name, value)
