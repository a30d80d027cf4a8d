"""flambeau with its functions, methods, modules and optimizers compiled: `--impl compiled_impl` of the conformance programs.

Each call runs four times: as written, recorded, recorded again and compared, and replayed. What is returned is the replay's, on
the caller's own arguments; the calls before it see copies that hold other floats. Random numbers and buffers are what one
call would leave. An optimizer's steps are compiled as they are.

What a function looks at on the host (indices, sizes) makes a program of its own for other values; its copies then are equal.
"""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import Callable
from types import MethodType, ModuleType
from typing import Any

import flambeau
from flambeau._core.compiled import Compiled
from flambeau._core.program import Program
from flambeau._core.pytree import tree_flatten, tree_unflatten

CALLS = 4
NEEDS_VALUES = "inside a compiled function needs a value that is not there yet"

# What makes tensors of data from elsewhere, or is no operation.
OUTSIDE = {
    "as_tensor", "asarray", "compile", "finfo", "frombuffer", "from_dlpack", "from_numpy", "get_default_dtype",
    "get_rng_state", "iinfo", "initial_seed", "is_tensor", "load", "manual_seed", "numel", "promote_types",
    "result_type", "save", "seed", "set_default_dtype", "set_grad_enabled", "set_rng_state", "tensor", "__array__",
    "__array_wrap__", "__deepcopy__", "__dlpack__", "__format__", "__hash__", "__reduce_ex__", "__repr__",
    "__setstate__",
}  # fmt: skip
NAMESPACES = {"fft", "functional", "linalg", "masked", "nn", "optim", "signal", "special", "windows"}
# Modules that are no layers: containers and bases.
PLAIN_CLASSES = {"Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList"}
# The base; and one whose line search decides by the loss.
UNCOMPILED_OPTIMIZERS = {"Optimizer", "LBFGS"}

counts: Counter[str] = Counter()
looked: set[str] = set()  # names of functions whose program depends on values
refused: dict[str, str] = {}  # functions that need a value while they are recorded, with the error


def replayed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, each of whose calls gives what a replay gives."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return replay(name, function, args, kwargs)

    return call


def replay(name: str, function: Callable[..., Any], args: Any, kwargs: Any, module: Any = None) -> Any:
    """What the fourth call of the function gives, compiled."""
    if flambeau.compiler.is_compiling():
        return function(*args, **kwargs)
    counts["calls"] += 1
    for other in (True, False):
        compiled = Compiled(function)
        before = _state(module, args, kwargs)
        made = 0
        try:
            while made < CALLS - 1:
                _call_on_copies(compiled, args, kwargs, other)
                before()
                made += 1
        except Exception as error:
            before()
            if made == 0:  # no fault of compile: the caller gets the function's own error
                counts["raised"] += 1
                return function(*args, **kwargs)
            if NEEDS_VALUES in str(error):
                refused[name] = str(error)
                counts["refused"] += 1
                return function(*args, **kwargs)
            raise
        programs = _programs(compiled)
        if not (other and any(program.looked_at for program in programs)):
            break
        looked.add(name)
    result = compiled(*args, **kwargs)
    programs = _programs(compiled)
    if max((program.calls for program in programs), default=0) < CALLS - 1:
        why = programs[1].change([]) if len(programs) > 1 else "its arguments are of another kind"
        raise AssertionError(f"{name} was not replayed: {why}")
    counts["replayed"] += 1
    return result


def _programs(compiled: Compiled) -> list[Program]:
    return [program for entry in compiled._entries.values() for program in entry.programs]


def _call_on_copies(compiled: Compiled, args: Any, kwargs: Any, other: bool) -> None:
    leaves, spec = tree_flatten((args, kwargs))
    memo: dict[int, Any] = {}
    args, kwargs = tree_unflatten([_copied(leaf, other, memo) for leaf in leaves], spec)
    compiled(*args, **kwargs)


def _copied(leaf: Any, other: bool, memo: dict[int, Any]) -> Any:
    if type(leaf) is not flambeau.Tensor:
        return leaf
    if id(leaf) not in memo:
        copy = leaf.detach().clone()
        if other and (copy.is_floating_point() or copy.is_complex()) and copy.device.type != "meta":
            copy = copy * 0.75
        copy.requires_grad_(leaf.requires_grad)
        memo[id(leaf)] = copy if leaf.is_leaf else copy.clone()
    return memo[id(leaf)]


