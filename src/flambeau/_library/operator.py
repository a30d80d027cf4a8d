"""Operators that programs define, and the choice of the kernel that a call runs.

A call goes from the outside in, as in PyTorch: the kernel for autocast, the gradient, then the kernel of the device.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flambeau._core import autocast as _autocast
from flambeau._core.function import Function
from flambeau._core.modes import modes, no_grad
from flambeau._core.overrides import call_overriding, overriding
from flambeau._core.tensor import Tensor
from flambeau._core.trace import local
from flambeau._library.schema import FunctionSchema

# Which kernels may serve a device, the first that there is.
_BACKENDS = {
    "cpu": ("CPU", "CompositeExplicitAutograd", "CompositeImplicitAutograd"),
    "cuda": ("CUDA", "CompositeExplicitAutograd", "CompositeImplicitAutograd"),
    "meta": ("Meta", "CompositeImplicitAutograd"),
}
_AUTOGRAD = {"cpu": ("AutogradCPU", "Autograd"), "cuda": ("AutogradCUDA", "Autograd"), "meta": ("Autograd",)}
# Those of other devices are names that packages register kernels under; no call ever asks for them.
KEYS = (
    "CPU", "CUDA", "XPU", "MPS", "Meta", "CompositeExplicitAutograd", "CompositeImplicitAutograd", "Autograd", "AutogradCPU",
    "AutogradCUDA", "AutogradXPU", "AutogradMPS", "AutocastCPU", "AutocastCUDA", "AutocastXPU", "AutocastMPS",
)  # fmt: skip
AUTOGRAD_KEYS = frozenset(key for key in KEYS if key.startswith("Autograd"))


class _State(threading.local):
    excluded: frozenset[str] = frozenset()


_state = _State()


@contextlib.contextmanager
def without(keys: frozenset[str]) -> Iterator[None]:
    """No operator called inside looks for kernels under these keys."""
    before, _state.excluded = _state.excluded, _state.excluded | keys
    try:
        yield
    finally:
        _state.excluded = before


class OpOverload:
    """An operator with one schema. Calling it runs the kernel that fits its arguments."""

    def __init__(self, packet: OpOverloadPacket, schema: FunctionSchema) -> None:
        self._schema = schema
        self._overloadpacket = packet
        self._overloadname = schema.overload_name or "default"
        self.namespace, _, self._opname = schema.name.partition("::")
        self.__name__ = f"{self._opname}.{self._overloadname}"
        self.__module__ = packet.__module__
        self.tags: list[Any] = []
        self.kernels: dict[str, Callable[..., Any]] = {}
        self.backward: Callable[..., Any] | None = None
        self.setup_context: Callable[..., Any] | None = None
        self.vmap_rule: Callable[..., Any] | None = None
        self.casts: dict[str, Any] = {}  # device type to the dtype that autocast gives the arguments
        self.opaque = (
            False  # made by `custom_op`: gradients only by a registered formula, no aliases of inputs
        )

    def name(self) -> str:
        return self._schema.name + (f".{self._schema.overload_name}" if self._schema.overload_name else "")

    @property
    def overloadpacket(self) -> OpOverloadPacket:
        return self._overloadpacket

    @property
    def op(self) -> OpOverload:
        return self

    def has_kernel_for_dispatch_key(self, key: Any) -> bool:
        return str(key).rpartition(".")[2] in self.kernels

    def __str__(self) -> str:
        return f"{self.namespace}.{self._opname}.{self._overloadname}"

    def __repr__(self) -> str:
        return f"<OpOverload(op='{self.namespace}.{self._opname}', overload='{self._overloadname}')>"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        values = self._schema.bind(args, kwargs)
        overriders = overriding(values)
        if overriders:
            return call_overriding(overriders, self, args, kwargs)
        return self.run(values)

    def run(self, values: list[Any]) -> Any:
        """Runs the operator on a value for each argument of its schema."""
        trace = local.trace
        if self.vmap_rule is not None and trace.records:
            return trace.apply_rule(
                self._by_rule,
                values,
                lambda result: _with_node(self, values, result),
                lambda: self._run(values),
            )
        return self._run(values)

    def _by_rule(self, info: Any, in_dims: tuple[Any, ...], *values: Any) -> Any:
        """What the rule for `vmap` gives; the dims are those of the arguments that are given by place."""
        args, kwargs = self._given(values)
        assert self.vmap_rule is not None
        return self.vmap_rule(info, in_dims[: len(args)], *args, **kwargs)

    def _run(self, values: list[Any]) -> Any:
        device = next((t._meta.device.type for t in tensors_in(values)), "cpu")
        key = f"Autocast{device.upper()}"
        if _autocast.dtype_of(device) is not None and key not in _state.excluded:
            if key in self.kernels:
                args, kwargs = self._given(values)
                return self.kernels[key](*args, **kwargs)
            if device in self.casts:
                values = [_cast(value, self.casts[device]) for value in values]
                with _autocast.disabled(device):
                    return self._with_gradient(values, device)
        return self._with_gradient(values, device)

    def _with_gradient(self, values: list[Any], device: str) -> Any:
        keys = [key for key in _AUTOGRAD.get(device, ()) if key not in _state.excluded]
        if keys:
            for key in keys:
                if key in self.kernels:
                    args, kwargs = self._given(values)
                    return self.kernels[key](*args, **kwargs)
            if self.backward is not None or self.opaque:
                if modes.grad and any(t.requires_grad for t in tensors_in(values)):
                    return _run_differentiably(self, values, device)
        return self._run_kernel(values, device)

    def _run_kernel(self, values: list[Any], device: str) -> Any:
        kernel = next((self.kernels[k] for k in _BACKENDS.get(device, ()) if k in self.kernels), None)
        if kernel is None:
            raise self._no_kernel(device)
        args, kwargs = self._given(values)
        result = kernel(*args, **kwargs)
        if self.opaque:
            self._check_aliases(values, result)
            for argument, value in zip(self._schema.arguments, values, strict=True):
                if argument.is_write:
                    for tensor in tensors_in([value]):
                        tensor._storage.version += 1
        return result

    def _given(self, values: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments as a kernel gets them: those at the end that are defaults are left to the kernel's own."""
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for argument, value in zip(self._schema.arguments, values, strict=True):
            if argument.kwarg_only:
                if not (argument.has_default_value() and value is argument.default_value):
                    kwargs[argument.name] = value
            else:
                args.append(value)
        positional = [argument for argument in self._schema.arguments if not argument.kwarg_only]
        while args:
            last = positional[len(args) - 1]
            if not last.has_default_value() or args[-1] is not last.default_value:
                break
            args.pop()
        return args, kwargs

    def _no_kernel(self, device: str) -> NotImplementedError:
        if device == "meta" and self.opaque:
            return NotImplementedError(
                f"There was no fake impl registered for <CustomOpDef({self._schema.name})>. Please use "
                f"`{self._opname}.register_fake` to add an fake impl."
            )
        if device == "meta":
            return NotImplementedError(
                f"{self.name()}: attempted to run this operator with Meta tensors, but there was no fake impl or Meta "
                "kernel registered."
            )
        there = ", ".join(sorted(self.kernels)) or "none"
        return NotImplementedError(
            f"Could not run '{self.name()}' with arguments from the '{device.upper()}' backend. '{self.name()}' is only "
            f"available for these backends: [{there}]."
        )

    def _check_aliases(self, values: Sequence[Any], result: Any) -> None:
        seen = {id(tensor._storage) for tensor in tensors_in(values)}
        for tensor in tensors_in(result if isinstance(result, (tuple, list)) else [result]):
            if id(tensor._storage) in seen:
                raise RuntimeError(
                    f"{self._opname}: The output of this custom operator (1) must not also be an input to this custom "
                    "operator and (2) may not alias any inputs to this custom operator or other returns. The most common "
                    "way to trigger this error is if we have y = custom_op(x) and y and x are the same Tensor. Please "
                    "instead return a clone of the offending output tensor(s) (e.g. return x.clone()) or refactor the "
                    "custom operator to not return y."
                )
            seen.add(id(tensor._storage))


