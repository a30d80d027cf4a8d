"""Large sums in XLA, which are products with ones there, beside NumPy's in float64."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import flambeau
from flambeau._ops.sums import SMALL, total

CASES: list[tuple[tuple[int, ...], Any]] = [
    ((8, 4, 30, 31), None), ((40_009,), None), ((2 * 20_011,), 0), ((8, 4, 30, 31), (0, 2, 3)), ((8, 4, 30, 31), (2, 3)),
    ((300, 100), 0), ((300, 100), 1), ((300, 100), (0, 1)), ((20, 30, 40), (0, 1)), ((20, 30, 40), (0, 2)), ((20, 30, 40), 1),
    ((3000, 7), 1), ((7, 3000), 0), ((20, 30, 40), ()),
]  # fmt: skip


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(("shape", "axes"), CASES, ids=str)
def test_large_sums(shape: tuple[int, ...], axes: Any, keepdims: bool) -> None:
    x = np.random.default_rng(0).normal(1, 1, shape).astype(np.float32)
    assert x.size > SMALL
    found = total(jnp, jnp.asarray(x), axes, keepdims)
    expected = x.astype(np.float64).sum(axes, keepdims=keepdims)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-4)


@pytest.mark.parametrize("odd", [float("inf"), float("nan")])
def test_infinities_and_nans_stay_in_their_row(odd: float) -> None:
    x = np.ones((300, 100), np.float32)
    x[2, 5] = odd
    assert np.array_equal(total(jnp, jnp.asarray(x), 1), x.sum(1), equal_nan=True)


def test_the_sum_of_many_equal_numbers_is_close() -> None:
    x = flambeau.full((1 << 22,), 0.1)
    assert x.sum().item() == pytest.approx(0.1 * (1 << 22), rel=1e-6)
