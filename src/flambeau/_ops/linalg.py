"""Inverses, systems of equations, determinants, and Cholesky's factorization.

Gradients: Giles 2008, 'An extended collection of matrix derivative results'.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import EXACT, Array, Out, broadcast_shapes
from flambeau._core.dispatch import apply, function, op
from flambeau._core.errors import LinAlgError
from flambeau._core.return_types import named_result
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, Value, meta_of
from flambeau._core.warn import warn
from flambeau._ops import lapack
from flambeau._ops.bounds import when_known
from flambeau._ops.lapack import (
    adjoint,
    check_floating,
    check_matrix,
    check_square,
    diagonal,
    raise_where,
    solved,
    solved_triangular,
)


def info_meta(meta: Meta, lead: tuple[int, ...]) -> Meta:
    return meta_of(lead, dtypes.int32, meta.device)


def real_meta(meta: Meta, shape: tuple[int, ...]) -> Meta:
    return meta_of(shape, meta.dtype.to_real() if meta.dtype.is_complex else meta.dtype, meta.device)


def _cubed(inputs: Any, results: Any) -> int:
    side = inputs[0].shape[-1] if inputs[0].ndim else 1
    return int(sum(m.numel for m in inputs) * max(side // 4, 4))


# -- inverse ---------------------------------------------------------------------------------------


def _inverse_shape(A: Meta) -> list[Meta]:
    check_square("linalg.inv", A)
    check_floating("linalg.inv", A)
    return [A, info_meta(A, A.shape[:-2])]


@op(shape=_inverse_shape, outputs=("inverse", "info"), columns=(0,), cost=_cubed, node="LinalgInvExBackward")
def inverse_op(xp: Any, A: Array) -> tuple[Array, Array]:
    """The inverses, and which pivot of each is zero."""
    return lapack.inverse(xp, A)


@inverse_op.gradient("A")
def _(xp: Any, g: Any, inverse: Array) -> Array:
    back = adjoint(xp, inverse)
    return -(back @ (g[0] @ back))


SINGULAR = (
    "The diagonal element {} is zero, the inversion could not be completed because the input matrix is "
    "singular."
)


@function("linalg.inv", "inverse", "Tensor.inverse", out=EXACT)
def inv(A: Tensor) -> Tensor:
    """The inverse of a square matrix, or of each of a batch.

    Raises: LinAlgError, if a matrix has none. To learn that, the values are waited for; `inv_ex` does not.
    """
    inverse, info = apply(inverse_op, (A,))
    raise_where(info, "linalg.inv", SINGULAR)
    return inverse


@function("linalg.inv_ex", out=EXACT)
def inv_ex(A: Tensor, *, check_errors: bool = False) -> Any:
    """The inverse, and `info`: 0, or the number of the pivot that is zero."""
    found = apply(inverse_op, (A,))
    if check_errors:
        raise_where(found[1], "linalg.inv", SINGULAR)
    return named_result("linalg_inv_ex", found)


# -- solve -----------------------------------------------------------------------------------------


def is_vector(A: Any, B: Any) -> bool:
    """Whether the right sides are vectors (one for each matrix) rather than matrices of columns."""
    return B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))


def _sides(shape: Any) -> str:
    return f"{shape[-2]}x{shape[-1]}"


def check_system(name: str, A: Meta, B: Meta, left: bool, vector: bool = False) -> None:
    shape = (*B.shape, 1) if vector else B.shape
    if A.shape[-1] != shape[-2 if left else -1]:
        equation = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {equation} ({_sides(A.shape)} and "
            f"{_sides(shape)})"
        )


def _solve_shape(A: Meta, B: Meta, left: bool) -> list[Meta]:
    name = "linalg.solve"
    check_floating(name, A)
    check_square(name, A)
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type {A.dtype.scalar_type} and "
            "B of type "
            f"{B.dtype.scalar_type} instead"
        )
    vector = is_vector(A, B)
    if not vector:
        check_matrix(name, B, "B")
    if vector and not left:
        raise RuntimeError(
            "linalg.solve: Vector broadcasting of the left hand side is not supported for left=False."
        )
    check_system(name, A, B, left, vector)
    lead = broadcast_shapes(A.shape[:-2], B.shape[:-1] if vector else B.shape[:-2])
    own = B.shape[-1:] if vector else B.shape[-2:]
    return [B.with_shape((*lead, *own)), info_meta(A, A.shape[:-2])]


@op(
    shape=_solve_shape,
    outputs=("result", "info"),
    columns=lambda A, B, left: (0,) if left else (),
    cost=_cubed,
    node="LinalgSolveExBackward",
)
def solve_op(xp: Any, A: Array, B: Array, left: bool) -> tuple[Array, Array]:
    """The solutions X of `A X = B` (or `X A = B`), and which pivot is zero."""
    if is_vector(A, B):
        found, info = solved(xp, A, B[..., None])
        return found[..., 0], info
    if left:
        return solved(xp, A, B)
    found, info = solved(xp, xp.swapaxes(A, -1, -2), xp.swapaxes(B, -1, -2))
    return xp.swapaxes(found, -1, -2), info


@solve_op.gradient("A", "B")
def _(xp: Any, g: Any, A: Array, result: Array, B_meta: Meta, left: bool) -> tuple[Array, Array]:
    cotangent = g[0]
    vector = is_vector(A, B_meta)
    if vector:
        cotangent, result = cotangent[..., None], result[..., None]
    if left:
        to_b = solved(xp, adjoint(xp, A), cotangent)[0]
        to_a = -(to_b @ adjoint(xp, result))
    else:
        to_b = xp.swapaxes(solved(xp, xp.conj(A), xp.swapaxes(cotangent, -1, -2))[0], -1, -2)
        to_a = -(adjoint(xp, result) @ to_b)
    return to_a, to_b[..., 0] if vector else to_b


_UNSOLVED = "The solver failed because the input matrix is singular."


@function("linalg.solve", out=EXACT)
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """The solution X of `A X = B`; of `X A = B` for `left=False`.

    Raises: LinAlgError, if a matrix is singular.
    """
    result, info = apply(solve_op, (A, B, left))
    raise_where(info, "torch.linalg.solve", _UNSOLVED)
    return result


@function("linalg.solve_ex", out=EXACT)
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Any:
    """The solution, and `info`: 0, or the number of the pivot that is zero."""
    found = apply(solve_op, (A, B, left))
    if check_errors:
        raise_where(found[1], "torch.linalg.solve_ex", _UNSOLVED)
    return named_result("linalg_solve_ex", found)


def _triangular_shape(A: Meta, B: Meta, *, upper: bool, left: bool, unitriangular: bool) -> tuple[int, ...]:
    name = "linalg.solve_triangular"
    check_square(name, A)
    check_matrix(name, B, "B")
    check_system(name, A, B, left)
    return (*broadcast_shapes(A.shape[:-2], B.shape[:-2]), *B.shape[-2:])


def _triangle(xp: Any, a: Array, upper: bool, unit: bool) -> Array:
    return xp.triu(a, int(unit)) if upper else xp.tril(a, -int(unit))


@op(
    "linalg.solve_triangular", out=Out("expected scalar type {wanted} but found {found}"), cost=_cubed,
    columns=lambda A, B, upper, left, unit: (0,) if left else (), node="LinalgSolveTriangularBackward",
    shape=lambda A, B, upper, left, unit: _triangular_shape(A, B, upper=upper, left=left, unitriangular=unit),
)  # fmt: skip
def solve_triangular(
    xp: Any, A: Array, B: Array, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Array:
    """The solution X of `A X = B` (or `X A = B`), A being triangular: the other triangle is not looked at.

    Args:
        unitriangular: the diagonal counts as ones.
    """
    return solved_triangular(xp, A, B, upper, left, unitriangular)


@solve_triangular.gradient("A", "B")
def _(
    xp: Any, g: Array, A: Array, output: Array, upper: bool, left: bool, unitriangular: bool
) -> tuple[Array, Array]:
    to_b = solved_triangular(xp, adjoint(xp, A), g, not upper, left, unitriangular)
    to_a = to_b @ adjoint(xp, output) if left else adjoint(xp, output) @ to_b
    return -_triangle(xp, to_a, upper, unitriangular), to_b


@function("triangular_solve", "Tensor.triangular_solve", out=EXACT)
def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """The solution of a triangular system; `linalg.solve_triangular` under its old name, arguments
    reversed.
    """
    warn(
        "torch.triangular_solve is deprecated in favor of torch.linalg.solve_triangularand will be removed "
        "in a future "
        "PyTorch release.",
    )  # fmt: skip
    for name, tensor in (("b", input), ("A", A)):
        if tensor.ndim < 2:
            raise RuntimeError(
                f"torch.triangular_solve: Expected {name} to have at least 2 dimensions, but it has "
                f"{tensor.ndim} "
                "dimensions instead"
            )
    if A.shape[-1] != input.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for triangular_solve: each A matrix is {A.shape[-2]} by "
            f"{A.shape[-1]} but each b "
            f"matrix is {input.shape[-2]} by {input.shape[-1]}"
        )
    matrix = A.mT if transpose else A  # type: ignore[attr-defined]
    solution = solve_triangular(matrix, input, upper=upper != transpose, unitriangular=unitriangular)
    return named_result("triangular_solve", (solution, A.clone()))


# -- Cholesky --------------------------------------------------------------------------------------


def _cholesky_shape(A: Meta, name: str, upper: bool) -> list[Meta]:
    check_square(name, A)
    check_floating(name, A, "cholesky_cpu")
    return [A, info_meta(A, A.shape[:-2])]


@op(
    shape=_cholesky_shape,
    outputs=("L", "info"),
    columns=lambda A, name, upper: () if upper else (0,),
    cost=_cubed,
    node="LinalgCholeskyExBackward",
)
def cholesky_op(xp: Any, A: Array, name: str, upper: bool) -> tuple[Array, Array]:
    """The lower factors, and at which leading minor each fails; `upper` looks at the triangle above only."""
    return lapack.cholesky(xp, adjoint(xp, A) if upper else A)


@cholesky_op.gradient("A")
def _(xp: Any, g: Any, L: Array) -> Array:
    inner = adjoint(xp, L) @ g[0]
    below = xp.tril(inner, -1)
    # As in PyTorch, also for complex matrices: the whole cotangent of the diagonal, though that is real, and the same
    # for both triangles.
    middle = (below + adjoint(xp, below) + lapack.embedded(xp, diagonal(xp, inner))) / 2
    half = solved_triangular(xp, adjoint(xp, L), middle, True)
    return solved_triangular(xp, L, half, False, left=False)


_NOT_POSITIVE = (
    "The factorization could not be completed because the input is not positive-definite (the leading minor "
    "of {} "
    "is not positive-definite)."
)


def _check_positive(A: Tensor, info: Tensor, name: str) -> None:
    if info.device.type == "meta":
        return
    matrices, asked = A.detach()._read(), info._read()

    def check(known: Value) -> None:
        array = known.numpy()
        if not array.any():
            return
        order, place = "unknown order", int(np.flatnonzero(array)[0])
        if known is asked:  # otherwise these are others' values, and so are the matrices
            order = f"order {np.atleast_1d(lapack.failed_minors(matrices.numpy())).reshape(-1)[place]}"
        batch = f"(Batch element {place}): " if array.ndim else ""
        raise LinAlgError(f"{name}: {batch}{_NOT_POSITIVE.format(order)}")

    when_known(asked, check, at_once=True)


def _cholesky(A: Tensor, upper: bool, name: str, check: bool = True) -> tuple[Tensor, Tensor]:
    factor, info = apply(cholesky_op, (A, name, upper))
    if check:
        _check_positive(A, info, name)
    return factor.mH if upper else factor, info


@function("linalg.cholesky", out=EXACT)
def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The lower triangular L with `A = L @ L.mH` (or the upper U with `A = U.mH @ U`).

    Raises: LinAlgError, if a matrix is not positive-definite.
    """
    return _cholesky(A, upper, "linalg.cholesky")[0]


