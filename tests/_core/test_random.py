"""The Generator gives PyTorch's numbers for the same seed."""

import numpy as np
import pytest
import torch

from flambeau._core.dtype import DTYPES
from flambeau._core.random import Generator

SIZES = [0, 1, 5, 15, 16, 17, 31, 100, 1000, 12345]
FLOATS = ["float32", "float64", "float16", "bfloat16"]
WHOLES = ["uint8", "int8", "int16", "int32", "int64", "bool", *FLOATS]


def both(seed=7):
    return Generator().manual_seed(seed), torch.Generator().manual_seed(seed)


def array(tensor):
    return tensor.double().numpy() if tensor.dtype is torch.bfloat16 else tensor.numpy()


def same(ours, theirs):
    assert ours.dtype == DTYPES[str(theirs.dtype).removeprefix("torch.")].np
    np.testing.assert_array_equal(ours.astype(array(theirs).dtype), array(theirs))


def near(ours, theirs):
    """Equal but for the last places of NumPy's logarithms and the C library's."""
    assert ours.dtype == DTYPES[str(theirs.dtype).removeprefix("torch.")].np
    tolerance = {torch.float64: 4e-15, torch.float32: 1e-6}.get(theirs.dtype, torch.finfo(theirs.dtype).eps)
    expected = theirs.double().numpy()
    np.testing.assert_allclose(ours.astype(np.float64), expected, rtol=tolerance, atol=tolerance)


def same_state(ours, theirs):
    np.testing.assert_array_equal(ours.state_bytes(), theirs.get_state().numpy())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.3, 0.77), (2.5, 1e4)])
def test_uniform(size, dtype, low, high):
    ours, theirs = both()
    found = ours.uniform(size, low, high, DTYPES[dtype].np)
    expected = torch.empty(size, dtype=getattr(torch, dtype)).uniform_(low, high, generator=theirs)
    same(found, expected)
    same_state(ours, theirs)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", WHOLES)
def test_random_over_the_whole_range(size, dtype):
    ours, theirs = both()
    same(
        ours.random(size, dtype=DTYPES[dtype].np),
        torch.empty(size, dtype=getattr(torch, dtype)).random_(generator=theirs),
    )
    same_state(ours, theirs)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 10), (-5, 7), (0, 2**28 - 1), (0, 2**28), (-7, 2**40), (-(2**63), 2**63 - 1)]
)
@pytest.mark.parametrize("size", SIZES)
def test_randint(low, high, size):
    ours, theirs = both()
    same(ours.randint(low, high, size), torch.randint(low, high, (size,), generator=theirs))
    same_state(ours, theirs)


@pytest.mark.parametrize("n", [*SIZES, 30001, 200_000])
def test_randperm(n):
    ours, theirs = both()
    same(ours.randperm(n), torch.randperm(n, generator=theirs))
    same_state(ours, theirs)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("p", [0, 0.1, 0.3, 1])
def test_bernoulli_of_a_number(size, p):
    ours, theirs = both()
    same(ours.bernoulli_scalar(p, size), torch.empty(size, dtype=torch.bool).bernoulli_(p, generator=theirs))
    same_state(ours, theirs)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_bernoulli_of_probabilities(size, dtype):
    ours, theirs = both()
    probs = ours.uniform(size, dtype=DTYPES[dtype].np)
    found = ours.bernoulli_probs(probs)
    expected = torch.bernoulli(
        torch.rand(size, dtype=getattr(torch, dtype), generator=theirs), generator=theirs
    )
    same(found.astype(probs.dtype), expected)
    same_state(ours, theirs)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_normal(size, dtype):
    ours, theirs = both()
    for mean, std in ((0, 1), (1.7, 0.3)):
        found = ours.normal(size, mean, std, DTYPES[dtype].np)
        expected = torch.empty(size, dtype=getattr(torch, dtype)).normal_(mean, std, generator=theirs)
        near(found, expected)
    same_state(ours, theirs)


