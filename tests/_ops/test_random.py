"""Random tensors beside PyTorch's from the same seed: values, order in memory, history, state, errors."""

from __future__ import annotations

import contextlib
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import flambeau
from flambeau._core.trace import engine

Program = Callable[[Any], Any]

FLOATS = ["float16", "bfloat16", "float32", "float64"]


def plain(value: Any) -> Any:
    """A result in a form that both libraries share."""
    if isinstance(value, torch.Tensor | flambeau.Tensor):
        array = value.detach().double() if str(value.dtype) == "torch.bfloat16" else value.detach()
        return str(value.dtype), tuple(value.shape), value.stride(), value.requires_grad, array.numpy().copy()
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def assert_alike(expected: Any, found: Any, exact: bool = True) -> None:
    if isinstance(expected, list):
        assert len(expected) == len(found)
        for one, other in zip(expected, found, strict=True):
            assert_alike(one, other, exact)
    elif isinstance(expected, tuple):
        assert found[:4] == expected[:4]
        if exact:
            np.testing.assert_array_equal(found[4], expected[4])
        else:
            np.testing.assert_allclose(found[4], expected[4], rtol=1e-6)
    else:
        assert found == expected


def check(program: Program, exact: bool = True, seed: int = 5) -> None:
    """The program's results are PyTorch's, and so is the state of the stream afterwards."""
    results = []
    for library in (torch, flambeau):
        library.manual_seed(seed)
        library.randn(3)  # leaves a second normal waiting
        results.append([plain(program(library)), library.get_rng_state().numpy().tobytes()])
    assert_alike(results[0][0], results[1][0], exact)
    assert results[1][1] == results[0][1]


def refusal(program: Program, library: Any) -> Exception:
    with pytest.raises(Exception) as found:  # noqa: PT011  (type and text are what is compared)
        program(library)
    return found.value


FACTORIES: list[Program] = [
    lambda t: t.rand(3),
    lambda t: t.rand((2, 3)),
    lambda t: t.rand(size=(2, 3)),
    lambda t: t.rand(()),
    lambda t: t.rand(0, 3),
    lambda t: t.rand(2, 3, requires_grad=True),
    lambda t: t.rand(3, dtype=t.complex64),
    lambda t: t.rand(t.tensor(3)),
    lambda t: t.randn(40),
    lambda t: t.randn([5, 7]),
    lambda t: t.randn(40, dtype=t.complex64),
    lambda t: t.randn(2, layout=t.strided, device="cpu", pin_memory=False),
    lambda t: t.randint(10, (3, 2)),
    lambda t: t.randint(-5, 10, (3, 2)),
    lambda t: t.randint(high=9, size=(4,)),
    lambda t: t.randint(3, high=9, size=(4,)),
    lambda t: t.randint(9, size=[4]),
    lambda t: t.randint(0, 2**40, (4,)),
    lambda t: t.randint(7, (4,), dtype=t.uint8),
    lambda t: t.randint(7, (4,), dtype=t.float16),
    lambda t: t.randint(2, (4,), dtype=t.bool),
    lambda t: t.randint(7, (0,)),
    lambda t: t.randperm(0),
    lambda t: t.randperm(20),
    lambda t: t.randperm(2000, dtype=t.int32),
    lambda t: t.randperm(6, dtype=t.float32, requires_grad=True),
    lambda t: t.rand_like(t.ones(2, 3)),
    lambda t: t.rand_like(t.ones(2, 3), dtype=t.float64, requires_grad=True),
    lambda t: t.randn_like(t.ones(2, 3, requires_grad=True)),
    lambda t: t.randint_like(t.ones(2, 3), 5),
    lambda t: t.randint_like(t.ones(2, 3), 5, 9, dtype=t.int64),
    lambda t: t.randint_like(t.ones(2, 3), low=5, high=9),
    lambda t: t.normal(1.0, 2.0, (3,)),
    lambda t: t.normal(0, 1, size=(20,), dtype=t.float64),
    lambda t: t.normal(mean=0.0, std=1.0, size=(2,), requires_grad=True),
]


@pytest.mark.parametrize("program", FACTORIES)
def test_new_tensors(program: Program) -> None:
    check(program)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["rand", "randn"])
def test_every_floating_dtype(name: str, dtype: str) -> None:
    for count in (5, 50):
        check(lambda t: getattr(t, name)(count, dtype=getattr(t, dtype)), exact=dtype != "float64")  # noqa: B023


