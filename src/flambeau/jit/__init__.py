"""TorchScript's names, for code that carries its annotations. Nothing is compiled to TorchScript here.

A scripted or traced function or module is the Python one: same results, and `isinstance(it, ScriptModule)` is false. How
a program is compiled is flambeau's own business (`flambeau.inspect.engine()` tells of it). What only TorchScript can do,
such as reading and writing its archives, raises NotImplementedError and says what to do instead.
"""

import builtins
import contextlib
import copy
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

from flambeau.futures import Future
from flambeau.jit import annotations as annotations
from flambeau.nn.modules.module import Module

__all__ = [
    "Attribute", "CompilationUnit", "Error", "Final", "Future", "ScriptFunction", "ScriptModule", "annotate",
    "enable_onednn_fusion", "export", "export_opnames", "fork", "freeze", "fuser", "ignore", "interface", "is_scripting",
    "is_tracing", "isinstance", "load", "onednn_fusion_enabled", "optimize_for_inference", "optimized_execution", "save",
    "script", "script_if_tracing", "script_method", "set_fusion_strategy", "strict_fusion", "trace", "trace_module", "unused",
    "wait",
]  # fmt: skip

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_is_instance = builtins.isinstance


class Error(RuntimeError):
    """What running TorchScript raises in PyTorch."""


class TracerWarning(Warning):
    """What PyTorch's tracer warns with; nothing here does."""

    @staticmethod
    def ignore_lib_warnings() -> None:
        """Nothing to ignore."""


class TracingCheckError(Exception):
    """What PyTorch raises when a traced function and the Python one differ; here they are the same function."""


class Attribute(NamedTuple):
    """A value with the type that TorchScript takes it for."""

    value: Any
    type: Any


class ScriptModule(Module):
    """Base of modules written for TorchScript by hand: a Module whose `script_method`s are Python's."""


class RecursiveScriptModule(ScriptModule):
    """The class of scripted modules in PyTorch. None is made here: `script` returns the module itself."""


class ScriptFunction:
    """The class of scripted functions in PyTorch. None is made here: `script` returns the function itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refuse("A ScriptFunction cannot be made", "use the Python function")


class CompilationUnit:
    """TorchScript from source text, which there is no compiler for."""

    def __init__(self, lang: str | None = None, _frames_up: int = 0) -> None:
        if lang is not None:
            _refuse("TorchScript source cannot be compiled", "write the functions in Python")


def _refuse(what: str, instead: str) -> NoReturn:
    raise NotImplementedError(f"{what}: flambeau has no TorchScript. Instead, {instead}.")


# -- functions and modules -------------------------------------------------------------------------


def script(
    obj: T, optimize: None = None, _frames_up: int = 0, _rcb: Any = None, example_inputs: Any = None
) -> T:
    """The function, class or module itself, which runs as Python.

    >>> @flambeau.jit.script
    ... def double(x: flambeau.Tensor) -> flambeau.Tensor:
    ...     return x * 2
    >>> double(flambeau.ones(1))
    tensor([2.])
    """
    return obj


def trace(
    func: T,
    example_inputs: Any = None,
    optimize: None = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    _force_outplace: bool = False,
    _module_class: Any = None,
    _compilation_unit: Any = None,
    example_kwarg_inputs: Any = None,
    _store_inputs: bool = True,
) -> T:
    """The function or module itself. It takes each branch that its arguments ask for, not only the example's."""
    return func


def trace_module(
    mod: T,
    inputs: Any,
    optimize: None = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    _force_outplace: bool = False,
    _module_class: Any = None,
    _compilation_unit: Any = None,
    example_inputs_is_kwarg: bool = False,
    _store_inputs: bool = True,
) -> T:
    """The module itself."""
    return mod


def script_if_tracing(fn: F) -> F:
    """The function itself."""
    return fn


def script_method(fn: F) -> F:
    """The method itself."""
    return fn


def freeze(mod: Any, preserved_attrs: list[str] | None = None, optimize_numerics: bool = True) -> Any:
    """A copy of a module in eval mode, whose parameters no longer require grad.

    Raises: RuntimeError, if the module is in training mode.
    """
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() on your module before freezing."
        )
    return copy.deepcopy(mod).requires_grad_(False)


def optimize_for_inference(mod: Any, other_methods: list[str] | None = None) -> Any:
    """The same as `freeze`, of the module in eval mode."""
    return freeze(mod.eval())


def is_scripting() -> bool:
    """Whether TorchScript is being compiled: never."""
    return False


def is_tracing() -> bool:
    """Whether PyTorch's tracer is at work: never."""
    return False


# -- annotations, which say nothing to Python ------------------------------------------------------


