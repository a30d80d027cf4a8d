"""Modules and functions of tensors as pure JAX functions.

Each time JAX runs or traces the function, the module is called once on placeholders, and the calls that were recorded run on
JAX's values. The derivative is flambeau's own, recorded in the same way, so that `detach`, `no_grad` and custom backwards
count, and gradients at edges are PyTorch's. It computes the forward pass anew; under `jax.jit` XLA finds that it has it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core import xla
from flambeau._core.capture import Recording, finish
from flambeau._core.modes import enable_grad, no_grad
from flambeau._core.random import default_generator
from flambeau._core.storage import Storage
from flambeau._core.tensor import Tensor
from flambeau._core.trace import describe_line, user_line
from flambeau._core.value import CPU, Meta, Value, meta_of
from flambeau._core.walk import grad
from flambeau.jax._arrays import from_jax, is_plain
from flambeau.jax._x64 import run_with_x64
from flambeau.nn.modules.module import Module
from flambeau.nn.utils.stateless import _named_places, _reparametrize_module

Arrays = dict[str, Any]
# On tensors: gives its results from its arguments.
OnTensors = Callable[[Sequence[Tensor]], list[Tensor]]

WHERE = "inside a function that JAX runs"
ADVICE = (
    "Let values decide through torch.where, and keep .item(), printing and NumPy outside of the function."
)


class Pure:
    """A pure JAX function of a function on tensors; made by `function`."""

    def __init__(self, wrapped: Callable[..., Any]) -> None:
        self._wrapped = wrapped
        self.__name__ = getattr(wrapped, "__name__", type(wrapped).__name__)

    def __repr__(self) -> str:
        return f"flambeau.jax.function({self._wrapped!r})"

    def __call__(self, *args: Any, rng: Any = None, **kwargs: Any) -> Any:
        return _run(
            lambda state, args, kwargs: (self._wrapped(*args, **kwargs), {}), CPU, {}, {}, args, kwargs, rng
        )[0]


class PureModule:
    """A module as a pure JAX function `(params, buffers, *inputs) -> (outputs, new buffers)`; made by `function`."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.__name__ = type(module).__name__

    def __repr__(self) -> str:
        return f"flambeau.jax.function({self.module!r})"

    @property
    def params(self) -> Arrays:
        """The module's parameters as they are now, by name."""
        return {name: each.detach().jax() for name, each in self.module.named_parameters()}

    @property
    def buffers(self) -> Arrays:
        """The module's buffers as they are now, by name."""
        return {name: each.detach().jax() for name, each in self.module.named_buffers()}

    def store(self, params: Arrays, buffers: Arrays | None = None) -> None:
        """Writes arrays back into the module's parameters and buffers.

        Raises: KeyError for a name that the module lacks.
        """
        own = dict(self.module.named_parameters()) | dict(self.module.named_buffers())
        with no_grad():
            for name, array in {**params, **(buffers or {})}.items():
                own[name].copy_(array if isinstance(array, Tensor) else from_jax(jnp.asarray(array)))  # type: ignore[attr-defined]

    def __call__(self, params: Arrays, buffers: Arrays, *args: Any, rng: Any = None, **kwargs: Any) -> Any:
        module = self.module
        own = {name: holder[key] for name, (holder, key) in _named_places(module)}
        _check_names(module, own, params, buffers)
        # What came as 32 bits because JAX was without 64 is what the module has, and leaves as it came.
        narrowed = {
            name: array.dtype for name, array in buffers.items()
            if array.dtype != own[name]._meta.np and array.dtype == jax.dtypes.canonicalize_dtype(own[name]._meta.np)
        }  # fmt: skip
        with xla.x64():
            given = {
                name: array.astype(own[name]._meta.np) if name in narrowed else array
                for name, array in buffers.items()
            }

        def call(state: dict[str, Tensor], args: Any, kwargs: Any) -> tuple[Any, dict[str, Tensor]]:
            with _reparametrize_module(module, state, tie_weights=True):
                found = module(*args, **kwargs)
                places = dict(_named_places(module))
                return found, {name: _held(places, name, module) for name in buffers}

        device = next((tensor._meta.device for tensor in own.values()), CPU)
        results, new = _run(call, device, params, given, args, kwargs, rng)
        with xla.x64():
            return results, {
                name: a.astype(narrowed[name]) if name in narrowed else a for name, a in new.items()
            }


