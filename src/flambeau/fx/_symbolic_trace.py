"""Tracing: running a module's `forward` on proxies, and writing down what it does."""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from flambeau._core.declare import registry
from flambeau._core.device import device
from flambeau._core.dtype import dtype, layout, memory_format
from flambeau._core.tensor import Tensor
from flambeau.fx import _intercept
from flambeau.fx._wrapped import wrap as wrap
from flambeau.fx._wrapped import wrapped
from flambeau.fx.graph import Graph
from flambeau.fx.graph_module import GraphModule
from flambeau.fx.node import Node, Target
from flambeau.fx.proxy import Proxy, TraceError
from flambeau.nn.modules.container import Sequential
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter

_PLAIN = (str, int, float, bool, complex, dtype, device, memory_format, layout, type(None), type(...), range)
_LAYERS = f"{__name__.partition('.')[0]}.nn"


def _annotations(function: Any) -> dict[str, Any]:
    """What a user wrote; PyTorch's layers have none where ours do."""
    own = (getattr(function, "__module__", None) or "").partition(".")[0] == __name__.partition(".")[0]
    return {} if own else getattr(function, "__annotations__", {})


def _assert_is_none(value: Any, msg: str) -> None:
    if value is not None:
        raise AssertionError(msg)


class TracerBase:
    """Makes nodes of a graph, and proxies for them."""

    graph: Graph
    record_stack_traces = False

    def create_node(
        self,
        kind: str,
        target: Target,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
    ) -> Node:
        """Adds a node; the place for subclasses to note more about it."""
        return self.graph.create_node(kind, target, args, kwargs, name, type_expr)

    def proxy(self, node: Node) -> Proxy:
        """What stands for a node's result."""
        return Proxy(node, self)

    def create_proxy(
        self,
        kind: str,
        target: Target,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
        proxy_factory_fn: Callable[[Node], Proxy] | None = None,
    ) -> Proxy:
        """Adds a node for arguments with proxies among them; what stands for its result."""
        given, named = self.create_arg(args), self.create_arg(kwargs)
        node = self.create_node(kind, target, given, named, name, type_expr)
        return (proxy_factory_fn or self.proxy)(node)

    def create_arg(self, a: Any) -> Any:
        """An argument as a node has it: nodes for proxies, and plain things.

        Raises: NotImplementedError, if it is something else.
        """
        if isinstance(a, Proxy):
            return a.node
        if isinstance(a, tuple):
            items = [self.create_arg(each) for each in a]
            return type(a)(*items) if hasattr(a, "_fields") else tuple(items)
        if isinstance(a, list):
            return [self.create_arg(each) for each in a]
        if isinstance(a, dict):
            for key in a:
                if isinstance(key, Proxy):
                    raise RuntimeError(
                        f"Keys for dictionaries used as an argument cannot contain a Node. Got key: {key}"
                    )
            return {key: self.create_arg(value) for key, value in a.items()}
        if isinstance(a, slice):
            return slice(*[self.create_arg(each) for each in (a.start, a.stop, a.step)])
        if isinstance(a, (*_PLAIN, Node, type, types.FunctionType, types.BuiltinFunctionType, Tensor)):
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def to_bool(self, obj: Proxy) -> bool:
        """What `if proxy:` does; a subclass may know better."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Proxy) -> Iterator[Any]:
        """What `for each in proxy:` does; a subclass may know better."""
        raise TraceError(
            "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a loop or as a *args or "
            "**kwargs function argument. See the torch.fx docs on pytorch.org for a more detailed explanation of what types "
            "of control flow can be traced, and check out the Proxy docstring for help troubleshooting Proxy iteration errors"
        )

    def keys(self, obj: Proxy) -> Any:
        """What `proxy.keys()` gives."""
        return self.create_proxy("call_method", "keys", (obj,), {})


class GraphAppendingTracer(TracerBase):
    """Adds to a graph that is there; for proxies made of its nodes."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph


