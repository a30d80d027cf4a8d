"""The Generator gives PyTorch's numbers for the same seed."""

import copy
import pickle
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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
    """Equal, but for the last places of NumPy's logarithms and the C library's in floating dtypes."""
    if not theirs.is_floating_point():
        return same(ours, theirs)
    assert ours.dtype == DTYPES[str(theirs.dtype).removeprefix("torch.")].np
    tolerance = {torch.float64: 4e-15, torch.float32: 1e-6}.get(theirs.dtype, torch.finfo(theirs.dtype).eps)
    expected = theirs.double().numpy()
    np.testing.assert_allclose(ours.astype(np.float64), expected, rtol=tolerance, atol=tolerance)


# Where the state keeps the spare of a pair of float64 normals: NumPy's logarithm may differ in its last place.
SPARE = slice(5016, 5040)


def same_state(ours, theirs):
    own, their = ours.state_bytes(), theirs.get_state().numpy()
    np.testing.assert_allclose(own[SPARE].view(np.float64), their[SPARE].view(np.float64), rtol=4e-15)
    np.testing.assert_array_equal(np.delete(own, SPARE), np.delete(their, SPARE))


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
        (near if dtype == "float64" else same)(found, expected)
    same_state(ours, theirs)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_in_memory_that_is_not_contiguous(size, dtype):
    ours, theirs = both()
    found = ours.normal(size, 1.7, 0.3, DTYPES[dtype].np, contiguous=size < 2)
    expected = torch.empty(size, 2, dtype=getattr(torch, dtype))[:, 0].normal_(1.7, 0.3, generator=theirs)
    near(found, expected)
    same_state(ours, theirs)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("size", [0, 1, 7, 8, 100])
