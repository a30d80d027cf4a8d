"""Every distribution beside PyTorch's: densities, moments, samples from the same seed, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from distribution_cases import CASES, Case
from oracle import check, check_error

import flambeau

each_case = pytest.mark.parametrize("case", CASES, ids=str)

PROPERTIES = ["mean", "mode", "variance", "stddev", "batch_shape", "event_shape"]
METHODS = ["entropy", "perplexity", "enumerate_support"]


def agree(scenario: Callable[..., Any], *arrays: np.ndarray[Any, Any], tolerance: float = 1e-6) -> None:
    """The same results and gradients in both libraries, or the same error."""
    try:
        scenario(torch, *map(torch.tensor, arrays))
    except (NotImplementedError, ValueError):
        check_error(scenario, *arrays)
    else:
        check(scenario, *arrays, tolerance=tolerance)


@each_case
def test_log_prob_agrees_with_gradients(case: Case) -> None:
    agree(lambda t, value, *params: case.build(t, list(params)).log_prob(value), case.values, *case.arrays)


@each_case
@pytest.mark.parametrize("name", ["cdf", "icdf"])
def test_cdf_agrees_with_its_slope(case: Case, name: str) -> None:
    # Not with gradients to the parameters: PyTorch lacks some.
    values = case.values if name == "cdf" else np.full(case.values.shape, 0.3)

    def scenario(t: Any, value: Any) -> Any:
        return getattr(case.build(t, [t.tensor(array) for array in case.arrays]), name)(value)

    agree(scenario, values)


@each_case
@pytest.mark.parametrize("name", PROPERTIES)
def test_property_agrees(case: Case, name: str) -> None:
    agree(lambda t, *params: getattr(case.build(t, list(params)), name), *case.arrays)


@each_case
@pytest.mark.parametrize("name", METHODS)
def test_method_agrees(case: Case, name: str) -> None:
    agree(lambda t, *params: getattr(case.build(t, list(params)), name)(), *case.arrays)


def drawn(library: Any, case: Case, method: str, dtype: str) -> Any:
    tensors = [library.tensor(array).to(getattr(library, dtype)) for array in case.arrays]
    library.manual_seed(7)
    try:
        samples = getattr(case.build(library, tensors), method)((5, 4))
    except NotImplementedError as error:
        return str(error)
    return np.array(samples.detach().numpy()), library.get_rng_state().numpy()


@each_case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", ["sample", "rsample"])
def test_samples_of_the_same_seed_are_the_same(case: Case, method: str, dtype: str) -> None:
    ours, theirs = (drawn(library, case, method, dtype) for library in (flambeau, torch))
    if isinstance(theirs, str):
        assert ours == theirs
        return
    assert ours[0].dtype == theirs[0].dtype
    np.testing.assert_allclose(ours[0], theirs[0], rtol=3e-6, atol=3e-6)
    np.testing.assert_array_equal(ours[1], theirs[1])


def moved(library: Any, case: Case) -> list[np.ndarray[Any, Any]]:
    tensors = [library.tensor(array).requires_grad_() for array in case.arrays]
    library.manual_seed(7)
    samples = case.build(library, tensors).rsample((3,))
    weights = library.linspace(1, 2, samples.numel(), dtype=library.float64).reshape(samples.shape)
    (samples * weights).sum().backward()
    return [tensor.grad.numpy() for tensor in tensors if tensor.grad is not None]


@pytest.mark.parametrize("case", [case for case in CASES if case.build(torch).has_rsample], ids=str)
def test_samples_carry_the_same_gradients(case: Case) -> None:
    for ours, theirs in zip(moved(flambeau, case), moved(torch, case), strict=True):
        # PyTorch's gradients of gamma and Dirichlet samples are approximations, good to three digits.
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=1e-6)


@each_case
def test_expanded_distribution_agrees(case: Case) -> None:
    def scenario(t: Any, value: Any, *params: Any) -> Any:
        built = case.build(t, list(params))
        wide = built.expand((2, *([2] * (1 - len(built.batch_shape))), *built.batch_shape))
        assert type(wide) is type(built)
        return wide.log_prob(value), t.tensor(wide.batch_shape), t.tensor(wide.event_shape)

    agree(scenario, case.values, *case.arrays)


@each_case
def test_repr_agrees(case: Case) -> None:
    assert repr(case.build(flambeau)) == repr(case.build(torch))


@each_case
def test_class_attributes_agree(case: Case) -> None:
    ours, theirs = case.build(flambeau), case.build(torch)
    for name in ("arg_constraints", "support", "has_rsample", "has_enumerate_support"):
        assert repr(getattr(ours, name)) == repr(getattr(theirs, name)), name


@each_case
def test_values_outside_the_support_raise(case: Case) -> None:
    check_error(
        lambda t, value, *params: case.build(t, list(params)).log_prob(value * float("nan")),
        case.values,
        *case.arrays,
    )


@each_case
def test_values_of_a_wrong_shape_raise(case: Case) -> None:
    check_error(lambda t, *params: case.build(t, list(params)).log_prob(t.zeros(7, 5)), *case.arrays)