def function(function: Callable[..., Any], *example_inputs: Any) -> Any:
    """Makes a module, or a function of tensors, a pure function of JAX arrays: for `jax.jit`, `grad`, `vmap`, Optax.

    A module becomes `pure(params, buffers, *inputs, **kwargs) -> (outputs, new buffers)`, where `pure.params` and
    `pure.buffers` are what it holds now, as dicts by name; `pure.store(params, buffers)` writes arrays back. A function of
    tensors becomes the same function of arrays; tensors that it takes from outside are constants to JAX. Arguments and
    results are any pytrees, and what is no array in them is static.

    Whether the module trains is read at each tracing. One that draws random numbers needs `rng=jax.random.key(...)`; the
    same key draws the same numbers. Gradients are flambeau's, to any order; forward mode (`jax.jvp`) is not there.

    Args:
        function: a module or function.
        example_inputs: inputs to try it on now, so that what cannot become a JAX function raises here.

    Raises: RuntimeError when it is run or traced, for a function that looks at values, writes to tensors outside, or draws
        random numbers without `rng`.

    >>> import jax
    >>> pure = flambeau.jax.function(nn.Linear(3, 1))
    >>> loss = lambda params, x: (pure(params, pure.buffers, x)[0] ** 2).mean()
    >>> jax.jit(jax.grad(loss))(pure.params, jax.numpy.ones((2, 3)))["weight"].shape
    (1, 3)
    """
    pure: Any
    if isinstance(function, Module):
        pure = PureModule(function)
        leading: tuple[Any, ...] = (pure.params, pure.buffers)
    elif callable(function):
        pure, leading = Pure(function), ()
    else:
        raise TypeError(
            f"function(): argument 'function' must be a Module or callable, not {type(function).__name__}"
        )
    if example_inputs:
        jax.eval_shape(
            lambda *arrays: _arrays_of(pure(*leading, *arrays, rng=jax.random.key(0))), *example_inputs
        )
    return pure


def _arrays_of(tree: Any) -> list[Any]:
    return [leaf for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array)]


def _check_names(module: Module, own: dict[str, Tensor], params: Arrays, buffers: Arrays) -> None:
    for what, given in (("params", params), ("buffers", buffers)):
        if not isinstance(given, dict):
            raise TypeError(
                f"the JAX function of {type(module).__name__} takes (params, buffers, *inputs): {what} must be a dict by "
                f"name, not {type(given).__name__}"
            )
    unknown = [name for name in (*params, *buffers) if name not in own]
    if unknown:
        raise KeyError(f"{type(module).__name__} has no parameter or buffer {', '.join(map(repr, unknown))}")


def _held(places: dict[str, Any], name: str, module: Module) -> Tensor:
    if name not in places:
        raise RuntimeError(f"{type(module).__name__} has lost its buffer {name!r} while it ran")
    holder, key = places[name]
    return holder[key]


# -- running ---------------------------------------------------------------------------------------


class _Array:
    """Marks the places of arrays among the leaves of a pytree."""


_ARRAY = _Array()


def _is_data(leaf: Any) -> bool:
    return isinstance(leaf, (jax.Array, np.ndarray, np.generic, Tensor))


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, Tensor)


def _as_array(leaf: Any) -> Any:
    return leaf.detach().jax() if isinstance(leaf, Tensor) else jnp.asarray(leaf)


