"""Derivatives forwards: `jvp` and `linearize`.

The gradient is linear in its cotangent, so the gradient of the gradient with respect to the cotangent is the derivative
forwards. It follows the very rules that `backward` has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flambeau._core.autograd import ones_value, zeros_value
from flambeau._core.modes import modes
from flambeau._core.pytree import tree_flatten, tree_unflatten
from flambeau._core.tensor import Tensor
from flambeau.func._level import Level, check_aux, check_only_tensors, gradients, split_aux

_JVP = "jvp(f, primals, tangents)"


def jvp(
    func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """What `func` gives for `primals`, and how that changes along `tangents`.

    Args:
        func: takes tensors, in containers too, and returns tensors.
        primals: a tuple of its arguments.
        tangents: a tuple of the same structure.
        strict: raise where an output does not depend on the inputs, instead of giving zeros.
        has_aux: `func` returns `(output, aux)`; the result is then `(output, tangent, aux)`.

    >>> import flambeau
    >>> flambeau.func.jvp(flambeau.sin, (flambeau.zeros(2),), (flambeau.tensor([1.0, 2.0]),))
    (tensor([0., 0.]), tensor([1., 2.]))
    """
    given = _checked(primals, tangents)
    push, output, aux = pushforward(func, primals, _JVP, has_aux, strict)
    change = push(given)
    return (output, change, aux) if has_aux else (output, change)


def _checked(primals: Any, tangents: Any) -> list[Tensor]:
    """The tangents, one for each primal."""
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{_JVP}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    flat, spec = tree_flatten(primals)
    given, given_spec = tree_flatten(tangents)
    if spec != given_spec:
        raise RuntimeError(
            f"{_JVP}: Expected primals and tangents to have the same python structure. For example, if primals is a tuple of "
            f"3 tensors, tangents also must be. Got primals with structure {spec} and tangents with structure {given_spec}"
        )
    for name, tree in (("primals", flat), ("tangents", given)):
        if not tree:
            raise RuntimeError(f"{_JVP}: Expected {name} to contain at least one Tensor.")
        for leaf in tree:
            if not isinstance(leaf, Tensor):
                raise RuntimeError(f"{_JVP}: Expected {name} to only contain Tensors, got {type(leaf)}")
    for primal, tangent in zip(flat, given, strict=True):
        if primal.shape != tangent.shape:
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
                f"supported. Tensor is of size {list(primal.shape)} while the given forward gradient is of size "
                f"{list(tangent.shape)}."
            )
    return given


def pushforward(
    func: Callable[..., Any], primals: tuple[Any, ...], transform: str, has_aux: bool = False, strict: bool = False
) -> tuple[Callable[[Sequence[Tensor]], Any], Any, Any]:  # fmt: skip
    """The function from tangents to the change of the output, the output, and what comes beside it."""
    flat, spec = tree_flatten(primals)
    with Level() as level:
        variables = [level.variable(tensor) if tensor._meta.tracked else tensor for tensor in flat]
        modes.forwards = True
        result = func(*tree_unflatten(variables, spec))
        modes.forwards = False
        output, aux = split_aux(result, has_aux, transform)
        outputs, output_spec = tree_flatten(output)
        check_only_tensors(outputs, transform)
        outside = level.reaches_outside(outputs)
        # The gradient as a function of these: any will do, since it is linear in them. Rules may take zeros for a case apart.
        cotangents = [_leaf_like(tensor) if tensor.requires_grad else None for tensor in outputs]
        for leaf in cotangents:
            if leaf is not None:
                level.own(leaf)
        differentiated = [x for x in variables if x.requires_grad]
        pulled = gradients(outputs, differentiated, cotangents, create_graph=True)
        shared = tree_unflatten([level.result(tensor) for tensor in outputs], output_spec)
        if has_aux:
            check_aux(tree_flatten(aux)[0])
            aux = level.results(aux)

    def push(tangents: Sequence[Tensor]) -> Any:
        differentiable = modes.grad and (outside or any(t.requires_grad for t in tangents))
        own = [t for t, x in zip(tangents, variables, strict=True) if x.requires_grad]
        own = [t if t.dtype is x.dtype else t.to(x.dtype) for t, x in zip(own, differentiated, strict=True)]  # type: ignore[attr-defined]
        wanted = [leaf for leaf in cotangents if leaf is not None]
        changes = iter(gradients(pulled, wanted, own, differentiable) if wanted else ())
        found = []
        for tensor, leaf in zip(outputs, cotangents, strict=True):
            if leaf is None and strict:
                raise RuntimeError(
                    "The output of the user-provided function is independent of the input. This is not allowed in strict mode."
                )
            change = Tensor._of(zeros_value(tensor._meta)) if leaf is None else next(changes)
            found.append(change if differentiable else change.detach())  # type: ignore[attr-defined]
        return tree_unflatten(found, output_spec)

    return push, shared, aux


def _leaf_like(tensor: Tensor) -> Tensor:
    leaf = Tensor._of(ones_value(tensor._meta))
    leaf._rg = True
    return leaf


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """What `func` gives for `primals`, and the function from tangents to how that changes.

    `func` runs once, so many tangents cost less than with `jvp`.

    >>> import flambeau
    >>> output, push = flambeau.func.linearize(flambeau.sin, flambeau.zeros(2))
    >>> push(flambeau.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    flat, spec = tree_flatten(primals)
    push, output, _ = pushforward(func, primals, "linearize(f, *primals)")

    def along(*tangents: Any) -> Any:
        given, given_spec = tree_flatten(tangents)
        if spec != given_spec:
            raise RuntimeError(
                f"Expected the tangents {given_spec} to have the same structure as the primals {spec}"
            )
        for number, (primal, tangent) in enumerate(zip(flat, given, strict=True)):
            for what in ("shape", "device", "dtype"):
                found, wanted = getattr(tangent, what), getattr(primal, what)
                if found != wanted:
                    raise RuntimeError(
                        f"tangent:{number} with {what} {found} in flattened pytree doesn't match the {what} {wanted} of the "
                        "corresponding primal."
                    )
        return push(given)

    return output, along
