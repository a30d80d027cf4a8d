"""`torch.utils.checkpoint`: memory for time. What a function saves for backward is computed again when backward needs it.

XLA would merge the second computation with the first one and keep the results after all. So what was recorded before runs
first, as a program of its own; within a function that is recorded whole, the second computation starts from what XLA takes for
other values (`barrier`; its compiler for CPUs sees through that).
"""

from __future__ import annotations

import contextlib
import enum
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NoReturn

from flambeau import autograd
from flambeau._core import autocast as _autocast
from flambeau._core.autograd import rewritten
from flambeau._core.modes import enable_grad, modes, no_grad
from flambeau._core.random import default_generator
from flambeau._core.tensor import Tensor
from flambeau._core.trace import end_program
from flambeau._core.walk import current_walk
from flambeau._ops.barrier import barrier
from flambeau.autograd.graph import saved_tensors_hooks
from flambeau.utils._pytree import tree_flatten, tree_unflatten

__all__ = [
    "CheckpointError", "CheckpointFunction", "CheckpointPolicy", "DefaultDeviceType", "check_backward_validity", "checkpoint",
    "checkpoint_sequential", "create_selective_checkpoint_contexts", "detach_variable", "get_device_states",
    "noop_context_fn", "set_checkpoint_debug_enabled", "set_checkpoint_early_stop", "set_device_states",
]  # fmt: skip

Contexts = tuple[AbstractContextManager[Any], AbstractContextManager[Any]]

_debug: bool | None = None
_early_stop: bool | None = None


class CheckpointError(RuntimeError):
    """The function did something else the second time."""


class CheckpointPolicy(enum.Enum):
    """What selective checkpointing would do with one operation."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4


class DefaultDeviceType:
    """The type of device whose random state is kept. All devices draw from one stream here, so it changes nothing."""

    _default_device_type = "cuda"

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        DefaultDeviceType._default_device_type = device

    @staticmethod
    def get_device_type() -> str:
        return DefaultDeviceType._default_device_type


def noop_context_fn() -> Contexts:
    """Two contexts that do nothing: one for the first computation, one for the second."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def create_selective_checkpoint_contexts(
    policy_fn_or_list: Any, allow_cache_entry_mutation: bool = False
) -> NoReturn:
    """Raises NotImplementedError: single operations cannot be chosen, only whole functions."""
    raise NotImplementedError(
        "flambeau checkpoints whole functions: call checkpoint() on the parts that should be computed again"
    )


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Context that sets `debug` of all checkpoints inside; None leaves it to them."""
    global _debug
    before, _debug = _debug, enabled
    try:
        yield
    finally:
        _debug = before


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Context that sets `early_stop` of all checkpoints inside."""
    global _early_stop
    before, _early_stop = _early_stop, enable
    try:
        yield
    finally:
        _early_stop = before


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warns if none of the inputs requires grad."""
    if not any(isinstance(each, Tensor) and each.requires_grad for each in inputs):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The inputs, tensors among them as leaves that require grad as they did.

    Raises: RuntimeError, if `inputs` is no tuple.
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}"
        )
    return tuple([_detached(each) for each in inputs])


def _detached(value: Any) -> Any:
    return value.detach().requires_grad_(value.requires_grad) if isinstance(value, Tensor) else value


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """Random states of the GPUs that the arguments are on: none beside the CPU's, which serves all devices."""
    return [], []


def set_device_states(
    devices: Sequence[int], states: Sequence[Tensor], *, device_type: str | None = None
) -> None:
    """Puts back what `get_device_states` gave: nothing."""


class _Surroundings:
    """What the function ran in beside its arguments: the random numbers ahead, and autocast."""

    def __init__(self, preserve_rng_state: bool) -> None:
        self.random = default_generator.state_bytes() if preserve_rng_state else None
        self.autocast = _autocast.snapshot()

    @contextlib.contextmanager
    def again(self) -> Iterator[None]:
        """The same surroundings for a while."""
        before = None
        if self.random is not None:
            before = default_generator.state_bytes()
            default_generator.set_state_bytes(self.random)
        try:
            with _autocast.restored(self.autocast):
                yield
        finally:
            if before is not None:
                default_generator.set_state_bytes(before)


def _as_other_values(values: Sequence[Any]) -> list[Any]:
    """The values, tensors among them as equal ones that XLA does not know to be equal; all that came before has run."""
    end_program("a checkpointed function runs again")
    return [barrier(value) if isinstance(value, Tensor) else value for value in values]


