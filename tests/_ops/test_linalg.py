"""Linear algebra beside PyTorch's: values, gradients, errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from oracle import check, check_error

import flambeau
from flambeau._core.trace import engine

RNG = np.random.default_rng(0)


@pytest.fixture(params=[0, 2], ids=["numpy", "xla"])
def tier(request: pytest.FixtureRequest) -> Iterator[int]:
    engine.tier = request.param
    yield request.param
    engine.tier = None


def normal(*shape: int, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape).astype(dtype)


def regular(*shape: int, dtype: Any = np.float64) -> np.ndarray[Any, Any]:
    return normal(*shape, dtype=dtype) + 3 * np.eye(shape[-2], shape[-1], dtype=dtype)


def hermitian(t: Any, x: Any) -> Any:
    return x @ x.mH + t.eye(x.shape[-1], dtype=x.dtype)


SQUARE = {
    "inv": lambda t, x: t.linalg.inv(x),
    "inv_ex": lambda t, x: t.linalg.inv_ex(x),
    "det": lambda t, x: t.linalg.det(x),
    "slogdet": lambda t, x: t.linalg.slogdet(x),
    "logdet": lambda t, x: t.logdet(hermitian(t, x)),
    "cholesky": lambda t, x: t.linalg.cholesky(hermitian(t, x)),
    "cholesky upper": lambda t, x: t.linalg.cholesky_ex(hermitian(t, x), upper=True),
    "cholesky_inverse": lambda t, x: t.cholesky_inverse(t.tril(x)),
    "cholesky_solve": lambda t, x: t.cholesky_solve(x[..., :2], t.tril(x)),
    "eigvalsh": lambda t, x: t.linalg.eigvalsh(x, UPLO="U"),
    "eigh": lambda t, x: (lambda r: (r[0], r[1].abs()))(t.linalg.eigh(x)),
    "eigvals": lambda t, x: t.linalg.eigvals(x).abs().sum(),
    "eig": lambda t, x: (lambda r: (r[1].abs() * r[0].abs().unsqueeze(-2)).sum())(t.linalg.eig(x)),
    "svdvals": lambda t, x: t.linalg.svdvals(x),
    "qr": lambda t, x: t.linalg.qr(x),
    "lu": lambda t, x: t.linalg.lu(x),
    "lu_factor": lambda t, x: t.linalg.lu_factor(x),
    "lu_solve": lambda t, x: t.linalg.lu_solve(*t.linalg.lu_factor(x), x[..., :2]),
    "matrix_exp": lambda t, x: t.linalg.matrix_exp(x / 3),
    "matrix_power": lambda t, x: t.linalg.matrix_power(x, -2),
    "solve": lambda t, x: t.linalg.solve(x, x.mT[..., :2]),
    "solve right": lambda t, x: t.linalg.solve(x, x.mT[..., :2, :], left=False),
    "solve vector": lambda t, x: t.linalg.solve(x, x[..., 0]),
    "triangular": lambda t, x: t.linalg.solve_triangular(x, x.mT, upper=True),
    "triangular right": lambda t, x: t.linalg.solve_triangular(
        x, x.mT, upper=False, left=False, unitriangular=True
    ),
    "cond": lambda t, x: t.linalg.cond(x.detach(), 1),
    "pinv hermitian": lambda t, x: t.linalg.pinv(hermitian(t, x), hermitian=True),
}


@pytest.mark.parametrize("name", SQUARE)
def test_square(name: str) -> None:
    engine.tier = 0
    check(SQUARE[name], regular(4, 4), tolerance=1e-7)
    check(SQUARE[name], regular(2, 3, 3), tolerance=1e-7)
    engine.tier = None


COMPLEX = ["inv", "det", "slogdet", "cholesky", "svdvals", "eigvalsh", "solve", "triangular", "matrix_exp"]


@pytest.mark.parametrize("name", COMPLEX)
def test_complex(name: str) -> None:
    engine.tier = 0
    check(SQUARE[name], regular(3, 3) + 1j * normal(3, 3, dtype=np.float64), tolerance=1e-7)
    engine.tier = None


@pytest.mark.parametrize("name", ["inv", "cholesky", "eigh", "qr", "lu", "solve", "triangular", "matrix_exp"])
def test_on_xla(name: str) -> None:
    engine.tier = 2
    check(SQUARE[name], regular(3, 3), tolerance=1e-7)
    engine.tier = None


RECTANGULAR = {
    "svd": lambda t, x: (lambda r: (r[0].abs(), r[1], r[2].abs()))(t.linalg.svd(x, full_matrices=False)),
    "torch.svd": lambda t, x: t.svd(x)[1],
    "qr": lambda t, x: t.linalg.qr(x),
    "pinv": lambda t, x: t.linalg.pinv(x),
    "rank": lambda t, x: t.linalg.matrix_rank(x),
    "lstsq": lambda t, x: t.linalg.lstsq(x, x[..., :2], driver="gelsd"),
    "lu": lambda t, x: t.linalg.lu(x),
    "fro": lambda t, x: t.linalg.matrix_norm(x),
    "nuc": lambda t, x: t.linalg.norm(x, "nuc"),
    "two": lambda t, x: t.linalg.matrix_norm(x, 2, keepdim=True),
    "one": lambda t, x: t.linalg.norm(x, 1),
    "minus inf": lambda t, x: t.linalg.matrix_norm(x, -float("inf")),
    "cond": lambda t, x: t.linalg.cond(x),
    "vander": lambda t, x: t.linalg.vander(x, N=4),
    "geqrf": lambda t, x: t.geqrf(x.detach()),
}


@pytest.mark.parametrize("name", RECTANGULAR)
def test_rectangular(name: str) -> None:
    engine.tier = 0
    check(RECTANGULAR[name], normal(4, 3, dtype=np.float64), tolerance=1e-7)
    check(RECTANGULAR[name], normal(3, 5, dtype=np.float64), tolerance=1e-7)
    engine.tier = None


@pytest.mark.parametrize("which", [0, 1, 2])
def test_gradient_of_complex_singular_vectors(which: int) -> None:
    for shape in ((4, 4), (4, 3), (3, 5)):
        matrix = normal(*shape, dtype=np.float64) + 1j * normal(*shape, dtype=np.float64)
        check(lambda t, x: t.svd(x)[which].abs(), matrix, tolerance=1e-7)


@pytest.mark.parametrize("reflections", [0, 2])
def test_ormqr(reflections: int) -> None:
    arrays = normal(4, reflections), normal(reflections), normal(4, 3)
    check(lambda t, x, tau, y: t.ormqr(x, tau, y, transpose=True), *arrays)


def test_gradient_of_the_determinant_of_a_singular_matrix() -> None:
    check(lambda t, x: t.linalg.det(x), np.array([[1.0, 2.0], [2.0, 4.0]]))


@pytest.mark.parametrize("upper", [False, True])
def test_gradient_of_complex_cholesky_factors(upper: bool) -> None:
    matrix = normal(4, 4) + 1j * normal(4, 4)
    positive = (matrix @ matrix.conj().T + np.eye(4)).astype(np.complex128)
    weights = normal(4, 4) + 1j * normal(4, 4)
    check(lambda t, x: t.linalg.cholesky(x, upper=upper) * t.tensor(weights), positive)


def test_householder_product() -> None:
    def scenario(t: Any, x: Any) -> Any:
        return t.linalg.householder_product(*t.geqrf(x.detach()))

    check(scenario, normal(4, 3))
    check(lambda t, x, tau: t.linalg.householder_product(x, tau), normal(4, 3), normal(2))


def test_tensors_as_matrices() -> None:
    matrix = regular(6, 6).reshape(2, 3, 6)
    check(lambda t, x: t.linalg.tensorinv(x), matrix, tolerance=1e-7)
    check(lambda t, x, b: t.linalg.tensorsolve(x, b), matrix, normal(2, 3, dtype=np.float64), tolerance=1e-7)


SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])
ERRORS = {
    "inv": (lambda t, x: t.linalg.inv(x), SINGULAR),
    "inv in a batch": (lambda t, x: t.linalg.inv(x), np.stack([np.eye(2), SINGULAR])),
    "solve": (lambda t, x: t.linalg.solve(x, x), SINGULAR),
    "cholesky": (lambda t, x: t.linalg.cholesky(x), -SINGULAR),
    "cholesky in a batch": (
        lambda t, x: t.linalg.cholesky(x),
        np.stack([np.eye(2), [[1.0, 2.0], [2.0, 1.0]]]),
    ),
    "lu_factor": (lambda t, x: t.linalg.lu_factor(x), SINGULAR),
    "not square": (lambda t, x: t.linalg.inv(x), np.ones((2, 3))),
    "vector": (lambda t, x: t.linalg.det(x), np.ones(3)),
    "integers": (lambda t, x: t.linalg.inv(x), np.ones((2, 2), np.int64)),
    "eigh": (lambda t, x: t.linalg.eigh(x, "X"), np.eye(2)),
    "qr": (lambda t, x: t.linalg.qr(x, "foo"), np.eye(2)),
    "solve sizes": (lambda t, x: t.linalg.solve(x, x[:, :1].reshape(1, 2)), np.eye(2)),
    "triangular": (lambda t, x: t.linalg.solve_triangular(x, x[:1], upper=True), np.eye(2)),
    "norm": (lambda t, x: t.linalg.norm(x, 3), np.ones((2, 2, 2))),
    "matrix_norm": (lambda t, x: t.linalg.matrix_norm(x, 3), np.ones((2, 2))),
    "pinv": (lambda t, x: t.linalg.pinv(x), np.ones(3)),
    "lstsq": (lambda t, x: t.linalg.lstsq(x, x[:1]), np.ones((2, 2))),
    "householder": (lambda t, x: t.linalg.householder_product(x, x[0]), np.ones((2, 3))),
    "tensorinv": (lambda t, x: t.linalg.tensorinv(x, 1), np.ones((2, 3, 6))),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error(name: str) -> None:
    check_error(*ERRORS[name])


def test_info_instead_of_an_error() -> None:
    check(lambda t, x: t.linalg.cholesky_ex(x.detach())[1], -SINGULAR)
    check(lambda t, x: t.linalg.inv_ex(x.detach())[1], SINGULAR)
    check(lambda t, x: t.linalg.lu_factor_ex(x.detach())[2], SINGULAR)


def test_ldl() -> None:
    def scenario(t: Any, x: Any) -> Any:
        a = (x + x.mT).detach()
        LD, pivots = t.linalg.ldl_factor(a)
        return LD, pivots, t.linalg.ldl_solve(LD, pivots, a[..., :2])

    check(scenario, normal(2, 4, 4, dtype=np.float64), tolerance=1e-7)


def test_low_rank() -> None:
    def scenario(t: Any, x: Any) -> Any:
        return t.svd_lowrank(x, 4)[1], t.pca_lowrank(x.mT, 4)[1]

    check(lambda t, x: [each.detach() for each in scenario(t, x)], normal(6, 4, dtype=np.float64))


LAID_OUT = """
T.linalg.inv(b)
T.linalg.solve(s, s[:, :2])
T.linalg.solve(s, s, left=False)
T.linalg.solve(b, b[:, 0])
T.linalg.solve_triangular(s, s, upper=True)
T.linalg.cholesky(s)
T.linalg.cholesky(s, upper=True)
T.cholesky_solve(s, s)
T.cholesky_inverse(s)
T.linalg.qr(b)
T.linalg.qr(b[..., :0])
T.linalg.svd(b[:, :2])
T.svd(b[:, :2])
T.linalg.eigh(b)
T.linalg.eig(b)
T.linalg.lu_factor(s)
T.linalg.householder_product(s, s[0])
T.geqrf(s)
T.linalg.inv(s) * 2
"""


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("expression", LAID_OUT.strip().splitlines())
def test_matrices_lie_column_by_column(expression, requires_grad):
    found = []
    for library in (flambeau, torch):
        s = library.eye(3) * 4 + library.ones(3, 3)
        s.requires_grad_(requires_grad and "geqrf" not in expression)
        scope = {"T": library, "s": s, "b": library.stack([s, s * 2])}
        for _ in range(2):
            results = eval(expression, scope)
            results = results if isinstance(results, tuple) else (results,)
            found.append([(result.stride(), result.is_contiguous()) for result in results])
    assert all(each == found[0] for each in found)


def test_a_matrix_that_lies_by_columns_has_no_flat_view():
    found = flambeau.linalg.inv(flambeau.eye(3))
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        found.view(-1)
    assert found.mT.is_contiguous()
    assert found.reshape(-1).tolist() == flambeau.eye(3).reshape(-1).tolist()
