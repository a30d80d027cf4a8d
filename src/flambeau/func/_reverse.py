"""Derivatives backwards: `grad`, `grad_and_value`, `vjp`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

from flambeau._core.modes import modes
from flambeau._core.pytree import TreeSpec, tree_flatten, tree_unflatten
from flambeau._core.tensor import Tensor
from flambeau.func._level import Level, check_aux, check_only_tensors, chosen, gradients, shown, split_aux

P = ParamSpec("P")
Argnums = int | tuple[int, ...]


def grad_and_value(
    func: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[P, tuple[Any, Any]]:
    """The function that gives the gradient of `func`, and its value.

    Args:
        func: returns a tensor with one element.
        argnums: which argument to differentiate; a tuple for several, whose gradients come as a tuple.
        has_aux: `func` returns `(output, aux)`; the value is then that pair.

    >>> import flambeau
    >>> flambeau.func.grad_and_value(lambda x: x**3)(flambeau.tensor(2.0))
    (tensor(12.), tensor(8.))
    """

    @functools.wraps(func)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> tuple[Any, Any]:
        return _grad_and_value(func, argnums, has_aux, args, kwargs)

    return wrapped


def grad(func: Callable[P, Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[P, Any]:
    """The function that gives the gradient of `func`.

    Args:
        func: returns a tensor with one element.
        argnums: which argument to differentiate; a tuple for several, whose gradients come as a tuple.
        has_aux: `func` returns `(output, aux)`; the result is then `(gradient, aux)`.

    >>> import flambeau
    >>> second = flambeau.func.grad(flambeau.func.grad(lambda x: x**3))
    >>> second(flambeau.tensor(2.0))
    tensor(12.)
    """

    @functools.wraps(func)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Any:
        gradient, value = _grad_and_value(func, argnums, has_aux, args, kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapped


def _grad_and_value(
    func: Callable[..., Any], argnums: Argnums, has_aux: bool, args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[Any, Any]:
    places = chosen(argnums, len(args))
    flat, spec = tree_flatten(tuple([args[place] for place in places]))
    with Level() as level:
        variables = [level.variable(tensor) for tensor in flat]
        given = list(args)
        for place, tree in zip(places, tree_unflatten(variables, spec), strict=True):
            given[place] = tree
        output, aux = split_aux(func(*given, **kwargs), has_aux, "grad_and_value(f)(*args)")
        _check_scalar(output)
        create_graph = level.reaches_outside([output])
        found = gradients([output], variables, [None], create_graph, keep_graph=create_graph or has_aux)
        trees = tree_unflatten([level.result(gradient) for gradient in found], spec)
        value = level.result(output)
        if has_aux:
            check_aux(tree_flatten(aux)[0])
            value = value, level.results(aux)
    return (trees[0] if isinstance(argnums, int) else trees), value


def _check_scalar(output: Any) -> None:
    if not isinstance(output, Tensor):
        raise RuntimeError(
            f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(output)}"
        )
    if output.ndim:
        raise RuntimeError(
            f"grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with {output.ndim} dims. Maybe "
            "you wanted to use the vjp or jacrev APIs instead?"
        )


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """What `func` gives for `primals`, and the function that takes cotangents of that to gradients of the primals.

    Args:
        func: takes tensors, in containers too, and returns floating tensors.
        has_aux: `func` returns `(output, aux)`; the result is then `(output, function, aux)`.

    >>> import flambeau
    >>> output, pull = flambeau.func.vjp(flambeau.sin, flambeau.zeros(2))
    >>> pull(flambeau.tensor([1.0, 2.0]))
    (tensor([1., 2.]),)
    """
    pull, output, aux = pullback(func, primals, has_aux)
    return (output, pull, aux) if has_aux else (output, pull)


def pullback(
    func: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool = False
) -> tuple[Callable[..., Any], Any, Any]:
    flat, spec = tree_flatten(primals)
    with Level() as level:
        variables = [level.variable(tensor) for tensor in flat]
        result = func(*tree_unflatten(variables, spec))
        output, aux = split_aux(result, has_aux, "vjp(f, *primals)")
        outputs, output_spec = tree_flatten(output)
        check_only_tensors(outputs, "vjp(f, *primals)")
        for tensor in outputs:
            if not tensor._meta.tracked:
                raise RuntimeError(
                    "vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got Tensor with dtype "
                    f"{tensor.dtype}"
                )
        outside = level.reaches_outside(outputs)
        shared = tree_unflatten([level.result(tensor) for tensor in outputs], output_spec)
        if has_aux:
            check_aux(tree_flatten(aux)[0])
            aux = level.results(aux)

    def pull(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given, given_spec = tree_flatten(cotangents)
        _check_structure(given_spec, output_spec)
        asked = modes.grad
        differentiable = asked and (outside or any(g.requires_grad for g in given))
        found = gradients(outputs, variables, given, bool(create_graph) or differentiable, retain_graph)
        if not (asked and differentiable) and not create_graph:
            found = [gradient.detach() for gradient in found]  # type: ignore[attr-defined]
        return tree_unflatten(found, spec)

    return pull, shared, aux


def _check_structure(cotangents: TreeSpec, outputs: TreeSpec) -> None:
    if cotangents != outputs:
        raise RuntimeError(
            "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. "
            f"cotangents: {shown(cotangents)}, primal output: {shown(outputs)}"
        )