def _run(
    call: Any, device: Any, params: Arrays, buffers: Arrays, args: Any, kwargs: Any, rng: Any
) -> tuple[Any, Arrays]:
    """Runs `call(tensors by name, args, kwargs)`, which gives results and named new buffers, on arrays."""
    names = (*params, *buffers)
    leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=_is_tensor)
    state = [*map(_as_array, params.values()), *map(_as_array, buffers.values())]
    arrays = state + [_as_array(leaf) for leaf in leaves if _is_data(leaf)]
    for array in arrays:
        if not is_plain(array.dtype):
            raise TypeError(f"no Tensor holds what this array has: {array.dtype}{list(array.shape)}")
    found: list[Any] = []

    def on_tensors(tensors: Sequence[Tensor]) -> list[Tensor]:
        # Copies, because a module may write to its inputs, and must not to a leaf that wants a gradient.
        data = iter([t.clone() if t.requires_grad else t for t in tensors[len(state) :]])  # type: ignore[attr-defined]
        filled = [next(data) if _is_data(leaf) else leaf for leaf in leaves]
        args, kwargs = jax.tree.unflatten(tree, filled)
        found[:] = jax.tree.flatten(
            call(dict(zip(names, tensors, strict=False)), args, kwargs), is_leaf=_is_tensor
        )
        return [leaf for leaf in found[0] if isinstance(leaf, Tensor)]

    # Buffers are written to, which no leaf that wants a gradient may be.
    fixed = range(len(params), len(state))
    differentiable = tuple(
        [jnp.issubdtype(a.dtype, jnp.inexact) and i not in fixed for i, a in enumerate(arrays)]
    )
    results = iter(_pure(on_tensors, differentiable, device, rng)(*arrays))
    leaves_found, tree_found = found
    return jax.tree.unflatten(
        tree_found, [next(results) if isinstance(leaf, Tensor) else leaf for leaf in leaves_found]
    )


def _pure(
    on_tensors: OnTensors, differentiable: tuple[bool, ...], device: Any, rng: Any
) -> Callable[..., Any]:
    """A function of tensors as one of arrays, whose derivative is the function's own, turned into JAX in the same way."""

    def leaves(tensors: Sequence[Tensor]) -> list[Tensor]:
        return [
            t.requires_grad_() if wanted and not t.requires_grad else t
            for t, wanted in zip(tensors, differentiable, strict=True)
        ]

    def run(key: Any, *arrays: Any) -> Any:
        return tuple(_on_arrays(on_tensors, arrays, device, key))

    def forward(key: Any, *arrays: Any) -> Any:
        return function(key, *arrays), (key, arrays)

    def backward(kept: Any, cotangents: Any) -> Any:
        key, arrays = kept
        given = [i for i, g in enumerate(cotangents) if g.dtype != jax.dtypes.float0]
        wanted = [i for i, want in enumerate(differentiable) if want]

        def gradient(tensors: Sequence[Tensor]) -> list[Tensor]:
            inputs, weights = leaves(tensors[: len(arrays)]), tensors[len(arrays) :]
            deeper = any(t.requires_grad for t in weights)
            results = on_tensors(inputs)
            pairs = [(results[i], g) for i, g in zip(given, weights, strict=True) if results[i].requires_grad]
            chosen = [inputs[i] for i in wanted]
            found: Sequence[Any] = [None] * len(chosen)
            if pairs and chosen:
                found = grad(
                    [result for result, _ in pairs],
                    chosen,
                    [g for _, g in pairs],
                    create_graph=deeper,
                    allow_unused=True,
                )
            return [t.new_zeros(t.shape) if g is None else g for t, g in zip(chosen, found, strict=True)]  # type: ignore[attr-defined]

        marks = (*differentiable, *[True] * len(given))
        # PyTorch's gradients of complex tensors are the conjugates of JAX's.
        found = _pure(gradient, marks, device, key)(*arrays, *[jnp.conj(cotangents[i]) for i in given])
        gradients: list[Any] = [None] * len(arrays)
        for i, g in zip(wanted, found, strict=True):
            gradients[i] = jnp.conj(g)
        return (None, *gradients)

    function = jax.custom_vjp(run)
    function.defvjp(forward, backward)
    return lambda *arrays: function(rng, *arrays)