@function("linalg.cholesky_ex", out=EXACT)
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """Cholesky's factor, and `info`: 0, or the order of the leading minor that is not positive."""
    return named_result("linalg_cholesky_ex", _cholesky(A, upper, "linalg.cholesky_ex", check_errors))


@function("cholesky", "Tensor.cholesky", out=True)
def torch_cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """`linalg.cholesky` under its old name."""
    warn(
        "torch.cholesky is deprecated in favor of torch.linalg.cholesky and will be removed in a future "
        "PyTorch release.",
    )
    return _cholesky(input, upper, "cholesky")[0]


def _check_factor(B: Meta, L: Meta) -> None:
    for name, meta in (("b", B), ("u", L)):
        if meta.ndim < 2:
            raise RuntimeError(
                f"{name} should have at least 2 dimensions, but has {meta.ndim} dimensions instead"
            )
    check_square("", L)
    if L.shape[-1] != B.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for cholesky_solve: each A matrix is {L.shape[-2]} by {L.shape[-1]} "
            "but each b "
            f"matrix is {B.shape[-2]} by {B.shape[-1]}"
        )


def _cholesky_solve_shape(B: Meta, L: Meta, upper: bool) -> tuple[int, ...]:
    _check_factor(B, L)
    return (*broadcast_shapes(B.shape[:-2], L.shape[:-2]), *B.shape[-2:])