def test_states_go_both_ways():
    ours, theirs = both()
    ours.normal(5)
    theirs.set_state(torch.from_numpy(ours.state_bytes()))
    same(ours.normal(3), torch.randn(3, generator=theirs))
    torch.randn(700, generator=theirs)
    torch.randn(1, generator=theirs)
    ours.set_state_bytes(theirs.get_state().numpy())
    same(ours.normal(4), torch.randn(4, generator=theirs))
    same_state(ours, theirs)


@pytest.mark.parametrize("seed", [0, -1, 2**32 + 5, 2**64 - 1, -(2**63)])
def test_seeds(seed):
    ours, theirs = both(seed)
    same_state(ours, theirs)
    assert ours.initial_seed() == theirs.initial_seed()


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1, 1.5, "a", None, True])
def test_seeds_that_are_refused(seed):
    with pytest.raises((RuntimeError, ValueError)) as expected:
        torch.Generator().manual_seed(seed)
    with pytest.raises(expected.type, match=f"^{expected.value}"):
        Generator().manual_seed(seed)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [("exponential", (1.7,)), ("geometric", (0.3,)), ("log_normal", (1.0, 0.5)), ("cauchy", (1.0, 2.0))],
)
def test_distribution(size, dtype, name, arguments):
    ours, theirs = both()
    found = getattr(ours, name)(size, *arguments, dtype=DTYPES[dtype].np)
    expected = getattr(torch.empty(size, dtype=getattr(torch, dtype)), f"{name}_")(
        *arguments, generator=theirs
    )
    near(found, expected)
    same_state(ours, theirs)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 1000)])
@pytest.mark.parametrize(("count", "replacement"), [(1, False), (3, False), (1, True), (9, True)])
def test_multinomial(dtype, shape, count, replacement):
    ours, theirs = both()
    weights = torch.rand(shape, generator=torch.Generator().manual_seed(1)).to(getattr(torch, dtype))
    expected = torch.multinomial(weights, count, replacement, generator=theirs)
    as_numpy = weights.double().numpy().astype(DTYPES[dtype].np)
    same(ours.multinomial(as_numpy, count, replacement), expected)
    same_state(ours, theirs)


@pytest.mark.parametrize("dtype", FLOATS)
def test_poisson(dtype):
    ours, theirs = both()
    rates = torch.tensor([0, 0.5, 3, 9.9, 10, 30, 100, 1000] * 20, dtype=getattr(torch, dtype))
    same(
        ours.poisson(rates.double().numpy().astype(DTYPES[dtype].np)), torch.poisson(rates, generator=theirs)
    )
    same_state(ours, theirs)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("function", [torch.dropout, lambda *a: torch.native_dropout(*a)[0]])
def test_dropout_mask(dtype, function):
    ours = Generator().manual_seed(7)
    torch.manual_seed(7)
    kept = function(torch.ones(1000, dtype=getattr(torch, dtype)), 0.3, True) != 0
    same(ours.dropout_mask(0.3, 1000), kept)
    same_state(ours, torch.default_generator)


@pytest.mark.parametrize(
    "function", [torch.nn.functional.dropout2d, torch.nn.functional.feature_alpha_dropout]
)
def test_feature_dropout_mask(function):
    ours = Generator().manual_seed(7)
    torch.manual_seed(7)
    values = function(torch.full((20, 30, 2, 2), 2.0), 0.3, True)
    mask = ours.dropout_mask(0.3, (20, 30, 1, 1))
    same(np.broadcast_to(mask, values.shape), values > 1)
    same_state(ours, torch.default_generator)


def test_base_seed_is_that_of_samplers_and_loaders():
    ours, theirs = both()
    assert ours.base_seed() == torch.empty((), dtype=torch.int64).random_(generator=theirs).item()
    same_state(ours, theirs)