def _on_arrays(on_tensors: OnTensors, arrays: Sequence[Any], device: Any, rng: Any) -> list[Any]:
    """Records the function on placeholders like the arrays, and runs what was recorded on them."""
    metas = [meta_of(tuple(a.shape), dtypes.from_numpy_dtype(a.dtype), device) for a in arrays]
    recording = _Recording(rng is not None)
    # What flambeau runs on the way, to have the values of tensors from outside, is not for JAX to trace.
    with jax.ensure_compile_time_eval(), enable_grad(), _state_kept():
        with recording:
            tensors = [Tensor._of(recording.placeholder(meta)) for meta in metas]
            recorded = finish(recording, on_tensors(tensors))
        outer = [value.array() for value in recorded.outer]
    draws = {id(value): number for number, (_, value) in enumerate(recording.draws)}
    drawn: dict[int, Any] = {}  # by their places among the outer values
    for place, value in enumerate(recorded.outer):
        number = draws.get(id(value))
        if number is not None:
            drawn[place] = _drawn(recording.draws[number][0], value.meta, jax.random.fold_in(rng, number))
    floats = [n for n, kind in zip(recorded.numbers, recorded.block.numbers, strict=True) if kind == "f"]
    ints = [n for n, kind in zip(recorded.numbers, recorded.block.numbers, strict=True) if kind == "i"]

    def program(*given: Any) -> list[Any]:
        everything = dict(enumerate(outer)) | dict(zip(drawn, given[len(arrays) :], strict=True))
        numbers = np.array(floats, np.float64), np.array(ints, np.int64)
        return recorded.function(*numbers, *given[: len(arrays)], *everything.values())

    return run_with_x64(program, *arrays, *drawn.values())


class _Recording(Recording):
    """A recording that lets random numbers be drawn if there is a key, and nothing outside be written to."""

    def __init__(self, may_draw: bool) -> None:
        super().__init__(WHERE, ADVICE)
        self._may_draw = may_draw

    def draw(self, draw: Any, meta: Meta) -> Value:
        line = describe_line(user_line())
        if not self._may_draw:
            raise RuntimeError(
                f"Random numbers are drawn {WHERE} ({line}), and would be the same at each call: give it a key, "
                "rng=jax.random.key(0), or switch dropout off with .eval()."
            )
        before = default_generator.state_bytes()
        value = super().draw(draw, meta)
        if np.array_equal(before, default_generator.state_bytes()) and meta.numel:
            raise RuntimeError(
                f"Random numbers are drawn from a Generator of their own {WHERE} ({line}): leave out generator=, so that "
                "they come from the key."
            )
        return value

    def allow_write(self, storage: Storage, value: Value) -> None:
        raise RuntimeError(
            f"A tensor from outside is written to {WHERE} ({describe_line(user_line())}), which nobody would see: return the "
            "new value, or make the tensor a buffer of the module."
        )


@contextlib.contextmanager
def _state_kept() -> Iterator[None]:
    """What is drawn inside leaves the default generator as it was."""
    state = default_generator.state_bytes()
    try:
        yield
    finally:
        default_generator.set_state_bytes(state)


def _drawn(draw: Any, meta: Meta, key: Any) -> Any:
    """The draw made anew on the host, from the stream that the key names."""

    def again(bits: Any) -> Any:
        with default_generator.diverted(int(np.asarray(bits).reshape(-1)[-1])):
            return np.asarray(draw(()), meta.np)

    with xla.x64():
        spec = jax.ShapeDtypeStruct(meta.shape, meta.np)
        return jax.pure_callback(again, spec, jax.random.key_data(key), vmap_method="sequential")
