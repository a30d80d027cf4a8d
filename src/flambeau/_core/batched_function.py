"""`autograd.Function` inside `vmap`: its own `vmap` staticmethod, or a rule made of its other methods.

The function runs once on whole batches, outside of the recording; what it gives enters the recording as further elements.
Gradients within the recording go through the function's `backward` for one element, those that lead outside through what
the function did with the batch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from flambeau._core.declare import registry
from flambeau._core.function import Function, FunctionCtx
from flambeau._core.pytree import broadcast_to, tree_flatten
from flambeau._core.tensor import Tensor

_MORE = "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"

RunBatched = Callable[..., list[tuple[Tensor, bool]]]


class VmapInfo(NamedTuple):
    """What a `vmap` staticmethod is told."""

    batch_size: int
    randomness: str


def check_batchable(function: type[Function]) -> None:
    """Raises RuntimeError for a function that `vmap` does not take."""
    if function.setup_context is Function.setup_context:
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must override "
            f"the setup_context staticmethod. {_MORE}"
        )
    name = f"You tried to vmap over {function.__name__}, but it"
    has_rule = function.vmap is not Function.vmap
    if function.generate_vmap_rule and has_rule:
        raise RuntimeError(
            f"{name} has both generate_vmap_rule=True and an overridden vmap staticmethod. Please set generate_vmap_rule=False "
            f"or delete the overridden vmap staticmethod to avoid ambiguity. {_MORE}"
        )
    if not function.generate_vmap_rule and not has_rule:
        raise RuntimeError(
            f"{name} does not have vmap support. Please override and implement the vmap staticmethod or set "
            f"generate_vmap_rule=True. {_MORE}"
        )


def on_batch(
    function: type[Function], info: VmapInfo, in_dims: tuple[int | None, ...], args: tuple[Any, ...],
    run_batched: RunBatched,
) -> tuple[Any, list[int | None]]:  # fmt: skip
    """What the function gives for a whole batch, and where each of its outputs has the batch."""
    if not any(dim is not None for dim in in_dims):
        output = function.apply(*args)
        return output, [None] * len(tree_flatten(output)[0])
    if function.generate_vmap_rule:
        return _by_elements(function, info, in_dims, args, run_batched)
    found = function.vmap(info, in_dims, *args)
    if not (isinstance(found, tuple) and len(found) == 2):
        raise RuntimeError(
            "Expected the vmap staticmethod to have two returns, an output and out_dims with pytree structure compatible with "
            f"the output. Got a {type(found)} instead"
        )
    output, out_dims = found
    spec = tree_flatten(output)[1]
    dims = broadcast_to(out_dims, spec)
    if dims is None:
        raise RuntimeError(
            "The autograd.Function's vmap staticmethod returned an incompatible (output, out_dims) tuple. Expected "
            f"out_dims={out_dims} to be compatible with the structure of `output`. out_dims has structure "
            f"{tree_flatten(out_dims)[1]} but output has structure {spec}. {_MORE}"
        )
    return output, dims


class _Context(FunctionCtx):
    """The `ctx` of one element."""

    saved_tensors: tuple[Any, ...] = ()


def _by_elements(
    function: type[Function], info: VmapInfo, in_dims: tuple[int | None, ...], args: tuple[Any, ...],
    run_batched: RunBatched,
) -> tuple[Any, list[int | None]]:  # fmt: skip
    """The function with `vmap` of its `forward` and of its `backward`."""
    places = [i for i, dim in enumerate(in_dims) if dim is not None]
    element = _Context()
    element.needs_input_grad = tuple(isinstance(arg, Tensor) and arg.requires_grad for arg in args)
    returned: list[Any] = []  # by the function, for an element
    dims: list[int | None] = []
    kept: dict[Any, bool] = {}  # what is saved, by place or attribute, with whether it has the batch
    single = False

    def forward(*whole: Any) -> Any:
        """What the function returns, and after that what it saves."""

        def on_elements(*elements: Tensor) -> list[Tensor]:
            nonlocal single
            filled = _filled(whole, places, elements)
            output = function.forward(*filled)
            function.setup_context(element, tuple(filled), output)
            single = not isinstance(output, tuple)
            returned[:] = [output] if single else output
            return [t for t in (*returned, *_held(element).values()) if isinstance(t, Tensor)]

        waiting = iter(run_batched(on_elements, [whole[i] for i in places], info.batch_size, info.randomness))
        results = [next(waiting) if isinstance(t, Tensor) else (t, False) for t in returned]
        dims[:] = [0 if has_batch else None for _, has_batch in results]
        own = {id(t): result for t, (result, _) in zip(returned, results, strict=True)}
        saved = []
        for key, tensor in _held(element).items():
            value, kept[key] = next(waiting)
            saved.append(own.get(id(tensor), value))
        return (*[result for result, _ in results], *saved)

    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
        results, saved = output[: len(returned)], output[len(returned) :]
        # Those that are inputs have the inputs' history.
        known = {id(arg): arg for arg in inputs}
        ctx.save_for_backward(*[known.get(id(tensor), tensor) for tensor in saved])
        ctx.set_materialize_grads(element._materialize)
        silent = {id(tensor) for tensor in element._non_differentiable}
        marked = [result for t, result in zip(returned, results, strict=True) if id(t) in silent]
        ctx.mark_non_differentiable(
            *marked, *[t for t in saved if id(t) not in known and all(t is not r for r in results)]
        )

    def backward(ctx: Any, *cotangents: Any) -> Any:
        cotangents = cotangents[: len(returned)]
        given = [g for g in cotangents if g is not None]
        batched = [bool(dim == 0) for dim, g in zip(dims, cotangents, strict=True) if g is not None]
        saved = list(ctx.saved_tensors)
        columns = [*zip(given, batched, strict=True), *zip(saved, kept.values(), strict=True)]
        wanted: list[int] = []

        def on_elements(*elements: Tensor) -> list[Tensor]:
            waiting = iter(elements)
            filled = [next(waiting) if has_batch else tensor for tensor, has_batch in columns]
            own = copy.copy(element)
            _put_back(own, dict(zip(kept, filled[len(given) :], strict=True)))
            present = iter(filled[: len(given)])
            found = function.backward(own, *[None if g is None else next(present) for g in cotangents])
            found = found if isinstance(found, tuple) else (found,)
            wanted[:] = [i for i, gradient in enumerate(found) if isinstance(gradient, Tensor)]
            return [found[i] for i in wanted]

        mapped = [tensor for tensor, has_batch in columns if has_batch]
        found = run_batched(on_elements, mapped, info.batch_size, info.randomness)
        gradients: list[Any] = [None] * len(in_dims)
        for i, (gradient, has_batch) in zip(wanted, found, strict=True):
            whole: Any = gradient if has_batch else gradient.expand(info.batch_size, *gradient.shape)  # type: ignore[attr-defined]
            gradients[i] = whole if in_dims[i] is not None else whole.sum(0)
        return tuple(gradients)

    members = {
        "forward": staticmethod(forward), "setup_context": staticmethod(setup_context), "backward": staticmethod(backward),
        "generate_vmap_rule": True,
    }  # fmt: skip
    made: Any = type(f"Vmapped{function.__name__}", (Function,), members)
    outputs = made.apply(*args)[: len(returned)]
    return outputs[0] if single else outputs, dims


def _filled(whole: Sequence[Any], places: Sequence[int], elements: Sequence[Tensor]) -> list[Any]:
    filled = list(whole)
    for place, tensor in zip(places, elements, strict=True):
        filled[place] = tensor
    return filled


def _held(ctx: _Context) -> dict[Any, Tensor]:
    """The tensors that a `ctx` holds for backward: saved ones by place, attributes by name."""
    saved = {i: tensor for i, tensor in enumerate(ctx._to_save) if tensor is not None}
    return saved | {name: value for name, value in vars(ctx).items() if isinstance(value, Tensor)}


def _put_back(ctx: _Context, tensors: dict[Any, Any]) -> None:
    ctx.saved_tensors = tuple([tensors.get(i) for i in range(len(ctx._to_save))])
    for name, tensor in tensors.items():
        if isinstance(name, str):
            setattr(ctx, name, tensor)


def batch_first(tensor: Any, dim: int | None) -> Any:
    """A tensor with the batch as its first dimension, where it has one."""
    return registry["movedim"](tensor, dim, 0) if dim else tensor