# -- checkpoint ------------------------------------------------------------------------------------


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], Contexts] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """Runs `function(*args, **kwargs)`; what it would save for backward is computed again during backward.

    Args:
        function: runs twice, and has to do the same both times.
        use_reentrant: True: backward runs a backward of its own through the second computation, for the gradients of
            tensors among `args`. False (better): saved tensors are put in as they are needed. None: True, with a warning.
        preserve_rng_state: (in kwargs) random numbers are the same both times; True by default.
        context_fn: makes the contexts that the first and the second computation run in.
        determinism_check: "default" compares shapes, dtypes and devices of what is saved; "none" does not.
        debug: on a mismatch, list what was saved both times.
        early_stop: leave the function as soon as all that is needed has been computed.

    Raises: ValueError for arguments that do not go together; in backward CheckpointError, if the function did something
        else the second time.

    >>> layer = flambeau.nn.Linear(3, 3)
    >>> x = flambeau.ones(2, 3)
    >>> y = flambeau.utils.checkpoint.checkpoint(lambda x: layer(x).tanh(), x, use_reentrant=False)
    >>> y.sum().backward()
    >>> layer.weight.grad.shape
    torch.Size([3, 3])
    """
    if use_reentrant is None:
        _warn_of_reentrant("torch.utils.checkpoint", "Starting in PyTorch 2.9, calling checkpoint without use_reentrant will "
                           "raise an exception.")  # fmt: skip
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        check_backward_validity(args)
        return CheckpointFunction.apply(function, preserve, *args)
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be one of ['default', 'none'], but got {determinism_check}"
        )
    first, second = context_fn()
    debug = debug if _debug is None else _debug
    stop = early_stop if _early_stop is None else _early_stop
    frame = _Frame(
        function, args, kwargs, second, _Surroundings(preserve), determinism_check != "none", stop, debug
    )
    if not modes.grad:
        return function(*args, **kwargs)
    with saved_tensors_hooks(frame.pack, frame.unpack), first:
        return function(*args, **kwargs)