FILLS: list[tuple[str, tuple[Any, ...]]] = [
    ("uniform_", ()),
    ("uniform_", (-2, 3.5)),
    ("normal_", ()),
    ("normal_", (3, 0.5)),
    ("random_", ()),
    ("random_", (7,)),
    ("random_", (-7, 7)),
    ("random_", (5, None)),
    ("bernoulli_", ()),
    ("bernoulli_", (0.3,)),
    ("exponential_", ()),
    ("exponential_", (2.5,)),
    ("geometric_", (0.3,)),
    ("log_normal_", ()),
    ("log_normal_", (0.5, 0.25)),
    ("cauchy_", ()),
    ("cauchy_", (1, 0.5)),
]

# Views and layouts whose memory is not in the order of their indices.
TARGETS: dict[str, Program] = {
    "contiguous": lambda t: t.zeros(4, 6),
    "0-d": lambda t: t.zeros(()),
    "empty": lambda t: t.zeros(0, 3),
    "transposed": lambda t: t.zeros(4, 6).t(),
    "permuted": lambda t: t.zeros(2, 3, 4).permute(2, 0, 1),
    "channels last": lambda t: t.zeros(2, 3, 2, 2).contiguous(memory_format=t.channels_last),
    "every second": lambda t: t.zeros(40)[::2],
    "columns": lambda t: t.zeros(5, 8)[:, 2:6],
    "row": lambda t: t.zeros(5, 18)[3],
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("name", "arguments"), FILLS, ids=lambda each: str(each))
def test_fills_go_through_memory_in_its_order(name: str, arguments: tuple[Any, ...], target: str) -> None:
    def program(t: Any) -> Any:
        tensor = TARGETS[target](t)
        result = getattr(tensor, name)(*arguments)
        assert result is tensor
        return tensor

    check(program, exact=name not in ("exponential_", "log_normal_", "cauchy_"))


@pytest.mark.parametrize("dtype", [*FLOATS, "int64", "uint8", "bool", "complex64"])
@pytest.mark.parametrize(("name", "arguments"), FILLS, ids=lambda each: str(each))
def test_fills_of_every_dtype(name: str, arguments: tuple[Any, ...], dtype: str) -> None:
    def program(t: Any) -> Any:
        return getattr(t.zeros(20, dtype=getattr(t, dtype)), name)(*arguments)

    with contextlib.suppress(NotImplementedError, RuntimeError):
        program(torch)
        check(program, exact=name not in ("exponential_", "log_normal_", "cauchy_") and dtype != "float64")
        return
    error, found = refusal(program, torch), refusal(program, flambeau)
    assert isinstance(found, type(error))
    assert str(found).startswith(str(error))


def test_keyword_arguments_of_fills() -> None:
    check(lambda t: t.zeros(3).uniform_(**{"from": -1, "to": 4}))
    check(lambda t: t.zeros(3).uniform_(to=4))
    check(lambda t: t.zeros(3).random_(to=4))
    check(lambda t: t.zeros(3).random_(**{"from": 2, "to": 4}))
    check(lambda t: t.zeros(3).normal_(std=0.5, mean=2))
    check(lambda t: t.zeros(3).exponential_(lambd=0.5), exact=False)
    check(lambda t: t.zeros(3).uniform_(t.tensor(1.0), t.tensor(2.0)))


