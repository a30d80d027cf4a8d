"""Transforms two deep, over functions of every family: equal to PyTorch's."""

import numpy as np
import pytest
import torch
import torch.func

import flambeau
import flambeau.func

RNG = np.random.default_rng(0)
VECTOR = RNG.normal(size=3).astype(np.float32)
ROWS = RNG.normal(size=(4, 3)).astype(np.float32)
IMAGES = RNG.normal(size=(3, 2, 6, 6)).astype(np.float32)
KERNEL = RNG.normal(size=(3, 2, 3, 3)).astype(np.float32)
TABLE = RNG.normal(size=(7, 3)).astype(np.float32)
PLACES = RNG.integers(0, 7, (4, 4))


def leaves(tree):
    if isinstance(tree, (tuple, list)):
        return [leaf for item in tree for leaf in leaves(item)]
    if isinstance(tree, dict):
        return [leaf for item in tree.values() for leaf in leaves(item)]
    return [tree]


def compare(function, *arrays, rtol=1e-4):
    """`function(library, its func, *tensors)` gives the same in both."""
    theirs = leaves(function(torch, torch.func, *map(torch.tensor, arrays)))
    ours = leaves(function(flambeau, flambeau.func, *map(flambeau.tensor, arrays)))
    assert [tuple(t.shape) for t in ours] == [tuple(t.shape) for t in theirs]
    assert [t.requires_grad for t in ours] == [t.requires_grad for t in theirs]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=rtol, atol=rtol / 10)


def in_place(lib, x):
    y = x.clone()
    y.mul_(x)
    y[1:] += x[:-1]
    return y.add_(1)


FUNCTIONS = {
    "elementwise": lambda lib, x: x.sin() * x.exp() + x**2,
    "matmul": lambda lib, x: (x @ lib.outer(x, x)).tanh(),
    "softmax": lambda lib, x: lib.softmax(x * 2, -1) * x,
    "edges": lambda lib, x: lib.relu(x) * x + lib.clamp(x, -0.5, 0.5),
    "where": lambda lib, x: lib.where(x > 0, x * x, x.cos()),
    "cumsum": lambda lib, x: x.cumsum(0) ** 2,
    "indexing": lambda lib, x: x[[0, 2, 0]] * x[1:2],
    "in place": in_place,
    "einsum": lambda lib, x: lib.einsum("i,j->ij", x, x).sum(0) * x,
    "reductions": lambda lib, x: x.logsumexp(0) * x + x.std() + x.prod(),
}

TRANSFORMS = {
    "grad": lambda fn, f, x, rows: fn.grad(lambda x: f(x).sum())(x),
    "vmap of grad": lambda fn, f, x, rows: fn.vmap(fn.grad(lambda x: f(x).sum()))(rows),
    "grad of vmap": lambda fn, f, x, rows: fn.grad(lambda x: fn.vmap(f)(x).pow(2).sum())(rows),
    "grad of grad": lambda fn, f, x, rows: fn.grad(lambda x: fn.grad(lambda x: f(x).sum())(x).pow(2).sum())(x),
    "jacrev": lambda fn, f, x, rows: fn.jacrev(f)(x),
    "jacfwd": lambda fn, f, x, rows: fn.jacfwd(f)(x),
    "hessian": lambda fn, f, x, rows: fn.hessian(lambda x: f(x).sum())(x),
    "jacrev of jacfwd": lambda fn, f, x, rows: fn.jacrev(fn.jacfwd(f))(x),
    "jvp of grad": lambda fn, f, x, rows: fn.jvp(fn.grad(lambda x: f(x).sum()), (x,), (x,)),
    "vjp of jvp": lambda fn, f, x, rows: fn.vjp(lambda x: fn.jvp(f, (x,), (x,))[1], x)[1](x),
    "vmap of vmap": lambda fn, f, x, rows: fn.vmap(fn.vmap(f))(rows[None].expand(2, 4, 3)),
    "vmap of jvp": lambda fn, f, x, rows: fn.vmap(lambda x: fn.jvp(f, (x,), (x,)))(rows),
    "vmap of hessian": lambda fn, f, x, rows: fn.vmap(fn.hessian(lambda x: f(x).sum()))(rows),
}  # fmt: skip


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_two_deep(function, transform):
    f, t = FUNCTIONS[function], TRANSFORMS[transform]
    compare(lambda lib, fn, x, rows: t(fn, lambda x: f(lib, x), x, rows), VECTOR, ROWS)