class OpOverloadPacket:
    """The overloads of one name: `torch.ops.my.clip`, with `.default` among its attributes."""

    def __init__(self, qualified: str) -> None:
        self._qualified_op_name = qualified
        space, _, self.__name__ = qualified.partition("::")
        self.__module__ = f"torch._ops.{space}"
        self._overloads: dict[str, OpOverload] = {}

    def overloads(self) -> list[str]:
        return list(self._overloads)

    @property
    def op(self) -> OpOverloadPacket:
        return self

    def __getattr__(self, name: str) -> OpOverload:
        overloads = self.__dict__.get("_overloads", {})
        if name in overloads:
            return overloads[name]
        if name.startswith("__"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        raise AttributeError(f"The underlying op of '{self}' has no overload name '{name}'")

    def __str__(self) -> str:
        return self._qualified_op_name.replace("::", ".")

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self}')>"

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        if len(self._overloads) == 1:
            return next(iter(self._overloads.values()))(*args, **kwargs)
        failures = []
        for overload in self._overloads.values():
            try:
                overload._schema.bind(args, kwargs)
            except RuntimeError as error:
                failures.append(str(error))
                continue
            return overload(*args, **kwargs)
        raise RuntimeError("\n".join([f"No overload of '{self}' takes these arguments.", *failures]))


