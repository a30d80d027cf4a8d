"""The LDL factorization of symmetric and Hermitian matrices (Bunch and Kaufman 1977), and approximations of
low rank.

LDL is LAPACK's, on the host: as in PyTorch it has no gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flambeau._core.by_elements import by_elements
from flambeau._core.declare import EXACT, broadcast_shapes, registry
from flambeau._core.dispatch import constant, function
from flambeau._core.dtype import int32
from flambeau._core.return_types import named_result
from flambeau._core.tensor import Tensor
from flambeau._ops.decompose import qr, svd
from flambeau._ops.lapack import check_floating, check_square, lapack_routines

# -- LDL -------------------------------------------------------------------------------------------


def _routine(kind: str, array: np.ndarray[Any, Any], hermitian: bool) -> Any:
    name = ("he" if hermitian and array.dtype.kind == "c" else "sy") + kind
    return lapack_routines("lapack", (name,), (array,))[0]


def _factored(A: Tensor, hermitian: bool) -> tuple[Tensor, Tensor, Tensor]:
    name = "torch.linalg.ldl_factor_ex"
    check_square(name, A._meta)
    check_floating(name, A._meta, "ldl_factor_kernel_cpu")
    array = A.detach().numpy()
    n = array.shape[-1]
    flat = array.reshape((-1, n, n)) if array.size else np.empty((0, n, n), array.dtype)
    factors = np.zeros(array.shape, array.dtype)
    pivots, info = np.zeros(array.shape[:-1], np.int32), np.zeros(array.shape[:-2], np.int32)
    for i, matrix in enumerate(flat):
        found = _routine("trf", matrix, hermitian)(matrix, lower=1)
        factors.reshape((-1, n, n))[i] = np.tril(found[0])
        pivots.reshape((-1, n))[i] = found[1]
        info.reshape(-1)[i] = found[2]
    return (
        constant(factors, A.dtype, A._meta),
        constant(pivots, int32, A._meta),
        constant(info, int32, A._meta),
    )


@function("linalg.ldl_factor_ex", out=EXACT)
@by_elements()
def ldl_factor_ex(A: Tensor, *, hermitian: bool = False, check_errors: bool = False) -> Any:
    """A as `L @ D @ L.mT` (or `L.mH`), compact; D has blocks of one or two. `info` tells of a zero in D."""
    found = _factored(A, hermitian)
    if check_errors and found[2].numpy().any():
        raise RuntimeError("torch.linalg.ldl_factor_ex: D has a zero on its diagonal.")
    return named_result("linalg_ldl_factor_ex", found)


@function("linalg.ldl_factor", out=EXACT)
@by_elements()
def ldl_factor(A: Tensor, *, hermitian: bool = False) -> Any:
    """A as `L @ D @ L.mT` (or `L.mH`), in LAPACK's compact form, for `ldl_solve`."""
    return named_result("linalg_ldl_factor", _factored(A, hermitian)[:2])


@function("linalg.ldl_solve", out=EXACT)
@by_elements()
def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False) -> Tensor:
    """The solution of `A X = B` from A's LDL factorization."""
    check_square("torch.linalg.ldl_solve", LD._meta, "LD")
    if B.shape[-2] != LD.shape[-2]:
        raise RuntimeError(
            f"Incompatible matrix sizes for torch.linalg.ldl_solve: each A matrix is {LD.shape[-2]} by "
            f"{LD.shape[-1]} but each b matrix is {B.shape[-2]} by {B.shape[-1]}"
        )
    lead = broadcast_shapes(tuple(LD.shape[:-2]), tuple(B.shape[:-2]))
    n, columns = B.shape[-2:]
    factors = np.broadcast_to(LD.detach().numpy(), (*lead, n, n))
    swaps = np.broadcast_to(pivots.numpy(), (*lead, n))
    sides = np.broadcast_to(B.detach().numpy(), (*lead, n, columns))
    found = np.array(sides)
    for at in np.ndindex(*lead):
        if found[at].size:
            found[at] = _routine("trs", factors[at], hermitian)(factors[at], swaps[at], sides[at], lower=1)[0]
    return constant(found, B.dtype, B._meta)


# -- low rank --------------------------------------------------------------------------------------


def _range(A: Tensor, q: int, niter: int) -> Tensor:
    """Orthonormal columns that span nearly what A does (Halko, Martinsson and Tropp 2011, algorithm 4.4)."""
    drawn = registry["randn"](A.shape[-1], q, dtype=A.dtype, device=A.device)
    basis = qr(A @ drawn)[0]
    for _ in range(niter):
        basis = qr(A.mH @ basis)[0]  # type: ignore[attr-defined]
        basis = qr(A @ basis)[0]
    return basis


def _low_rank(A: Tensor, q: int, niter: int) -> tuple[Tensor, Tensor, Tensor]:
    m, n = A.shape[-2:]
    if m < n:
        v, s, u = _low_rank(A.mH, q, niter)  # type: ignore[attr-defined]
        return u, s, v
    basis = _range(A, q, niter)
    u, s, vh = svd(basis.mH @ A, full_matrices=False)  # type: ignore[attr-defined]
    return basis @ u, s, vh.mH


@function("svd_lowrank")
def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The `q` largest singular values and their vectors, nearly; of `A - M`, if M is given."""
    target = A if M is None else A - M
    return _low_rank(target, 6 if q is None else q, 2 if niter is None else niter)


@function("pca_lowrank")
def pca_lowrank(
    A: Tensor, q: int | None = None, center: bool = True, niter: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """The `q` principal components of the rows of A, nearly, after taking away their mean."""
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return _low_rank(A - A.mean(-2, keepdim=True) if center else A, q, niter)  # type: ignore[attr-defined]
