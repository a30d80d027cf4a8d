"""Factorizations: QR, singular values, eigenvalues, LU, and reflections.

Gradients: Giles 2008, 'An extended collection of matrix derivative results'; Walter and Lehmann 2012 (QR).
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax import lax

from flambeau._core import dtype as dtypes
from flambeau._core.declare import EXACT, Array, Index, broadcast_shapes, registry
from flambeau._core.dispatch import apply, function, op
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
    embedded,
    raise_where,
    real,
)
from flambeau._ops.linalg import _cubed, check_system, info_meta, real_meta, solve_triangular


def _over(xp: Any, numerator: Array, denominator: Array) -> Array:
    """The quotient, and 0 where the numerator is 0: what is not asked for asks nothing of equal values."""
    safe = xp.where(numerator == 0, 1, denominator)
    return numerator / safe


# -- QR --------------------------------------------------------------------------------------------


def _qr_shape(A: Meta, mode: str) -> list[Meta]:
    check_matrix("linalg.qr", A)
    check_floating("linalg.qr", A, "geqrf_cpu")
    lead, (m, n) = A.shape[:-2], A.shape[-2:]
    k = m if mode == "complete" else min(m, n)
    return [A.with_shape((0,) if mode == "r" else (*lead, m, k)), A.with_shape((*lead, k, n))]


@op(shape=_qr_shape, outputs=("Q", "R"), columns=(0, 1), cost=_cubed, node="LinalgQrBackward")
def qr_op(xp: Any, A: Array, mode: str) -> tuple[Array, Array]:
    """An orthonormal and an upper triangular factor."""
    if mode == "r":
        return xp.zeros((0,), A.dtype), xp.linalg.qr(A, mode="r")
    if 0 in A.shape:
        m, n = A.shape[-2:]
        k = m if mode == "complete" else min(m, n)
        eye = xp.eye(m, k, dtype=A.dtype)
        return xp.broadcast_to(eye, (*A.shape[:-2], m, k)), xp.zeros((*A.shape[:-2], k, n), A.dtype)
    found = xp.linalg.qr(A, mode=mode)
    return found[0], found[1]


@qr_op.gradient("A")
def _(xp: Any, g: Any, A_meta: Meta, Q: Array, R: Array, mode: str) -> Array:
    m, n = A_meta.shape[-2:]
    if mode == "r":
        raise RuntimeError(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. Please use "
            "linalg.qr(A, mode='reduced') if you are going to require gradients in your program."
        )
    if mode == "complete" and m > n:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols"
        )
    to_q, to_r = g
    left = R[..., : min(m, n)]
    if m < n:
        # The first m columns make Q; the others only follow it.
        to_rest = to_r[..., m:]
        rest = R[..., m:]
        to_q = to_q + (Q @ (rest @ adjoint(xp, to_rest)))
        to_r = to_r[..., :m]
    middle = left @ adjoint(xp, to_r) - adjoint(xp, to_q) @ Q
    below = xp.tril(middle, -1)
    symmetric = below + adjoint(xp, below) + embedded(xp, real(xp, diagonal(xp, middle)))
    to_a = lapack.solved_triangular(xp, adjoint(xp, left), to_q + Q @ symmetric, False, left=False)
    if m >= n:
        return to_a
    # What reached Q through the other columns is part of to_q; they get their own share of R.
    return xp.concatenate([to_a, Q @ to_rest], -1)


@function("linalg.qr", out=EXACT)
def qr(A: Tensor, mode: str = "reduced") -> Any:
    """A as the product of an orthonormal Q and an upper triangular R.

    Args:
        mode: "reduced", "complete" (Q is square), or "r" (Q is left out).
    """
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or "
            "'complete'"
        )
    return named_result("linalg_qr", apply(qr_op, (A, mode)))


@function("qr", "Tensor.qr", out=EXACT)
def torch_qr(input: Tensor, some: bool = True) -> Any:
    """`linalg.qr` under its old name."""
    warn(
        "torch.qr is deprecated in favor of torch.linalg.qr and will be removed in a future PyTorch release.",
    )
    return named_result("qr", apply(qr_op, (input, "reduced" if some else "complete")))


# -- singular values -------------------------------------------------------------------------------


def _svd_shape(A: Meta, full: bool) -> list[Meta]:
    check_matrix("linalg.svd", A)
    check_floating("linalg.svd", A, "linalg_svd_cpu")
    lead, (m, n) = A.shape[:-2], A.shape[-2:]
    k = min(m, n)
    return [
        A.with_shape((*lead, m, m if full else k)),
        real_meta(A, (*lead, k)),
        A.with_shape((*lead, n if full else k, n)),
    ]


@op(shape=_svd_shape, outputs=("U", "S", "Vh"), columns=(0, 2), cost=_cubed, node="LinalgSvdBackward")
def svd_op(xp: Any, A: Array, full: bool) -> tuple[Array, Array, Array]:
    """Singular vectors and values."""
    if 0 in A.shape[-2:]:
        lead, (m, n) = A.shape[:-2], A.shape[-2:]
        k = 0
        left, right = xp.eye(m, m if full else k, dtype=A.dtype), xp.eye(n if full else k, n, dtype=A.dtype)
        s = xp.zeros((*lead, 0), xp.abs(A).dtype)
        return xp.broadcast_to(left, (*lead, *left.shape)), s, xp.broadcast_to(right, (*lead, *right.shape))
    found = xp.linalg.svd(A, full_matrices=full)
    return found[0], found[1], found[2]


def _skew(xp: Any, a: Array) -> Array:
    return a - adjoint(xp, a)


@svd_op.gradient("A")
def _(xp: Any, g: Any, U: Array, S: Array, Vh: Array) -> Array:
    k = S.shape[-1]
    to_u, to_s, to_v = g[0][..., :k], g[1], adjoint(xp, g[2][..., :k, :])
    u, v = U[..., :k], adjoint(xp, Vh[..., :k, :])
    uh, vh = adjoint(xp, u), adjoint(xp, v)
    squares = S * S
    # What turns the phases of complex vectors stands on the diagonal: both sides of it cancel.
    gaps = squares[..., None, :] - squares[..., :, None] + xp.eye(k, dtype=squares.dtype)
    turned_u, turned_v = _skew(xp, uh @ to_u), _skew(xp, vh @ to_v)
    middle = _over(xp, turned_u, gaps) * S[..., None, :] + S[..., :, None] * _over(xp, turned_v, gaps)
    middle = middle + embedded(xp, to_s)
    if U.dtype.kind == "c":
        middle = middle + embedded(xp, _over(xp, diagonal(xp, turned_u), 2 * S))
    found = u @ middle @ vh
    if u.shape[-2] > k:
        outside = to_u - u @ (uh @ to_u)
        found = found + _over(xp, outside, S[..., None, :]) @ vh
    if v.shape[-2] > k:
        outside = to_v - v @ (vh @ to_v)
        found = found + u @ adjoint(xp, _over(xp, outside, S[..., None, :]))
    return found


def _check_driver(driver: str | None) -> None:
    if driver is not None:
        raise RuntimeError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER "
            "backend."
        )


@function("linalg.svd", out=EXACT)
def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """A as `U @ diag(S) @ Vh`: singular values S in falling order, orthonormal U and Vh.

    Args:
        full_matrices: square U and Vh; otherwise only what the product needs.

    The signs of the vectors are not determined, so a loss should not depend on them.
    """
    _check_driver(driver)
    return named_result("linalg_svd", apply(svd_op, (A, bool(full_matrices))))


@function("svd", "Tensor.svd", out=EXACT)
def torch_svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """`linalg.svd` under its old name: V instead of Vh, and reduced unless `some` is False."""
    if input.ndim < 2:
        raise RuntimeError(
            f"linalg.svd: input should have at least 2 dimensions, but has {input.ndim} dimensions instead"
        )
    m, n = input.shape[-2:]
    if not compute_uv:
        values = svdvals(input)
        left, right = ((*input.shape[:-2], side, side) for side in (m, n))
        return named_result("svd", (input.new_zeros(left), values, input.new_zeros(right)))  # type: ignore[attr-defined]
    u, s, vh = apply(svd_op, (input, not some))
    return named_result("svd", (u, s, vh.mH))


@function("linalg.svdvals", out=EXACT)
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values, in falling order."""
    _check_driver(driver)
    return apply(svd_op, (A, False))[1]


