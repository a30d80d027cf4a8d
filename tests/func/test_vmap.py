"""`vmap`: dimensions, containers, writes, random numbers, and PyTorch's words for mistakes."""

import numpy as np
import pytest
import torch
import torch.func

import flambeau
import flambeau.func

ROWS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def both(function, *arrays):
    theirs = function(torch, *map(torch.tensor, arrays))
    ours = function(flambeau, *map(flambeau.tensor, arrays))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert tuple(a.shape) == tuple(b.shape)
        assert a.stride() == b.stride()
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5)


USES = {
    "dims": lambda lib, x: [lib.vmap(lambda a, b: a * b, in_dims=(0, None), out_dims=1)(x, x[0])],
    "negative dims": lambda lib, x: [lib.vmap(lambda a: a.cumsum(0), in_dims=-1, out_dims=-1)(x)],
    "containers": lambda lib, x: list(lib.vmap(
        lambda d: {"p": d["a"] * 2, "q": d["b"].sum()}, in_dims=({"a": 0, "b": 1},), out_dims={"p": 1, "q": 0}
    )({"a": x, "b": x.t()}).values()),
    "named arguments": lambda lib, x: [lib.vmap(lambda a, *, b, c: a * b + c)(x, b=x, c=2)],
    "a result that is the same for all": lambda lib, x: list(lib.vmap(
        lambda a: (a, lib.ones(2)), out_dims=(0, None))(x)),
    "a result that is the same for all, expanded": lambda lib, x: [lib.vmap(lambda a: lib.ones(2))(x)],
    "the argument": lambda lib, x: [lib.vmap(lambda a: a)(x)],
    "transposed": lambda lib, x: [lib.vmap(lambda a: a.t())(x[None].expand(2, 4, 3).contiguous())],
    "chunks": lambda lib, x: [lib.vmap(lambda a: a * 2, chunk_size=3, out_dims=1)(x)],
    "nested": lambda lib, x: [lib.vmap(lambda a: lib.vmap(lambda b: a * b.sum())(x))(x)],
    "nested, other dims": lambda lib, x: [lib.vmap(lib.vmap(lambda a, b: a @ b, in_dims=(None, 1)), in_dims=(0, None))(x, x.t())],
    "prelu": lambda lib, x: [lib.vmap(lib.nn.functional.prelu)(x[:, :, None, None].expand(4, 3, 3, 2), x)],
    "prelu of what is shared": lambda lib, x: [lib.vmap(lambda a: lib.nn.functional.prelu(a, x[0]))(x.expand(2, 4, 3))],
    "a mask that is the same for all": lambda lib, x: [lib.vmap(lambda a: a[x[0] > 0] + a.masked_select(x[0] > 0))(x)],
    "an outer value read on the host": lambda lib, x: [lib.vmap(lambda a: a * lib.tensor(2.0).item())(x)],
    "a value that is the same for all, read on the host": lambda lib, x: [lib.vmap(
        lambda a: a if (x.sum() * 0 + 1).item() > 0 else -a)(x)],
}  # fmt: skip


@pytest.mark.parametrize("use", USES)
def test_uses(use):
    both(USES[use], ROWS)