def ignore(drop: bool | F = False, **kwargs: Any) -> Any:
    """Marks a method that TorchScript leaves to Python, as everything is here: `@ignore` or `@ignore(drop=...)`.

    Raises: RuntimeError, if `drop` is neither a function nor a bool.
    """
    if callable(drop):
        return drop
    if not _is_instance(drop, bool):
        raise RuntimeError(f"Argument to @torch.jit.ignore must be a bool or a function but got {drop}")
    return _itself


def _itself(function: F) -> F:
    return function


def unused(fn: F) -> F:
    """Marks a method that TorchScript leaves out; in Python it stays."""
    return fn


def export(fn: F) -> F:
    """Marks a method that TorchScript compiles beside `forward`."""
    return fn


def interface(obj: T) -> T:
    """Marks a class that names the methods of others."""
    return obj


def _overload(func: F) -> F:
    return func


def _overload_method(func: F) -> F:
    return func


_script_if_tracing = script_if_tracing


def annotate(the_type: Any, the_value: T) -> T:
    """The value; the type is for TorchScript.

    >>> flambeau.jit.annotate(list[int], [])
    []
    """
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether `obj` is of a type, which may be `List[int]`, `Optional[Tensor]`, or a tuple of types.

    Raises: RuntimeError for a container without the type of what it holds.

    >>> flambeau.jit.isinstance([1, 2], list[int]), flambeau.jit.isinstance({"a": 1}, dict[str, str])
    (True, False)
    """
    if _is_instance(target_type, tuple):
        return any(isinstance(obj, each) for each in target_type)
    if target_type is None:
        return obj is None
    origin, arguments = typing.get_origin(target_type), typing.get_args(target_type)
    if target_type in (list, dict, tuple, typing.List, typing.Dict, typing.Tuple):  # noqa: UP006
        name = str(getattr(target_type, "__name__", target_type))
        raise RuntimeError(
            f"Attempted to use {name} without a contained type. Please add a contained type, e.g. {name}[int]"
        )
    if origin is None:
        return target_type is Any or _is_instance(obj, target_type)
    if origin in (typing.Union, types.UnionType):
        # As in PyTorch, where None is of every union.
        return obj is None or any(isinstance(obj, each) for each in arguments)
    if not _is_instance(obj, origin):
        return False
    if origin is dict:
        key, value = arguments
        return all(isinstance(k, key) and isinstance(v, value) for k, v in obj.items())
    if origin is tuple and not (len(arguments) == 2 and arguments[1] is ...):
        return len(obj) == len(arguments) and all(map(isinstance, obj, arguments))
    return all(isinstance(item, arguments[0]) for item in obj)


# -- work at the same time: here at once -----------------------------------------------------------


def fork(func: Callable[..., T], *args: Any, **kwargs: Any) -> Future[T]:
    """A future that holds the function's result; it runs at once, as in PyTorch outside TorchScript."""
    future: Future[T] = Future()
    future.set_result(func(*args, **kwargs))
    return future


def wait(future: Future[T]) -> T:
    """What the future holds."""
    return future.wait()


_fork, _wait = fork, wait


# -- switches of PyTorch's compilers ---------------------------------------------------------------

_strategy: list[tuple[str, int]] = [("STATIC", 2), ("DYNAMIC", 10)]


def set_fusion_strategy(strategy: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Keeps the strategy, which nothing reads: XLA fuses by its own rules. Returns the one before."""
    before = list(_strategy)
    _strategy[:] = strategy
    return before


def enable_onednn_fusion(enabled: bool) -> None:
    """Accepted, without effect."""


def onednn_fusion_enabled() -> bool:
    return False


@contextlib.contextmanager
def fuser(name: str) -> Iterator[None]:
    """Accepted, without effect."""
    yield


@contextlib.contextmanager
def optimized_execution(should_optimize: bool) -> Iterator[None]:
    """Accepted, without effect."""
    yield


class strict_fusion:
    """Accepted, without effect."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        return None


# -- archives --------------------------------------------------------------------------------------

_KEEP = "keep the module's class and save its state: torch.save(module.state_dict(), file)"


def save(m: Any, f: Any, _extra_files: Any = None) -> None:
    """Raises NotImplementedError: there is no TorchScript to write."""
    _refuse("torch.jit.save cannot write an archive", _KEEP)


def load(f: Any, map_location: Any = None, _extra_files: Any = None, _restore_shapes: bool = False) -> Any:
    """Raises NotImplementedError: a TorchScript archive holds code that only PyTorch can run."""
    _refuse(
        "torch.jit.load cannot run an archive",
        "load it in PyTorch, save its state_dict() there, and load that",
    )


def export_opnames(m: Any) -> list[str]:
    """Raises NotImplementedError: operators of TorchScript are meant."""
    _refuse("torch.jit.export_opnames has nothing to list", "see flambeau.inspect")