def test_complex(dtype, size):
    ours, theirs = both()
    uniform, normal = (draw(size, dtype=DTYPES[dtype].np) for draw in (ours.uniform, ours.normal))
    same(uniform, torch.rand(size, dtype=getattr(torch, dtype), generator=theirs))
    expected = torch.randn(size, dtype=getattr(torch, dtype), generator=theirs).numpy()
    np.testing.assert_allclose(normal, expected, rtol=3e-7 if dtype == "complex64" else 1e-15)
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


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gamma(dtype):
    ours, theirs = both()
    shapes = torch.tensor([0, 1e-3, 0.3, 0.99, 1, 2.7, 40, 1e5] * 40, dtype=getattr(torch, dtype))
    expected = torch._standard_gamma(shapes, generator=theirs)
    found = ours.gamma(shapes.numpy()).astype(expected.numpy().dtype)
    near(np.maximum(found, torch.finfo(expected.dtype).tiny), expected)
    same_state(ours, theirs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binomial(dtype):
    ours, theirs = both()
    counts = torch.tensor([0, 1, 7, 40, 100, 1000], dtype=getattr(torch, dtype)).repeat_interleave(9)
    probs = torch.tensor([0, 0.01, 0.1, 0.3, 0.5, 0.6, 0.95, 0.999, 1], dtype=getattr(torch, dtype)).repeat(6)
    expected = torch.binomial(counts, probs, generator=theirs)
    kind = DTYPES[dtype].np
    same(ours.binomial(counts.double().numpy().astype(kind), probs.double().numpy().astype(kind)), expected)
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


def test_rrelu_draws_for_negative_inputs_only():
    ours = Generator().manual_seed(7)
    torch.manual_seed(7)
    inputs = torch.randn(100)
    assert (inputs.numpy() == ours.normal(100)).all()
    slopes = torch.nn.functional.rrelu(inputs, 0.1, 0.3, True) / inputs
    near(ours.rrelu_slopes(inputs.numpy(), 0.1, 0.3), slopes)
    same_state(ours, torch.default_generator)


def test_alpha_dropout_mask():
    ours = Generator().manual_seed(7)
    torch.manual_seed(7)
    values = torch.nn.functional.alpha_dropout(torch.full((1000,), 2.0), 0.3, True)
    same(ours.dropout_mask(0.3, 1000), values > 0)


def test_gumbel():
    ours = Generator().manual_seed(7)
    torch.manual_seed(7)
    values = torch.nn.functional.gumbel_softmax(torch.zeros(1000), dim=0)
    powers = np.exp(ours.gumbel(1000))
    np.testing.assert_allclose(values.numpy(), powers / powers.sum(), rtol=1e-5)


def test_random_split_takes_a_permutation():
    ours = Generator().manual_seed(7)
    torch.manual_seed(7)
    first, second = torch.utils.data.random_split(range(20), [12, 8])
    assert [*first.indices, *second.indices] == ours.randperm(20).tolist()


DRAWS = {
    "uniform": (lambda g, n: g.uniform(n, -1, 3), lambda g, n: torch.empty(n).uniform_(-1, 3, generator=g)),
    "half": (
        lambda g, n: g.normal(n, dtype=np.float16),
        lambda g, n: torch.randn(n, dtype=torch.half, generator=g),
    ),
    "normal": (lambda g, n: g.normal(n), lambda g, n: torch.randn(n, generator=g)),
    "strided": (
        lambda g, n: g.normal(n, contiguous=n < 2),
        lambda g, n: torch.empty(n, 2)[:, 0].normal_(generator=g),
    ),
    "double": (
        lambda g, n: g.normal(n, dtype=np.float64),
        lambda g, n: torch.randn(n, dtype=torch.double, generator=g),
    ),
    "randint": (lambda g, n: g.randint(-3, 9, n), lambda g, n: torch.randint(-3, 9, (n,), generator=g)),
    "random": (lambda g, n: g.random(n), lambda g, n: torch.empty(n, dtype=torch.long).random_(generator=g)),
    "randperm": (lambda g, n: g.randperm(n), lambda g, n: torch.randperm(n, generator=g)),
    "bernoulli": (
        lambda g, n: g.bernoulli_scalar(0.4, n),
        lambda g, n: torch.empty(n, dtype=torch.bool).bernoulli_(0.4, generator=g),
    ),
    "exponential": (lambda g, n: g.exponential(n), lambda g, n: torch.empty(n).exponential_(generator=g)),
    "log_normal": (lambda g, n: g.log_normal(n), lambda g, n: torch.empty(n).log_normal_(generator=g)),
    "poisson": (
        lambda g, n: g.poisson(np.full(n, 12, np.float32)),
        lambda g, n: torch.poisson(torch.full((n,), 12.0), generator=g),
    ),
}


@settings(max_examples=60, deadline=None)
@given(
    st.integers(-(2**63), 2**64 - 1),
    st.lists(
        st.tuples(st.sampled_from(sorted(DRAWS)), st.integers(0, 40) | st.integers(0, 2000)), max_size=12
    ),
)
def test_programs_of_draws(seed, program):
    ours, theirs = both(seed)
    for name, size in program:
        draw, expected = DRAWS[name]
        near(draw(ours, size), expected(theirs, size))
        same_state(ours, theirs)


def test_copies_go_on_by_themselves():
    ours, theirs = both()
    ours.normal(3), torch.randn(3, generator=theirs)
    copies = [ours.clone_state(), copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))]
    expected = torch.randn(5, generator=theirs)
    for each in copies:
        same(each.normal(5), expected)
    same(ours.normal(5), expected)