def _solved_by_factor(xp: Any, B: Array, L: Array, upper: bool) -> Array:
    first, second = (adjoint(xp, L), L) if upper else (L, adjoint(xp, L))
    return solved_triangular(xp, second, solved_triangular(xp, first, B, False), True)


def _factor_gradient(xp: Any, common: Array, L: Array, upper: bool) -> Array:
    common = common + adjoint(xp, common)
    return -(L @ common) if upper else -(common @ L)


@op(
    "cholesky_solve",
    "Tensor.cholesky_solve",
    out=True,
    shape=_cholesky_solve_shape,
    columns=(0,),
    cost=_cubed,
)
def cholesky_solve(xp: Any, B: Array, L: Array, upper: bool = False) -> Array:
    """The solution of `A X = B` from Cholesky's factor of A."""
    return _solved_by_factor(xp, B, L, upper)


@cholesky_solve.gradient("B", "L")
def _(xp: Any, g: Array, L: Array, output: Array, upper: bool) -> tuple[Array, Array]:
    to_b = _solved_by_factor(xp, g, L, upper)
    return to_b, _factor_gradient(xp, to_b @ adjoint(xp, output), L, upper)


def _cholesky_inverse_shape(L: Meta, upper: bool) -> tuple[int, ...]:
    check_square("cholesky_inverse", L)
    return L.shape