def _state(module: Any, args: Any, kwargs: Any) -> Callable[[], None]:
    """Puts random streams and a module's buffers back as they are now."""
    leaves = tree_flatten((args, kwargs))[0]
    generators = [leaf for leaf in leaves if isinstance(leaf, flambeau.Generator)]
    generators.append(flambeau.default_generator)
    states = [generator.get_state() for generator in generators]
    tensors = [] if module is None else [*module.buffers(), *module.parameters()]
    kept = [(tensor, tensor.detach().clone()) for tensor in tensors]

    def put_back() -> None:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
        with flambeau.no_grad():
            for tensor, value in kept:
                tensor.copy_(value)

    return put_back


# -- classes ---------------------------------------------------------------------------------------


def layer(kind: type) -> Callable[..., Any]:
    """Makes modules of this class whose calls are replays."""

    @functools.wraps(kind, updated=())
    def make(*args: Any, **kwargs: Any) -> Any:
        module: Any = kind(*args, **kwargs)

        def call(*args: Any, **kwargs: Any) -> Any:
            if any(isinstance(p, flambeau.nn.parameter.UninitializedParameter) for p in module.parameters()):
                return module._call_impl(*args, **kwargs)
            return replay(f"nn.{kind.__name__}", module._call_impl, args, kwargs, module)

        module._compiled_call_impl = call
        return module

    return make


def optimizer(kind: type) -> Callable[..., Any]:
    """Makes optimizers of this class whose steps are compiled."""

    @functools.wraps(kind, updated=())
    def make(*args: Any, **kwargs: Any) -> Any:
        made: Any = kind(*args, **kwargs)
        step = made.step
        compiled = Compiled(step)

        @functools.wraps(step)
        def compiled_step(self: Any, *args: Any, **kwargs: Any) -> Any:
            counts["steps"] += 1
            result = compiled(*args, **kwargs)
            counts["steps replayed"] += any(program.calls for program in _programs(compiled))
            return result

        made.step = MethodType(compiled_step, made)
        return made

    return make


class _Names:
    """The names of a namespace, compiled when they are asked for."""

    def __init__(self, path: str, source: Any) -> None:
        self.__name__ = source.__name__
        self._path, self._source = path, source

    def __getattr__(self, name: str) -> Any:
        found = self.__dict__[name] = compiled_name(self._path, name, getattr(self._source, name))
        return found


def compiled_name(path: str, name: str, value: Any) -> Any:
    """What stands for a name of flambeau's here."""
    full = f"{path}.{name}".lstrip(".")
    if isinstance(value, ModuleType):
        return _Names(full, value) if name in NAMESPACES else value
    if isinstance(value, type):
        if issubclass(value, flambeau.nn.Module) and name not in PLAIN_CLASSES:
            return layer(value)
        if issubclass(value, flambeau.optim.Optimizer) and name not in UNCOMPILED_OPTIMIZERS:
            return optimizer(value)
        return value
    if callable(value) and name not in OUTSIDE:
        return replayed(full, value)
    return value


class _OfTensor(type):
    """`Tensor` for `isinstance`, and for its methods."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, flambeau.Tensor)

    def __getattribute__(cls, name: str) -> Any:
        value = getattr(flambeau.Tensor, name)
        if name in OUTSIDE or not callable(value) or isinstance(value, type):
            return value
        return replayed(f"Tensor.{name}", value)


class Tensor(metaclass=_OfTensor):
    """flambeau's tensors; their methods, taken from here, are compiled."""


_names: dict[str, Any] = {}


def __getattr__(name: str) -> Any:
    # Not among the globals, where `any` and `max` would hide Python's own.
    if name not in _names:
        _names[name] = compiled_name("", name, getattr(flambeau, name))
    return _names[name]


def report() -> str:
    """What happened, in a few lines."""
    lines = [
        f"{counts['calls']} calls: {counts['replayed']} replayed, {counts['raised']} raise undecorated as well, "
        f"{counts['refused']} need values; {counts['steps']} steps of optimizers, {counts['steps replayed']} of them recorded "
        "or replayed",
        f"a program for each value that they look at: {', '.join(sorted(looked))}",
        "need values while recorded:",
        *[f"  {name}: {error.splitlines()[0]}" for name, error in sorted(refused.items())],
    ]
    return "\n".join(lines)


# Called by its own name, it stands for flambeau in what it prints.
if __name__ == "compiled_impl":
    import atexit

    atexit.register(lambda: print(report(), file=sys.stderr))
    __name__ = "flambeau"
