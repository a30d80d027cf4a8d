"""Hashes beside PyTorch's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from oracle import check_error, outcome

import flambeau
from flambeau._core.trace import engine

VALUES = np.array([[1, -2, 3], [4, 5, -0.0]], np.float32)


@pytest.fixture(params=[0, 2], ids=["numpy", "xla"])
def tier(request: pytest.FixtureRequest) -> Iterator[int]:
    engine.tier = request.param
    yield request.param
    engine.tier = None


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "bfloat16", "float16", "int8", "uint8", "int64", "bool"]
)
@pytest.mark.parametrize("dim", [(), None, 0, (-1, 0)])
@pytest.mark.parametrize("keepdim", [False, True])
def test_hash(dtype: str, dim: object, keepdim: bool, tier: int) -> None:
    def hashed(t: Any, x: Any) -> Any:
        return t.hash_tensor(x.detach().to(getattr(t, dtype)), dim, keepdim=keepdim)

    (theirs,), (ours,) = (outcome(library, hashed, [VALUES]) for library in (torch, flambeau))
    assert ours.dtype == theirs.dtype == np.uint64
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "scenario",
    [
        lambda t, x: t.hash_tensor(x, mode=1),
        lambda t, x: t.hash_tensor(x[:0]),
        lambda t, x: t.hash_tensor(x[:0], 0),
        lambda t, x: t.hash_tensor(x, 2),
        lambda t, x: t.hash_tensor(x.to(t.complex64)),
        lambda t, x: t.hash_tensor(x.to(t.uint64)),
    ],
    ids=["mode", "nothing", "empty dimension", "dimension", "complex", "uint64"],
)
def test_what_is_refused(scenario: Any) -> None:
    check_error(scenario, VALUES)
