"""Compares a function's results and gradients, or the error it raises, with PyTorch's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import flambeau

Scenario = Callable[..., Any]


def _tensors(found: Any) -> list[Any]:
    return [
        each for each in (found if isinstance(found, (tuple, list)) else [found]) if hasattr(each, "detach")
    ]


def outcome(
    library: Any, scenario: Scenario, arrays: list[np.ndarray[Any, Any]]
) -> list[np.ndarray[Any, Any]]:
    """What `scenario(library, *tensors)` returns, then the gradients of its inputs under fixed cotangents."""
    inputs = [library.tensor(array) for array in arrays]
    for each in inputs:
        if each.is_floating_point() or each.is_complex():
            each.requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = _tensors(scenario(library, *inputs))
    values = [np.array(each.detach().resolve_conj().numpy()) for each in results]
    tracked = [each for each in results if each.requires_grad]
    if tracked:
        weights = [np.linspace(1, 2, each.numel()).reshape(tuple(each.shape)) for each in tracked]
        total = sum(
            (
                (each * library.tensor(weight).to(each.dtype)).sum()
                for each, weight in zip(tracked, weights, strict=True)
            ),
            start=library.zeros(()),
        )
        (total.real if total.is_complex() else total).backward()
        values += [np.array(each.grad.resolve_conj().numpy()) for each in inputs if each.grad is not None]
    return values


def check(scenario: Scenario, *arrays: np.ndarray[Any, Any], tolerance: float = 1e-5) -> None:
    """Fails unless both libraries give the same values, dtypes and gradients."""
    expected = outcome(torch, scenario, list(arrays))
    found = outcome(flambeau, scenario, list(arrays))
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, tolerance, tolerance)


def check_error(scenario: Scenario, *arrays: np.ndarray[Any, Any]) -> None:
    """Fails unless both libraries raise the same error with the same words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as theirs:  # noqa: PT011
            scenario(torch, *map(torch.tensor, arrays))
        with pytest.raises(Exception) as ours:  # noqa: PT011
            scenario(flambeau, *map(flambeau.tensor, arrays))
    assert type(ours.value).__name__ == type(theirs.value).__name__
    assert str(ours.value).strip() == str(theirs.value).strip()