PROBABILITIES: list[Program] = [
    lambda t: t.bernoulli(t.linspace(0, 1, 20)),
    lambda t: t.bernoulli(t.linspace(0, 1, 20, dtype=t.float64)),
    lambda t: t.bernoulli(t.linspace(0, 1, 20).reshape(4, 5).t()),
    lambda t: t.linspace(0, 1, 20).bernoulli(),
    lambda t: t.bernoulli(t.ones(6), 0.5),
    lambda t: t.ones(3, 4, dtype=t.int64).t().bernoulli(p=0.5),
    lambda t: t.bernoulli(t.tensor(0.5)),
    lambda t: t.zeros(4, 5).bernoulli_(t.linspace(0, 1, 5)),
    lambda t: t.zeros(4, 5).t().bernoulli_(t.linspace(0, 1, 4)),
    lambda t: t.zeros(3, dtype=t.int64).bernoulli_(t.tensor([0.5], dtype=t.float64)),
    lambda t: t.poisson(t.linspace(0, 30, 30)),
    lambda t: t.poisson(t.linspace(0, 30, 30, dtype=t.float64).reshape(5, 6).t()),
    lambda t: t.poisson(t.ones(3, dtype=t.bfloat16)),
    lambda t: t.normal(t.arange(5.0), t.arange(1.0, 6.0)),
    lambda t: t.normal(t.arange(5.0), 2.0),
    lambda t: t.normal(2.0, t.arange(5.0)),
    lambda t: t.normal(std=t.arange(5.0), mean=1.0),
    lambda t: t.normal(t.arange(20.0)),
    lambda t: t.normal(t.arange(5.0), t.ones(4, 1)),
    lambda t: t.normal(t.arange(5.0), t.ones(5, dtype=t.float64)),
    lambda t: t.normal(t.arange(5.0, dtype=t.float64), t.ones(5)),
    lambda t: t.normal(t.ones(5, dtype=t.float16), t.ones(5)),
    lambda t: t.normal(t.ones(5, dtype=t.complex64), 1.0),
    lambda t: t.multinomial(t.tensor([1.0, 2.0, 3.0, 4.0]), 3),
    lambda t: t.multinomial(t.rand(5, 7), 1),
    lambda t: t.multinomial(t.rand(5, 7), 4),
    lambda t: t.multinomial(t.rand(7, 5).t(), 4),
    lambda t: t.multinomial(t.rand(7, 5).t(), 4, True),
    lambda t: t.rand(5).multinomial(9, replacement=True),
    lambda t: t.multinomial(t.ones(0, 3), 2, True),
]


@pytest.mark.parametrize("program", PROBABILITIES)
def test_draws_that_tensors_say_how_to_make(program: Program) -> None:
    check(program)


def slopes_and_gradient(dtype: str) -> Program:
    def program(t: Any) -> Any:
        values, weights = np.linspace(-3, 1, 50).tolist(), np.linspace(1, 2, 50).tolist()
        x = t.tensor(values, dtype=getattr(t, dtype), requires_grad=True)
        result = t.nn.functional.rrelu(x, 0.2, 0.9, True)
        result.backward(t.tensor(weights, dtype=getattr(t, dtype)))
        return result, x.grad

    return program


def test_slopes_of_rrelu() -> None:
    values = [-1.0, float("nan"), 0.0, 1.0, -0.0, -3.0, 2.0, -2.0]
    check(lambda t: t.nn.functional.rrelu(t.tensor(values), training=True))
    for dtype in ("bfloat16", "float32", "float64"):
        check(slopes_and_gradient(dtype), exact=dtype != "float64")
    check(lambda t: t.nn.functional.rrelu(t.tensor(values).reshape(2, 4).t(), training=True).contiguous())
    check(lambda t: t.rrelu(t.tensor(values), 0.1, 0.3, True, t.Generator().manual_seed(2)))


def test_a_generator_of_an_absent_device_says_so() -> None:
    if not flambeau.cuda.is_available():
        with pytest.raises(RuntimeError, match="Cannot get CUDA generator"):
            flambeau.Generator("cuda")


def test_like_another_tensor_in_the_order_of_memory() -> None:
    for make in list(TARGETS.values()):
        check(lambda t: t.rand_like(make(t)))  # noqa: B023
        check(lambda t: t.randn_like(make(t)))  # noqa: B023
        check(lambda t: t.randint_like(make(t), 9))  # noqa: B023
    check(lambda t: t.rand_like(t.ones(2, 3, 2, 2), memory_format=t.channels_last))


def test_many_draws_after_one_another() -> None:
    def program(t: Any) -> Any:
        weights = t.zeros(7, 5).normal_(0, 0.1)
        bias = t.empty(5).uniform_(-1, 1)
        order = t.randperm(7)
        more = t.nn.functional.dropout(weights[order] + bias, 0.25)
        return weights, bias, order, more, t.randn(3), t.randint(4, (3,)), t.bernoulli(t.rand(4))

    check(program)


def test_a_generator_of_ones_own_leaves_the_default_one_alone() -> None:
    def program(t: Any) -> Any:
        own = t.Generator().manual_seed(7)
        results = [t.rand(3, generator=own), t.randn(20, generator=own), t.randint(9, (3,), generator=own)]
        results += [t.randperm(5, generator=own), t.zeros(3).normal_(generator=own)]
        results += [t.rand_like(t.ones(3), generator=own), t.bernoulli(t.ones(3) / 2, generator=own)]
        results += [t.poisson(t.ones(3), own), t.multinomial(t.ones(3), 2, generator=own)]
        return [*results, t.normal(t.ones(3), 1.0, generator=own), t.rand(2)]

    check(program)


