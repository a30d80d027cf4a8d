"""JAX functions as operations on tensors.

A function is traced once for each structure of its arguments, under the JAX settings of whoever calls it, and then is one
recorded call. Its gradient is JAX's: a call that needs one also gives what `jax.vjp` keeps from the forward pass.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, overload

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np

from flambeau._core import xla
from flambeau._core.call import Call
from flambeau._core.declare import typed
from flambeau._core.device import current_device, resolve
from flambeau._core.device import device as Device
from flambeau._core.gradient import Saving, vjp_of_call
from flambeau._core.modes import modes
from flambeau._core.remembered import Remembered
from flambeau._core.tape import run_call
from flambeau._core.tensor import Tensor
from flambeau._core.trace import describe_line, user_line
from flambeau._core.value import META, Meta, meta_of
from flambeau.jax._arrays import from_jax, is_plain, meta_of_array, value_of_array

P = ParamSpec("P")
R = TypeVar("R")

# The user's settings under which the same function may be traced to another program.
_SETTINGS = (
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_numpy_dtype_promotion",
    "jax_numpy_rank_promotion",
    "jax_default_prng_impl",
    "jax_threefry_partitionable",
)
# So many structures of arguments are remembered for each function.
LIMIT = 200


class Wrapped(Generic[P, R]):
    """A JAX function that takes and gives tensors; made by `wrap`."""

    def __init__(
        self,
        function: Callable[P, R],
        static_argnums: int | Sequence[int] = (),
        static_argnames: str | Sequence[str] = (),
        x64: bool | None = None,
    ) -> None:
        if not callable(function):
            raise TypeError(f"wrap(): argument 'function' must be callable, not {type(function).__name__}")
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.static_argnums = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
        self.static_argnames = (
            (static_argnames,) if isinstance(static_argnames, str) else tuple(static_argnames)
        )
        self.x64 = x64
        self._static = _static_places(function, self.static_argnums, self.static_argnames)
        self._programs: Remembered[_Program] = Remembered(LIMIT)

    def __repr__(self) -> str:
        return f"flambeau.jax.wrap({self.function!r})"

    def __reduce__(self) -> Any:
        return Wrapped, (self.function, self.static_argnums, self.static_argnames, self.x64)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        numbers, names = self._static
        static = [
            (place, _Static(value))
            for place, value in enumerate(args)
            if place in numbers or place - len(args) in numbers
        ]
        static += [(name, _Static(value)) for name, value in kwargs.items() if name in names]  # type: ignore[misc]
        given = _with(args, kwargs, static)
        leaves, tree = jax.tree.flatten(given, is_leaf=_is_tensor)
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return self.function(*args, **kwargs)  # JAX is tracing: to it this is an ordinary function
        with _settings(self.x64):
            tensors: list[Tensor] = []
            constants: list[Any] = []
            for leaf in leaves:
                array = _as_tensor(leaf)
                if array is None:
                    constants.append(leaf)
                else:
                    tensors.append(array)
                    constants.append(_KEY if _is_key(leaf) else _ARRAY)
            metas = tuple([tensor._meta for tensor in tensors])
            if not has_x64():
                _refuse_64_bit(self.__name__, metas, given)  # type: ignore[attr-defined]
            key = (
                tree,
                tuple(map(typed, constants)),
                metas,
                tuple([getattr(jax.config, s) for s in _SETTINGS]),
            )
            try:
                program = self._programs.get(key)
            except TypeError:
                raise _unhashable(self.__name__, given) from None  # type: ignore[attr-defined]
            if program is None:
                program = self._programs.find(key, lambda: _Program(self, tree, constants, leaves, metas))
            results = program(tensors)
        return results


@overload
def wrap(
    function: Callable[P, R],
    *,
    static_argnums: int | Sequence[int] = ...,
    static_argnames: str | Sequence[str] = ...,
    x64: bool | None = ...,
) -> Wrapped[P, R]: ...
@overload
def wrap(
    *,
    static_argnums: int | Sequence[int] = ...,
    static_argnames: str | Sequence[str] = ...,
    x64: bool | None = ...,
) -> Callable[[Callable[P, R]], Wrapped[P, R]]: ...
def wrap(
    function: Any = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    x64: bool | None = None,
) -> Any:
    """Makes a JAX function usable on tensors: in modules, with autograd, as part of what flambeau compiles.

    Arguments and results are any pytrees. Tensors and arrays in them are data, and the results' arrays are tensors; all
    else (numbers, strings, functions, None) is static, as it is for a function that is not jitted: another value traces
    the function again. Gradients are those of `jax.vjp`, of second and higher order too.

    Args:
        function: a pure function in JAX; also as decorator.
        static_argnums, static_argnames: arguments that are static as a whole, as in `jax.jit`.
        x64: whether JAX has 64-bit types while it traces the function; None takes the user's own setting.

    Raises: TypeError at a call, for tensors of 64-bit types while JAX is without them, and for what cannot be static.

    >>> import jax.numpy as jnp
    >>> softplus = flambeau.jax.wrap(lambda x: jnp.logaddexp(x, 0))
    >>> x = flambeau.zeros(2, requires_grad=True)
    >>> softplus(x).sum().backward()
    >>> x.grad
    tensor([0.5000, 0.5000])
    """
    if function is None:
        return lambda function: Wrapped(function, static_argnums, static_argnames, x64)
    return Wrapped(function, static_argnums, static_argnames, x64)


# -- arguments -------------------------------------------------------------------------------------


class _Mark:
    """What stands for data among the static leaves of a call."""


_ARRAY, _KEY = _Mark(), _Mark()


@jax.tree_util.register_static
class _Static:
    """An argument that is static as a whole, in the structure of a call."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Static) and typed(self.value) == typed(other.value)

    def __hash__(self) -> int:
        return hash(typed(self.value))


