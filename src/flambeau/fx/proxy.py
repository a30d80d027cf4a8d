"""What stands for values while a program is traced: whatever is done with it becomes a node."""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from flambeau._core.tensor import Tensor
from flambeau.fx._codegen import MAGIC, OPERATORS, REFLECTED
from flambeau.fx.node import Node, Target, map_aggregate

if TYPE_CHECKING:
    from flambeau.fx._symbolic_trace import TracerBase


class TraceError(ValueError):
    """A program asks of a value what only a value can tell."""


class Proxy:
    """The result of a node that is not computed yet."""

    def __init__(self, node: Node, tracer: TracerBase | None = None) -> None:
        if tracer is None:
            from flambeau.fx._symbolic_trace import GraphAppendingTracer

            tracer = GraphAppendingTracer(node.graph)
        self.tracer: TracerBase = tracer
        self.node = node

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, k: str) -> Attribute:
        return Attribute(self, k)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator[Any]:
        frame = sys._getframe(1)
        for instruction in dis.get_instructions(frame.f_code):
            if instruction.offset == frame.f_lasti and instruction.opname == "UNPACK_SEQUENCE":
                return (self[i] for i in range(int(instruction.argval)))  # type: ignore[index]
        return self.tracer.iter(self)

    def __bool__(self) -> bool:
        return self.tracer.to_bool(self)

    def __len__(self) -> int:
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want this call to be recorded, please call "
            "torch.fx.wrap('len') at module scope"
        )

    def __hash__(self) -> int:
        return id(self)

    def keys(self) -> Any:
        """The keys of a dict, as a node: for `**proxy` they would have to be known."""
        return self.tracer.keys(self)

    @classmethod
    def __torch_function__(cls, orig_method: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return take_call(orig_method, tuple(args), dict(kwargs or {}))


class Attribute(Proxy):
    """An attribute of a value. It is no node before it is used otherwise than by calling it."""

    def __init__(self, root: Proxy, attr: str) -> None:
        self.root, self.attr, self.tracer = root, attr, root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        """The node, made when it is first asked for."""
        if self._node is None:
            self._node = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {}).node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


def _operator(name: str) -> Callable[..., Any]:
    target = OPERATORS[name]

    def method(self: Proxy, *args: Any) -> Any:
        return self.tracer.create_proxy("call_function", target, (self, *args), {})

    return method


def _reflected(name: str) -> Callable[..., Any]:
    target = OPERATORS[name]

    def method(self: Proxy, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", target, (other, self), {})

    return method


for _name in MAGIC:
    setattr(Proxy, f"__{_name.strip('_')}__", _operator(_name))
for _name in REFLECTED:
    setattr(Proxy, f"__r{_name.strip('_')}__", _reflected(_name))


def proxy_in(args: Any) -> Proxy | None:
    """The first proxy among arguments, however deep."""
    found: list[Proxy] = []

    def look(each: Any) -> None:
        if isinstance(each, Proxy):
            found.append(each)

    map_aggregate(args, look)
    return found[0] if found else None


_LAYERS = f"{__name__.partition('.')[0]}.nn.functional"
# Functions of `nn.functional` that are not Python in PyTorch. Of the others a node has all arguments.
_BUILTIN = frozenset({
    "adaptive_avg_pool1d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "bilinear", "celu_", "channel_shuffle", "conv1d", "conv2d",
    "conv3d", "conv_tbc", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "cosine_similarity", "elu_", "gelu",
    "hardshrink", "hardtanh_", "leaky_relu_", "linear", "logsigmoid", "native_channel_shuffle", "one_hot", "pairwise_distance",
    "pdist", "pixel_shuffle", "pixel_unshuffle", "prelu", "relu_", "rrelu_", "scaled_dot_product_attention", "selu_", "softplus",
    "softshrink", "threshold_",
})  # fmt: skip


def _spelled_out(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments without a default in order, and all others by name."""
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    parameters = bound.signature.parameters
    required = [name for name in bound.arguments if parameters[name].default is inspect.Parameter.empty]
    return (
        tuple([bound.arguments[name] for name in required]),
        {name: value for name, value in bound.arguments.items() if name not in required},
    )


def take_call(
    function: Target,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    signature: inspect.Signature | None = None,
    wrapped: bool = False,
) -> Any:
    """Records a call with a proxy among its arguments as a node."""
    proxy = proxy_in((args, kwargs))
    assert proxy is not None
    name = getattr(function, "__name__", "")
    if vars(Tensor).get(name) is function:
        return proxy.tracer.create_proxy("call_method", name, args, kwargs)
    if getattr(function, "__module__", None) == _LAYERS and name not in _BUILTIN:
        args, kwargs = _spelled_out(signature or inspect.signature(function), args, kwargs)  # type: ignore[arg-type]
    made = proxy.tracer.create_proxy("call_function", function, args, kwargs)
    if wrapped:
        made.node.meta["is_wrapped"] = True
    return made
