"""Whole derivatives: `jacrev`, `jacfwd` and `hessian`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from flambeau._core.declare import registry
from flambeau._core.pytree import TreeSpec, tree_flatten, tree_map, tree_unflatten
from flambeau._core.tensor import Tensor
from flambeau.func._forward import pushforward
from flambeau.func._level import chosen
from flambeau.func._reverse import Argnums, pullback
from flambeau.func._vmap import check_randomness, vmap


def jacrev(
    func: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False, chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """The function that gives the Jacobian of `func`, a row for each element of the output, by `vjp`.

    Args:
        argnums: which argument to differentiate; a tuple for several, whose Jacobians come as a tuple.
        has_aux: `func` returns `(output, aux)`; the result is then `(jacobian, aux)`.
        chunk_size: so many rows at once; None for all.

    >>> import flambeau
    >>> flambeau.func.jacrev(lambda x: x**2)(flambeau.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        places = chosen(argnums, len(args))
        partial = _of_arguments(func, args, kwargs, places)
        pull, output, aux = pullback(partial, tuple([args[place] for place in places]), has_aux)
        outputs, output_spec = tree_flatten(output)
        numels = [tensor.numel() for tensor in outputs]
        basis = tree_unflatten(_basis(outputs), output_spec)
        rows = vmap(pull, chunk_size=chunk_size)(basis)
        flat, spec = tree_flatten(rows)
        parts = [
            [
                part.reshape(*output.shape, *column.shape[1:])
                for output, part in zip(outputs, column.split(numels), strict=True)
            ]
            for column in flat
        ]
        trees = [_of_inputs(column, spec, isinstance(argnums, int)) for column in zip(*parts, strict=True)]
        jacobian = tree_unflatten(trees, output_spec)
        return (jacobian, aux) if has_aux else jacobian

    return wrapped


def jacfwd(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable[..., Any]:
    """The function that gives the Jacobian of `func`, a column for each element of the input, by `jvp`.

    Args:
        argnums: which argument to differentiate; a tuple for several, whose Jacobians come as a tuple.
        has_aux: `func` returns `(output, aux)`; the result is then `(jacobian, aux)`.
        randomness: what random operations inside do, as for `vmap`.

    >>> import flambeau
    >>> flambeau.func.jacfwd(lambda x: x**2)(flambeau.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    check_randomness(randomness)

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        places = chosen(argnums, len(args))
        partial = _of_arguments(func, args, kwargs, places)
        primals = tuple([args[place] for place in places])
        flat, spec = tree_flatten(primals)

        def column(*tangents: Tensor) -> Any:
            push, _, aux = pushforward(partial, primals, "jvp(f, primals, tangents)", has_aux)
            return (push(tangents), aux) if has_aux else push(tangents)

        found = vmap(column, randomness=randomness)(*_basis(flat))
        changes, aux = found if has_aux else (found, None)
        columns, output_spec = tree_flatten(changes)
        numels = [tensor.numel() for tensor in flat]
        trees = [
            _of_inputs(
                [
                    part.movedim(0, -1).reshape(*change.shape[1:], *primal.shape)
                    for primal, part in zip(flat, change.split(numels), strict=True)
                ],
                spec,
                isinstance(argnums, int),
            )
            for change in columns
        ]
        jacobian = tree_unflatten(trees, output_spec)
        return (jacobian, tree_map(lambda each: each[0], aux)) if has_aux else jacobian

    return wrapped


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The function that gives the matrix of second derivatives of `func`, by `jacfwd` of `jacrev`.

    >>> import flambeau
    >>> flambeau.func.hessian(lambda x: x[0] * x[1])(flambeau.tensor([3.0, 5.0]))
    tensor([[0., 1.],
            [1., 0.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def _of_arguments(
    func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], places: Sequence[int]
) -> Callable[..., Any]:
    """The function of the arguments at these places alone."""

    def partial(*given: Any) -> Any:
        whole = list(args)
        for place, arg in zip(places, given, strict=True):
            whole[place] = arg
        return func(*whole, **kwargs)

    return partial


def _of_inputs(parts: Sequence[Tensor], spec: TreeSpec, single: bool) -> Any:
    tree = tree_unflatten(parts, spec)
    return tree[0] if single else tree


def _basis(tensors: Sequence[Tensor]) -> list[Tensor]:
    """For tensors taken as one long vector: all unit vectors, cut up into tensors like these."""
    total = sum(tensor.numel() for tensor in tensors)
    basis, start = [], 0
    for tensor in tensors:
        rows = registry["eye"](total, dtype=tensor.dtype, device=tensor.device)
        end = start + tensor.numel()
        basis.append(rows[:, start:end].reshape(total, *tensor.shape))
        start = end
    return basis