packets: dict[str, OpOverloadPacket] = {}
# Kernels for operators that nobody has defined yet: taken over by the definition.
waiting: dict[str, dict[str, Callable[..., Any]]] = {}


def define(schema: FunctionSchema) -> OpOverload:
    """A new operator.

    Raises: RuntimeError, if there is one of that name and overload.
    """
    packet = packets.setdefault(schema.name, OpOverloadPacket(schema.name))
    overload = OpOverload(packet, schema)
    if overload._overloadname in packet._overloads:
        raise RuntimeError(
            f"Tried to register an operator ({schema}) with the same name and overload name multiple times. Each "
            "overload's schema should only be registered with a single call to def()."
        )
    packet._overloads[overload._overloadname] = overload
    overload.kernels.update(waiting.pop(overload.name(), {}))
    return overload


def undefine(overload: OpOverload) -> None:
    """Takes an operator out again."""
    packet = overload._overloadpacket
    packet._overloads.pop(overload._overloadname, None)
    if not packet._overloads:
        packets.pop(overload._schema.name, None)


def find(qualified: str) -> OpOverload | None:
    """The operator called `my::clip` or `my::clip.overload`."""
    name, _, overload = qualified.partition(".")
    packet = packets.get(name)
    return None if packet is None else packet._overloads.get(overload or "default")


