"""Attention beside PyTorch's: masks, grouped heads, dropout, gradients and errors."""

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


def attend(**options: Any) -> Any:
    def scenario(t: Any, q: Any, k: Any, v: Any, mask: Any = None) -> Any:
        t.manual_seed(3)
        return t.nn.functional.scaled_dot_product_attention(q, k, v, mask, **options)

    return scenario


FOUR = [(2, 2, 3, 4), (2, 2, 5, 4), (2, 2, 5, 4)]
CASES = {
    "plain": ([(2, 3, 4), (2, 5, 4), (2, 5, 6)], {}),
    "causal": (FOUR, {"is_causal": True}),
    "scale": (FOUR, {"scale": 0.3}),
    "dropout": (FOUR, {"dropout_p": 0.4}),
    "groups": ([(2, 4, 3, 4), (2, 2, 5, 4), (2, 2, 5, 6)], {"enable_gqa": True}),
    "broadcast": ([(2, 2, 3, 4), (1, 2, 5, 4), (1, 1, 5, 4)], {}),
    "causal, long": ([(1, 2, 150, 4)] * 3, {"is_causal": True}),
    "causal, more queries": ([(2, 150, 4), (2, 70, 4), (2, 70, 6)], {"is_causal": True}),
    "causal, more keys": ([(2, 70, 4), (2, 150, 4), (2, 150, 6)], {"is_causal": True}),
    "no keys": ([(2, 3, 4), (2, 0, 4), (2, 0, 6)], {}),
}


@pytest.mark.parametrize("name", CASES)
def test_attention(name: str, tier: int) -> None:
    shapes, options = CASES[name]
    check(attend(**options), *(normal(*shape) for shape in shapes))


def test_row_without_keys_is_zero(tier: int) -> None:
    mask = np.ones((3, 5), bool)
    mask[0] = False
    check(attend(), *(normal(*shape) for shape in FOUR), mask)


def test_float_mask_has_a_gradient(tier: int) -> None:
    check(attend(), *(normal(*shape) for shape in FOUR), normal(2, 1, 3, 5))


ERRORS = {
    "size": [(2, 3, 4), (2, 5, 3), (2, 5, 6)],
    "keys": [(2, 3, 4), (2, 5, 4), (2, 6, 6)],
    "batch": [(2, 3, 4), (3, 5, 4), (3, 5, 6)],
    "vectors": [(4,), (5, 4), (5, 6)],
    "mask": [(2, 3, 4), (2, 5, 4), (2, 5, 6), (3, 6)],
}


@pytest.mark.parametrize("name", ERRORS)
def test_error(name: str) -> None:
    check_error(attend(), *(normal(*shape) for shape in ERRORS[name]))


def test_mask_and_causal_exclude_each_other() -> None:
    shapes = [(2, 3, 4), (2, 5, 4), (2, 5, 6)]
    check_error(attend(is_causal=True), *(normal(*shape) for shape in shapes), np.ones((3, 5), bool))


def test_the_fused_kernel_takes_both() -> None:
    mask = RNG.random((3, 5)) > 0.3
    check(attend(is_causal=True), *(normal(*shape) for shape in FOUR), mask)


def test_dropout_probability_is_checked() -> None:
    check_error(attend(dropout_p=1.5), *(normal(*shape) for shape in FOUR))
