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


def test_operands_must_not_be_written_to_before_the_gradient():
    x = flambeau.ones(2, requires_grad=True) * 1
    y = cond(flambeau.tensor(True), lambda x: x.sin(), lambda x: x * 2, (x,))
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


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


def looped(lib, w, x, steps):
    if lib is flambeau:
        return while_loop(
            lambda i, x: i < steps, lambda i, x: (i + 1, (x * w + 0.1).sin()), (flambeau.tensor(0), x)
        )[1]
    for _ in range(steps):
        x = (x * w + 0.1).sin()
    return x


@pytest.mark.parametrize(("steps", "kept"), [(0, 64), (1, 64), (5, 64), (11, 3)])
def test_the_gradient_of_while_loop(steps, kept, monkeypatch):
    monkeypatch.setattr("flambeau.func._control_flow.KEPT", kept)
    compare(lambda lib, w, x: looped(lib, w, x, steps), ROWS)


def test_while_loop_says_that_it_has_no_second_derivatives():
    x = flambeau.ones(2, requires_grad=True)
    _, y = while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * x), (flambeau.tensor(0), x))
    (g,) = flambeau.autograd.grad(y.sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="while_loop has first derivatives alone"):
        g.sum().backward()


def test_gradients_reach_tensors_outside_through_what_is_carried():
    def function(lib, w, x):
        start = lib.ones(3)
        if lib is flambeau:
            return scan(lambda c, row: (c * w + row, c.sin()), start, x.detach())[1]
        rows = []
        for row in x.detach():
            rows.append(start.sin())
            start = start * w + row
        return lib.stack(rows)

    compare(function, ROWS)


def chosen(lib, x, w, pred):
    """A `cond` whose branches see a tensor from outside, and a view of it."""
    yes, no = (lambda x: x.sin() * w.view(3, 1)[:, 0]), (lambda x: x * x.detach() + w)
    return cond(pred, yes, no, (x,)) if lib is flambeau else lib.where(pred, yes(x), no(x))


def scanned(lib, x, w):
    """A `scan` over rows, with a decision in it."""

    def step(c, row):
        decided = cond(c.sum() > 0, lambda c: c * w, lambda c: c - w, (c,)) if lib is flambeau else (
            lib.where(c.sum() > 0, c * w, c - w)
        )  # fmt: skip
        return (decided + row).tanh(), decided * 2

    if lib is flambeau:
        return scan(step, x[0], x)[1]
    c, ys = x[0], []
    for row in x:
        c, y = step(c, row)
        ys.append(y)
    return lib.stack(ys)


TRANSFORMED = {
    "vmap": lambda fn, f, x: fn.vmap(f)(x),
    "vmap of grad": lambda fn, f, x: fn.vmap(fn.grad(lambda x: f(x).sum()))(x),
    "grad of vmap": lambda fn, f, x: fn.grad(lambda x: fn.vmap(f)(x).pow(2).sum())(x),
    "jvp": lambda fn, f, x: fn.jvp(f, (x[0],), (x[1],)),
    "jacrev": lambda fn, f, x: fn.jacrev(f)(x[0]),
    "hessian": lambda fn, f, x: fn.hessian(lambda x: f(x).sum())(x[0]),
    "vmap of vmap": lambda fn, f, x: fn.vmap(fn.vmap(f))(x[None]),
}
CUBE = np.random.default_rng(1).normal(size=(4, 5, 3)).astype(np.float32)
CONTROL = {
    "cond": lambda lib, w, x: chosen(lib, x, w, x.sum() > 0),
    "cond on what is the same for all": lambda lib, w, x: chosen(lib, x, w, w.sum() > 0),
    "scan": lambda lib, w, x: scanned(lib, x, w),
}


@pytest.mark.parametrize("transform", TRANSFORMED)
@pytest.mark.parametrize("control", CONTROL)
def test_inside_transforms(control, transform):
    found = []
    for lib in (torch, flambeau):
        w = lib.full((3,), 0.7)

        def function(x, lib=lib, w=w):
            return CONTROL[control](lib, w, x)

        y = TRANSFORMED[transform](lib.func, function, lib.tensor(CUBE))
        found.append([y] if isinstance(y, lib.Tensor) else list(y))
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-5)