# -- eigenvalues -----------------------------------------------------------------------------------


def _no_eigh(meta: Meta, kernel: str) -> None:
    if not (meta.dtype.is_complex or meta.dtype in (dtypes.float32, dtypes.float64)):
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{meta.dtype.scalar_type}'")


def _eigh_shape(A: Meta, uplo: str) -> list[Meta]:
    check_square("linalg.eigh", A)
    _no_eigh(A, "linalg_eigh_cpu")
    return [real_meta(A, A.shape[:-1]), A]


@op(shape=_eigh_shape, outputs=("values", "vectors"), columns=(1,), cost=_cubed, node="LinalgEighBackward")
def eigh_op(xp: Any, A: Array, uplo: str) -> tuple[Array, Array]:
    """Eigenvalues, rising, and eigenvectors."""
    if A.shape[-1] == 0:
        return xp.zeros(A.shape[:-1], xp.abs(A).dtype), A
    found = xp.linalg.eigh(A, uplo) if xp is np else xp.linalg.eigh(A, uplo, symmetrize_input=False)
    return found[0], found[1]


@eigh_op.gradient("A")
def _(xp: Any, g: Any, values: Array, vectors: Array) -> Array:
    back = adjoint(xp, vectors)
    gaps = values[..., None, :] - values[..., :, None]
    # Only turns can move the vectors, so only the skew part counts.
    turned = _skew(xp, back @ g[1]) / 2
    off = xp.where(np.eye(values.shape[-1], dtype=bool), 0, turned)
    return vectors @ (_over(xp, off, gaps) + embedded(xp, g[0])) @ back