# -- out= ------------------------------------------------------------------------------------------

INTO: list[Program] = [
    lambda t: t.rand(2, out=t.empty(2, dtype=t.float64)),
    lambda t: t.randn(6, 4, out=t.empty(4, 6).t()),
    lambda t: t.randint(9, (3,), out=t.empty(3)),
    lambda t: t.randperm(4, out=t.empty(0, dtype=t.int16)),
    lambda t: t.normal(t.ones(3), t.ones(3), out=t.empty(3, dtype=t.float64)),
    lambda t: t.normal(0.0, 1.0, (3,), out=t.empty(3)),
    lambda t: t.bernoulli(t.ones(3) / 2, out=t.empty(3, dtype=t.int64)),
    lambda t: t.multinomial(t.ones(5), 3, out=t.empty(0, dtype=t.int64)),
]


@pytest.mark.parametrize("program", INTO)
def test_out(program: Program) -> None:
    check(program)


# -- history ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize(("name", "arguments"), FILLS, ids=lambda each: str(each))
def test_fills_stop_gradients(name: str, arguments: tuple[Any, ...], eager: bool) -> None:
    def program(t: Any) -> Any:
        leaf = t.ones(3, requires_grad=True)
        computed = leaf * 2
        getattr(computed, name)(*arguments)
        node = computed.grad_fn.name()
        (computed * 3).sum().backward()
        return node, leaf.grad

    engine.eager = eager
    try:
        check(program)
    finally:
        engine.eager = False


def test_a_leaf_that_requires_grad_is_filled_under_no_grad_only() -> None:
    def program(t: Any) -> Any:
        leaf = t.ones(3, requires_grad=True)
        leaf.normal_()

    error, found = refusal(program, torch), refusal(program, flambeau)
    assert (type(found), str(found)) == (type(error), str(error))

    def allowed(t: Any) -> Any:
        leaf = t.ones(3, requires_grad=True)
        with t.no_grad():
            leaf.normal_()
        return leaf, leaf._version

    check(allowed)


def test_filling_a_view_keeps_the_gradient_of_the_rest() -> None:
    def program(t: Any) -> Any:
        leaf = t.ones(4, requires_grad=True)
        computed = leaf * 2
        computed[1:3].uniform_()
        computed.sum().backward()
        return computed, leaf.grad

    check(program)


@pytest.mark.parametrize("size", [5, 40])
def test_normal_of_a_tensor_that_is_still_to_be_computed(size: int) -> None:
    check(lambda t: t.normal(t.arange(float(size)) * 2, 0.7))
    check(lambda t: t.normal(t.arange(float(size)) * 2, t.arange(float(size)) + 1))


def test_normal_reads_no_mean() -> None:
    mean = flambeau.ones(3) + 1
    flambeau.normal(mean, 1.0)
    assert mean._read().trace is not None


def test_samples_give_their_parameters_no_gradient() -> None:
    def program(t: Any) -> Any:
        p = t.full((3,), 0.5, requires_grad=True)
        std = t.ones(2, 1, requires_grad=True)
        found = [t.bernoulli(p), t.poisson(p), t.normal(p, std), t.normal(p, 1.0), t.normal(1.0, p)]
        nodes = [each.grad_fn.name() for each in found]
        for each in found:
            each.sum().backward()
        return nodes, found, p.grad, std.grad

    check(program)


def test_writing_over_what_backward_needs_is_noticed() -> None:
    def program(t: Any) -> Any:
        leaf = t.ones(3, requires_grad=True)
        computed = leaf * 2
        squared = computed * computed
        computed.normal_()
        squared.sum().backward()

    assert "modified by an inplace operation" in str(refusal(program, torch))
    assert "modified by an inplace operation" in str(refusal(program, flambeau))


def test_views_and_numpy_see_a_fill() -> None:
    def program(t: Any) -> Any:
        base = t.zeros(4)
        array, view = base.numpy(), base[1:]
        base.uniform_()
        return array.tolist(), view

    check(program)


# -- seeds and states ------------------------------------------------------------------------------


def test_seeds() -> None:
    for seed in (0, -1, 2**64 - 1, -(2**63), 3.7, True, torch.tensor(4)):
        generator = torch.manual_seed(seed)
        assert flambeau.manual_seed(seed) is flambeau.default_generator
        assert flambeau.initial_seed() == generator.initial_seed()
        assert flambeau.rand(1).item() == torch.rand(1).item()
    assert flambeau.seed() == flambeau.initial_seed()