# -- every transform of every transform --------------------------------------------------------------


def applied(call):
    """A transform as what makes a function of `x` from one; `call(fn, f, x)` gives its value."""
    return lambda fn, f: lambda x: call(fn, f, x)


def pushed(fn, f, x):
    output, push = fn.linearize(f, x)
    return output + push(x * 2)


def pulled(fn, f, x):
    output, pull = fn.vjp(f, x)
    return pull(output * 2)[0]


def summed(f):
    return lambda x: f(x).sum()


EACH = {
    "vmap": applied(lambda fn, f, x: fn.vmap(f)(x * x.new_tensor([[1.0], [-0.5]]).reshape(2, *[1] * x.ndim))),
    "grad": applied(lambda fn, f, x: fn.grad(summed(f))(x)),
    "grad_and_value": applied(lambda fn, f, x: sum(fn.grad_and_value(summed(f))(x))),
    "vjp": applied(pulled),
    "jvp": applied(lambda fn, f, x: sum(fn.jvp(f, (x,), (x * 2,)))),
    "jacrev": applied(lambda fn, f, x: fn.jacrev(f)(x)),
    "jacfwd": applied(lambda fn, f, x: fn.jacfwd(f)(x)),
    "hessian": applied(lambda fn, f, x: fn.hessian(summed(f))(x)),
    "linearize": applied(pushed),
    "functionalize": applied(lambda fn, f, x: fn.functionalize(f)(x)),
}


# Within another transform PyTorch's own `linearize` takes what it computed for constant: `jvp` is what it should equal.
THEIRS = EACH | {"linearize": EACH["jvp"]}
# What PyTorch cannot nest: derivatives in forward mode are equal to those in reverse.
EQUAL = THEIRS | {
    "functionalize": lambda fn, f: f,
    "jvp": applied(lambda fn, f, x: f(x) + fn.jacrev(f)(x) @ (x * 2) if x.ndim == 1 else None),
    "jacfwd": EACH["jacrev"],
    "hessian": applied(lambda fn, f, x: fn.jacrev(fn.jacrev(summed(f)))(x)),
}


def expected(outer, inner, f):
    x = torch.tensor(VECTOR)
    for table in (THEIRS, EQUAL):
        try:
            return table[outer](torch.func, table[inner](torch.func, f))(x).detach().clone().numpy()
        except (RuntimeError, NotImplementedError) as error:
            refusal = error
    raise refusal


@pytest.mark.parametrize(
    "functions", [["elementwise"], pytest.param(list(FUNCTIONS), marks=pytest.mark.slow)], ids=len
)
@pytest.mark.parametrize("inner", EACH)
@pytest.mark.parametrize("outer", EACH)
def test_every_two(outer, inner, functions):
    for name in functions:
        f = FUNCTIONS[name]
        found = EACH[outer](flambeau.func, EACH[inner](flambeau.func, lambda x: f(flambeau, x)))  # noqa: B023
        theirs = expected(outer, inner, lambda x: f(torch, x))  # noqa: B023
        ours = found(flambeau.tensor(VECTOR)).detach().numpy()
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(
            ours, theirs, rtol=1e-3, atol=1e-4 * max(1, abs(theirs).max()), err_msg=name
        )


def per_sample(loss):
    """The gradient for each row, of what `loss(library, row, index)` gives."""
    return lambda lib, fn, x, index: fn.vmap(fn.grad(lambda x, i: loss(lib, x, i)))(x, index)