def test_threads_share_the_stream_without_losing_a_number():
    ours = Generator().manual_seed(7)
    found = []
    threads = [
        threading.Thread(target=lambda: found.extend(ours.uniform(3) for _ in range(200))) for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    expected = Generator().manual_seed(7).uniform((800, 3)).tolist()
    assert sorted(each.tolist() for each in found) == sorted(expected)


REFUSED = [
    ("uniform", (5, 2, 1), lambda t: t.uniform_(2, 1)),
    ("uniform", (5, -3e38, 3e38), lambda t: t.uniform_(-3e38, 3e38)),
    ("uniform", (5, -1e39, 0), lambda t: t.uniform_(-1e39, 0)),
    ("uniform", (5, 0, 1, np.int32), lambda t: t.int().uniform_()),
    ("normal", (5, 0, -1), lambda t: t.normal_(0, -1)),
    ("normal", (5, 0, 1, np.int32), lambda t: t.int().normal_()),
    ("bernoulli_scalar", (2, 5), lambda t: t.bernoulli_(2)),
    ("bernoulli_probs", (np.ones(3, np.int32),), lambda t: torch.bernoulli(torch.ones(3, dtype=torch.int))),
    ("randint", (5, 5, 3), lambda t: torch.randint(5, 5, (3,))),
    ("randint", (0, 1000, 3, np.uint8), lambda t: torch.randint(0, 1000, (3,), dtype=torch.uint8)),
    ("random", (3, 0, None, np.uint16), lambda t: torch.empty(3, dtype=torch.uint16).random_()),
    ("randperm", (-1,), lambda t: torch.randperm(-1)),
    ("randperm", (300, np.uint8), lambda t: torch.randperm(300, dtype=torch.uint8)),
    ("randperm", (3000, np.float16), lambda t: torch.randperm(3000, dtype=torch.half)),
    ("randperm", (3, np.bool_), lambda t: torch.randperm(3, dtype=torch.bool)),
    ("exponential", (5, 0), lambda t: t.exponential_(0)),
    ("exponential", (5, 1, np.int32), lambda t: t.int().exponential_()),
    ("geometric", (5, 1.5), lambda t: t.geometric_(1.5)),
    ("log_normal", (5, 0, 0), lambda t: t.log_normal_(0, 0)),
    ("log_normal", (5, 0, 1, np.int32), lambda t: t.int().log_normal_()),
    ("cauchy", (5, 0, 0), lambda t: t.cauchy_(0, 0)),
    ("cauchy", (5, 0, 1, np.int32), lambda t: t.int().cauchy_()),
    ("multinomial", (np.ones(3), 4), lambda t: torch.multinomial(torch.ones(3), 4)),
    ("multinomial", (np.ones(3), 0), lambda t: torch.multinomial(torch.ones(3), 0)),
    ("multinomial", (-np.ones(3), 1), lambda t: torch.multinomial(-torch.ones(3), 1)),
    ("multinomial", (np.zeros(3), 1), lambda t: torch.multinomial(torch.zeros(3), 1)),
    ("multinomial", (np.zeros(3), 1, True), lambda t: torch.multinomial(torch.zeros(3), 1, True)),
    ("multinomial", (np.zeros(3), 2, True), lambda t: torch.multinomial(torch.zeros(3), 2, True)),
    ("multinomial", (np.zeros(3), 2), lambda t: torch.multinomial(torch.zeros(3), 2)),
    ("multinomial", (np.ones((1, 1, 1)), 1), lambda t: torch.multinomial(torch.ones(1, 1, 1), 1)),
    ("multinomial", (np.ones(3, np.int32), 1), lambda t: torch.multinomial(torch.ones(3).int(), 1)),
    ("poisson", (-np.ones(3),), lambda t: torch.poisson(-torch.ones(3))),
    (
        "set_state_bytes",
        (np.zeros(5, np.uint8),),
        lambda t: torch.Generator().set_state(torch.zeros(5).byte()),
    ),
    (
        "set_state_bytes",
        (np.zeros(5056, np.uint8),),
        lambda t: torch.Generator().set_state(torch.zeros(5056).byte()),
    ),
]


@pytest.mark.parametrize(("name", "arguments", "expected"), REFUSED)
def test_what_is_refused_is_refused_in_the_same_words(name, arguments, expected):
    with pytest.raises((RuntimeError, NotImplementedError)) as refusal:
        expected(torch.empty(5))
    with pytest.raises(refusal.type) as found:
        getattr(Generator(), name)(*arguments)
    assert str(found.value).startswith(str(refusal.value))


def test_a_diverted_generator_goes_on_where_it_was():
    generator, twin = Generator().manual_seed(3), Generator().manual_seed(3)
    generator.normal(5), twin.normal(5)
    with generator.diverted(7):
        np.testing.assert_array_equal(generator.uniform(4), Generator().manual_seed(7).uniform(4))
    np.testing.assert_array_equal(generator.normal(5), twin.normal(5))