def test_gradients_leave_vmap_for_tensors_that_regions_see():
    found = []
    for lib in (torch, flambeau):
        w = lib.full((3,), 0.7, requires_grad=True)
        y = lib.vmap(lambda x, lib=lib, w=w: scanned(lib, x, w * 1))(lib.tensor(CUBE))
        y.pow(2).sum().backward()
        found.append(w.grad)
    np.testing.assert_allclose(found[1].numpy(), found[0].numpy(), rtol=1e-4)


def test_a_custom_function_inside():
    def function(lib, w, x):
        class Scaled(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x, w):
                ctx.save_for_backward(x, w)
                return x * w

            @staticmethod
            def backward(ctx, g):
                x, w = ctx.saved_tensors
                return g * w * 3, (g * x).sum(0)

        def branch(x):
            return Scaled.apply(x, w) + 1

        return cond(x.sum() > -100, branch, lambda x: x, (x,)) if lib is flambeau else branch(x)

    compare(function, ROWS)


def seeded(lib, function, *arrays):
    lib.manual_seed(3)
    result = function(*[lib.tensor(array) for array in arrays])
    return [*result, lib.rand(2)] if isinstance(result, (tuple, list)) else [result, lib.rand(2)]


def drawing(lib, x):
    """Python's own steps for PyTorch, whose operators trace them first."""
    dropped = lib.nn.functional.dropout
    if lib is flambeau:
        y = cond(x.sum() > 0, lambda x: x + 1, lambda x: x + flambeau.rand(3), (x[0],))
        y = cond(x.sum() < 1e9, lambda y: dropped(y, 0.5), lambda y: y * flambeau.rand(3), (y,))
        c, ys = scan(lambda c, row: (c + flambeau.rand(3), row * flambeau.randn(3)), y, x, reverse=True)
        _, z = while_loop(
            lambda i, z: i < 3, lambda i, z: (i + 1, z * flambeau.rand(3)), (flambeau.tensor(0), c)
        )
        return [y, c, ys, z]
    y = x[0] + 1 if x.sum() > 0 else x[0] + torch.rand(3)
    y = dropped(y, 0.5)
    c, ys = y, []
    for row in x.flip(0):
        c, out = c + torch.rand(3), row * torch.randn(3)
        ys.append(out)
    z = c
    for _ in range(3):
        z = z * torch.rand(3)
    return [y, c, torch.stack(ys[::-1]), z]


@pytest.mark.parametrize("sign", [1, -1])
def test_random_numbers_are_those_of_the_steps_that_run(sign):
    theirs, ours = (
        seeded(lib, lambda x, lib=lib: drawing(lib, x), np.abs(ROWS) * sign) for lib in (torch, flambeau)
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5)


def test_random_numbers_of_a_decision_inside_a_program_are_refused():
    def function(x):
        return cond(x.sum() > 0, lambda x: x * flambeau.rand(3), lambda x: x, (x,))

    with pytest.raises(RuntimeError, match="Random numbers inside a branch of cond"):
        flambeau.vmap(lambda y: function(y * 0 + 1) + function(flambeau.ones(3)), randomness="different")(
            flambeau.tensor(ROWS)
        )


TABLE = flambeau.arange(3.0)
# `far` is out of range.
LOOKUPS = {
    "cond": lambda far: cond(
        flambeau.tensor(True), lambda i: TABLE[i + 0], lambda i: TABLE[i * 0], (flambeau.tensor([far]),)),
    "other branch": lambda far: cond(
        flambeau.tensor(False), lambda i: TABLE[i * 0], lambda i: TABLE[i - 1], (flambeau.tensor([far + 1]),)),
    "scan": lambda far: scan(
        lambda c, i: (c, TABLE.take(i + c)), flambeau.tensor(0), flambeau.tensor([0, far, 1]))[1],
    "while_loop": lambda far: while_loop(
        lambda i, v: i < far + 1, lambda i, v: (i + 1, TABLE[i[None]]), (flambeau.tensor(0), flambeau.zeros(1)))[1],
    "vmap": lambda far: flambeau.vmap(lambda k: cond(
        flambeau.tensor(True), lambda i: TABLE[i + 0], lambda i: TABLE[i * 0], (k[None],)))(flambeau.tensor([0, far])),
}  # fmt: skip


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_indices_are_checked(lookup):
    LOOKUPS[lookup](2)
    with pytest.raises(IndexError, match="out of"):
        LOOKUPS[lookup](3).sum().item()


def test_indices_of_the_branch_not_taken_are_not_checked():
    x = flambeau.tensor([7])
    assert cond(x.sum() > 10, lambda i: TABLE[i + 0], lambda i: TABLE[i * 0], (x,)).item() == 0


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