CASES = {
    "conv2d per sample": (lambda lib, fn, x, w: fn.vmap(
        fn.grad(lambda w, x: lib.nn.functional.conv2d(x[None], w).relu().sum()), in_dims=(None, 0))(w, x), IMAGES, KERNEL),
    "conv2d of kernels": (lambda lib, fn, x, w: fn.vmap(
        lambda w: lib.nn.functional.conv2d(x, w))(lib.stack([w, w * 2])), IMAGES, KERNEL),
    "max_pool2d": (lambda lib, fn, x: fn.vmap(
        fn.grad(lambda x: lib.nn.functional.max_pool2d(x[None], 2).pow(2).sum()))(x), IMAGES),
    "batch_norm": (lambda lib, fn, x: fn.vmap(
        fn.grad(lambda x: lib.nn.functional.batch_norm(x[None], None, None, training=True).pow(3).sum()))(x), IMAGES),
    "group_norm": (lambda lib, fn, x: fn.vmap(
        fn.grad(lambda x: lib.nn.functional.group_norm(x[None], 2).pow(3).sum()))(x), IMAGES),
    "layer_norm": (lambda lib, fn, x: fn.vmap(
        fn.hessian(lambda x: lib.nn.functional.layer_norm(x, (3,)).pow(3).sum()))(x), ROWS),
    "embedding": (lambda lib, fn, t, i: fn.vmap(
        fn.grad(lambda t, i: lib.nn.functional.embedding(i, t).pow(2).sum()), in_dims=(None, 0))(t, i), TABLE, PLACES),
    "one_hot": (lambda lib, fn, i: fn.vmap(lambda i: lib.nn.functional.one_hot(i, 7))(i), PLACES),
    "cross_entropy": (per_sample(lambda lib, x, i: lib.nn.functional.cross_entropy(x[None], i[:1] % 3)), ROWS, PLACES),
    "gather": (per_sample(lambda lib, x, i: x.gather(0, i % 3).pow(2).sum()), ROWS, PLACES),
    "index_add": (per_sample(lambda lib, x, i: lib.zeros(3).index_add(0, i[:3] % 3, x).pow(2).sum()), ROWS, PLACES),
    "tensor index": (lambda lib, fn, t, i: fn.vmap(lambda i: t[i])(i), TABLE, PLACES),
    "attention": (lambda lib, fn, x: fn.vmap(fn.grad(lambda x: lib.nn.functional.scaled_dot_product_attention(
        x, x, x, is_causal=True).pow(2).sum()))(x), IMAGES),
    "inv": (lambda lib, fn, x: fn.vmap(fn.jacrev(lambda x: lib.linalg.inv(x @ x.T + lib.eye(6))))(x), IMAGES[:, 0]),
    "cholesky": (lambda lib, fn, x: fn.vmap(
        fn.grad(lambda x: lib.linalg.cholesky(x @ x.T + lib.eye(6)).sum()))(x), IMAGES[:, 0]),
    "sort": (per_sample(lambda lib, x, i: (x.sort(0)[0] * lib.arange(3.0)).sum()), ROWS, PLACES),
    "ties of max": (per_sample(lambda lib, x, i: x.max(0)[0] + x.amin()), np.round(ROWS), PLACES),
    "norm at zero": (per_sample(lambda lib, x, i: x.norm()), np.zeros((4, 3), np.float32), PLACES),
    "shapes": (lambda lib, fn, x: fn.vmap(lambda x: x.permute(2, 0, 1).flatten(1).unsqueeze(0).transpose(0, 1)
        .flip(0).roll(1, 0))(x), IMAGES),
    "interpolate": (lambda lib, fn, x: fn.vmap(lambda x: lib.nn.functional.interpolate(
        x[None], scale_factor=2, mode="bilinear"))(x), IMAGES),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_families(case):
    function, *arrays = CASES[case]
    compare(function, *arrays)


def test_gradients_reach_what_is_outside_of_both():
    def function(lib, fn, x):
        w = lib.ones(3, requires_grad=True)
        slopes = fn.vmap(fn.grad(lambda x: (x @ w).sin().sum()))(x)
        (slopes**2).sum().backward()
        return w.grad

    compare(function, ROWS)


def test_detach_inside_counts():
    compare(lambda lib, fn, x: fn.grad(lambda x: fn.vmap(lambda x: x.detach() * x)(x).sum())(x), ROWS)


def test_levels_do_not_mix():
    compare(lambda lib, fn, x: fn.grad(lambda a: a * fn.grad(lambda b: a * b)(a))(x[0]), VECTOR)


def test_no_grad_outside_does_not_stop_a_transform():
    def function(lib, fn, x):
        x = x.requires_grad_()
        with lib.no_grad():
            return fn.grad(lambda x: (x**3).sum())(x)

    compare(function, VECTOR)


def test_grad_and_value_with_aux():
    compare(
        lambda lib, fn, x: fn.grad_and_value(lambda x: (x.sin().sum(), {"a": x * 2}), has_aux=True)(x), VECTOR
    )


def test_jacobians_of_containers():
    def f(d, y):
        return {"p": d["a"] @ y, "q": (d["a"].sum(),)}

    for transform in ("jacrev", "jacfwd"):
        compare(
            lambda lib, fn, x: getattr(fn, transform)(f, argnums=(0, 1))({"a": x}, x[0]),  # noqa: B023
            ROWS,
        )


def test_jacrev_in_chunks():
    compare(lambda lib, fn, x: fn.jacrev(lambda x: x.sin() * x.sum(), chunk_size=5)(x), ROWS)


def test_hessian_of_two_arguments():
    compare(
        lambda lib, fn, x: fn.hessian(lambda a, b: (a * b).sum() * a.sum(), argnums=(0, 1))(x[0], x[1]), ROWS
    )


@pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr Node")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_linearize(function):
    compare(lambda lib, fn, x: pushed(fn, lambda x: FUNCTIONS[function](lib, x), x), VECTOR)


def test_linearize_is_jvp():
    x, v = flambeau.tensor(ROWS), flambeau.tensor(ROWS) * 2
    output, push = flambeau.func.linearize(lambda x: x.sin() * x.sum(), x)
    expected = flambeau.func.jvp(lambda x: x.sin() * x.sum(), (x,), (v,))
    np.testing.assert_array_equal(output.numpy(), expected[0].numpy())
    np.testing.assert_array_equal(push(v).numpy(), expected[1].numpy())


def test_batched_vectors_of_autograd():
    def function(lib, fn, x):
        x = x.requires_grad_()
        return lib.autograd.grad(x.sin().sum(0), x, lib.eye(3), is_grads_batched=True)

    compare(function, ROWS)


def test_jacobian_of_autograd_at_once():
    compare(
        lambda lib, fn, x: lib.autograd.functional.jacobian(lambda x: x.sin().sum(0), x, vectorize=True), ROWS
    )


MISTAKES = {
    "no scalar": lambda lib, fn, x: fn.grad(lib.sin)(x),
    "no tensor": lambda lib, fn, x: fn.grad(lambda x: 3.0)(x),
    "integers": lambda lib, fn, x: fn.grad(lambda x: x.sum())(lib.ones(2, dtype=lib.int64)),
    "argnum": lambda lib, fn, x: fn.grad(lambda x: x.sum(), argnums=1)(x),
    "argnums twice": lambda lib, fn, x: fn.grad(lambda x: x.sum(), argnums=(0, 0))(x),
    "argnums type": lambda lib, fn, x: fn.grad(lambda x: x.sum(), argnums="a")(x),
    "number": lambda lib, fn, x: fn.grad(lambda x: x)(2.0),
    "aux": lambda lib, fn, x: fn.grad(lambda x: x.sum(), has_aux=True)(x),
    "aux of another type": lambda lib, fn, x: fn.grad(lambda x: (x.sum(), "a"), has_aux=True)(x),
    "vjp of a number": lambda lib, fn, x: fn.vjp(lambda x: 1, x),
    "vjp of integers": lambda lib, fn, x: fn.vjp(lambda x: x.argmax(), x),
    "cotangents": lambda lib, fn, x: fn.vjp(lib.sin, x)[1]((x, x)),
    "cotangent shape": lambda lib, fn, x: fn.vjp(lib.sin, x)[1](x[0]),
    "primals": lambda lib, fn, x: fn.jvp(lib.sin, x, x),
    "tangents": lambda lib, fn, x: fn.jvp(lib.sin, (x,), (x, x)),
    "tangent shape": lambda lib, fn, x: fn.jvp(lib.sin, (x,), (x[0],)),
    "no primals": lambda lib, fn, x: fn.jvp(lib.sin, (), ()),
    "primal number": lambda lib, fn, x: fn.jvp(lib.sin, (2.0,), (2.0,)),
    "jacrev chunk": lambda lib, fn, x: fn.jacrev(lib.sin, chunk_size=0)(x),
    "jacrev of text": lambda lib, fn, x: fn.jacrev(lambda x: "a")(x),
    "jacfwd randomness": lambda lib, fn, x: fn.jacfwd(lib.sin, randomness="a")(x),
    "jacfwd of text": lambda lib, fn, x: fn.jacfwd(lambda x: "a")(x),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_as_pytorch_tells_them(mistake):
    function = MISTAKES[mistake]
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        function(torch, torch.func, torch.tensor(ROWS))
    with pytest.raises(theirs.type) as ours:
        function(flambeau, flambeau.func, flambeau.tensor(ROWS))
    assert str(ours.value) == str(theirs.value)
