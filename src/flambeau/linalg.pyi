"""PyTorch's `torch.linalg`: handed on from the declarations in `_ops`.

Written by `tools/stubs.py`: change the declarations in `_ops`, not this file.
"""

# mypy: disable-error-code="override"

from builtins import bool as _bool
from builtins import complex as _complex
from builtins import float as _float
from builtins import int as _int
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, TypeAlias, overload

from flambeau import return_types as _results
from flambeau._core.device import DeviceLike
from flambeau._core.dtype import dtype as _dtype
from flambeau._core.dtype import layout as _layout
from flambeau._core.dtype import memory_format as _memory_format
from flambeau._core.random import Generator as _Generator
from flambeau._core.return_types import StructSequence as _StructSequence
from flambeau._core.size import Size as _Size
from flambeau._core.tensor import Tensor as _Tensor

_Number: TypeAlias = _bool | _int | _float | _complex


from flambeau._core.errors import LinAlgError as LinAlgError

def cholesky(A: _Tensor, *, upper: _bool = False, out: Any = None) -> _Tensor:
    """The lower triangular L with `A = L @ L.mH` (or the upper U with `A = U.mH @ U`)."""
def cholesky_ex(A: _Tensor, *, upper: _bool = False, check_errors: _bool = False, out: Any = None) -> _results.linalg_cholesky_ex:
    """Cholesky's factor, and `info`: 0, or the order of the leading minor that is not positive."""
def cond(A: _Tensor, p: Any = None, *, out: Any = None) -> _Tensor:
    """How much solving a system with A may enlarge errors: the norm of A times that of its inverse."""
def cross(input: _Tensor, other: _Tensor, *, dim: _int = -1, out: Any = None) -> _Tensor:
    """The cross product of vectors of three elements along `dim`."""
def det(A: _Tensor, *, out: Any = None) -> _Tensor:
    """The determinant."""
def diagonal(A: _Tensor, *, offset: _int = 0, dim1: _int = -2, dim2: _int = -1) -> _Tensor:
    """A view of the diagonal of the last two dimensions."""
def eig(A: _Tensor, *, out: Any = None) -> _results.linalg_eig:
    """Eigenvalues and eigenvectors of a square matrix, in no particular order; always complex."""
def eigh(A: _Tensor, UPLO: str = 'L', *, out: Any = None) -> _results.linalg_eigh:
    """Eigenvalues, rising, and eigenvectors of a symmetric or Hermitian matrix."""
def eigvals(A: _Tensor, *, out: Any = None) -> _Tensor:
    """The eigenvalues of a square matrix, in no particular order; always complex."""
def eigvalsh(A: _Tensor, UPLO: str = 'L', *, out: Any = None) -> _Tensor:
    """The eigenvalues, rising, of a symmetric or Hermitian matrix."""
def householder_product(A: _Tensor, tau: _Tensor, *, out: Any = None) -> _Tensor:
    """The first columns of a product of reflections, such as Q from `geqrf`."""
def inv(A: _Tensor, *, out: Any = None) -> _Tensor:
    """The inverse of a square matrix, or of each of a batch."""
def inv_ex(A: _Tensor, *, check_errors: _bool = False, out: Any = None) -> _results.linalg_inv_ex:
    """The inverse, and `info`: 0, or the number of the pivot that is zero."""
def ldl_factor(A: _Tensor, *, hermitian: _bool = False, out: Any = None) -> _results.linalg_ldl_factor:
    """A as `L @ D @ L.mT` (or `L.mH`), in LAPACK's compact form, for `ldl_solve`."""
def ldl_factor_ex(A: _Tensor, *, hermitian: _bool = False, check_errors: _bool = False, out: Any = None) -> _results.linalg_ldl_factor_ex:
    """A as `L @ D @ L.mT` (or `L.mH`), compact; D has blocks of one or two. `info` tells of a zero in D."""
def ldl_solve(LD: _Tensor, pivots: _Tensor, B: _Tensor, *, hermitian: _bool = False, out: Any = None) -> _Tensor:
    """The solution of `A X = B` from A's LDL factorization."""
def lstsq(A: _Tensor, B: _Tensor, rcond: _float | None = None, *, driver: str | None = None, out: Any = None) -> _results.linalg_lstsq:
    """The X that makes `A X - B` least, in the sum of squares."""
def lu(A: _Tensor, *, pivot: _bool = True, out: Any = None) -> _results.linalg_lu:
    """A as `P @ L @ U`: a permutation, a lower and an upper triangular matrix."""
def lu_factor(A: _Tensor, *, pivot: _bool = True, out: Any = None) -> _results.linalg_lu_factor:
    """The LU factorization, compact: L and U in one matrix, and the pivots for `lu_solve`."""