def _uplo(value: str) -> str:
    if value.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {value}")
    return value.upper()


@function("linalg.eigh", out=EXACT)
def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """Eigenvalues, rising, and eigenvectors of a symmetric or Hermitian matrix.

    Args:
        UPLO: which triangle is looked at, "L" or "U".
    """
    return named_result("linalg_eigh", apply(eigh_op, (A, _uplo(UPLO))))


@function("linalg.eigvalsh", out=EXACT)
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """The eigenvalues, rising, of a symmetric or Hermitian matrix."""
    return apply(eigh_op, (A, _uplo(UPLO)))[0]


def _complex_of(meta: Meta) -> Any:
    return meta.dtype if meta.dtype.is_complex else meta.dtype.to_complex()


def _eig_shape(A: Meta, name: str) -> list[Meta]:
    check_square(name, A)
    if not (A.dtype.is_floating_point or A.dtype.is_complex):
        raise RuntimeError(f"Unknown Complex ScalarType for {A.dtype.scalar_type}")
    _no_eigh(A, "linalg_eig_out_cpu")
    dtype = _complex_of(A)
    return [meta_of(A.shape[:-1], dtype, A.device), meta_of(A.shape, dtype, A.device)]


def _check_finite(A: Value, name: str) -> None:
    if A.meta.device.type != "meta":
        when_known(A, _check_known_finite, at_once=True)


def _check_known_finite(A: Value) -> None:
    if not np.isfinite(A.numpy()).all():
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")