@op(
    "cholesky_inverse",
    "Tensor.cholesky_inverse",
    out=True,
    shape=_cholesky_inverse_shape,
    columns=(0,),
    cost=_cubed,
)
def cholesky_inverse(xp: Any, L: Array, upper: bool = False) -> Array:
    """The inverse of A from Cholesky's factor of A."""
    return _solved_by_factor(xp, xp.broadcast_to(xp.eye(L.shape[-1], dtype=L.dtype), L.shape), L, upper)


@cholesky_inverse.gradient("L")
def _(xp: Any, g: Array, L: Array, output: Array, upper: bool) -> Array:
    return _factor_gradient(xp, output @ g @ output, L, upper)


# -- determinants ----------------------------------------------------------------------------------


def _det_shape(A: Meta) -> tuple[int, ...]:
    check_square("linalg.det", A)
    check_floating("linalg.det", A, "lu_cpu")
    return A.shape[:-2]


@op("linalg.det", "det", "Tensor.det", out=EXACT, shape=_det_shape, cost=_cubed, node="LinalgDetBackward")
def det(xp: Any, A: Array) -> Array:
    """The determinant."""
    return xp.linalg.det(A)


@det.gradient("A")
def _(xp: Any, g: Array, A: Array, output: Array) -> Array:
    # As in PyTorch, a singular matrix gets zeros, though its cofactors need not be zero.
    singular = (output == 0)[..., None, None]
    regular = xp.where(singular, xp.eye(A.shape[-1], dtype=A.dtype), A)
    scale = (g * xp.conj(output))[..., None, None]
    return xp.where(singular, 0, scale * adjoint(xp, lapack.inverse(xp, regular)[0]))


def _slogdet_shape(A: Meta) -> list[Meta]:
    check_square("linalg.slogdet", A)
    check_floating("linalg.slogdet", A)
    return [A.with_shape(A.shape[:-2]), real_meta(A, A.shape[:-2])]


@op(shape=_slogdet_shape, outputs=("sign", "logabsdet"), cost=_cubed, node="LinalgSlogdetBackward")
def slogdet_op(xp: Any, A: Array) -> tuple[Array, Array]:
    """The determinant's sign and the logarithm of its size."""
    found = xp.linalg.slogdet(A)
    return found[0], found[1]


@slogdet_op.gradient("A")
def _(xp: Any, g: Any, A: Array, sign: Array) -> Array:
    scale = g[1]
    if A.dtype.kind == "c":
        scale = scale - 1j * xp.imag(xp.conj(g[0]) * sign)
    return scale[..., None, None] * adjoint(xp, lapack.inverse(xp, A)[0])


@function("linalg.slogdet", out=EXACT)
def slogdet(A: Tensor) -> Any:
    """The determinant's sign (or phase), and the logarithm of its absolute value."""
    return named_result("linalg_slogdet", apply(slogdet_op, (A,)))


@function("slogdet", "Tensor.slogdet")
def torch_slogdet(input: Tensor) -> Any:
    """`linalg.slogdet`."""
    return named_result("slogdet", apply(slogdet_op, (input,)))


@function("logdet", "Tensor.logdet", checked=True)
def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant; nan for a negative one."""
    check_square("logdet", input._meta)
    sign, size = apply(slogdet_op, (input,))
    if input.is_complex():
        return size + sign.log()
    return size.masked_fill(sign == -1, math.nan)
