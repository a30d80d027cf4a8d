"""Jacobians, Hessians and their products with vectors, of functions of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flambeau._core.declare import registry
from flambeau._core.modes import enable_grad
from flambeau._core.tensor import Tensor
from flambeau._core.walk import grad

Tensors = tuple[Tensor, ...]


def _as_tuple(value: Any, what: str, function: str) -> tuple[Tensors, bool]:
    """The tensors, and whether they came as a tuple.

    Raises: TypeError for anything that is not tensors.
    """
    kind = "outputs of the user-provided function" if what == "outputs" else what
    if isinstance(value, Tensor):
        return (value,), False
    if isinstance(value, tuple):
        for number, item in enumerate(value):
            if not isinstance(item, Tensor):
                raise TypeError(
                    f"The {kind} given to {function} must be either a Tensor or a tuple of Tensors but the value at index "
                    f"{number} has type {type(item)}."
                )
        return value, True
    raise TypeError(
        f"The {kind} given to {function} must be either a Tensor or a tuple of Tensors but the given {kind} has type "
        f"{type(value)}."
    )


def _prepared(inputs: Tensors, create_graph: bool) -> Tensors:
    """Inputs to differentiate by: fresh leaves, or with `create_graph` ones that stay part of the caller's graph."""
    if create_graph:
        return tuple(t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in inputs)  # type: ignore[attr-defined]
    return tuple(t.detach().requires_grad_() for t in inputs)


def _finished(results: Any, create_graph: bool) -> Any:
    if isinstance(results, tuple):
        return tuple(_finished(item, create_graph) for item in results)
    return results if create_graph else results.detach()


def _zeros(like: Tensor) -> Tensor:
    return registry["zeros_like"](like)


def _gradients(outputs: Tensors, inputs: Tensors, vectors: Any, create_graph: bool) -> tuple[Any, ...]:
    """`grad` of those outputs that have one; None for inputs that nothing leads to."""
    pairs = [
        (o, v) for o, v in zip(outputs, vectors or (None,) * len(outputs), strict=True) if o.requires_grad
    ]
    if not pairs:
        return (None,) * len(inputs)
    return grad(
        tuple(o for o, _ in pairs), inputs, tuple(v for _, v in pairs), create_graph=create_graph, retain_graph=True,
        allow_unused=True,
    )  # fmt: skip


def _check_outputs(outputs: Tensors, strict: bool) -> None:
    for number, output in enumerate(outputs):
        if strict and not output.requires_grad:
            raise RuntimeError(
                f"Output {number} of the user-provided function does not require gradients. The outputs must be computed "
                "in a differentiable manner from the input when running in strict mode."
            )


def _filled(found: tuple[Any, ...], inputs: Tensors, strict: bool, output: int | None = None) -> Tensors:
    """What was found, with zeros for inputs that nothing leads to.

    Raises: RuntimeError for such an input in strict mode.
    """
    for number, item in enumerate(found):
        if item is None and strict:
            which = "The output" if output is None else f"Output {output}"
            raise RuntimeError(
                f"{which} of the user-provided function is independent of input {number}. This is not allowed in strict mode."
            )
    return tuple(_zeros(i) if item is None else item for item, i in zip(found, inputs, strict=True))


