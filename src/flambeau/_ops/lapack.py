"""What the operations of linear algebra share: checks in PyTorch's words, and LAPACK's factorizations as
arrays.

NumPy and SciPy stop at a singular matrix, XLA goes on with nan; here both give a number `info` beside the
result, as
LAPACK does: 0, or which pivot failed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jax import lax

from flambeau._core.declare import Array
from flambeau._core.errors import LinAlgError
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, Value
from flambeau._ops.bounds import when_known


def lapack_routines(library: str, names: tuple[str, ...], arrays: tuple[Any, ...]) -> Any:
    """LAPACK's or BLAS's routines for arrays of these dtypes. SciPy is slow to import, so it waits for its
    first use.
    """
    from scipy.linalg import blas, lapack

    return (
        lapack.get_lapack_funcs(names, arrays) if library == "lapack" else blas.get_blas_funcs(names, arrays)
    )


# -- checks ----------------------------------------------------------------------------------------


def check_matrix(name: str, meta: Meta, what: str = "A") -> None:
    if meta.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {what} must have at least 2 dimensions.")


def check_square(name: str, meta: Meta, what: str = "A") -> None:
    check_matrix(name, meta, what)
    rows, columns = meta.shape[-2:]
    if rows != columns:
        prefix = f"{name}: " if name else ""
        raise RuntimeError(
            f"{prefix}{what} must be batches of square matrices, but they are {rows} by {columns} matrices"
        )


def check_floating(name: str, meta: Meta, kernel: str | None = None) -> None:
    """Raises for whole numbers; for 16-bit floats, too, in the words of `kernel` where there is one."""
    if not (meta.dtype.is_floating_point or meta.dtype.is_complex):
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {meta.dtype.scalar_type}"
        )
    if meta.dtype.is_floating_point and meta.dtype.itemsize < 4:
        if kernel is not None:
            raise NotImplementedError(f"\"{kernel}\" not implemented for '{meta.dtype.scalar_type}'")
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {meta.dtype.scalar_type}")


def raise_where(info: Tensor, name: str, text: str, error: type[Exception] = LinAlgError) -> None:
    """Raises `error` if a factorization failed; `text` may name the place as `{}`. Waits for the values."""
    if info.device.type == "meta":
        return

    def check(known: Value) -> None:
        found = np.atleast_1d(known.numpy()).reshape(-1)
        failed = np.flatnonzero(found)
        if failed.size:
            batch = f"(Batch element {failed[0]}): " if known.meta.ndim else ""
            raise error(f"{name}: {batch}{text.format(found[failed[0]])}")

    when_known(info._read(), check, at_once=True)


# -- matrices --------------------------------------------------------------------------------------


def adjoint(xp: Any, a: Array) -> Array:
    transposed = xp.swapaxes(a, -1, -2)
    return xp.conj(transposed) if a.dtype.kind == "c" else transposed


def diagonal(xp: Any, a: Array) -> Array:
    return xp.diagonal(a, axis1=-2, axis2=-1)


def embedded(xp: Any, d: Array) -> Array:
    """Diagonal matrices."""
    return d[..., None] * xp.eye(d.shape[-1], dtype=d.dtype)


def real(xp: Any, a: Array) -> Array:
    return xp.real(a) if a.dtype.kind == "c" else a


def _each(function: Any, *arrays: Array) -> list[tuple[Any, ...]]:
    """The results of a function of matrices for each of a batch."""
    count = math.prod(arrays[0].shape[:-2])
    flat = [a.reshape(count, *a.shape[-2:]) for a in arrays]
    return [function(*(a[i] for a in flat)) for i in range(count)]


def _stacked(items: list[Any], lead: tuple[int, ...], shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    found = np.empty((len(items), *shape), dtype)
    for i, item in enumerate(items):
        found[i] = item
    return found.reshape((*lead, *shape))


def _empty_matrix(a: Array) -> bool:
    return 0 in a.shape[-2:]


def lu(xp: Any, a: Array) -> tuple[Array, Array, Array]:
    """L and U in one matrix, the pivots (from 1), and which pivot is zero."""
    lead, (m, n) = a.shape[:-2], a.shape[-2:]
    k = min(m, n)
    if xp is not np:
        factors, pivots, _ = lax.linalg.lu(a)
        zero = diagonal(xp, factors) == 0
        info = xp.where(zero.any(-1), zero.argmax(-1) + 1, 0) if k else xp.zeros(lead)
        return factors, (pivots + 1).astype(np.int32), info.astype(np.int32)
    if _empty_matrix(a):
        return a, np.zeros((*lead, k), np.int32), np.zeros(lead, np.int32)
    (getrf,) = lapack_routines("lapack", ("getrf",), (a,))
    found = _each(getrf, a)
    return (
        _stacked([each[0] for each in found], lead, (m, n), a.dtype),
        _stacked([each[1] + 1 for each in found], lead, (k,), np.int32),
        _stacked([each[2] for each in found], lead, (), np.int32),
    )


def inverse(xp: Any, a: Array) -> tuple[Array, Array]:
    """The inverses, and which pivot of each is zero."""
    if xp is not np:
        return xp.linalg.inv(a), lu(xp, a)[2]
    try:
        return np.linalg.inv(a), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        info = lu(np, a)[2]
        # What stands in place of a missing inverse is seen by `inv_ex` alone.
        regular = np.where((info != 0)[..., None, None], np.eye(a.shape[-1], dtype=a.dtype), a)
        return np.where((info != 0)[..., None, None], np.inf, np.linalg.inv(regular)).astype(a.dtype), info


def solved(xp: Any, a: Array, b: Array) -> tuple[Array, Array]:
    """The solutions x of `a x = b`, and which pivot is zero."""
    if xp is not np:
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        wide = xp.broadcast_to(a, (*lead, *a.shape[-2:]))
        return xp.linalg.solve(wide, xp.broadcast_to(b, (*lead, *b.shape[-2:]))), lu(xp, a)[2]
    try:
        return np.linalg.solve(a, b), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        info = lu(np, a)[2]
        inverted = inverse(np, a)[0]
        with np.errstate(all="ignore"):
            return inverted @ b, info


def solved_triangular(
    xp: Any, a: Array, b: Array, upper: bool, left: bool = True, unit: bool = False
) -> Array:
    """The solutions x of `a x = b` (or `x a = b`), of which only one triangle of `a` counts."""
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a = xp.broadcast_to(a, (*lead, *a.shape[-2:]))
    b = xp.broadcast_to(b, (*lead, *b.shape[-2:]))
    if 0 in b.shape:
        return xp.zeros_like(b)
    if xp is not np:
        return lax.linalg.triangular_solve(a, b, left_side=left, lower=not upper, unit_diagonal=unit)
    (trsm,) = lapack_routines("blas", ("trsm",), (a, b))

    def solve(x: Array, y: Array) -> Array:
        return trsm(1.0, x, y, side=not left, lower=not upper, diag=unit)

    return _stacked(_each(solve, a, b), lead, b.shape[-2:], b.dtype)


def cholesky(xp: Any, a: Array) -> tuple[Array, Array]:
    """The lower factor, and the order of the leading minor that is not positive."""
    if xp is not np:
        factor = lax.linalg.cholesky(a, symmetrize_input=False)
        failed = xp.isnan(factor).any((-1, -2))
        return xp.tril(factor), failed.astype(np.int32)
    try:
        return np.linalg.cholesky(a), np.zeros(a.shape[:-2], np.int32)
    except np.linalg.LinAlgError:
        (potrf,) = lapack_routines("lapack", ("potrf",), (a,))
        found = _each(lambda x: potrf(x, lower=True, clean=True), a)
        lead = a.shape[:-2]
        return (
            _stacked([each[0] for each in found], lead, a.shape[-2:], a.dtype),
            _stacked([each[1] for each in found], lead, (), np.int32),
        )


def failed_minors(a: np.ndarray) -> np.ndarray:
    """For matrices of which some are not positive: the order of the leading minor at which each fails, else
    0.
    """
    (potrf,) = lapack_routines("lapack", ("potrf",), (a,))
    return _stacked(
        [each[1] for each in _each(lambda x: potrf(x, lower=True), a)], a.shape[:-2], (), np.int32
    )


def householder(xp: Any, a: Array, tau: Array) -> Array:
    """The columns of the product of reflections that `a` and `tau` describe."""
    if xp is not np:
        lead = np.broadcast_shapes(a.shape[:-2], tau.shape[:-1])
        tau = xp.broadcast_to(tau, (*lead, tau.shape[-1]))
        return lax.linalg.householder_product(xp.broadcast_to(a, (*lead, *a.shape[-2:])), tau)
    m, n = a.shape[-2:]
    found = np.broadcast_to(np.eye(m, n, dtype=a.dtype), a.shape).copy()
    for i in reversed(range(tau.shape[-1])):
        vector = np.concatenate(
            [np.zeros_like(a[..., :i, i]), np.ones_like(a[..., :1, i]), a[..., i + 1 :, i]], -1
        )
        scaled = tau[..., i, None, None] * vector[..., :, None]
        found = found - scaled * (np.conj(vector)[..., None, :] @ found)
    return found


def geqrf(xp: Any, a: Array) -> tuple[Array, Array]:
    """R and the reflections that lead to it."""
    lead, (m, n) = a.shape[:-2], a.shape[-2:]
    if xp is not np:
        return lax.linalg.geqrf(a)  # type: ignore[attr-defined]
    k = min(m, n)
    if _empty_matrix(a):
        return a, np.zeros((*lead, k), a.dtype)
    (function,) = lapack_routines("lapack", ("geqrf",), (a,))
    found = _each(function, a)
    return (
        _stacked([each[0] for each in found], lead, (m, n), a.dtype),
        _stacked([each[1] for each in found], lead, (k,), a.dtype),
    )
