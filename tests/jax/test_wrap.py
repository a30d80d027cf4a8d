"""JAX functions as operations on tensors."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import types
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import check

import flambeau
from flambeau.jax import wrap

rng = np.random.default_rng(0)


def numbers(*shape):
    return rng.standard_normal(shape).astype(np.float32)


# Each is one function written twice: for a library like PyTorch, and in JAX.
TWINS = {
    "pointwise": (lambda torch, x: torch.tanh(x) * x, lambda x: jnp.tanh(x) * x, [numbers(3, 4)]),
    "matmul": (lambda torch, a, b: (a @ b).relu(), lambda a, b: jax.nn.relu(a @ b), [numbers(3, 4), numbers(4, 2)]),
    "jitted": (lambda torch, x: x.exp().sum(0), jax.jit(lambda x: jnp.exp(x).sum(0)), [numbers(3, 4)]),
    "broadcast": (lambda torch, a, b: a / (1 + b * b), lambda a, b: a / (1 + b * b), [numbers(3, 1), numbers(4)]),
    "softmax": (lambda torch, x: x.softmax(-1), lambda x: jax.nn.softmax(x, -1), [numbers(3, 4)]),
    "two results": (lambda torch, x: (x.sin(), x.cos()), lambda x: (jnp.sin(x), jnp.cos(x)), [numbers(3)]),
    "returned as it is": (lambda torch, a, b: (a * b, a * 1), lambda a, b: (a * b, a), [numbers(3), numbers(3)]),
    "complex": (
        lambda torch, x: (x * x.conj()).real + (x * 1j).imag, lambda x: (x * x.conj()).real + (x * 1j).imag,
        [numbers(3) + 1j * numbers(3)],
    ),
    "cumulative": (
        lambda torch, x: x.cumprod(0),
        lambda x: jax.lax.scan(lambda carry, row: (carry * row,) * 2, jnp.ones(x.shape[1:]), x)[1],
        [numbers(5, 2)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TWINS)
def test_values_and_gradients(name):
    theirs, ours, inputs = TWINS[name]
    wrapped = wrap(ours)
    check(lambda library, *x: wrapped(*x) if library is flambeau else theirs(library, *x), *inputs)


@pytest.mark.parametrize("name", TWINS)
def test_second_derivatives(name):
    theirs, ours, inputs = TWINS[name]
    wrapped = wrap(ours)

    def second(library, *x):
        found = wrapped(*x) if library is flambeau else theirs(library, *x)
        first = found[0] if isinstance(found, tuple) else found
        grads = library.autograd.grad(first.sum(), x, create_graph=True)
        return [
            (g * g.conj()).real.sum() if g.is_complex() else (g * g).sum() for g in grads if g.requires_grad
        ]

    check(second, *inputs, tolerance=1e-4)


def test_third_derivative():
    x = flambeau.tensor([0.3, -0.7], requires_grad=True)
    y = wrap(lambda x: jnp.sin(x) ** 2)(x).sum()
    for _ in range(3):
        (y,) = flambeau.autograd.grad(y.sum(), x, create_graph=True)
    np.testing.assert_allclose(y.detach().numpy(), -4 * np.sin(2 * np.array([0.3, -0.7])), rtol=1e-5)


def test_custom_gradients_are_kept():
    @jax.custom_vjp
    def clipped(x):
        return x * 2

    clipped.defvjp(lambda x: (clipped(x), None), lambda _, g: (jnp.clip(g, -1, 1),))
    x = flambeau.ones(3, requires_grad=True)
    (wrap(clipped)(x) * 100).sum().backward()
    assert x.grad.tolist() == [1, 1, 1]


def test_any_pytree_goes_in_and_comes_out():
    seen = []

    @wrap
    def function(tree, scale, *, names):
        seen.append((scale, names))
        return {
            "sum": tree["a"] + tree["b"][0],
            "names": names,
            "none": None,
            "more": [tree["b"][1] * scale, 1.5],
        }

    a, b = flambeau.ones(2, requires_grad=True), flambeau.full((2,), 3.0)
    found = function({"a": a, "b": (b, np.float32([5, 6]))}, 2, names=("x", "y"))
    assert found["sum"].tolist() == [4, 4]
    assert found["sum"].requires_grad
    assert found["more"][0].tolist() == [10, 12]
    assert (found["names"], found["none"], found["more"][1]) == (("x", "y"), None, 1.5)
    assert seen == [(2, ("x", "y"))]


def test_a_structure_is_traced_once():
    count = 0

    @wrap
    def function(x, power):
        nonlocal count
        count += 1
        return x**power

    for _ in range(3):
        function(flambeau.ones(2), 2)
        function(flambeau.ones(2, requires_grad=True), 2)
    assert count == 1
    function(flambeau.ones(3), 2)
    function(flambeau.ones(3), 2.0)
    function(flambeau.ones(3), 3)
    assert count == 4


@pytest.mark.parametrize("how", [{"static_argnums": 1}, {"static_argnums": -1}, {"static_argnames": "sizes"}])
def test_static_arguments(how):
    function = wrap(lambda x, sizes: x.reshape(tuple(sizes)), **how)

    class Sizes(tuple):
        pass

    jax.tree_util.register_pytree_node(
        Sizes, lambda s: (tuple(map(jnp.asarray, s)), None), lambda _, s: Sizes(s)
    )
    assert function(flambeau.ones(6), Sizes((2, 3))).shape == (2, 3)
    assert function(flambeau.ones(6), Sizes((3, 2))).shape == (3, 2)


def test_mistakes_are_told():
    with pytest.raises(TypeError, match=r"<lambda>\(\): args\[0\]\['s'\] is a set, which is neither data"):
        wrap(lambda tree: tree["x"])({"x": flambeau.ones(1), "s": {1}})
    with pytest.raises(TypeError, match="must be callable, not int"):
        wrap(3)
    with pytest.raises(ValueError, match="static_argnames has 'y'"):
        wrap(lambda x: x, static_argnames="y")
    with pytest.raises(TypeError, match=r"jax\.random\.key_data"):
        wrap(lambda: jax.random.key(0))()


def test_64_bit_types_never_change_in_silence():
    function = wrap(lambda tree: tree["x"] + 1)
    x = flambeau.ones(2, dtype=flambeau.float64)
    with pytest.raises(
        TypeError, match=r"args\[0\]\['x'\] is torch.float64, but JAX is without 64-bit types"
    ):
        function({"x": x})
    with jax.enable_x64(True):
        assert function({"x": x}).dtype is flambeau.float64
    assert wrap(lambda x: x + 1, x64=True)(flambeau.arange(2)).dtype is flambeau.int64
    assert wrap(lambda x: x + jnp.zeros(2))(flambeau.ones(2)).dtype is flambeau.float32
    assert wrap(lambda x: x + jnp.zeros(2), x64=True)(flambeau.ones(2)).dtype is flambeau.float64


def test_gradients_keep_the_types_of_the_function():
    @jax.custom_vjp
    def function(x):
        return x

    def backward(kept, g):
        assert jnp.zeros(1).dtype == np.float32  # whatever flambeau itself has switched on
        return (g + jnp.zeros(2),)

    function.defvjp(lambda x: (x, None), backward)
    x = flambeau.ones(2, requires_grad=True)
    (g,) = flambeau.autograd.grad(wrap(function)(x * 3).sum(), x, create_graph=True)
    assert g.tolist() == [3, 3]


def test_the_settings_of_the_caller_count():
    function = wrap(lambda a, b: a + b)
    a, b = flambeau.ones(1, dtype=flambeau.float16), flambeau.ones(1)
    assert function(a, b).dtype is flambeau.float32
    with jax.numpy_dtype_promotion("strict"), pytest.raises(Exception, match="implicit dtype promotion"):
        function(a, b)


def test_errors_name_the_users_lines():
    def wrong(x):
        return x @ x

    def second_derivative_fails(x):
        @jax.custom_vjp
        def once(x):
            return x

        once.defvjp(lambda x: (x, x), lambda kept, g: (jax.pure_callback(np.asarray, kept, kept) * g,))
        return once(x)

    with pytest.raises(TypeError) as caught:
        wrap(wrong)(flambeau.ones(2, 3))
    assert any(entry.name == "wrong" and entry.path == __file__ for entry in map(_place, caught.traceback))
    x = flambeau.ones(2, requires_grad=True)
    (g,) = flambeau.autograd.grad(wrap(second_derivative_fails)(x).sum(), x, create_graph=True)
    with pytest.raises(Exception) as caught:  # noqa: PT011
        flambeau.autograd.grad(g.sum(), x)[0].tolist()
    assert any(f"second_derivative_fails, called at {__file__}" in note for note in caught.value.__notes__)


class _place:
    def __init__(self, entry):
        self.name, self.path = entry.name, str(entry.path)


def test_in_a_module():
    @wrap
    def norm(x, weight):
        return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * weight

    class Net(flambeau.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = flambeau.nn.Linear(4, 4)
            self.weight = flambeau.nn.Parameter(flambeau.ones(4))

        def forward(self, x):
            return norm(self.layer(x), self.weight)

    flambeau.manual_seed(0)
    net = Net()
    optimizer = flambeau.optim.SGD(net.parameters(), lr=0.1)
    x, y = flambeau.randn(8, 4), flambeau.randn(8, 4)
    losses = []
    for _ in range(6):
        loss = ((net(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)

    flambeau.manual_seed(0)
    twin = Net()
    losses_of_twin = []
    optimizer = flambeau.optim.SGD(twin.parameters(), lr=0.1)
    flambeau.randn(8, 4), flambeau.randn(8, 4)
    for _ in range(6):
        h = twin.layer(x)
        loss = ((h * (h * h).mean(-1, keepdim=True).add(1e-6).rsqrt() * twin.weight - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses_of_twin.append(loss.item())
    np.testing.assert_allclose(losses, losses_of_twin, rtol=1e-4)


def test_is_recorded_as_one_call():
    function = wrap(lambda x: jnp.sin(jnp.cos(x)) + 1)
    x = flambeau.ones(3)
    _ = x.sum().item()
    y = function(x * 2) * 3
    assert y._read().trace is not None  # nothing has run
    np.testing.assert_allclose(y.numpy(), 3 * (np.sin(np.cos(2 * np.ones(3))) + 1), rtol=1e-6)


def test_arrays_from_outside_are_no_constants_of_the_program():
    table = jnp.arange(1000.0)
    function = wrap(lambda i: table[i], x64=True)
    found = function(flambeau.tensor([3, 5]))
    assert found.tolist() == [3, 5]
    (program,) = function._programs.values()
    assert [tensor.shape for tensor in program._outer] == [(1000,)]


def test_keys_of_random_numbers():
    function = wrap(lambda key, x: x + jax.random.normal(key, x.shape))
    x = flambeau.zeros(3)
    first, again, other = (function(jax.random.key(seed), x) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.numpy(), np.asarray(jax.random.normal(jax.random.key(0), (3,))))
    assert first.tolist() == again.tolist() != other.tolist()


def test_within_jax_it_is_the_function():
    function = wrap(lambda x: x * 2)
    assert jax.jit(function)(jnp.ones(2)).tolist() == [2, 2]
    assert jax.grad(lambda x: function(x).sum())(jnp.ones(2)).tolist() == [2, 2]


def test_without_tensors_among_the_results():
    assert wrap(lambda x: ("shape", x.shape))(flambeau.ones(2, 3)) == ("shape", (2, 3))


def test_on_meta():
    found = wrap(lambda x: jnp.outer(x, x))(flambeau.empty(3, device="meta"))
    assert (found.shape, found.device.type) == ((3, 3), "meta")


def test_no_grad_and_inference_mode():
    x = flambeau.ones(2, requires_grad=True)
    function = wrap(jnp.sin)
    with flambeau.no_grad():
        assert not function(x).requires_grad
    with flambeau.inference_mode():
        assert function(x).is_inference()
    assert type(function(x).grad_fn).__name__ == "SinBackward0"


def doubled(x):
    return x * 2


def test_can_be_copied_and_pickled(monkeypatch):
    function = wrap(doubled)
    monkeypatch.setitem(sys.modules, doubled.__module__, types.SimpleNamespace(doubled=doubled))
    for twin in (copy.deepcopy(function), pickle.loads(pickle.dumps(function))):
        assert twin(flambeau.zeros(1)).item() == 0


def test_what_was_wrapped_is_not_kept_alive():
    class Held:
        def __call__(self, x):
            return x + 1

        __name__ = "held"

    held = Held()
    gone = weakref.ref(held)
    wrap(held)(flambeau.ones(1, requires_grad=True)).sum().backward()
    del held
    gc.collect()
    assert gone() is None