def _checked_vector(v: Any, reference: Tensors, is_tuple: bool, function: str, what: str) -> Tensors:
    """The vector of a product, of the shapes of `reference`.

    Raises: RuntimeError, if it is missing where it is needed, or its sizes differ.
    """
    if v is None:
        if len(reference) != 1 or reference[0].numel() != 1:
            if what == "output":
                raise RuntimeError(
                    "The vector v can only be None if the user-provided function returns a single Tensor with a single "
                    "element."
                )
            raise RuntimeError(
                "The vector v can only be None if the input to the user-provided function is a single Tensor with a single "
                "element."
            )
        return (registry["ones_like"](reference[0].detach()),)
    vectors, _ = _as_tuple(v, "v", function)
    if len(vectors) != len(reference) and not is_tuple:
        raise RuntimeError("The given v should contain a single Tensor.")
    if len(vectors) != len(reference):
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(reference)} but got {len(vectors)}."
        )
    for number, (vector, tensor) in enumerate(zip(vectors, reference, strict=True)):
        if vector.size() != tensor.size():
            entry = f"Entry {number} in " if is_tuple else ""
            raise RuntimeError(
                f"{entry}v has invalid size: should be {tensor.size()} but got {vector.size()}."
            )
    return vectors


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """`func(*inputs)` and the product of `v` with its Jacobian.

    >>> import flambeau
    >>> x = flambeau.tensor([1.0, 2.0])
    >>> vjp(lambda t: t * t, x, flambeau.ones(2))[1]
    tensor([2., 4.])
    """
    with enable_grad():
        given, inputs_tuple = _as_tuple(inputs, "inputs", "vjp")
        given = _prepared(given, create_graph)
        outputs, outputs_tuple = _as_tuple(func(*given), "outputs", "vjp")
        _check_outputs(outputs, strict)
        vector = _checked_vector(v, outputs, outputs_tuple, "vjp", "output")
        found = _filled(_gradients(outputs, given, vector, create_graph), given, strict)
    results = _finished(outputs, create_graph), _finished(found, create_graph)
    return (results[0] if outputs_tuple else results[0][0]), (results[1] if inputs_tuple else results[1][0])


def _forward_product(
    outputs: Tensors, inputs: Tensors, vectors: Tensors, create_graph: bool
) -> tuple[Any, ...]:
    """Jacobian times vector, as the derivative of the backward product in its own vector (double backward)."""
    dummies = tuple(_zeros(o).requires_grad_() for o in outputs)
    backward = _gradients(outputs, inputs, dummies, True)
    backward = tuple(_zeros(i) if b is None else b for b, i in zip(backward, inputs, strict=True))
    return _gradients(backward, dummies, vectors, create_graph)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """`func(*inputs)` and the product of its Jacobian with `v`."""
    with enable_grad():
        given, inputs_tuple = _as_tuple(inputs, "inputs", "jvp")
        given = _prepared(given, create_graph)
        vector = _checked_vector(v, given, inputs_tuple, "jvp", "input")
        outputs, outputs_tuple = _as_tuple(func(*given), "outputs", "jvp")
        _check_outputs(outputs, strict)
        found = _filled(_forward_product(outputs, given, vector, create_graph), outputs, strict)
    results = _finished(outputs, create_graph), _finished(found, create_graph)
    return results if outputs_tuple else (results[0][0], results[1][0])