# They look at values on the host, so they run once for each element, as in PyTorch.
BY_ELEMENTS = {
    "histc": lambda lib, x: [lib.vmap(lambda a: lib.histc(a * 2, bins=3, min=-2.0, max=2.0))(x)],
    "histc, nested": lambda lib, x: [lib.vmap(lib.vmap(lambda a: lib.histc(a, bins=2, min=-1.0, max=1.0)))(x[None])],
    "histogram": lambda lib, x: list(lib.vmap(lambda a: tuple(lib.histogram(a, 3)))(x)),
    "nonzero_static": lambda lib, x: [lib.vmap(lambda a: lib.nonzero_static(a > 0, size=2))(x)],
    "linspace": lambda lib, x: [lib.vmap(lambda a: lib.linspace(a[0], a[1], 3))(x)],
    "ldl_factor": lambda lib, x: list(lib.vmap(lambda a: tuple(lib.linalg.ldl_factor(lib.outer(a, a))))(x)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")
@pytest.mark.parametrize("use", BY_ELEMENTS)
def test_operations_that_look_at_values(use):
    theirs, ours = (BY_ELEMENTS[use](lib, lib.tensor(ROWS)) for lib in (torch, flambeau))
    for a, b in zip(ours, theirs, strict=True):
        assert (tuple(a.shape), str(a.dtype)) == (tuple(b.shape), str(b.dtype))
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5)


def test_empty_batch():
    assert flambeau.vmap(lambda x: x.sum())(flambeau.zeros(0, 3)).shape == (0,)


def test_the_function_is_called_once():
    calls = []
    flambeau.vmap(lambda x: (calls.append(1), x * 2)[1])(flambeau.tensor(ROWS))
    assert calls == [1]


def test_calls_of_equal_structure_share_their_program():
    function = flambeau.vmap(lambda x: x.sin().sum())
    first, second = (function(flambeau.tensor(ROWS) * i)._read() for i in (1, 2))
    trace = first.trace
    assert trace is second.trace
    assert trace.nodes[-1].name == "vmap"
    assert trace.nodes[-1] is trace.nodes[-3]


def test_a_write_to_the_element_reaches_the_tensor():
    def function(lib, x):
        result = lib.vmap(lambda a: a.add_(1))(x)
        lib.vmap(lambda a: a[0].mul_(5), in_dims=1)(x)
        return [x, result]

    both(function, ROWS)


def test_a_write_that_is_the_same_for_all_reaches_an_outer_tensor():
    def function(lib, x):
        count = lib.zeros(2)
        lib.vmap(lambda a: (count.add_(1), a)[1])(x)
        return [count]

    both(function, ROWS)


def test_a_write_inside_that_goes_with_gradients():
    def function(lib, x):
        leaf = x.clone().requires_grad_()
        y = leaf * 2
        lib.vmap(lambda a: a.mul_(3))(y)
        y.sum().backward()
        return [leaf.grad]

    both(function, ROWS)


def test_what_was_saved_is_guarded_outside():
    x = flambeau.tensor(ROWS, requires_grad=True)
    y = flambeau.vmap(lambda a: a.exp())(x)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


RANDOM = {
    "rand": lambda lib, a: lib.rand(2) + a[:2],
    "randn": lambda lib, a: lib.randn(3) * a,
    "dropout": lambda lib, a: lib.nn.functional.dropout(a, 0.5),
    "bernoulli": lambda lib, a: lib.bernoulli(lib.full((3,), 0.5)) + a,
    "randint": lambda lib, a: lib.randint(0, 100, (3,)) + a,
}
# Drawn in another way for each element: PyTorch has no "same" for them.
DRAWN_FROM = {
    "bernoulli": lambda lib, a: lib.bernoulli(a.sigmoid()),
    "multinomial": lambda lib, a: lib.multinomial(a.sigmoid(), 2),
    "poisson": lambda lib, a: lib.poisson(a.exp()),
}


@pytest.mark.parametrize("draw", DRAWN_FROM)
def test_random_numbers_that_depend_on_the_batch(draw):
    def function(lib, x):
        lib.manual_seed(0)
        return [lib.vmap(lambda a: DRAWN_FROM[draw](lib, a), randomness="different")(x), lib.rand(2)]

    both(function, ROWS)
    for randomness in ("error", "same"):
        messages = []
        for lib in (torch, flambeau):
            with pytest.raises(RuntimeError) as error:
                lib.vmap(lambda a, lib=lib: DRAWN_FROM[draw](lib, a), randomness=randomness)(lib.tensor(ROWS))
            messages.append(str(error.value))
        assert messages[0] == messages[1]


@pytest.mark.parametrize("randomness", ["same", "different"])
@pytest.mark.parametrize("draw", ["rand", "randn", "dropout", "bernoulli", "randint"])
def test_random_numbers_are_pytorchs(draw, randomness):
    def function(lib, x):
        lib.manual_seed(0)
        return [lib.vmap(lambda a: RANDOM[draw](lib, a), randomness=randomness)(x), lib.rand(2)]

    theirs, ours = (function(lib, lib.tensor(ROWS)) for lib in (torch, flambeau))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5)


@pytest.mark.parametrize("randomness", ["same", "different"])
def test_random_numbers_in_chunks(randomness):
    def function(lib, x):
        lib.manual_seed(0)
        draw = lib.vmap(lambda a: a + lib.rand(3), randomness=randomness, chunk_size=2)
        return [draw(x[:3]), lib.rand(2)]

    both(function, ROWS)


