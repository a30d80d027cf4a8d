"""Large sums in XLA, which are products with ones there, beside NumPy's in float64."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import flambeau
from flambeau._core.trace import engine
from flambeau._ops.sums import SMALL, largest, total, weighted_total

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


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((30, 1024), 1), ((4, 30, 768), 2), ((9, 2, 32, 99), (2, 3)), ((30, 1001), 1), ((3000, 7), 0)],
)
def test_large_sums_of_what_is_computed(shape: tuple[int, ...], axes: Any) -> None:
    x = np.random.default_rng(0).normal(1, 1, shape).astype(np.float32)
    found = total(jnp, jnp.asarray(x) * 2, axes, computed=True)
    np.testing.assert_allclose(found, 2 * x.astype(np.float64).sum(axes), rtol=2e-6, atol=1e-4)


@pytest.mark.parametrize("weights", [np.ones(100), np.arange(100)], ids=["ones", "others"])
def test_weighted_sums(weights: Any) -> None:
    x = np.random.default_rng(0).normal(1, 1, (300, 100)).astype(np.float32)
    found = weighted_total(jnp, jnp.asarray(x), jnp.asarray(weights, jnp.float32))
    np.testing.assert_allclose(
        found, (x.astype(np.float64) * weights).sum(1, keepdims=True), rtol=2e-6, atol=1e-3
    )


@pytest.mark.parametrize(
    ("shape", "axis"), [((300, 128), 1), ((20, 30, 64), -1), ((300, 127), 1), ((300, 128), 0)]
)
def test_maxima(shape: tuple[int, ...], axis: int) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x[1, 3], x[2] = np.inf, -np.inf
    found = jax.jit(lambda x: largest(jnp, x, axis))(x)
    assert np.array_equal(found, x.max(axis, keepdims=True))


@pytest.mark.parametrize("odd", [float("inf"), float("nan")])
def test_infinities_and_nans_stay_in_their_row(odd: float) -> None:
    x = np.ones((300, 100), np.float32)
    x[2, 5] = odd
    assert np.array_equal(total(jnp, jnp.asarray(x), 1), x.sum(1), equal_nan=True)


def test_the_sum_of_many_equal_numbers_is_close() -> None:
    x = flambeau.full((1 << 22,), 0.1)
    assert x.sum().item() == pytest.approx(0.1 * (1 << 22), rel=1e-6)


@pytest.mark.parametrize("function", ["softmax", "log_softmax"])
@pytest.mark.parametrize("length", [127, 128])
def test_rows_of_a_large_softmax_that_hold_what_is_not_finite(
    function: str, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "tier", 2)
    values = np.random.default_rng(0).normal(size=(300, length)).astype(np.float32)
    values[1, 3], values[2, 4], values[3], values[4, 5] = np.nan, np.inf, -np.inf, -np.inf
    found = getattr(flambeau.tensor(values), function)(-1).numpy()
    expected = getattr(torch.tensor(values), function)(-1).numpy()
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-7)