def _static_places(
    function: Callable[..., Any], numbers: Sequence[int], names: Sequence[str]
) -> tuple[frozenset[int], frozenset[str]]:
    """The static arguments by place and by name, each of them under both where the signature tells."""
    try:
        own = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return frozenset(numbers), frozenset(names)
    kinds = inspect.Parameter
    positional = [p.name for p in own if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    every = {p.name for p in own}
    if not any(p.kind is kinds.VAR_KEYWORD for p in own):
        for name in names:
            if name not in every:
                raise ValueError(
                    f"wrap(): static_argnames has {name!r}, which is no argument of {function!r}"
                )
    numbers_of_names = {positional.index(name) for name in names if name in positional}
    names_of_numbers = {positional[n] for n in numbers if -len(positional) <= n < len(positional)}
    return frozenset({*numbers, *numbers_of_names}), frozenset({*names, *names_of_numbers})


def _with(
    args: Any, kwargs: Any, replaced: Sequence[tuple[Any, Any]]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with some of them replaced, each named by its place or name."""
    if not replaced:
        return args, kwargs
    places, names = dict(enumerate(args)), dict(kwargs)
    for where, value in replaced:
        if isinstance(where, int):
            places[where] = value
        else:
            names[where] = value
    return tuple(places.values()), names


def _unpacked(args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with those that are static as a whole as the user gave them."""
    return (
        tuple([arg.value if isinstance(arg, _Static) else arg for arg in args]),
        {name: arg.value if isinstance(arg, _Static) else arg for name, arg in kwargs.items()},
    )


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, Tensor)


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _as_tensor(leaf: Any) -> Tensor | None:
    """A leaf that is data as a tensor; None for a static one. NumPy arrays become JAX's under JAX's own rules."""
    if isinstance(leaf, Tensor):
        return leaf
    if isinstance(leaf, (np.ndarray, np.generic)):
        return from_jax(jnp.asarray(leaf))
    if not isinstance(leaf, jax.Array):
        return None
    return from_jax(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _named_leaves(given: Any) -> list[tuple[str, Any]]:
    """The leaves of a call's arguments, each with the words that point to it: `args[0]['weight']`."""
    found = jax.tree_util.tree_flatten_with_path(given, is_leaf=_is_tensor)[0]
    return [
        ("kwargs" * path[0].idx + "args" * (1 - path[0].idx) + jax.tree_util.keystr(path[1:]), leaf)
        for path, leaf in found
    ]


def _refuse_64_bit(name: str, metas: Sequence[Meta], given: Any) -> None:
    if not any(meta.np != jax.dtypes.canonicalize_dtype(meta.np) for meta in metas):
        return
    for where, leaf in _named_leaves(given):
        tensor = _as_tensor(leaf)
        if tensor is not None and tensor._meta.np != jax.dtypes.canonicalize_dtype(tensor._meta.np):
            narrow = jax.dtypes.canonicalize_dtype(tensor._meta.np)
            raise TypeError(
                f"{name}(): {where} is {tensor.dtype}, but JAX is without 64-bit types, and would make it {narrow} on its "
                f"way. Convert it with .to(torch.{narrow}), wrap the function with x64=True, or turn JAX's on with "
                "jax.config.update('jax_enable_x64', True)."
            )


def _unhashable(name: str, given: Any) -> TypeError:
    for where, leaf in _named_leaves(given):
        try:
            hash(leaf)
        except TypeError:
            return TypeError(
                f"{name}(): {where} is a {type(leaf).__name__}, which is neither data (a Tensor or array) nor static: what "
                "is static has to be hashable"
            )
    return TypeError(f"{name}(): its static arguments have to be hashable")


def has_x64() -> bool:
    """Whether JAX has 64-bit types, by the setting of the process and the contexts of this thread."""
    return bool(getattr(jax.config, _SETTINGS[0]))


def _settings(x64: bool | None) -> Any:
    return contextlib.nullcontext() if x64 is None else jax.enable_x64(x64)


# -- programs --------------------------------------------------------------------------------------


class _Program:
    """The function, traced for one structure of arguments."""

    def __init__(
        self,
        wrapped: Wrapped[Any, Any],
        tree: Any,
        constants: Sequence[Any],
        leaves: Sequence[Any],
        metas: tuple[Meta, ...],
    ) -> None:
        self.name = _call_name(wrapped.__name__)  # type: ignore[attr-defined]
        self.line = user_line()
        self.x64 = has_x64()
        implementations = {i: jax.random.key_impl(leaf) for i, leaf in enumerate(leaves) if _is_key(leaf)}

        def flat(*arrays: Any) -> list[Any]:
            data = iter(arrays)
            filled = []
            for i, constant in enumerate(constants):
                if isinstance(constant, _Mark):
                    constant = next(data)
                    if i in implementations:
                        constant = jax.random.wrap_key_data(constant, impl=implementations[i])
                filled.append(constant)
            args, kwargs = _unpacked(*jax.tree.unflatten(tree, filled))
            found, self.result_tree = jax.tree.flatten(wrapped.function(*args, **kwargs))
            self.result_leaves = [_ARRAY if _is_array(leaf) else leaf for leaf in found]
            return [jnp.asarray(leaf) for leaf in found if _is_array(leaf)]

        closed = jax.make_jaxpr(flat)(*[jax.ShapeDtypeStruct(meta.shape, meta.np) for meta in metas])
        for aval in closed.out_avals:
            if not is_plain(aval.dtype):
                raise TypeError(
                    f"{self.name}() returned an array of {aval.dtype}, which no Tensor holds; of a random key return "
                    "jax.random.key_data(key)"
                )
        self.device = _device_of(metas)
        # What the function took from outside itself is an input like the others, lest it be written into the programs.
        self._outer = [_constant(array, self.device) for array in closed.consts]
        self._jaxpr = closed.jaxpr
        self.inputs = (*[tensor._meta for tensor in self._outer], *metas)
        self.results = tuple([self.meta(aval) for aval in closed.out_avals])
        self._calls: dict[tuple[bool, ...], Call] = {}

    def __call__(self, tensors: Sequence[Tensor]) -> Any:
        needs = (*[False] * len(self._outer), *[modes.grad and tensor.requires_grad for tensor in tensors])
        found: list[Tensor] = []
        if self.results:
            call = self._calls.get(needs)
            if call is None:
                call = self._calls[needs] = self._call(needs)
            found = run_call(call, [*self._outer, *tensors])[: len(self.results)]
        results = iter(found)
        return jax.tree.unflatten(
            self.result_tree, [next(results) if leaf is _ARRAY else leaf for leaf in self.result_leaves]
        )

    def meta(self, aval: Any) -> Meta:
        """The meta of a value inside the function."""
        from flambeau._core import dtype as dtypes

        return meta_of(tuple(aval.shape), dtypes.from_numpy_dtype(aval.dtype), self.device)

    def _call(self, needs: tuple[bool, ...]) -> Call:
        tracked = any(needs) and any(meta.tracked for meta in self.results)
        if tracked:
            gradient = _Gradient(self, needs)
            if gradient.possible:
                return gradient.call
        return Call(self.name, self.guarded(self.evaluate), self.inputs, self.results, self.device)

    def evaluate(self, *arrays: Any) -> list[Any]:
        """The function on JAX arrays: those from outside, then its arguments."""
        count = len(self._outer)
        closed = jax.extend.core.ClosedJaxpr(self._jaxpr, list(arrays[:count]))
        return jax.extend.core.jaxpr_as_fun(closed)(*arrays[count:])

    def guarded(self, function: Callable[..., Sequence[Any]]) -> Any:
        """A function of arrays as a call runs it: under the settings of its first call, which errors name."""

        def run(xp: Any, arrays: Sequence[Any], numbers: Sequence[Any]) -> tuple[Any, ...]:
            try:
                with jax.enable_x64(self.x64):
                    return tuple(function(*arrays))
            except Exception as error:
                error.add_note(f"In the JAX function {self.name}, called at {describe_line(self.line)}.")
                raise

        return run


class _Gradient:
    """The call that also gives what its backward needs, and that backward."""

    def __init__(self, program: _Program, needs: tuple[bool, ...]) -> None:
        self._program = program
        self._wanted = [i for i, need in enumerate(needs) if need]
        results = program.results
        self._tracked = [i for i, meta in enumerate(results) if meta.tracked]

        def forward(*arrays: Any) -> Any:
            def primal(*chosen: Any) -> tuple[list[Any], list[Any]]:
                everything = dict(enumerate(arrays)) | dict(zip(self._wanted, chosen, strict=True))
                found = program.evaluate(*everything.values())
                return [found[i] for i in self._tracked], found

            _, pull, found = jax.vjp(primal, *[arrays[i] for i in self._wanted], has_aux=True)
            residuals, self._tree = jax.tree.flatten(pull)
            return found, residuals

        closed = jax.make_jaxpr(forward)(*[jax.ShapeDtypeStruct(m.shape, m.np) for m in program.inputs])
        jaxpr, avals = closed.jaxpr, closed.out_avals
        # Without it the gradient computes the function anew.
        self.possible = not closed.consts and all(is_plain(aval.dtype) for aval in avals)
        if not self.possible:
            return
        # Each residual is an input, or an output: a result of the function or one more.
        place: dict[Any, tuple[str, int]] = {}
        for i, variable in enumerate(jaxpr.invars):
            place[variable] = "input", i
        self._residuals: list[tuple[str, int]] = []
        outputs = list(range(len(results)))
        for i, variable in enumerate(jaxpr.outvars):
            known = None if isinstance(variable, jax.extend.core.Literal) else place.get(variable)
            if i >= len(results) and known is None:
                known = "output", len(outputs)
                outputs.append(i)
            if i >= len(results):
                self._residuals.append(known)  # type: ignore[arg-type]
            elif known is None:
                known = "output", i
            if not isinstance(variable, jax.extend.core.Literal):
                place.setdefault(variable, known)  # type: ignore[arg-type]
        self._saved_outputs = tuple(sorted({i for kind, i in self._residuals if kind == "output"}))

        def chosen(*arrays: Any) -> list[Any]:
            found = jax.extend.core.jaxpr_as_fun(closed)(*arrays)
            return [found[i] for i in outputs]

        metas = tuple([program.meta(avals[i]) for i in outputs])
        self.call = Call(program.name, program.guarded(chosen), program.inputs, metas, program.device)
        self.call.values["gradient"] = self

    def saving(self, needs: tuple[bool, ...]) -> Saving:
        return Saving(tuple(range(len(self.call.inputs))), self._saved_outputs, ())

    def backward(self, needs: tuple[bool, ...], present: tuple[bool, ...]) -> Call:
        call, saved = self.call, self._saved_outputs
        given = [meta for meta, here in zip(call.results, present, strict=True) if here]
        metas = (*given, *call.inputs, *[call.results[i] for i in saved])
        again = any(present[len(self._program.results) :])  # a second derivative, through what was kept

        def pull(*arrays: Any) -> list[Any]:
            there = iter(arrays[: len(given)])
            cotangents = [
                next(there) if here else jnp.zeros(meta.shape, meta.np)
                for meta, here in zip(call.results, present, strict=True)
            ]
            inputs = list(arrays[len(given) : len(given) + len(call.inputs)])
            if again:
                found = vjp_of_call(call, self._wanted, cotangents, inputs, ())
                return [found[i] for i in self._wanted]
            outputs = dict(zip(saved, arrays[len(given) + len(inputs) :], strict=True))
            residuals = [inputs[i] if kind == "input" else outputs[i] for kind, i in self._residuals]
            function = jax.tree.unflatten(self._tree, residuals)
            # PyTorch's gradients of complex tensors are the conjugates of JAX's.
            found = function([jnp.conj(cotangents[i]) for i in self._tracked])
            return [jnp.conj(gradient) for gradient in found]

        results = tuple([call.inputs[i] for i in self._wanted])
        return Call(
            f"{call.name}.backward",
            self._program.guarded(pull),
            metas,
            results,
            call.device,
            cost=2 * call.cost,
        )


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, (jax.Array, np.ndarray, np.generic))


def _call_name(name: str) -> str:
    return name if name.isidentifier() else "jax_function"


def _device_of(metas: Sequence[Meta]) -> Device:
    """Where a function of such arguments runs.

    Raises: RuntimeError in PyTorch's words for arguments on several devices.
    """
    if not metas:
        return resolve(current_device())
    first = metas[0].device
    for meta in metas:
        if meta.device is META:
            return META
        if meta.device is not first:
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"{first} and {meta.device}!"
            )
    return first


def _constant(array: Any, device: Device) -> Tensor:
    """An array that a function took from outside itself."""
    array = jnp.asarray(array)
    if device is META:
        return Tensor._of(value_of_array(array)).to(META)  # type: ignore[attr-defined]
    if meta_of_array(array).device is not device:
        array = xla.transfer(array, device)
    return from_jax(array)