def jacobian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """All derivatives of `func`'s outputs by its inputs, of shape `(*output, *input)`; nested as both are.

    Args:
        vectorize: compute all rows at once, by `vmap`, rather than one after the other.
        strategy: chooses how PyTorch gets there; here it is "reverse-mode" either way.
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs than '
            'inputs, "forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian isonly implemented for `vectorize=True`."
        )
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. Please either "
            "set `strict=False` or `vectorize=False`."
        )
    with enable_grad():
        given, inputs_tuple = _as_tuple(inputs, "inputs", "jacobian")
        given = _prepared(given, create_graph)
        outputs, outputs_tuple = _as_tuple(func(*given), "outputs", "jacobian")
        _check_outputs(outputs, strict)
        blocks = tuple(
            _jacobian_at_once(output, given, create_graph)
            if vectorize and output.requires_grad
            else _jacobian_of(number, output, given, create_graph, strict)
            for number, output in enumerate(outputs)
        )
    finished = _finished(blocks, create_graph)
    if not inputs_tuple:
        finished = tuple(row[0] for row in finished)
    return finished if outputs_tuple else finished[0]


def _jacobian_of(number: int, output: Tensor, inputs: Tensors, create_graph: bool, strict: bool) -> Tensors:
    rows: list[list[Tensor]] = [[] for _ in inputs]
    flat = output.reshape(-1)  # type: ignore[attr-defined]
    for place in range(output.numel()):
        found = _gradients((flat[place],), inputs, None, create_graph)
        for row, gradient in zip(rows, _filled(found, inputs, strict, number), strict=True):
            row.append(gradient)
    stack, zeros = registry["stack"], registry["zeros"]
    shape = tuple(output.shape)
    return tuple(
        stack(row).view(*shape, *i.shape) if row else zeros(*shape, *i.shape)
        for row, i in zip(rows, inputs, strict=True)
    )


def _jacobian_at_once(output: Tensor, inputs: Tensors, create_graph: bool) -> Tensors:
    shape, count = tuple(output.shape), output.numel()
    basis = registry["eye"](count, dtype=output.dtype, device=output.device).view(count, *shape)
    found = grad(
        output, inputs, basis, retain_graph=True, create_graph=create_graph, allow_unused=True, is_grads_batched=True,
        materialize_grads=True,
    )  # fmt: skip
    return tuple(
        column.expand(count, *i.shape).reshape(*shape, *i.shape)  # materialized zeros have no rows
        for column, i in zip(found, inputs, strict=True)
    )


def _scalar(func: Callable[..., Any], name: str) -> Callable[..., Tensor]:
    def checked(*inputs: Tensor) -> Tensor:
        outputs, is_tuple = _as_tuple(func(*inputs), "outputs", name)
        if is_tuple or not isinstance(outputs[0], Tensor):
            raise RuntimeError(f"The function given to {name} should return a single Tensor")
        if outputs[0].numel() != 1:
            raise RuntimeError(
                f"The Tensor returned by the function given to {name} should contain a single element"
            )
        return outputs[0].squeeze()  # type: ignore[attr-defined]

    return checked


def hessian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """All second derivatives of a scalar function."""
    _, inputs_tuple = _as_tuple(inputs, "inputs", "hessian")
    scalar = _scalar(func, "hessian")

    def first(*given: Tensor) -> Any:
        result = jacobian(scalar, given, create_graph=True)
        for number, item in enumerate(result):
            if strict and not item.requires_grad:
                raise RuntimeError(
                    "While computing the hessian, found that the jacobian of the user-provided function with respect to "
                    f"input {number} is independent of the input. This is not allowed in strict mode. You should ensure that "
                    "your function is twice differentiable and that the jacobian depends on the inputs (this would be "
                    "violated by a linear function for example)."
                )
        return result if inputs_tuple else result[0]

    return jacobian(
        first,
        inputs,
        create_graph=create_graph,
        strict=strict,
        vectorize=vectorize,
        strategy=outer_jacobian_strategy,
    )


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """A scalar function's value and the product of `v` with its Hessian."""
    with enable_grad():
        given, inputs_tuple = _as_tuple(inputs, "inputs", "vhp")
        given = _prepared(given, create_graph)
        vector = _checked_vector(v, given, inputs_tuple, "vhp", "input")
        output = _scalar(func, "vhp")(*given)
        _check_outputs((output,), strict)
        first = _filled(_gradients((output,), given, None, True), given, strict)
        found = _filled(_gradients(first, given, vector, create_graph), given, strict)
    results = _finished(output, create_graph), _finished(found, create_graph)
    return results if inputs_tuple else (results[0], results[1][0])


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """A scalar function's value and the product of its Hessian with `v`."""
    with enable_grad():
        given, inputs_tuple = _as_tuple(inputs, "inputs", "hvp")
        given = _prepared(given, create_graph)
        vector = _checked_vector(v, given, inputs_tuple, "hvp", "input")
        output = _scalar(func, "hvp")(*given)
        _check_outputs((output,), strict)
        first = _filled(_gradients((output,), given, None, True), given, strict)
        found = _filled(_forward_product(first, given, vector, create_graph), given, strict)
    results = _finished(output, create_graph), _finished(found, create_graph)
    return results if inputs_tuple else (results[0], results[1][0])