class Tracer(TracerBase):
    """Writes down what a module's `forward` does.

    Args:
        autowrap_modules: modules of Python whose functions are kept whole.
        autowrap_functions: more such functions.
        param_shapes_constant: kept; shapes of parameters are known here in any case.

    >>> import flambeau
    >>> graph = Tracer().trace(flambeau.nn.Sequential(flambeau.nn.Linear(2, 3), flambeau.nn.ReLU()))
    >>> [node.target for node in graph.nodes]
    ['input', '0', '1', 'output']
    """

    def __init__(
        self,
        autowrap_modules: tuple[Any, ...] = (math,),
        autowrap_functions: tuple[Callable[..., Any], ...] = (),
        param_shapes_constant: bool = False,
    ) -> None:
        self._modules = autowrap_modules
        self._functions = {
            id(value)
            for module in autowrap_modules
            for name, value in vars(module).items()
            if not name.startswith("_") and callable(value)
        } | set(map(id, autowrap_functions))
        self.param_shapes_constant = param_shapes_constant

    def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
        """Whether calls of a module are one node: those of `torch.nn` are, `Sequential` is not."""
        return type(m).__module__.startswith(_LAYERS) and not isinstance(m, Sequential)

    def path_of_module(self, mod: Module) -> str:
        """The dotted path of a submodule.

        Raises: NameError, if it is none.
        """
        for name, each in self.root.named_modules():
            if each is mod:
                return name
        raise NameError("module is not installed as a submodule")

    def call_module(
        self, m: Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """What a call of a submodule does: one node, or its own `forward` on proxies."""
        path = self.path_of_module(m)
        if self.is_leaf_module(m, path):
            return self.create_proxy("call_module", path, args, kwargs)
        return forward(*args, **kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """What an attribute of a module gives: a node for a parameter."""
        if not isinstance(attr_val, Parameter):
            return attr_val
        name = next((name for name, each in self.root.named_parameters() if each is attr_val), None)
        if name is None:
            return attr_val
        if name not in parameter_proxy_cache:
            parameter_proxy_cache[name] = self.create_proxy("get_attr", name, (), {})
        return parameter_proxy_cache[name]

    def create_arg(self, a: Any) -> Any:
        """As of every tracer; tensors become attributes of the module."""
        if isinstance(a, Parameter):
            for name, each in self.root.named_parameters():
                if each is a:
                    return self.create_node("get_attr", name, (), {})
            raise NameError("parameter is not a member of this module")
        if isinstance(a, Tensor):
            return self.create_node("get_attr", self._name_of_tensor(a), (), {})
        if isinstance(a, Module):
            return self.create_node("get_attr", self.path_of_module(a), (), {})
        return super().create_arg(a)

    def _name_of_tensor(self, tensor: Tensor) -> str:
        for prefix, module in self.root.named_modules():
            for name, value in [*module._buffers.items(), *vars(module).items()]:
                if value is tensor:
                    return f"{prefix}.{name}" if prefix else name
        number = 0
        while hasattr(self.root, f"_tensor_constant{number}"):
            number += 1
        setattr(self.root, f"_tensor_constant{number}", tensor)
        return f"_tensor_constant{number}"

    def trace(self, root: Module | Callable[..., Any], concrete_args: dict[str, Any] | None = None) -> Graph:
        """The graph of a module or function.

        Args:
            concrete_args: arguments whose values the program may depend on; they are no inputs of the graph's then.

        Raises: TraceError, if it depends on a value that is not known.
        """
        if isinstance(root, Module):
            self.root, forward = root, type(root).forward
        else:
            self.root, forward = Module(), root
        self.graph = Graph(tracer_cls=type(self))
        function, args = self._arguments(forward, isinstance(root, Module), concrete_args or {})
        with ExitStack() as stack:
            stack.enter_context(self._watched_modules())
            stack.enter_context(_intercept.declared_functions())
            stack.enter_context(_intercept.names([*wrapped, *self._kept_whole(forward)]))
            result = function(*args)
            annotation = _annotations(forward).get("return")
            self.create_node("output", "output", (self.create_arg(result),), {}, type_expr=annotation)
        return self.graph

    def _kept_whole(self, function: Any) -> list[tuple[dict[str, Any], str]]:
        places = [vars(module) for module in self._modules]
        places.append(getattr(inspect.unwrap(function), "__globals__", {}))
        return [
            (place, name)
            for place in places
            for name, value in place.items()
            if id(value) in self._functions and not name.startswith("_")
        ]

    def _arguments(
        self, function: Any, is_module: bool, concrete: dict[str, Any]
    ) -> tuple[Callable[..., Any], list[Any]]:
        """The function with `*args` and `**kwargs` as usual parameters, and a proxy for each parameter."""
        function = inspect.unwrap(function)
        code = function.__code__
        count = code.co_argcount + code.co_kwonlyargcount
        names = list(code.co_varnames[is_module:count])
        values: list[Any] = [self.root] if is_module else []
        parameters = inspect.signature(function).parameters
        for name in names:
            default = parameters[name].default
            given = () if default is inspect.Parameter.empty else (default,)
            if name in concrete:
                values.append(self._concrete(name, concrete[name], given))
                continue
            annotation = _annotations(function).get(name)
            values.append(self.create_proxy("placeholder", name, given, {}, type_expr=annotation))
        stars = [(inspect.CO_VARARGS, "*"), (inspect.CO_VARKEYWORDS, "**")]
        found = [star for flag, star in stars if code.co_flags & flag]
        for number, star in enumerate(found):
            name = code.co_varnames[count + number]
            values.append(self.create_proxy("placeholder", star + name, (), {}))
        if found or code.co_kwonlyargcount:
            flags = code.co_flags & ~(inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
            code = code.replace(co_argcount=count + len(found), co_kwonlyargcount=0, co_flags=flags)
            function = types.FunctionType(
                code, function.__globals__, function.__name__, None, function.__closure__
            )
        return function, values

    def _concrete(self, name: str, value: Any, default: tuple[Any, ...]) -> Any:
        """A value that the program may depend on; the graph checks that it is called with the same."""
        if value is not None and type(value) not in (bool, int, float, str):
            raise NotImplementedError(f"concrete_args may be numbers, strings and None, not {type(value)}")
        given = self.create_proxy("placeholder", f"{name}_1", default, {})
        text = f"{name} has been specialized to have value {value} but got another value"
        if value is None:
            self.create_proxy("call_function", _assert_is_none, (given, text), {})
        else:
            self.create_proxy("call_function", registry["_assert"], (given == value, text), {})
        return value

    @contextmanager
    def _watched_modules(self) -> Iterator[None]:
        """Calls of modules and uses of parameters come to this tracer."""
        get, call = Module.__getattr__, Module.__call__
        known: dict[str, Any] = {}

        def watched_get(module: Module, name: str) -> Any:
            return self.getattr(name, get(module, name), known)

        def watched_call(module: Module, *args: Any, **kwargs: Any) -> Any:
            def forward(*args: Any, **kwargs: Any) -> Any:
                return call(module, *args, **kwargs)

            return self.call_module(module, forward, args, kwargs)

        Module.__getattr__, Module.__call__ = watched_get, watched_call  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            Module.__getattr__, Module.__call__ = get, call  # type: ignore[method-assign]


def symbolic_trace(
    root: Module | Callable[..., Any], concrete_args: dict[str, Any] | None = None
) -> GraphModule:
    """A module whose `forward` is written down as a graph.

    Args:
        root: a module or function without decisions that depend on the values of tensors.
        concrete_args: values of arguments that it may depend on.

    >>> import flambeau
    >>> print(symbolic_trace(lambda x: flambeau.relu(x) + 1).code.strip())
    def forward(self, x):
        relu = torch.relu(x);  x = None
        add = relu + 1;  relu = None
        return add
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, Module) else getattr(root, "__name__", "GraphModule")
    return GraphModule(tracer.root, graph, name)
