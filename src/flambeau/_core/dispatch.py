"""Declaring operations: `op` and `function`, and the public functions that are made from declarations.

`arguments.py` reads arguments, `fastpath.py` writes the usual case out, `tape.py` records, `views.py` and `inplace.py` give
results their storage.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from flambeau._core import autocast
from flambeau._core import dtype as dtypes
from flambeau._core.arguments import apply_slowly
from flambeau._core.declare import ANY, Op, Out, register, wanted_out
from flambeau._core.fastpath import MISSING, Form, plain_types
from flambeau._core.inplace import check_writable, refuse_overlap, resize, write, write_out
from flambeau._core.overrides import as_called, call_overriding, overriding
from flambeau._core.signatures import LazySignature, parameter_names, takes_dim
from flambeau._core.tape import run_call
from flambeau._core.tensor import Tensor, from_array
from flambeau._core.value import CPU, Meta, meta_of
from flambeau._core.views import rederive, stride_of_view
from flambeau._core.wrong_type import check_tensors

__all__ = [
    "apply", "check_writable", "constant", "function", "in_place", "op", "operator_method",
    "plain_types", "rederive", "resize", "run_call", "stride_of_view", "write", "write_out",
]  # fmt: skip

F = TypeVar("F", bound=Callable[..., Any])

_NUMBERS = (bool, int, float, complex)


def apply(op: Op, args: Sequence[Any]) -> Any:
    """Records `op` on its arguments, all of them in declared order; returns its result, or a tuple of results."""
    return op.positional(*args)


def op(*names: str, **options: Any) -> Callable[[Callable[..., Any]], Op]:
    """Declares an operation; see `declare.py` for the form."""

    def wrap(body: Callable[..., Any]) -> Op:
        declared = Op(body, names, options)
        function = _Public(declared).function
        declared.function = function
        declared.positional = _Positional("positional", declared).function
        has_method = any(name.startswith("Tensor.") for name in names)
        _publish(names, function, _Public(declared, method=True).function if has_method else function)
        return declared

    return wrap


def function(*names: str, out: Out | bool = False, checked: bool = False) -> Callable[[F], F]:
    """Declares a public function written over tensors and other functions.

    Those with `out=` or NumPy's names (`axis=` for `dim=`) are wrapped, and then tell of arguments that should have been
    tensors. `checked` wraps others to that end, too; for such as do not pass all tensors on to an operation at once.
    """

    def wrap(body: F) -> F:
        rules = autocast.rules_of(names)
        public: Any = body if rules is None else autocast.add_function(body, rules)
        asked = wanted_out(out)
        # `nn.functional` and `masked` are Python in PyTorch, too, which takes each argument by one name only.
        python = all(name.startswith(("nn.functional.", "masked.")) for name in names)
        numpy_names = parameter_names(body) if not python and takes_dim(body) else None
        if asked is not None or numpy_names is not None or checked:
            public = _as_called_for(public, names, numpy_names, asked)
        _publish(names, public)
        return public

    return wrap


def _publish(
    names: Sequence[str], function: Callable[..., Any], method: Callable[..., Any] | None = None
) -> None:
    for name in names:
        where, _, last = name.rpartition(".")
        public = method if where == "Tensor" and method is not None else function
        if last.endswith("_") and not last.endswith("__"):
            public = in_place(public, last)
        if where == "Tensor":
            if method is None:
                public = _as_method(public)
                rules = autocast.rules_of([name])
                if rules is not None and not public.__closure__:
                    autocast.add_function(public, rules)
            setattr(Tensor, last, public)
        register(name, public)


def _as_method(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which says of itself that its first parameter is `self` and that it has no `out`."""

    def signature() -> inspect.Signature:
        whole = inspect.signature(function)
        own = [p for p in whole.parameters.values() if p.name != "out"]
        if own and own[0].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            own[0] = own[0].replace(name="self")
        return whole.replace(parameters=own)

    method = types.FunctionType(
        function.__code__.replace(
            co_qualname=f"Tensor.{function.__name__}"
        ),  # a code of its own, for `wrong_type`
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    method.__kwdefaults__ = function.__kwdefaults__
    functools.update_wrapper(method, function)
    method.__signature__ = LazySignature(signature)  # type: ignore[attr-defined]
    return method


def in_place(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The in-place form of a function: computes, then writes into the first argument."""

    listed = autocast.rules_of([name.removesuffix("_")]) is not None

    @functools.wraps(function)
    def inplace(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
            )
        check_writable(input)
        if args and isinstance(args[0], Tensor):
            refuse_overlap(input, args)
        if listed:
            with autocast.paused():  # it leaves forms in place alone
                return write(input, function(input, *args, **kwargs), name)
        return write(input, function(input, *args, **kwargs), name)

    def signature() -> inspect.Signature:
        whole = inspect.signature(function)
        return whole.replace(parameters=[p for p in whole.parameters.values() if p.name != "out"])

    inplace.__signature__ = LazySignature(signature)  # type: ignore[attr-defined]
    inplace.__name__ = inplace.__qualname__ = name
    return inplace


# NumPy's names that PyTorch accepts for its own.
_NUMPY_NAMES = {
    "dim": ("axis",), "keepdim": ("keepdims",), "input": ("x", "a", "x1"), "other": ("x2",),
    # What is one operation here goes by other names without `linalg`: det(input), orgqr(input, input2).
    "A": ("input",), "B": ("input",), "tau": ("input2",), "L": ("input2", "input"),
}  # fmt: skip


def operator_method(declared: Op, name: str) -> Callable[..., Any]:
    """An operation as a method of Python's operators: operands it does not know give NotImplemented."""
    method = _Public(declared, name, _apply_or_decline).function
    method.__name__, method.__qualname__ = name, f"Tensor.{name}"
    return method


_OPERANDS = (Tensor, int, float, complex, np.generic)


def _apply_or_decline(op: Op, args: Sequence[Any]) -> Any:
    if not isinstance(args[1], _OPERANDS):
        if not isinstance(args[1], np.ndarray):
            return NotImplemented
        array = np.asarray(args[1])
        args = (args[0], constant(array, dtypes.from_numpy_dtype(array.dtype), args[0]._meta), *args[2:])
    return apply_slowly(op, args)


def _apply_with_number(op: Op, args: Sequence[Any]) -> Any:
    """For the operations whose first operand may be a number, which then becomes a tensor beside the second."""
    first, second = args[0], args[1]
    if type(first) in _NUMBERS:
        like = second._meta if isinstance(second, Tensor) else None
        first = constant(first, dtypes.scalar_dtype(first), like)
    return apply_slowly(op, (first, *args[1:]))


class _Public(Form):
    """The form with the operation's own signature, which hands its arguments to `slow` unless all is as usual.

    A method (an operator has a name of its own) calls its first parameter `self` and has no `out`.
    """

    __slots__ = ("method", "slow")

    def __init__(
        self,
        declared: Op,
        name: str | None = None,
        slow: Callable[..., Any] = apply_slowly,
        method: bool = False,
    ) -> None:
        public = name or (declared.name if declared.name.isidentifier() else declared.body.__name__)
        super().__init__(public, declared)
        self.method = method or name is not None
        self.slow = _apply_with_number if declared.accepts_numbers and slow is apply_slowly else slow
        function = self.function
        function.__doc__ = declared.body.__doc__
        function.__module__ = declared.body.__module__
        function.__signature__ = LazySignature(self.signature)  # type: ignore[attr-defined]

    def parameters(self) -> Sequence[tuple[str, Any, bool]]:
        found = [(p.name, p.default, p.keyword) for p in self.declared.params]
        if self.method:
            found[0] = ("self", *found[0][1:])
        elif self.declared.out:
            found.append(("out", None, True))
        return found

    def signature(self) -> inspect.Signature:
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        return inspect.Signature(
            [
                inspect.Parameter(n, kinds[keyword], default=default)
                for n, default, keyword in self.parameters()
            ]
        )

    def fallback(self, op: Op, args: tuple[Any, ...], extra: dict[str, Any]) -> Any:
        """Arguments under other names, `out=`, and everything else that is not usual."""
        params = self.parameters()
        names = [parameter for parameter, _, _ in params]
        if extra:
            args = _with_renamed(self.name, names, args, extra)
        overriders = overriding(args)
        if overriders:
            special = self.name.startswith("__")
            taken_over = getattr(Tensor, self.name.strip("_"), self.function) if special else self.function
            return call_overriding(overriders, taken_over, *as_called(params, args))
        missing = [n for n, arg in zip(names, args, strict=True) if arg is MISSING]
        if missing:
            listed = ", ".join(f'"{n}"' for n in missing)
            raise TypeError(f"{self.name}() missing {len(missing)} required positional arguments: {listed}")
        out = op.out
        if names[-1] != "out" or out is None:
            return self.slow(op, args)
        if out.leads and isinstance(args[-1], Tensor):
            args = tuple([
                args[-1].dtype if n == "dtype" and arg is None else arg
                for n, arg in zip(names, args, strict=True)
            ])  # fmt: skip
        if args[-1] is None:
            return self.slow(op, args[:-1])
        with autocast.paused():  # it leaves forms with `out=` alone
            result = self.slow(op, args[:-1])
        operands = args[:-1] if out.apart or op.pointwise else ()
        return _write_outs(args[-1], result, op.name, operands, out)


class _Positional(Form):
    """The form for internal callers: every argument in order, no `out=`, no other names."""

    __slots__ = ()

    def parameters(self) -> Sequence[tuple[str, Any, bool]]:
        return [(p.name, inspect.Parameter.empty, False) for p in self.declared.params]

    def fallback(self, op: Op, args: tuple[Any, ...], extra: dict[str, Any]) -> Any:
        return apply_slowly(op, args)


def _with_renamed(
    name: str, names: Sequence[str], args: tuple[Any, ...], extra: dict[str, Any]
) -> tuple[Any, ...]:
    """The arguments with those that came under NumPy's names put in their place.

    Raises: TypeError for a name that means nothing.
    """
    found = list(args)
    for other, value in extra.items():
        fitting = [own for own, others in _NUMPY_NAMES.items() if other in others]
        own = next((own for own in fitting if own in names), fitting[0] if fitting else None)
        place = (
            names.index(own)
            if own in names
            else names.index("self")
            if own == "input" and "self" in names
            else None
        )
        if place is None:
            raise TypeError(f"{name}() got an unexpected keyword argument '{other}'")
        found[place] = value
    return tuple(found)


def _rename(kwargs: dict[str, Any], known: frozenset[str]) -> dict[str, Any] | None:
    """Keyword arguments with NumPy's names replaced by PyTorch's; None where nothing was replaced."""
    renamed = dict(kwargs)
    for own, others in _NUMPY_NAMES.items():
        for other in others:
            if other in renamed and other not in known and own in known:
                renamed[own] = renamed.pop(other)
    return renamed if renamed != kwargs else None


def _write_outs(out: Any, result: Any, name: str, operands: Sequence[Any], asked: Out = ANY) -> Any:
    if isinstance(result, (tuple, list)):
        for target, item in zip(out, result, strict=True):
            write_out(target, item, name, operands, asked)
        return type(result)(out) if isinstance(result, tuple) else tuple(out)
    return write_out(out, result, name, operands, asked)


def _as_called_for(
    function: Callable[..., Any], names: Sequence[str], known: frozenset[str] | None, asked: Out | None
) -> Callable[..., Any]:
    """A function as programs call it: with `out=` if `asked`, and with a TypeError for what should be a tensor and is not.

    `known` are its own names if NumPy's (`axis=`, `keepdims=`, `x=`) stand for them, too.
    """
    path = names[0] if names else function.__name__
    name = path.rpartition(".")[2]
    writes = asked or ANY

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        out = None
        if kwargs:
            if asked is not None:
                out = kwargs.pop("out", None)
            if known is not None and not known.issuperset(kwargs):
                kwargs = _rename(kwargs, known) or kwargs
        try:
            if out is None:
                return function(*args, **kwargs)
            with autocast.paused():
                result = function(*args, **kwargs)
        except (AttributeError, RuntimeError, ValueError):
            check_tensors(function, path, args, kwargs)
            raise
        operands = (*args, *kwargs.values()) if writes.apart else ()
        return _write_outs(out, result, name, operands, writes)

    if asked is None:
        return wrapped

    def signature() -> inspect.Signature:
        inner = inspect.signature(function)
        if "out" in inner.parameters:
            return inner
        extra = inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None)
        variable = [p for p in inner.parameters.values() if p.kind is inspect.Parameter.VAR_KEYWORD]
        others = [p for p in inner.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        return inner.replace(parameters=[*others, extra, *variable])

    wrapped.__signature__ = LazySignature(signature)  # type: ignore[attr-defined]
    return wrapped


def constant(array: Any, dtype: dtypes.dtype, like: Meta | None = None) -> Tensor:
    """A tensor of these host values."""
    array = np.asarray(array, dtype.np)
    return from_array(array, meta_of(array.shape, dtype, like.device if like is not None else CPU))