def test_states_travel_between_the_libraries() -> None:
    torch.manual_seed(3)
    torch.randn(5)
    state = torch.get_rng_state()
    flambeau.set_rng_state(flambeau.tensor(state.numpy()))
    assert flambeau.randn(3).tolist() == torch.randn(3).tolist()
    back = flambeau.get_rng_state()
    assert (back.dtype, back.shape) == (flambeau.uint8, state.shape)
    torch.set_rng_state(torch.tensor(back.numpy()))
    assert flambeau.randn(3).tolist() == torch.randn(3).tolist()


def test_states_of_a_generator() -> None:
    generator = flambeau.Generator(device="cpu").manual_seed(4)
    state = generator.get_state()
    first = flambeau.rand(3, generator=generator).tolist()
    copy = pickle.loads(pickle.dumps(generator))
    assert generator.set_state(state) is generator
    clone = generator.clone_state()
    assert flambeau.rand(3, generator=generator).tolist() == first
    assert flambeau.rand(3, generator=clone).tolist() == first
    assert flambeau.rand(1, generator=copy).item() == flambeau.rand(1, generator=generator).item()


def test_fork_rng_puts_the_stream_back() -> None:
    flambeau.manual_seed(1)
    with flambeau.random.fork_rng():
        inside = flambeau.rand(2).tolist()
    assert flambeau.rand(2).tolist() == inside
    flambeau.manual_seed(1)
    with flambeau.random.fork_rng(enabled=False):
        flambeau.rand(2)
    assert flambeau.rand(2).tolist() != inside
    with pytest.raises(KeyError), flambeau.random.fork_rng(devices=[]):
        raise KeyError


def test_names_of_torch_random() -> None:
    assert set(flambeau.random.__all__) == set(torch.random.__all__)
    assert flambeau.random.thread_safe_generator() is torch.random.thread_safe_generator() is None


# -- the meta device -------------------------------------------------------------------------------


def test_meta_draws_nothing() -> None:
    flambeau.manual_seed(0)
    before = flambeau.get_rng_state().tolist()
    like = flambeau.ones(2, 3, device="meta")
    made = [
        flambeau.rand(2, 3, device="meta"),
        flambeau.randn_like(like),
        like.normal_(),
        like.uniform_(5, 1),
    ]
    made += [
        flambeau.normal(like, 1.0),
        flambeau.bernoulli(like),
        flambeau.poisson(like),
        like.bernoulli_(9.0),
    ]
    made += [flambeau.randint(5, (2, 3), device="meta"), flambeau.nn.functional.dropout(like)]
    made += [flambeau.nn.functional.rrelu(like, training=True), flambeau.nn.functional.gumbel_softmax(like)]
    assert all(each.device.type == "meta" and each.shape == (2, 3) for each in made)
    assert flambeau.randperm(4, device="meta").shape == (4,)
    assert flambeau.multinomial(like, 2).shape == (2, 2)
    assert flambeau.get_rng_state().tolist() == before


# -- errors ----------------------------------------------------------------------------------------

