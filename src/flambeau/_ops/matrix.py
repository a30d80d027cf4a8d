"""Norms and functions of matrices, least squares, and shapes that stand for matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from flambeau._core import dtype as dtypes
from flambeau._core.declare import EXACT, Array, Out, canonical_dim, registry
from flambeau._core.dispatch import apply, function, op
from flambeau._core.return_types import named_result
from flambeau._core.tensor import Tensor
from flambeau._core.value import Meta, meta_of
from flambeau._core.warn import warn
from flambeau._ops.decompose import eigvalsh, svdvals
from flambeau._ops.lapack import adjoint, check_floating, check_square, raise_where
from flambeau._ops.linalg import SINGULAR, _cubed, inv, is_vector, solve

# -- norms -----------------------------------------------------------------------------------------


def _vector_norm(A: Tensor, ord: Any, dim: Any, keepdim: bool, dtype: Any) -> Tensor:
    return registry["linalg.vector_norm"](A, ord, dim, keepdim, dtype=dtype)


def _norm_dims(A: Tensor, dim: Any) -> tuple[int, int]:
    if isinstance(dim, int):
        raise TypeError("linalg_matrix_norm(): argument 'dim' (position 3) must be tuple of ints, not int")
    dims = tuple(dim)
    if len(dims) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {' '.join(map(str, dims))}")
    first, second = (canonical_dim(d, A.ndim) for d in dims)
    if first == second:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dims[0]}, {dims[1]})")
    return first, second


@function(
    "linalg.matrix_norm", out=Out("linalg.matrix_norm expected out tensor dtype {wanted} but got: {found}")
)
def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """A norm of matrices.

    Args:
        ord: "fro" (root of the sum of squares), "nuc" (sum of singular values), 2 and -2 (largest and
        smallest singular
            value), 1 and -1 (largest and smallest column sum), inf and -inf (row sum).
        dim: the two dimensions of the matrices.
    """
    name = "linalg.matrix_norm"
    if A.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if not (A.is_floating_point() or A.is_complex()):
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {A.dtype.scalar_type}"
        )
    rows, columns = _norm_dims(A, dim)
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(f"{name}: dtype should be floating point or complex, but got {dtype.scalar_type}")
    if ord == "fro":
        return _vector_norm(A, 2, (rows, columns), keepdim, dtype)
    if not (ord == "nuc" or (not isinstance(ord, str) and abs(ord) in (2, 1, math.inf))):
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    if dtype is not None:
        A = A.to(dtype)
    if ord == "nuc" or abs(ord) == 2:
        values = svdvals(A.movedim((rows, columns), (-2, -1)))  # type: ignore[attr-defined]
        found = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord > 0 else values.amin(-1)
        return _with_dims(found, (rows, columns)) if keepdim else found
    if abs(ord) == math.inf:
        rows, columns = columns, rows
    sums = A.abs().sum(rows, keepdim=True)  # type: ignore[attr-defined]
    found = sums.amax(columns, keepdim=True) if ord > 0 else sums.amin(columns, keepdim=True)
    return found if keepdim else found.squeeze((rows, columns))


def _with_dims(tensor: Tensor, dims: tuple[int, int]) -> Tensor:
    for dim in sorted(dims):
        tensor = tensor.unsqueeze(dim)  # type: ignore[attr-defined]
    return tensor


def _warn_of_old_norm(name: str, instead: str) -> None:
    warn(
        f"at::{name} is deprecated and it is just left for JIT compatibility. It will be removed in a future "
        f"PyTorch release. Please use `linalg.{instead}` instead",
    )


@function("frobenius_norm", out=True)
def frobenius_norm(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """The root of the sum of squares over one dimension or two."""
    _warn_of_old_norm("frobenius_norm", "vector_norm(A, 2., dim, keepdim)")
    return _vector_norm(input, 2.0, dim, keepdim, None)


@function("nuclear_norm", out=True)
def nuclear_norm(input: Tensor, dim: Any = (-2, -1), keepdim: bool = False) -> Tensor:
    """The sum of the singular values of matrices."""
    _warn_of_old_norm("nuclear_norm", "matrix_norm(A, 'nuc', dim, keepdim)")
    return matrix_norm(input, "nuc", dim, keepdim)


@function("linalg.norm", out=Out("linalg.norm expected out tensor dtype {wanted} but got: {found}"))
def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """A norm of vectors (one dimension) or matrices (two); without `ord`, the root of the sum of squares of
    all.
    """
    dims = None if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if ord is None:
        return _vector_norm(A, 2, dims, keepdim, dtype)
    if dims is None:
        if A.ndim not in (1, 2):
            if isinstance(ord, str):
                return matrix_norm(
                    A, ord, tuple(range(-2, 0)) if A.ndim < 2 else _no_dims(A), keepdim, dtype=dtype
                )
            _no_dims(A)
        dims = tuple(range(A.ndim)) if A.ndim == 2 or not isinstance(ord, str) else (-2, -1)
    elif len(dims) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}")
    if len(dims) == 1 and not isinstance(ord, str):
        return _vector_norm(A, ord, dims, keepdim, dtype)
    return matrix_norm(A, ord, dims, keepdim, dtype=dtype)


def _no_dims(A: Tensor) -> Any:
    raise RuntimeError(
        f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
    )


@function("linalg.cond", out=True)
def cond(A: Tensor, p: Any = None) -> Tensor:
    """How much solving a system with A may enlarge errors: the norm of A times that of its inverse."""
    if A.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    if p is None or (not isinstance(p, str) and abs(p) == 2):
        values = svdvals(A)
        if not values.shape[-1]:
            return values.sum(-1)  # type: ignore[attr-defined]
        largest, smallest = values.amax(-1), values.amin(-1)  # type: ignore[attr-defined]
        return smallest / largest if p == -2 else largest / smallest
    if not (p in ("fro", "nuc") or isinstance(p, str) or abs(p) in (1, math.inf)):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    check_square(f"linalg.cond(ord={p})", A._meta)
    if p not in ("fro", "nuc", 1, -1, math.inf, -math.inf):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    inverse, info = registry["linalg.inv_ex"](A)
    regular = (info == 0).to(A.dtype)
    inverse = inverse.nan_to_num(0.0, math.inf, -math.inf)
    found = matrix_norm(A, p) * matrix_norm(inverse, p)
    return found.masked_fill(regular == 0, math.inf)


# -- rank, pseudoinverse ---------------------------------------------------------------------------


def _tolerances(A: Tensor, atol: Any, rtol: Any) -> tuple[Any, Any]:
    """Absolute and relative tolerance for each matrix."""
    if rtol is None:
        eps = dtypes.finfo(A.dtype.to_real() if A.is_complex() else A.dtype).eps * max(A.shape[-2:])
        if isinstance(atol, Tensor):
            rtol = registry["where"](atol > 0, 0.0, eps)
        else:
            rtol = 0.0 if atol is not None and atol > 0 else eps
    return (0.0 if atol is None else atol), rtol


def _as_column(value: Any) -> Any:
    return value.unsqueeze(-1) if isinstance(value, Tensor) else value


def _threshold(largest: Tensor, atol: Any, rtol: Any) -> Tensor:
    relative = largest * _as_column(rtol)
    absolute = _as_column(atol)
    if isinstance(absolute, Tensor):
        return registry["maximum"](absolute.to(relative.dtype), relative)
    return relative.clamp_min(absolute)  # type: ignore[attr-defined]


@function("linalg.matrix_rank", out=True)
def matrix_rank(
    input: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """How many singular values are above a tolerance.

    Args:
        tol: absolute tolerance (and `hermitian` second): an older form.
        hermitian: take eigenvalues of the lower triangle instead.
        atol, rtol: absolute, and relative to the largest value; the larger one counts.
    """
    if input.ndim < 2:
        raise RuntimeError(
            "torch.linalg.matrix_rank: The input tensor input must have at least 2 dimensions."
        )
    if not (input.is_complex() or input.dtype in (dtypes.float32, dtypes.float64)):
        raise RuntimeError("This function doesn't handle types other than float and double")
    if tol is not None:
        atol, rtol = tol, 0.0
    input = input.detach()
    values = eigvalsh(input).abs() if hermitian else svdvals(input)
    if not values.shape[-1]:
        return values.sum(-1).to(dtypes.int64)  # type: ignore[attr-defined]
    atol, rtol = _tolerances(input, atol, rtol)
    largest = values.amax(-1, keepdim=True)  # type: ignore[attr-defined]
    return (values > _threshold(largest, atol, rtol)).sum(-1)  # type: ignore[attr-defined]


def _pinv_shape(A: Meta, bound: Any, hermitian: bool) -> tuple[int, ...]:
    return (*A.shape[:-2], A.shape[-1], A.shape[-2])


@op(shape=_pinv_shape, cost=_cubed, node="LinalgPinvBackward")
def pinv_op(xp: Any, A: Array, bound: Array, hermitian: bool) -> Array:
    """The pseudoinverse, leaving out singular values up to `bound`."""
    if hermitian:
        values, vectors = xp.linalg.eigh(A)
        kept = abs(values) > bound
        inverse = xp.where(kept, 1 / xp.where(kept, values, 1), 0)
        return (vectors * inverse[..., None, :]) @ adjoint(xp, vectors)
    u, s, vh = xp.linalg.svd(A, full_matrices=False)
    kept = s > bound
    inverse = xp.where(kept, 1 / xp.where(kept, s, 1), 0)
    return (adjoint(xp, vh) * inverse[..., None, :]) @ adjoint(xp, u)


def _pinv_gradient(xp: Any, g: Array, A: Array, P: Array) -> Array:
    """Golub and Pereyra 1973, 'The differentiation of pseudo-inverses'."""
    ph, gh = adjoint(xp, P), adjoint(xp, g)
    first = -(ph @ g) @ ph
    left = gh @ (P @ ph)
    right = (ph @ P) @ gh
    return first + (left - A @ (P @ left)) + (right - (right @ P) @ A)


@pinv_op.gradient("A")
def _(xp: Any, g: Array, A: Array, output: Array) -> Array:
    return _pinv_gradient(xp, g, A, output)


@function("linalg.pinv", out=True)
def pinv(
    input: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """The pseudoinverse (Moore and Penrose).

    Args:
        rcond: an older name of `rtol`.
        hermitian: `input` is symmetric or Hermitian; its lower triangle is looked at.
        atol, rtol: singular values up to these (absolute; relative to the largest) count as zero.
    """
    if input.ndim < 2 or not (input.is_complex() or input.dtype in (dtypes.float32, dtypes.float64)):
        raise RuntimeError(
            f"linalg.pinv({input.dtype.scalar_type}{{{list(input.shape)}}}): expected a tensor with 2 or more "
            "dimensions of float, "
            "double, cfloat or cdouble types"
        )
    if hermitian:
        check_square("linalg.eigh", input._meta)
    if rcond is not None:
        rtol = rcond
    if not input.numel():
        return input.new_zeros((*input.shape[:-2], input.shape[-1], input.shape[-2])) + 0 * input.mT  # type: ignore[attr-defined]
    atol, rtol = _tolerances(input, atol, rtol)
    detached = input.detach()
    values = eigvalsh(detached).abs() if hermitian else svdvals(detached)
    bound = _threshold(values.amax(-1, keepdim=True), atol, rtol)
    return apply(pinv_op, (input, bound, bool(hermitian)))


@function("pinverse", "Tensor.pinverse", checked=True)
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """`linalg.pinv` under its old name."""
    return pinv(input, rcond)


# -- least squares ---------------------------------------------------------------------------------


def _lstsq_shape(A: Meta, B: Meta, rcond: float) -> list[Meta]:
    lead = np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    k = min(A.shape[-2:])
    real = A.dtype.to_real() if A.dtype.is_complex else A.dtype
    return [
        B.with_shape((*lead, A.shape[-1], B.shape[-1])), meta_of(A.shape[:-2], dtypes.int64, A.device),
        meta_of((*A.shape[:-2], k), real, A.device),
    ]  # fmt: skip


def _pseudoinverse(xp: Any, A: Array, rcond: float) -> tuple[Array, Array, Array]:
    u, s, vh = xp.linalg.svd(A, full_matrices=False)
    kept = s > rcond * s[..., :1]
    inverse = xp.where(kept, 1 / xp.where(kept, s, 1), 0)
    return (adjoint(xp, vh) * inverse[..., None, :]) @ adjoint(xp, u), kept.sum(-1), s


@op(
    shape=_lstsq_shape,
    outputs=("solution", "rank", "values"),
    columns=(0,),
    cost=_cubed,
    node="LinalgLstsqBackward",
)
def lstsq_op(xp: Any, A: Array, B: Array, rcond: float) -> tuple[Array, Array, Array]:
    """Least-squares solutions of least norm, ranks, and singular values."""
    found, rank, values = _pseudoinverse(xp, A, rcond)
    return found @ B, rank, values


@lstsq_op.gradient("A", "B")
def _(xp: Any, g: Any, A: Array, B: Array, rcond: float) -> tuple[Array, Array]:
    P = _pseudoinverse(xp, A, rcond)[0]
    return _pinv_gradient(xp, g[0] @ adjoint(xp, B), A, P), adjoint(xp, P) @ g[0]


_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


@function("linalg.lstsq", out=True)
def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """The X that makes `A X - B` least, in the sum of squares.

    Args:
        rcond: singular values up to this share of the largest count as zero.
        driver: LAPACK's routine; it decides which of the results besides the solution are not empty.
    """
    name = "torch.linalg.lstsq"
    if A.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if B.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype "
            f"{A.dtype.scalar_type} and "
            f"other's dtype {B.dtype.scalar_type}"
        )
    if driver is not None and driver not in _DRIVERS:
        raise RuntimeError(f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)")
    driver = driver or "gelsy"
    vector = is_vector(A, B)
    column = B.unsqueeze(-1) if vector else B  # type: ignore[attr-defined]
    if A.shape[-2] != column.shape[-2]:
        size = "-1" if vector else "-2"
        raise RuntimeError(f"{name}: input.size(-2) should match other.size({size})")
    if rcond is None:
        real = A.dtype.to_real() if A.is_complex() else A.dtype
        rcond = dtypes.finfo(real).eps * max(A.shape[-2:])
    solution, rank, values = apply(lstsq_op, (A, column, float(rcond)))
    empty = A.new_zeros((0,), dtype=values.dtype)  # type: ignore[attr-defined]
    residuals = (solution.real if A.is_complex() else solution).reshape(-1)[:0]
    m, n = A.shape[-2:]
    if m > n and driver != "gelsy" and (driver == "gels" or bool((rank == n).all())):
        rest = A @ solution - column
        residuals = (rest * rest.conj()).real.sum(-2) if A.is_complex() else (rest * rest).sum(-2)
        residuals = residuals.squeeze(-1) if vector else residuals
    if driver == "gels":
        rank = A.new_zeros((0,), dtype=dtypes.int64)  # type: ignore[attr-defined]
    shown = values.detach() if driver in ("gelsd", "gelss") else empty
    return named_result(
        "linalg_lstsq", (solution.squeeze(-1) if vector else solution, residuals, rank, shown)
    )


# -- exponential, powers ---------------------------------------------------------------------------


def _exp_shape(A: Meta) -> tuple[int, ...]:
    check_square("linalg.matrix_exp", A)
    if not (A.dtype.is_floating_point or A.dtype.is_complex):
        check_floating("linalg.matrix_exp", A)
    return A.shape


def _exp(xp: Any, a: Array) -> Array:
    if 0 in a.shape:
        return a
    if xp is np:
        from scipy.linalg import expm
    else:
        from jax.scipy.linalg import expm
    return expm(a).astype(a.dtype)


@op("linalg.matrix_exp", "matrix_exp", "Tensor.matrix_exp", shape=_exp_shape, cost=_cubed,
    node="LinalgMatrixExpBackward")  # fmt: skip
def matrix_exp(xp: Any, A: Array) -> Array:
    """The exponential of a square matrix: `sum of A**k / k!`."""
    return _exp(xp, A)


@matrix_exp.gradient("A")
def _(xp: Any, g: Array, A: Array) -> Array:
    # Mathias 1996: the derivative stands in a corner of the exponential of a matrix of blocks.
    n = A.shape[-1]
    back = adjoint(xp, A)
    upper = xp.concatenate([back, g], -1)
    lower = xp.concatenate([xp.zeros_like(back), back], -1)
    return _exp(xp, xp.concatenate([upper, lower], -2))[..., :n, n:]


@function("linalg.matrix_power", "matrix_power", "Tensor.matrix_power", out=EXACT)
def matrix_power(input: Tensor, n: int) -> Tensor:
    """A square matrix multiplied by itself `n` times; its inverse for negative `n`."""
    if isinstance(n, float) or not hasattr(n, "__index__"):
        raise TypeError(
            f"linalg_matrix_power(): argument 'n' (position 2) must be int, not {type(n).__name__}"
        )
    check_square("linalg.matrix_power", input._meta)
    if n == 0:
        eye = input.new_zeros(input.shape[-2:]).fill_diagonal_(1)  # type: ignore[attr-defined]
        return input.clone().copy_(eye)  # type: ignore[attr-defined]
    if n < 0:
        input, n = inv(input), -n
    if n == 1:
        return input.clone()
    result = None
    square = input
    while n:
        if n & 1:
            result = square if result is None else result @ square
        n >>= 1
        if n:
            square = square @ square
    return result  # type: ignore[return-value]


# -- tensors as matrices ---------------------------------------------------------------------------


@function("linalg.tensorinv", out=True)
def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of A as a map from its last dimensions to its first `ind` ones."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    first, last = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    if math.prod(first) != math.prod(last):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but "
            "got "
            f"{math.prod(last)} != {math.prod(first)}"
        )
    inverse, info = registry["linalg.inv_ex"](A.reshape(math.prod(last), math.prod(first)))  # type: ignore[attr-defined]
    raise_where(info, "inv", SINGULAR)
    return inverse.reshape(*last, *first)


@function("linalg.tensorsolve", out=True)
def tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:
    """The X with `tensordot(A, X, X.ndim) == B`.

    Args:
        dims: dimensions of A that are moved to its end first.
    """
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))  # type: ignore[attr-defined]
    first, last = tuple(A.shape[: B.ndim]), tuple(A.shape[B.ndim :])
    if math.prod(last) != math.prod(B.shape):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            "prod(self.shape[:other.ndim]), but "
            f"got {math.prod(last)} != {math.prod(B.shape)}"
        )
    matrix = A.reshape(math.prod(first), math.prod(last))  # type: ignore[attr-defined]
    return solve(matrix, B.reshape(-1)).reshape(last)  # type: ignore[attr-defined]


# -- Vandermonde -----------------------------------------------------------------------------------


def _powers(x: Tensor, count: int, increasing: bool) -> Tensor:
    exponents = list(range(count)) if increasing else list(range(count))[::-1]
    columns = [x**e for e in exponents]
    return registry["stack"](columns, -1)


@function("linalg.vander", checked=True)
def vander(x: Tensor, N: int | None = None) -> Tensor:
    """Rows of powers: 1, x, x**2, ... up to `N` of them."""
    if x.dtype is dtypes.bool_:
        raise RuntimeError(
            "linalg.vander: Expected a floating point, complex or integral tensor as input. Got Bool"
        )
    if (N is not None and N <= 1) or (N is None and (x.shape[-1] if x.ndim else 1) <= 1):
        raise RuntimeError("N must be greater than 1.")
    x = x if x.is_floating_point() or x.is_complex() else x.to(dtypes.int64)
    return _powers(x if x.ndim else x.reshape(1), N or x.shape[-1], True)  # type: ignore[attr-defined]


@function("vander", checked=True)
def torch_vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Rows of powers of a vector's elements, falling unless `increasing`."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    count = x.shape[0] if N is None else N
    if count < 0:
        raise RuntimeError("N must be non-negative.")
    x = x if x.is_floating_point() or x.is_complex() else x.to(dtypes.int64)
    return _powers(x, count, increasing) if count else x.new_zeros((x.shape[0], 0))  # type: ignore[attr-defined]