@op(
    shape=_eig_shape,
    check=_check_finite,
    outputs=("values", "vectors"),
    columns=(1,),
    cost=_cubed,
    node="LinalgEigBackward",
)
def eig_op(xp: Any, A: Array, name: str) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors, complex."""
    dtype = np.result_type(A.dtype, np.complex64)
    if A.shape[-1] == 0:
        return xp.zeros(A.shape[:-1], dtype), xp.zeros(A.shape, dtype)
    found = xp.linalg.eig(A)
    return found[0].astype(dtype), found[1].astype(dtype)


@eig_op.gradient("A")
def _(xp: Any, g: Any, values: Array, vectors: Array) -> Array:
    back = adjoint(xp, vectors)
    gaps = values[..., None, :] - values[..., :, None]
    inner = back @ g[1]
    inner = inner - (back @ vectors) * real(xp, diagonal(xp, inner))[..., None, :]
    off = xp.where(np.eye(values.shape[-1], dtype=bool), 0, inner)
    middle = _over(xp, off, xp.conj(gaps)) + embedded(xp, g[0])
    return lapack.solved(xp, back, middle @ back)[0]


@function("linalg.eig", out=True)
def eig(A: Tensor) -> Any:
    """Eigenvalues and eigenvectors of a square matrix, in no particular order; always complex."""
    return named_result("linalg_eig", apply(eig_op, (A, "linalg.eig")))


@function("linalg.eigvals", out=True)
def eigvals(A: Tensor) -> Tensor:
    """The eigenvalues of a square matrix, in no particular order; always complex."""
    return apply(eig_op, (A, "linalg.eigvals"))[0]


# -- LU --------------------------------------------------------------------------------------------


def _lu_shape(A: Meta) -> list[Meta]:
    _no_eigh(A, "lu_cpu")
    lead = A.shape[:-2]
    return [A, meta_of((*lead, min(A.shape[-2:])), dtypes.int32, A.device), info_meta(A, lead)]


@op(
    shape=_lu_shape,
    outputs=("LU", "pivots", "info"),
    columns=(0,),
    cost=_cubed,
    node="LinalgLuFactorExBackward",
)
def lu_op(xp: Any, A: Array) -> tuple[Array, Array, Array]:
    """L and U in one matrix, the pivots, and which pivot is zero. Its gradient is JAX's."""
    return lapack.lu(xp, A)


def _factored(A: Tensor, pivot: bool, name: str) -> Any:
    if A.ndim < 2:
        raise RuntimeError(
            f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(A.shape)} instead"
        )
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    return apply(lu_op, (A,))


@function("linalg.lu_factor_ex", out=EXACT)
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """The LU factorization, compact, and `info`: 0, or the number of the pivot that is zero."""
    found = _factored(A, pivot, "torch.lu_factor")
    if check_errors:
        _check_pivots(found[2], "torch.linalg.lu_factor_ex")
    return named_result("linalg_lu_factor_ex", found)


def _check_pivots(info: Tensor, name: str) -> None:
    raise_where(
        info, name,
        "U[{0},{0}] is zero and using it on lu_solve would result in a division by zero. If you still want to perform the "
        "factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)",
        RuntimeError,
    )  # fmt: skip


@function("linalg.lu_factor", out=EXACT)
def lu_factor(A: Tensor, *, pivot: bool = True) -> Any:
    """The LU factorization, compact: L and U in one matrix, and the pivots for `lu_solve`."""
    found = _factored(A, pivot, "torch.lu_factor")
    _check_pivots(found[2], "torch.linalg.lu_factor")
    return named_result("linalg_lu_factor", found[:2])


