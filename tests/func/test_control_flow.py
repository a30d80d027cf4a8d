"""`cond`, `while_loop`, `scan` and `associative_scan`: equal to PyTorch run as Python."""

import numpy as np
import pytest
import torch

import flambeau
from flambeau import associative_scan, cond, scan, while_loop

ROWS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def compare(function, *arrays):
    """The value and the gradients, of the arguments and of a tensor outside, are the same in both."""
    found = []
    for lib in (torch, flambeau):
        xs = [lib.tensor(array, requires_grad=True) for array in arrays]
        w = lib.full((3,), 0.7, requires_grad=True)
        y = function(lib, w, *xs)
        gradients = lib.autograd.grad(y.pow(2).sum(), [*xs, w], allow_unused=True, materialize_grads=True)
        found.append([y.detach().numpy(), *[g.numpy() for g in gradients]])
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sign", [1, -1])
def test_cond_is_the_branch_that_holds(sign):
    def first(x, w):
        return x.sin() * w

    def second(x, w):
        return x.relu() * x.detach()

    def function(lib, w, x):
        if lib is torch:
            return (first if sign > 0 else second)(x, w)
        return cond(x.abs().sum() * sign > 0, lambda x: first(x, w), lambda x: second(x, w), (x,))

    compare(function, ROWS)


def test_only_one_branch_makes_the_gradient():
    x = flambeau.zeros(2, requires_grad=True)
    cond(x.sum() > 0, lambda x: x.sqrt(), lambda x: x * 2, (x,)).sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_cond_of_containers():
    x = flambeau.ones(2)
    result = cond(
        x.sum() > 0,
        lambda d: {"y": d["x"] + 1, "z": (x,)},
        lambda d: {"y": d["x"], "z": (x * 2,)},
        ({"x": x},),
    )
    assert result["y"].tolist() == [2, 2]
    assert result["z"][0].tolist() == [1, 1]


def test_cond_with_a_bool_calls_the_branch():
    x = flambeau.ones(2)
    assert cond(True, lambda x: x, lambda x: None, (x,)) is x


def test_cond_under_vmap_chooses_for_each():
    x = flambeau.tensor([-2.0, 3.0])
    assert flambeau.vmap(lambda x: cond(x > 0, lambda x: x * 2, lambda x: -x, (x,)))(x).tolist() == [2, 6]


def test_calls_of_equal_structure_share_their_program():
    def call(number):
        x = flambeau.full((2,), number)
        return cond(x.sum() > 0, lambda x: x * number, lambda x: x, (x,))._read().trace.nodes[-1]

    assert call(2.0) is call(3.0)


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_is_the_python_loop(reverse):
    def function(lib, w, start, xs):
        def step(c, x):
            return (c * w + x).tanh(), (c * x).sin()

        if lib is flambeau:
            c, ys = scan(step, start, xs, reverse=reverse)
            return lib.cat([c[None], ys])
        c, ys = start, []
        for x in reversed(xs) if reverse else xs:
            c, y = step(c, x)
            ys.append(y)
        return lib.cat([c[None], lib.stack(ys[::-1] if reverse else ys)])

    compare(function, ROWS[0], ROWS)


def test_scan_of_containers_along_another_dim():
    xs = {"a": flambeau.tensor(ROWS), "b": flambeau.tensor(ROWS)}
    (total, count), ys = scan(
        lambda carry, x: ((carry[0] + x["a"], carry[1] + 1), {"y": x["b"].sum()}),
        (flambeau.zeros(5), flambeau.tensor(0)),
        xs,
        dim=1,
    )
    np.testing.assert_allclose(total.numpy(), ROWS.sum(1), rtol=1e-5)
    np.testing.assert_allclose(ys["y"].numpy(), ROWS.sum(0), rtol=1e-5)
    assert count.item() == 3


def test_while_loop_runs_until_its_condition_fails():
    limit = flambeau.tensor(100.0)
    i, x = while_loop(
        lambda i, x: x.sum() < limit, lambda i, x: (i + 1, x * 2), (flambeau.tensor(0), flambeau.ones(2))
    )
    assert (i.item(), x.tolist()) == (6, [64, 64])


def test_while_loop_says_that_it_has_no_gradient():
    x = flambeau.ones(2, requires_grad=True)
    _, y = while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (flambeau.tensor(0), x))
    with pytest.raises(RuntimeError, match="while_loop has no gradient here"):
        y.sum().backward()


@pytest.mark.parametrize("reverse", [False, True])
def test_associative_scan(reverse):
    def function(lib, w, x):
        if lib is flambeau:
            return associative_scan(lambda a, b: a * b, x, 1, reverse=reverse, combine_mode="generic")
        return x.flip(1).cumprod(1).flip(1) if reverse else x.cumprod(1)

    compare(function, ROWS)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: cond("a", lambda x: x, lambda x: x, (x,)), "Expected pred to be bool or tensor, but got a."),
        (lambda x: cond(x > 0, lambda x: x, lambda x: x, (x,)), "single-element tensor"),
        (lambda x: cond(x.sum() > 0, 1, lambda x: x, (x,)), "Expect both branches to be callable"),
        (lambda x: cond(x.sum() > 0, lambda x: x, lambda x: x, x), "Expect operands to be a tuple"),
        (lambda x: cond(x.sum() > 0, lambda x: x * 1, lambda x: x[:2], (x,)), "same structure, shapes and dtypes"),
        (lambda x: cond(x.sum() > 0, lambda y: x.add_(y), lambda y: y * 1, (x,)), "outside is written to inside a branch"),
        (lambda x: cond(x.sum() > 0, lambda y: y.add_(1), lambda y: y * 1, (x,)), "argument is written to in place"),
        (lambda x: cond(x.sum() > 0, lambda y: y * y.sum().item(), lambda y: y, (x,)), "needs a value that is not there yet"),
        (lambda x: cond(x.sum() > 0, lambda y: flambeau.rand(5, 3), lambda y: y, (x,)), "Random numbers inside a branch"),
        (lambda x: while_loop(3, lambda x: (x,), (x,)), "Expect cond_fn and body_fn to be callable"),
        (lambda x: while_loop(lambda x: x.sum() > 0, lambda x: (x[:2],), (x,)), "tensors like those carried"),
        (lambda x: while_loop(lambda x: x, lambda x: (x,), (x,)), "a tensor with one element"),
        (lambda x: scan(lambda c, x: c, x[0], x), "combine_fn must return a pair"),
        (lambda x: scan(lambda c, x: (c[:2], x), x[0], x), "a carry like the one it takes"),
        (lambda x: associative_scan(lambda a, b: a, x, 0), "For combine_mode='pointwise', all input tensors"),
    ],
)  # fmt: skip
def test_mistakes_are_told(call, words):
    with pytest.raises((RuntimeError, ValueError), match=words):
        call(flambeau.tensor(ROWS))
