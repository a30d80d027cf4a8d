"""einsum, tensordot and other products beside PyTorch's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from oracle import check, check_error

from flambeau._core.trace import engine

RNG = np.random.default_rng(0)


@pytest.fixture(params=[0, 2], ids=["numpy", "xla"])
def tier(request: pytest.FixtureRequest) -> Iterator[int]:
    engine.tier = request.param
    yield request.param
    engine.tier = None


def normal(*shape: int, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape).astype(dtype)


EQUATIONS = [
    ("ij,jk->ik", [(2, 3), (3, 4)]),
    ("bij,bjk", [(2, 3, 4), (2, 4, 5)]),
    ("...ij,jk->...ik", [(2, 2, 3), (3, 4)]),
    ("ij,kj,kl->il", [(2, 3), (4, 3), (4, 5)]),
    ("ii", [(3, 3)]),
    ("ii->i", [(3, 3)]),
    ("ijij->ji", [(2, 3, 2, 3)]),
    ("iij,jk->ik", [(3, 3, 4), (4, 2)]),
    ("ij,ij->j", [(2, 3), (2, 1)]),
    ("ij,jk->i", [(2, 3), (3, 4)]),
    ("i,j->ij", [(2,), (3,)]),
    ("B a,a->", [(2, 3), (3,)]),
    ("ab,bc", [(0, 3), (3, 2)]),
    ("...,...->...", [(2, 1, 3), (4, 1)]),
]


@pytest.mark.parametrize(("equation", "shapes"), EQUATIONS, ids=[each[0] for each in EQUATIONS])
def test_equation(equation: str, shapes: Any) -> None:
    engine.tier = 0
    check(lambda t, *x: t.einsum(equation, *x), *(normal(*shape) for shape in shapes))
    engine.tier = None


@pytest.mark.parametrize("dtype", [np.int32, np.uint8])
@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("...ik,...j->ij", [(1, 2, 3), (3,)]),  # k is summed alone
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("ij,k->k", [(1, 1), (3,)]),
        ("i,j->", [(2,), (3,)]),
    ],
)
def test_integers_become_int64_where_a_label_is_summed_alone(equation: str, shapes: Any, dtype: Any) -> None:
    arrays = [(37 * np.arange(np.prod(shape)).reshape(shape)).astype(dtype) for shape in shapes]
    check(lambda t, *x: t.einsum(equation, *x), *arrays)


@pytest.mark.parametrize(("equation", "shapes"), [("i,i->i", [(3,), (3,)]), ("ij,k->k", [(2, 3), (3,)])])
def test_bools_are_multiplied_and_counted(equation: str, shapes: Any) -> None:
    check(
        lambda t, *x: t.einsum(equation, *x),
        *(np.arange(np.prod(shape)).reshape(shape) > 0 for shape in shapes),
    )


def test_bools_do_not_meet_in_a_matrix_product() -> None:
    check_error(lambda t, x: t.einsum("ij,jk->ik", x, x), np.ones((2, 2), bool))


def test_einsum_on_xla(tier: int) -> None:
    check(
        lambda t, a, b, c: t.einsum("bij,bkj,kl->bil", a, b, c),
        normal(2, 3, 4),
        normal(2, 5, 4),
        normal(5, 2),
    )


def test_complex_einsum() -> None:
    check(lambda t, a, b: t.einsum("ij,jk->ik", a, b), *(normal(3, 3) + 1j * normal(3, 3) for _ in range(2)))


def test_lists_of_dimensions() -> None:
    check(lambda t, a, b: t.einsum(a, [0, 1], b, [1, 2], [2, 0]), normal(2, 3), normal(3, 4))
    check(lambda t, a: t.einsum(a, [..., 0], [0, ...]), normal(2, 3))


def test_one_operand_gives_a_view() -> None:
    def write(t: Any, a: Any) -> Any:
        b = a.detach().clone()
        t.einsum("ii->i", b)[:] = 7
        return b

    check(write, normal(3, 3))


@pytest.mark.parametrize(
    "equation",
    [
        "ij,jk->k->",
        "ij,jk,kl",
        "ij",
        "ijk,jk",
        "i1,jk",
        "ij,jk->im",
        "ij,jk->ii",
        "i.,jk",
        "ij,ik->jk",
        "i......,j...",
    ],
)
def test_error(equation: str) -> None:
    check_error(lambda t, a, b: t.einsum(equation, a, b), normal(2, 3), normal(3, 4))


OTHERS = {
    "tensordot": (lambda t, a, b: t.tensordot(a, b, dims=([1, 0], [0, 1])), [(2, 3, 4), (3, 2, 5)]),
    "outer": (lambda t, a, b: t.tensordot(a, b, dims=0), [(2,), (3, 1)]),
    "kron": (lambda t, a, b: t.kron(a, b), [(2, 3), (4,)]),
    "cross": (lambda t, a, b: t.cross(a, b), [(2, 3), (2, 3)]),
    "cross broadcast": (lambda t, a, b: t.linalg.cross(a, b, dim=0), [(3, 2), (3, 1)]),
    "vecdot": (lambda t, a, b: t.linalg.vecdot(a, b), [(2, 3), (3,)]),
    "trace": (lambda t, a: t.trace(a), [(2, 3)]),
    "multi_dot": (lambda t, *x: t.linalg.multi_dot(x), [(3,), (3, 5), (5, 2), (2, 4)]),
    "bilinear": (lambda t, *x: t.nn.functional.bilinear(*x), [(2, 3), (2, 4), (5, 3, 4), (5,)]),
    "matrix_power": (lambda t, a: t.linalg.matrix_power(a, 5), [(2, 3, 3)]),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_product(name: str) -> None:
    scenario, shapes = OTHERS[name]
    check(scenario, *(normal(*shape) for shape in shapes), tolerance=1e-4)


ERRORS = {
    "tensordot": lambda t, a: t.tensordot(a, a, dims=1),
    "negative": lambda t, a: t.tensordot(a, a, dims=-1),
    "cross": lambda t, a: t.linalg.cross(a, a, dim=0),
    "trace": lambda t, a: t.trace(a[0]),
    "multi_dot": lambda t, a: t.linalg.multi_dot([a, a]),
    "matrix_power": lambda t, a: t.linalg.matrix_power(a, 2),
    "bilinear": lambda t, a: t.nn.functional.bilinear(a, a, a.reshape(1, 2, 3)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_other_error(name: str) -> None:
    check_error(ERRORS[name], normal(2, 3))


@pytest.mark.parametrize("shape", [(), (1,), (5, 7)])
def test_addbmm_in_place_grows(shape: tuple[int, ...]) -> None:
    def grow(t: Any, x: Any, a: Any, b: Any) -> Any:
        start = x * 1
        result = start.addbmm_(a, b, beta=2, alpha=3)
        assert result is start
        return start

    check(grow, normal(*shape), normal(3, 5, 6), normal(3, 6, 7), tolerance=1e-4)


def test_addbmm_in_place_does_not_shrink() -> None:
    check_error(lambda t, x, a, b: x.addbmm_(a, b), normal(4, 7), normal(3, 5, 6), normal(3, 6, 7))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_tensordot_of_integers_keeps_their_dtype(dtype: Any) -> None:
    a, b = np.full((1, 3), 100, dtype), np.full((2, 3), 3, dtype)
    check(lambda t, x, y: t.tensordot(x, y, dims=([0], [0])), a, b)
    check(lambda t, x, y: t.tensordot(x, y, dims=([1], [1])), a, b)