def tensors_in(values: Any) -> Iterator[Tensor]:
    """The tensors among values and in the lists among them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from tensors_in(value)


def _cast(value: Any, dtype: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)([_cast(item, dtype) for item in value])
    if isinstance(value, Tensor) and value.is_floating_point() and value.dtype.itemsize < 8:
        return value.to(dtype)  # type: ignore[attr-defined]
    return value


# -- gradients -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Slot:
    """Stands for a tensor among the arguments that a graph remembers."""

    needs_grad: bool


class _Plan:
    """One call of an operator as an `autograd.Function` sees it: its tensors flat, the rest aside."""

    def __init__(self, op: OpOverload, values: list[Any], device: str) -> None:
        self.op, self.device = op, device
        self.values = [_emptied(value) for value in values]
        self.as_list = False  # the result is a list, not a tuple
        self.places = [i for i, argument in enumerate(op._schema.arguments) if not argument.kwarg_only]
        self.needs = tuple([_needs(self.values[i]) for i in self.places])

    def arguments(self, tensors: Sequence[Any]) -> list[Any]:
        """The arguments, with these tensors in their places."""
        following = iter(tensors)

        def filled(value: Any) -> Any:
            if isinstance(value, list):
                return [filled(item) for item in value]
            return next(following) if isinstance(value, _Slot) else value

        return [filled(value) for value in self.values]

    def flat_gradients(self, found: Any) -> list[Any]:
        """Of the gradients that a formula gives for each argument, those of its tensors in order."""
        found = found if isinstance(found, tuple) else (found,)
        if len(found) != len(self.places):
            raise RuntimeError(
                f"The backward of {self.op} returned {len(found)} gradients; it takes {len(self.places)} arguments"
            )
        by_place = dict(zip(self.places, found, strict=True))
        flat: list[Any] = []

        def gather(value: Any, gradient: Any) -> None:
            if isinstance(value, _Slot):
                flat.append(gradient)
            elif isinstance(value, list):
                for item, each in zip(
                    value, [None] * len(value) if gradient is None else gradient, strict=True
                ):
                    gather(item, each)

        for place, value in enumerate(self.values):
            gather(value, by_place.get(place))
        return flat


def _emptied(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_emptied(item) for item in value]
    return _Slot(value.requires_grad) if isinstance(value, Tensor) else value


def _needs(value: Any) -> Any:
    if isinstance(value, list):
        return [_needs(item) for item in value]
    return isinstance(value, _Slot) and value.needs_grad


@contextlib.contextmanager
def _needs_by_argument(ctx: Any) -> Iterator[None]:
    """`ctx.needs_input_grad` says what the operator's arguments need, not its flat tensors."""
    flat = ctx.needs_input_grad
    ctx.needs_input_grad = ctx.plan.needs
    try:
        yield
    finally:
        ctx.needs_input_grad = flat


class _Operator(Function):
    """A call of an operator whose gradient is a registered formula."""

    of_operations = True

    @staticmethod
    def forward(ctx: Any, plan: _Plan, *tensors: Any) -> Any:
        op = plan.op
        values = plan.arguments(tensors)
        result = op._run_kernel(values, plan.device)
        return _Operator._remember(ctx, plan, values, result)

    @staticmethod
    def _remember(ctx: Any, plan: _Plan, values: list[Any], result: Any) -> Any:
        """Keeps in `ctx` what the backward needs; gives the result as outputs of the function."""
        op = plan.op
        ctx.plan = plan
        if op.setup_context is not None:
            inputs = tuple([values[i] for i in plan.places])
            keywords = {
                argument.name: value
                for argument, value in zip(op._schema.arguments, values, strict=True)
                if argument.kwarg_only
            }
            extra = {"keyword_only_inputs": keywords} if keywords else {}
            with _needs_by_argument(ctx):
                op.setup_context(ctx=ctx, inputs=inputs, output=result, **extra)
        plan.as_list = isinstance(result, list)
        return tuple(result) if plan.as_list else result

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        plan, op = ctx.plan, ctx.plan.op
        if op.backward is None:
            raise RuntimeError(
                f"Trying to backward through {op} but no autograd formula was registered. Please use register_autograd "
                "to add one."
            )
        with _needs_by_argument(ctx):
            found = op.backward(ctx, list(gradients)) if plan.as_list else op.backward(ctx, *gradients)
        return (None, *plan.flat_gradients(found))


def _with_node(op: OpOverload, values: list[Any], result: Any) -> tuple[Any, Any]:
    """What the operator gave for these values, with the history of a call of it, and its node."""
    tensors = list(tensors_in(values))
    if op.backward is None or not modes.grad or not any(t.requires_grad for t in tensors):
        return result, None
    plan = _Plan(op, values, tensors[0]._meta.device.type)
    args = (plan, *tensors)
    node = _Operator._node_for(args)
    with no_grad():
        outputs = _Operator._remember(node, plan, values, result)
    finished = node._finish(args, outputs)
    return (list(finished) if plan.as_list else finished), node


def _run_differentiably(op: OpOverload, values: list[Any], device: str) -> Any:
    plan = _Plan(op, values, device)
    result = _Operator.apply(plan, *tensors_in(values))
    return list(result) if plan.as_list else result