def _warn_of_reentrant(name: str, threat: str) -> None:
    warnings.warn(
        f"{name}: the use_reentrant parameter should be passed explicitly. {threat} use_reentrant=False is recommended, but "
        "if you need to preserve the current default behavior, you can pass use_reentrant=True. Refer to docs for more "
        "details on the differences between the two variants.",
        stacklevel=3,
    )


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Runs functions one after the other, in `segments` parts; all but the last are checkpointed.

    Args:
        functions: an `nn.Sequential`, or a list of functions.
        segments: how many parts.
        input: of the first function.
        use_reentrant: as in `checkpoint`.
        preserve_rng_state: (in kwargs) as in `checkpoint`.

    >>> model = flambeau.nn.Sequential(*[flambeau.nn.Linear(3, 3) for _ in range(4)])
    >>> flambeau.utils.checkpoint.checkpoint_sequential(model, 2, flambeau.ones(1, 3), use_reentrant=False).shape
    torch.Size([1, 3])
    """
    if use_reentrant is None:
        _warn_of_reentrant("torch.utils.checkpoint.checkpoint_sequential", "In version 2.9 we will raise an exception if "
                           "use_reentrant is not passed.")  # fmt: skip
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    layers = list(functions.children() if hasattr(functions, "children") else functions)
    size = len(layers) // segments
    for start in range(0, size * (segments - 1), size):
        part = _in_turn(layers[start : start + size])
        input = checkpoint(part, input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return _in_turn(layers[size * (segments - 1) :])(input)


def _in_turn(functions: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        for function in functions:
            value = function(value)
        return value

    return run


# -- with a backward of its own --------------------------------------------------------------------


class CheckpointFunction(autograd.Function):
    """The reentrant form: one node, whose backward computes the function again and walks through that."""

    @staticmethod
    def forward(ctx: Any, run_function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
        ctx.run_function = run_function
        ctx.surroundings = _Surroundings(preserve_rng_state)
        ctx.inputs = [None if isinstance(arg, Tensor) else arg for arg in args]
        ctx.places = [place for place, arg in enumerate(args) if isinstance(arg, Tensor)]
        ctx.save_for_backward(*[args[place] for place in ctx.places])
        with no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *args: Any) -> Any:
        walk = current_walk()
        if walk is not None and walk.needed is not None:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` parameter "
                "to .backward(). To resolve this error, you can either set use_reentrant=False, or call .backward() without "
                "passing the `inputs` argument."
            )
        inputs = list(ctx.inputs)
        saved = ctx.saved_tensors
        with no_grad():
            others = _as_other_values(saved)
        for place, tensor, other in zip(ctx.places, saved, others, strict=True):
            inputs[place] = other.requires_grad_(tensor.requires_grad)
        with ctx.surroundings.again(), enable_grad():
            outputs = ctx.run_function(*inputs)
        pairs = [
            (output, gradient)
            for output, gradient in zip(
                outputs if isinstance(outputs, tuple) else (outputs,), args, strict=True
            )
            if isinstance(output, Tensor) and output.requires_grad
        ]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        autograd.backward([output for output, _ in pairs], [gradient for _, gradient in pairs])
        return None, None, *[value.grad if isinstance(value, Tensor) else None for value in inputs]


# -- with hooks on saved tensors -------------------------------------------------------------------


class _Holder:
    """Stands in the graph for a saved tensor: its number among those of one checkpoint."""

    def __init__(self, number: int) -> None:
        self.number = number


class _Stop(Exception):
    """All that backward needs has been computed."""


class _Frame:
    """One checkpointed call: how to run it again, and what was computed when it was."""

    def __init__(
        self, function: Callable[..., Any], args: Any, kwargs: Any, second: AbstractContextManager[Any],
        surroundings: _Surroundings, check: bool, early_stop: bool, debug: bool,
    ) -> None:  # fmt: skip
        self.function, self.second, self.surroundings = function, second, surroundings
        self.check, self.early_stop, self.debug = check, early_stop, debug
        self.values, self.structure = tree_flatten((args, kwargs))
        self.versions = [value._version if isinstance(value, Tensor) else 0 for value in self.values]
        # Weak: what nobody will ask for (its node is gone) need not be computed again.
        self.holders: list[weakref.ref[_Holder]] = []
        self.saved: list[tuple[Any, ...]] = []  # shape, dtype and device of each
        self.found: dict[int, Tensor] = {}

    def pack(self, tensor: Tensor) -> _Holder:
        holder = _Holder(len(self.holders))
        self.holders.append(weakref.ref(holder))
        self.saved.append(_describe(tensor))
        return holder

    def unpack(self, holder: _Holder) -> Tensor:
        if holder.number not in self.found:
            self._run_again()
        return self.found.pop(holder.number)

    def _run_again(self) -> None:
        for value, version in zip(self.values, self.versions, strict=True):
            if isinstance(value, Tensor) and value._version != version:
                made_by = None if value.grad_fn is None else (value.grad_fn, value._index)
                raise rewritten(value._meta, made_by, value._version, version)
        self.found = {}
        saved: list[tuple[Any, ...]] = []

        def pack(tensor: Tensor) -> Tensor:
            number = len(saved)
            saved.append(_describe(tensor))
            tensor = tensor.detach()  # type: ignore[attr-defined]
            if number < len(self.holders) and self.holders[number]() is not None:
                self.found[number] = tensor
            if self.early_stop and len(saved) == len(self.holders):
                raise _Stop
            return tensor

        with self.surroundings.again(), enable_grad():
            args, kwargs = tree_unflatten(_as_other_values(self.values), self.structure)
            with saved_tensors_hooks(pack, lambda tensor: tensor), self.second, contextlib.suppress(_Stop):
                self.function(*args, **kwargs)
        self._compare(saved)

    def _compare(self, saved: list[tuple[Any, ...]]) -> None:
        """Raises: CheckpointError, if something else was saved than the first time."""
        if len(saved) != len(self.saved):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(self.saved)}\nNumber of tensors saved during "
                f"recomputation: {len(saved)}.{self._details(saved)}"
            )
        if not self.check:
            return
        names = ("shape", "dtype", "device")
        wrong = [
            f"tensor at position {number}:\nsaved metadata: {dict(zip(names, before, strict=True))}\n"
            f"recomputed metadata: {dict(zip(names, after, strict=True))}\n"
            for number, (before, after) in enumerate(zip(self.saved, saved, strict=True))
            if before != after
        ]
        if wrong:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than during the "
                f"forward pass.\n{''.join(wrong)}.{self._details(saved)}"
            )

    def _details(self, saved: list[tuple[Any, ...]]) -> str:
        if not self.debug:
            return (
                "\n\nTip: To see a more detailed error message, either pass `debug=True` to checkpoint(...) or use "
                "`with torch.utils.checkpoint.set_checkpoint_debug_enabled(True):`."
            )
        lines: list[str] = []
        for name, items in (("Saved in forward", self.saved), ("Saved in recomputation", saved)):
            lines += [f"{name}:", *[f"  {number}: {each}" for number, each in enumerate(items)]]
        return "\n\n" + "\n".join(lines)


def _describe(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.dtype, tensor.device