def test_what_the_binary_module_is_asked():
    def function(lib, x):
        seen = []

        def ask(a, b):
            inner = lib._C._functorch
            seen.append(
                (inner.is_batchedtensor(a), inner.is_batchedtensor(b), inner.is_legacy_batchedtensor(a))
            )
            seen.append(lib._C._are_functorch_transforms_active())
            return a * b

        lib.vmap(ask, in_dims=(0, None))(x, x[0])
        lib.func.grad(lambda a: ask(a, a).sum())(x[0])
        seen.append(lib._C._are_functorch_transforms_active())
        return seen

    theirs, ours = (function(lib, lib.tensor(ROWS)) for lib in (torch, flambeau))
    assert ours == theirs


def test_random_numbers_of_nested_batches():
    def function(lib, x):
        lib.manual_seed(0)
        inner = lib.vmap(lambda a: a + lib.rand(3), randomness="different")
        return lib.vmap(inner, randomness="different")(lib.stack([x, x]))

    theirs, ours = (function(lib, lib.tensor(ROWS)) for lib in (torch, flambeau))
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)


def test_a_bad_index_is_found_when_the_result_is_read():
    table = flambeau.zeros(3, 2)
    with pytest.raises(IndexError):
        flambeau.vmap(lambda i: flambeau.nn.functional.embedding(i + 1, table))(
            flambeau.tensor([0, 1, 2])
        ).tolist()


def write_to_all(lib, x):
    shared = lib.zeros(3)
    return lib.vmap(lambda x: shared.copy_(x))(x)


MISTAKES = {
    "no inputs": lambda lib, x: lib.vmap(lambda: 1)(),
    "in_dims of another type": lambda lib, x: lib.vmap(lib.sin, in_dims="a")(x),
    "in_dims of another structure": lambda lib, x: lib.vmap(lib.mul, in_dims=(0,))(x, x),
    "in_dims of another dict": lambda lib, x: lib.vmap(lambda d: d["a"], in_dims=({"b": 0},))({"a": x}),
    "in_dim of another type": lambda lib, x: lib.vmap(lib.sin, in_dims=("a",))(x),
    "a number": lambda lib, x: lib.vmap(lib.mul, in_dims=(0, 0))(x, 2.0),
    "in_dim out of range": lambda lib, x: lib.vmap(lib.sin, in_dims=(5,))(x),
    "a scalar": lambda lib, x: lib.vmap(lib.sin)(lib.tensor(1.0)),
    "sizes": lambda lib, x: lib.vmap(lib.mul)(x, x[:2]),
    "no in_dims": lambda lib, x: lib.vmap(lib.sin, in_dims=None)(x),
    "all None": lambda lib, x: lib.vmap(lib.mul, in_dims=(None, None))(x, x),
    "returns a number": lambda lib, x: lib.vmap(lambda x: 3)(x),
    "returns None": lambda lib, x: lib.vmap(lambda x: None)(x),
    "out_dims of another structure": lambda lib, x: lib.vmap(lib.sin, out_dims=(0, 0))(x),
    "out_dims of another type": lambda lib, x: lib.vmap(lib.sin, out_dims="a")(x),
    "out_dims of another dict": lambda lib, x: lib.vmap(lambda x: {"a": x, "b": x}, out_dims={"a": 1})(x),
    "out_dim out of range": lambda lib, x: lib.vmap(lib.sin, out_dims=7)(x),
    "out_dims None": lambda lib, x: lib.vmap(lib.sin, out_dims=None)(x),
    "item": lambda lib, x: lib.vmap(lambda x: x.sum().item())(x),
    "if": lambda lib, x: lib.vmap(lambda x: x if x.sum() > 0 else -x)(x),
    "float": lambda lib, x: lib.vmap(lambda x: float(x.sum()))(x),
    "random": lambda lib, x: lib.vmap(lambda x: lib.rand(2) + x[:2])(x),
    "randomness": lambda lib, x: lib.vmap(lib.sin, randomness="foo")(x),
    "chunk_size": lambda lib, x: lib.vmap(lib.sin, chunk_size=0)(x),
    "a write to what all share": lambda lib, x: write_to_all(lib, x),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_as_pytorch_tells_them(mistake):
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        MISTAKES[mistake](torch, torch.tensor(ROWS))
    with pytest.raises(theirs.type) as ours:
        MISTAKES[mistake](flambeau, flambeau.tensor(ROWS))
    assert str(ours.value) == str(theirs.value)