@function("lu", "Tensor.lu", out=True)
def torch_lu(A: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """`linalg.lu_factor_ex` under its old name."""
    warn(
        "torch.lu is deprecated in favor of torch.linalg.lu_factor / torch.linalg.lu_factor_ex and will be "
        "removed in a "
        "future PyTorch release.",
    )  # fmt: skip
    found = _factored(A, pivot, "torch.lu_factor")
    return named_result("_lu_with_info", found) if get_infos else tuple(found[:2])


def _permutation_shape(pivots: Meta, size: int, like: Meta) -> Meta:
    return meta_of((*pivots.shape[:-1], size, size), like.dtype, pivots.device)


def _order(xp: Any, pivots: Array, size: int) -> Array:
    """Where each row of the product L U comes from."""
    if xp is not np:
        return lax.linalg.lu_pivots_to_permutation(pivots - 1, size)
    order = np.broadcast_to(np.arange(size), (*pivots.shape[:-1], size)).copy()
    flat, swaps = order.reshape(-1, size), pivots.reshape(-1, pivots.shape[-1]) - 1
    rows = np.arange(len(flat))
    for i in range(pivots.shape[-1]):
        j = swaps[:, i]
        flat[rows, i], flat[rows, j] = flat[rows, j], flat[:, i].copy()
    return flat.reshape(order.shape)


@op(shape=_permutation_shape, promote="raw", differentiable=False)
def permutation_of_pivots(xp: Any, pivots: Array, size: int, like: Index) -> Array:
    """The matrix P with `A = P L U`."""
    order = _order(xp, pivots, size)
    return (order[..., None, :] == np.arange(size)[:, None]).astype(like.dtype)


def _unpacked(LU: Tensor, pivots: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    m, n = LU.shape[-2:]
    k = min(m, n)
    P = apply(permutation_of_pivots, (pivots, m, LU.detach()))
    lower = LU[..., :k].tril(-1)  # type: ignore[attr-defined]
    eye = LU.new_zeros((m, k)).fill_diagonal_(1)  # type: ignore[attr-defined]
    return P, lower + eye, LU[..., :k, :].triu()  # type: ignore[attr-defined]


@function("linalg.lu", out=EXACT)
def lu(A: Tensor, *, pivot: bool = True) -> Any:
    """A as `P @ L @ U`: a permutation, a lower and an upper triangular matrix."""
    found = _factored(A, pivot, "linalg.lu")
    return named_result("linalg_lu", _unpacked(found[0], found[1]))


@function("lu_unpack", out=EXACT)
def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> Any:
    """P, L and U from what `linalg.lu_factor` gives; those not asked for are empty."""
    if unpack_pivots and LU_pivots.dtype is not dtypes.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\nNote: "
            "this function "
            "is intended to be used with the output produced by torch.linalg.lu_factor"
        )
    P, L, U = _unpacked(LU_data, LU_pivots)
    empty = LU_data.new_zeros((0,))  # type: ignore[attr-defined]
    return named_result(
        "lu_unpack", (P if unpack_pivots else empty, *((L, U) if unpack_data else (empty, empty)))
    )


@function("linalg.lu_solve", out=EXACT)
def lu_solve(LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False) -> Tensor:
    """The solution of `A X = B` (or `X A = B`) from A's LU factorization; of A's adjoint for
    `adjoint=True`.
    """
    if pivots.dtype is not dtypes.int32:
        raise RuntimeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    check_square("torch.linalg.lu_solve", LU._meta, "LU")
    check_system("linalg.lu_solve", LU._meta, B._meta, left)
    if not LU.numel():
        lead = broadcast_shapes(LU.shape[:-2], B.shape[:-2])
        return B.expand((*lead, *B.shape[-2:])) + LU.sum() * 0  # type: ignore[attr-defined]
    P = apply(permutation_of_pivots, (pivots, LU.shape[-1], LU.detach()))
    if left and not adjoint:
        half = solve_triangular(LU, P.mT @ B, upper=False, unitriangular=True)
        return solve_triangular(LU, half, upper=True)
    if left:
        half = solve_triangular(LU.mH, B, upper=False)  # type: ignore[attr-defined]
        return P @ solve_triangular(LU.mH, half, upper=True, unitriangular=True)  # type: ignore[attr-defined]
    return lu_solve(LU, pivots, B.mH, adjoint=not adjoint).mH  # type: ignore[attr-defined]


@function("lu_solve", "Tensor.lu_solve", out=EXACT)
def torch_lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """`linalg.lu_solve` under its old name, arguments reversed."""
    warn(
        "torch.lu_solve is deprecated in favor of torch.linalg.lu_solveand will be removed in a future "
        "PyTorch release.",
    )
    return lu_solve(LU_data, LU_pivots, b)


# -- reflections -----------------------------------------------------------------------------------


def _householder_shape(A: Meta, tau: Meta) -> tuple[int, ...]:
    name = "torch.linalg.householder_product"
    if A.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if A.shape[-2] < A.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if A.shape[-1] < tau.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if A.dtype is not tau.dtype:
        raise RuntimeError(
            f"{name}: tau dtype {tau.dtype.scalar_type} does not match input dtype {A.dtype.scalar_type}"
        )
    return A.shape


@op(
    "linalg.householder_product", "orgqr", "Tensor.orgqr", out=True, shape=_householder_shape, cost=_cubed,
    columns=(0,), node="LinalgHouseholderProductBackward",
)  # fmt: skip
def householder_product(xp: Any, A: Array, tau: Array) -> Array:
    """The first columns of a product of reflections, such as Q from `geqrf`."""
    return lapack.householder(xp, A, tau)


@householder_product.gradient("A", "tau", dual=False, unless=lambda A, tau: not (A.numel and tau.numel))
def _(xp: Any, g: Array, A: Array, tau: Array) -> tuple[Array, Array]:
    # By NumPy's steps, which XLA differentiates where its own routine has no rule.
    def steps(a: Array, t: Array) -> Array:
        m, n = a.shape[-2:]
        found = xp.broadcast_to(xp.eye(m, n, dtype=a.dtype), a.shape)
        for i in reversed(range(t.shape[-1])):
            ones = xp.ones_like(a[..., :1, i])
            vector = xp.concatenate([xp.zeros_like(a[..., :i, i]), ones, a[..., i + 1 :, i]], -1)
            scaled = t[..., i, None, None] * vector[..., :, None]
            found = found - scaled * (xp.conj(vector)[..., None, :] @ found)
        return found

    to_a, to_tau = jax.vjp(steps, A, tau)[1](xp.conj(g))
    return xp.conj(to_a), xp.conj(to_tau)


def _geqrf_shape(A: Meta) -> list[Meta]:
    if A.ndim < 2:
        raise RuntimeError("torch.geqrf: input must have at least 2 dimensions.")
    _no_eigh(A, "geqrf_cpu")
    return [A, A.with_shape((*A.shape[:-2], min(A.shape[-2:])))]


@op(shape=_geqrf_shape, outputs=("a", "tau"), columns=(0,), cost=_cubed, differentiable=False)
def geqrf_op(xp: Any, A: Array) -> tuple[Array, Array]:
    """R and the reflections that lead to it."""
    return lapack.geqrf(xp, A)


@function("geqrf", "Tensor.geqrf", out=True)
def geqrf(input: Tensor) -> Any:
    """QR in LAPACK's compact form: R above the diagonal, reflections below it and in tau."""
    return named_result("geqrf", apply(geqrf_op, (input,)))


def _check_ormqr(input: Tensor, tau: Tensor, other: Tensor, left: bool) -> None:
    name = "torch.ormqr"
    for what, tensor in (("input", input), ("other", other)):
        if tensor.ndim < 2:
            raise RuntimeError(f"{name}: {what} must have at least 2 dimensions.")
    side = -2 if left else -1
    if other.shape[side] < tau.shape[-1]:
        raise RuntimeError(f"{name}: other.shape[{side}] must be greater than or equal to tau.shape[-1]")
    if tau.shape[-1] != min(other.shape[side], input.shape[-1]):
        raise RuntimeError(
            f"{name}: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])"
        )
    if other.shape[side] != input.shape[-2]:
        raise RuntimeError(f"{name}: other.shape[{side}] must be equal to input.shape[-2]")
    if input.ndim - tau.ndim != 1:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, but got tau.ndim equal to "
            f"{tau.ndim} and "
            f"input.ndim is equal to {input.ndim}"
        )
    if input.dtype is not tau.dtype:
        raise RuntimeError(
            f"{name}: Expected input and tau to have the same dtype, but input has "
            f"dtype{input.dtype.scalar_type} "
            f"and tau has dtype {tau.dtype.scalar_type}"
        )


@function("ormqr", "Tensor.ormqr", out=True)
def ormqr(input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False) -> Tensor:
    """The square Q that `geqrf`'s reflections make, times `other` (from the left or the right)."""
    _check_ormqr(input, tau, other, left)
    if not input.numel() and other.requires_grad:
        input, tau = input.detach(), tau.detach()  # PyTorch leaves the gradients of no reflections out
    input = input[..., : tau.shape[-1]]
    rows, columns = input.shape[-2:]
    if rows > columns:
        widened = input.new_zeros((*input.shape[:-1], rows - columns))  # type: ignore[attr-defined]
        input = registry["cat"]([input, widened], -1)
    Q = householder_product(input, tau)
    Q = Q.mH if transpose else Q
    return Q @ other if left else other @ Q