def lu_factor_ex(A: _Tensor, *, pivot: _bool = True, check_errors: _bool = False, out: Any = None) -> _results.linalg_lu_factor_ex:
    """The LU factorization, compact, and `info`: 0, or the number of the pivot that is zero."""
def lu_solve(LU: _Tensor, pivots: _Tensor, B: _Tensor, *, left: _bool = True, adjoint: _bool = False, out: Any = None) -> _Tensor:
    """The solution of `A X = B` (or `X A = B`) from A's LU factorization; of A's adjoint for `adjoint=True`."""
def matmul(input: _Tensor, other: _Tensor, *, out: Any = None) -> _Tensor:
    """The product of vectors, matrices or batches of matrices, whose batch dimensions broadcast."""
def matrix_exp(A: _Tensor) -> _Tensor:
    """The exponential of a square matrix: `sum of A**k / k!`."""
def matrix_norm(A: _Tensor, ord: Any = 'fro', dim: Any = ..., keepdim: _bool = False, *, dtype: _dtype | None = None, out: Any = None) -> _Tensor:
    """A norm of matrices."""
def matrix_power(input: _Tensor, n: _int, *, out: Any = None) -> _Tensor:
    """A square matrix multiplied by itself `n` times; its inverse for negative `n`."""
def matrix_rank(input: _Tensor, tol: Any = None, hermitian: _bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None) -> _Tensor:
    """How many singular values are above a tolerance."""
def multi_dot(tensors: Sequence[_Tensor], *, out: Any = None) -> _Tensor:
    """The product of several matrices, in the order of fewest multiplications; the first and last may be vectors."""
def norm(A: _Tensor, ord: Any = None, dim: Any = None, keepdim: _bool = False, *, dtype: _dtype | None = None, out: Any = None) -> _Tensor:
    """A norm of vectors (one dimension) or matrices (two); without `ord`, the root of the sum of squares of all."""
def pinv(input: _Tensor, rcond: Any = None, hermitian: _bool = False, *, atol: Any = None, rtol: Any = None, out: Any = None) -> _Tensor:
    """The pseudoinverse (Moore and Penrose)."""
def qr(A: _Tensor, mode: str = 'reduced', *, out: Any = None) -> _results.qr:
    """A as the product of an orthonormal Q and an upper triangular R."""
def slogdet(A: _Tensor, *, out: Any = None) -> _results.slogdet:
    """The determinant's sign (or phase), and the logarithm of its absolute value."""
def solve(A: _Tensor, B: _Tensor, *, left: _bool = True, out: Any = None) -> _Tensor:
    """The solution X of `A X = B`; of `X A = B` for `left=False`."""
def solve_ex(A: _Tensor, B: _Tensor, *, left: _bool = True, check_errors: _bool = False, out: Any = None) -> _results.linalg_solve_ex:
    """The solution, and `info`: 0, or the number of the pivot that is zero."""
def solve_triangular(A: _Tensor, B: _Tensor, *, upper: _bool, left: _bool = True, unitriangular: _bool = False, out: Any = None) -> _Tensor:
    """The solution X of `A X = B` (or `X A = B`), A being triangular: the other triangle is not looked at."""
def svd(A: _Tensor, full_matrices: _bool = True, *, driver: str | None = None, out: Any = None) -> _results.svd:
    """A as `U @ diag(S) @ Vh`: singular values S in falling order, orthonormal U and Vh."""
def svdvals(A: _Tensor, *, driver: str | None = None, out: Any = None) -> _Tensor:
    """The singular values, in falling order."""
def tensorinv(A: _Tensor, ind: _int = 2, *, out: Any = None) -> _Tensor:
    """The inverse of A as a map from its last dimensions to its first `ind` ones."""
def tensorsolve(A: _Tensor, B: _Tensor, dims: Any = None, *, out: Any = None) -> _Tensor:
    """The X with `tensordot(A, X, X.ndim) == B`."""
def vander(x: _Tensor, N: _int | None = None) -> _Tensor:
    """Rows of powers: 1, x, x**2, ... up to `N` of them."""
def vecdot(x: _Tensor, y: _Tensor, *, dim: _int = -1, out: Any = None) -> _Tensor:
    """The inner products of vectors along `dim`, those of `x` conjugated."""
def vector_norm(x: _Tensor, ord: _float = 2, dim: Any = None, keepdim: _bool = False, *, dtype: _dtype | None = None, out: Any = None) -> _Tensor:
    """The norm of order `ord` of all elements, or of the vectors along `dim`."""