REFUSED: list[Program] = [
    lambda t: t.multinomial(t.tensor([1.0, -1.0]), 1),
    lambda t: t.multinomial(t.tensor([1.0, -1.0]), 2, True),
    lambda t: t.multinomial(t.tensor([1.0, math.inf]), 2, True),
    lambda t: t.multinomial(t.tensor([1.0, math.nan]), 1, True),
    lambda t: t.multinomial(t.empty(2**24 + 1), 1),
    lambda t: t.rand(-1),
    lambda t: t.randn(-1, 2),
    lambda t: t.rand(2.5),
    lambda t: t.rand("a"),
    lambda t: t.rand(True),
    lambda t: t.rand(2, dtype=t.int64),
    lambda t: t.randn(2, dtype=t.int64),
    lambda t: t.rand(2, out=t.empty(2, dtype=t.float64), dtype=t.float32),
    lambda t: t.rand(2, out=t.empty(2, requires_grad=True)),
    lambda t: t.randint(5, 3, (2,)),
    lambda t: t.randint(0, (2,)),
    lambda t: t.randint(2.5, (2,)),
    lambda t: t.randint(4, 2),
    lambda t: t.randint(4, (-2,)),
    lambda t: t.randint(300, (2,), dtype=t.uint8),
    lambda t: t.randint(-1, 4, (2,), dtype=t.uint8),
    lambda t: t.randint(4, (2,), dtype=t.complex64),
    lambda t: t.randint(4, (2,), requires_grad=True),
    lambda t: t.randperm(-1),
    lambda t: t.randperm(2.5),
    lambda t: t.randperm(5, dtype=t.bool),
    lambda t: t.randperm(300, dtype=t.uint8),
    lambda t: t.rand_like(3),
    lambda t: t.rand_like(t.ones(2, dtype=t.int64)),
    lambda t: t.zeros(3).uniform_(1, 0),
    lambda t: t.zeros(3).uniform_("a"),
    lambda t: t.zeros(3).uniform_(0, 1, 2),
    lambda t: t.zeros(3).uniform_(from_=2),
    lambda t: t.zeros(3).uniform_(generator=3),
    lambda t: t.zeros(1).expand(3).uniform_(),
    lambda t: t.zeros(3).normal_(0, -1),
    lambda t: t.zeros(3).random_(5, 3),
    lambda t: t.zeros(3).random_(0),
    lambda t: t.zeros(3).random_(2.5),
    lambda t: t.zeros(3).random_(**{"from": 1}),
    lambda t: t.zeros(3).bernoulli_(-1),
    lambda t: t.zeros(3).bernoulli_("a"),
    lambda t: t.zeros(3).bernoulli_(t.ones(3, 3)),
    lambda t: t.zeros(3).bernoulli_(t.ones(2)),
    lambda t: t.zeros(3).bernoulli_(t.ones(3, dtype=t.int64)),
    lambda t: t.zeros(3, dtype=t.complex64).bernoulli_(0.5),
    lambda t: t.zeros(3).exponential_(0),
    lambda t: t.zeros(3).geometric_(0),
    lambda t: t.zeros(3).log_normal_(0, 0),
    lambda t: t.zeros(3).cauchy_(0, 0),
    lambda t: t.bernoulli(t.ones(3, dtype=t.int64)),
    lambda t: t.bernoulli(t.ones(3), 1.5),
    lambda t: t.normal(0.0, 1.0),
    lambda t: t.normal(t.ones(3), -1.0),
    lambda t: t.normal(t.ones(3), -t.ones(3)),
    lambda t: t.normal(t.ones(3), t.ones(2)),
    lambda t: t.normal(t.ones(3), t.ones(3, dtype=t.complex64)),
    lambda t: t.normal(t.ones(3, dtype=t.int64), 1.0),
    lambda t: t.poisson(-t.ones(3)),
    lambda t: t.poisson(t.ones(3, dtype=t.int64)),
    lambda t: t.multinomial(t.ones(3), 4),
    lambda t: t.multinomial(t.ones(3), 2.5),
    lambda t: t.multinomial(t.ones(2, 3, 4), 1),
    lambda t: t.multinomial(t.ones(3, dtype=t.int64), 1),
    lambda t: t.multinomial(t.ones(3), 2, out=t.empty(2)),
    lambda t: t.manual_seed("a"),
    lambda t: t.manual_seed(2**64),
    lambda t: t.set_rng_state(t.zeros(5)),
    lambda t: t.Generator().set_state(3),
    lambda t: t.Generator().set_state(t.zeros(5)),
    lambda t: t.Generator().set_state(t.zeros(5, dtype=t.uint8)),
    lambda t: t.Generator().set_state(t.zeros(5056, dtype=t.uint8)),
    lambda t: t.Generator().graphsafe_get_state(),
    lambda t: t.Generator().graphsafe_set_state(t.Generator()),
    lambda t: t.Generator().get_offset(),
    lambda t: t.Generator("meta"),
    lambda t: t.nn.functional.rrelu(t.ones(3), 0.5, 0.1, True),
]


@pytest.mark.parametrize("program", REFUSED)
def test_what_is_refused_is_refused_in_the_same_words(program: Program) -> None:
    error, found = refusal(program, torch), refusal(program, flambeau)
    assert isinstance(found, type(error))
    assert str(found).startswith(str(error)[:150])


def test_a_probability_beyond_one_says_which_words_pytorch_begins_with() -> None:
    error, found = (refusal(lambda t: t.bernoulli(t.tensor([1.5])), t) for t in (torch, flambeau))
    assert str(found).partition("  (")[0] == str(error).partition("  (")[0]
