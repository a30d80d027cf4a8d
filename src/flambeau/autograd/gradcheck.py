"""Comparing gradients with finite differences."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import registry
from flambeau._core.tensor import Tensor
from flambeau._core.walk import grad


class GradcheckError(RuntimeError):
    """A gradient that does not agree with finite differences."""


def _tensors(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _differentiable(outputs: Sequence[Any]) -> list[Tensor]:
    return [o for o in outputs if isinstance(o, Tensor) and (o.is_floating_point() or o.is_complex())]


def _numerical(
    func: Callable[..., Any], inputs: Sequence[Any], target: Tensor, eps: float
) -> list[np.ndarray[Any, Any]]:
    """For each output its Jacobian by central differences, `(elements of target, elements of output)`.

    For complex targets: the derivative along the real axis plus i times that along the imaginary one, halved as in
    PyTorch's convention for functions of conjugates, is what `_analytical` gives, too.
    """
    flat = target.detach()
    original = np.array(flat._host_array()).reshape(-1)
    columns: list[list[Any]] = []
    steps = (eps, 1j * eps) if target.is_complex() else (eps,)
    for place in range(original.size):
        parts = []
        for step in steps:
            ends = []
            for sign in (1, -1):
                moved = original.copy()
                moved[place] += sign * step
                _set(target, moved)
                outputs = _differentiable(_tensors(func(*inputs)))
                ends.append([np.array(o.detach()._host_array()).reshape(-1) for o in outputs])
            parts.append([(high - low) / (2 * eps) for high, low in zip(*ends, strict=True)])
        columns.append(parts)
    _set(target, original)
    count = len(columns[0][0]) if columns else 0
    return [np.array([[part[o] for part in parts] for parts in columns]) for o in range(count)]


def _set(target: Tensor, values: np.ndarray[Any, Any]) -> None:
    data = target.data
    data.copy_(registry["tensor"](values.reshape(tuple(target.shape)), dtype=target.dtype))  # type: ignore[attr-defined]


def _analytical(
    func: Callable[..., Any], inputs: Sequence[Any], target: Tensor
) -> list[np.ndarray[Any, Any]]:
    """For each output the same Jacobian by `grad`, one row of the output at a time."""
    outputs = _differentiable(_tensors(func(*inputs)))
    found = []
    for output in outputs:
        steps = (1.0, 1j) if output.is_complex() else (1.0,)
        rows = []
        for place in range(output.numel()):
            row = []
            for step in steps:
                vector = np.zeros(output.numel(), output.dtype.np)
                vector[place] = step
                cotangent = registry["tensor"](vector.reshape(tuple(output.shape)), dtype=output.dtype)
                (gradient,) = (
                    grad(output, target, cotangent, retain_graph=True, allow_unused=True)
                    if output.requires_grad else (None,)
                )  # fmt: skip
                row.append(
                    np.zeros(target.numel(), target.dtype.np) if gradient is None
                    else np.array(gradient.detach()._host_array()).reshape(-1)
                )  # fmt: skip
            rows.append(row)
        found.append(np.array(rows).reshape(output.numel(), len(steps), target.numel()))
    return found


def _compare(
    numerical: np.ndarray[Any, Any],
    analytical: np.ndarray[Any, Any],
    atol: float,
    rtol: float,
    output: int,
    input: int,
) -> None:
    """Both as real matrices: d(real and imaginary parts of the output) / d(real and imaginary parts of the input)."""
    count_in, parts_in, count_out = numerical.shape
    parts_out = 2 if np.iscomplexobj(numerical) or analytical.shape[1] == 2 else 1
    left = np.stack([numerical.real, numerical.imag][:parts_out], -1)  # in, in part, out, out part
    right = np.zeros_like(left)
    for part in range(analytical.shape[1]):
        values = analytical[:, part, :].T  # in, out
        right[:, 0, :, part] = values.real
        if parts_in == 2:
            right[:, 1, :, part] = values.imag
    if not np.allclose(left, right, rtol, atol, equal_nan=True):
        tensor = registry["tensor"]
        shown = [tensor(m.reshape(count_in * parts_in, count_out * parts_out)) for m in (left, right)]
        raise GradcheckError(
            f"Jacobian mismatch for output {output} with respect to input {input},\n"
            f"numerical:{shown[0]}\nanalytical:{shown[1]}\n"
        )


def gradcheck(
    func: Callable[..., Any], inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
    raise_exception: bool = True, nondet_tol: float = 0.0, check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False, check_batched_grad: bool = False, check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False, check_backward_ad: bool = True, fast_mode: bool = False, masked: bool | None = None,
) -> bool:  # fmt: skip
    """Whether the gradients of `func` agree with central differences; inputs should be float64 or complex128.

    Raises: GradcheckError (unless `raise_exception` is False), naming output, input and both Jacobians; ValueError, if no
    input requires grad.
    """
    given = _tensors(inputs)
    targets = [(i, t) for i, t in enumerate(given) if isinstance(t, Tensor) and t.requires_grad]
    if not targets:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for number, tensor in targets:
        if tensor.dtype not in (dtypes.float64, dtypes.complex128):
            warnings.warn(
                f"Input #{number} requires gradient and is not a double precision floating point or complex. This check "
                "will likely fail if all the inputs are not of double precision floating point or complex. ",
                stacklevel=2,
            )
    try:
        for number, target in targets:
            numerical = _numerical(func, given, target, eps)
            analytical = _analytical(func, given, target)
            for output, (left, right) in enumerate(zip(numerical, analytical, strict=True)):
                _compare(left, right, atol, rtol, output, number)
            again = _analytical(func, given, target)
            for one, two in itertools.zip_longest(analytical, again):
                if np.abs(one - two).max(initial=0) > nondet_tol:
                    raise GradcheckError(
                        "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times "
                        "gives different values, although analytical gradient matches numerical gradient. The tolerance "
                        f"for nondeterminism was {nondet_tol}."
                    )
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any], inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6, atol: float = 1e-5,
    rtol: float = 1e-3, gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True,
    nondet_tol: float = 0.0, check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
    check_batched_grad: bool = False, check_fwd_over_rev: bool = False, check_rev_over_rev: bool = True,
    fast_mode: bool = False, masked: bool = False,
) -> bool:  # fmt: skip
    """`gradcheck` of the gradients of `func`: whether second derivatives agree with differences."""
    given = _tensors(inputs)
    outputs = _differentiable(_tensors(func(*given)))
    if grad_outputs is None:
        noise = np.random.default_rng(0)
        vectors = []
        for output in outputs:
            values = noise.standard_normal(tuple(output.shape))
            if output.is_complex():
                values = values + 1j * noise.standard_normal(tuple(output.shape))
            vectors.append(registry["tensor"](values, dtype=output.dtype).requires_grad_())
    else:
        vectors = list(_tensors(grad_outputs))
    count = len(vectors)

    def gradients(*args: Any) -> tuple[Any, ...]:
        own, cotangents = args[:-count], args[-count:]
        targets = [t for t in own if isinstance(t, Tensor) and t.requires_grad]
        found = grad(
            _differentiable(_tensors(func(*own))), targets, cotangents, create_graph=True, allow_unused=True
        )
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradients,
        (*given, *vectors),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
    )
