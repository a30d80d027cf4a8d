"""Modules and functions of tensors as pure JAX functions."""

from __future__ import annotations

import dataclasses
import warnings
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from oracle import outcome

import flambeau
from flambeau import nn
from flambeau.jax import function
from flambeau.nn import functional as F

rng = np.random.default_rng(0)


def numbers(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def mlp():
    flambeau.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))


def test_a_module_is_a_pure_function():
    net = mlp()
    pure = function(net)
    x = numbers(5, 4)
    expected = net(flambeau.tensor(x)).detach().numpy()
    for run in (pure, jax.jit(pure)):
        found, buffers = run(pure.params, pure.buffers, x)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        assert buffers == {}
    zeros = jax.tree.map(jnp.zeros_like, pure.params)
    assert not pure(zeros, {}, x)[0].any()
    assert net[0].weight.abs().sum().item() > 0


def test_gradients_are_flambeaus():
    net = mlp()
    pure = function(net)
    x, y = numbers(5, 4), numbers(5, 3)
    loss = ((net(flambeau.tensor(x)) - flambeau.tensor(y)) ** 2).mean()
    loss.backward()
    found = jax.jit(jax.grad(lambda params: ((pure(params, {}, x)[0] - y) ** 2).mean()))(pure.params)
    for name, param in net.named_parameters():
        np.testing.assert_allclose(found[name], param.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_buffers_come_back():
    flambeau.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(inplace=True))
    pure = function(net)
    x = numbers(6, 4)
    before = {name: np.array(array) for name, array in pure.buffers.items()}
    found, buffers = jax.jit(pure)(pure.params, pure.buffers, x)
    for name, array in pure.buffers.items():
        np.testing.assert_array_equal(array, before[name])  # the module itself is as it was
    expected = net(flambeau.tensor(x))
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    for name, buffer in net.named_buffers():
        np.testing.assert_allclose(buffers[name], buffer.numpy(), rtol=1e-5)
        assert str(buffers[name].dtype) == str(buffer.numpy().dtype)
    net.eval()
    _, buffers = pure(pure.params, pure.buffers, x)
    for name, buffer in net.named_buffers():
        np.testing.assert_array_equal(buffers[name], buffer.numpy())


def test_buffers_that_jax_narrowed_come_back_narrow():
    net = nn.BatchNorm1d(2)
    pure = function(net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX's, about the 64 bits
        buffers = jax.tree.map(lambda a: jnp.asarray(a, a.dtype) * 1, pure.buffers)
    assert buffers["num_batches_tracked"].dtype == np.int32
    _, new = jax.jit(pure)(pure.params, buffers, numbers(3, 2))
    assert jax.tree.map(lambda a: a.dtype, new) == jax.tree.map(lambda a: a.dtype, buffers)
    assert new["num_batches_tracked"] == 1


def train_with_flambeau(net, batches, optimizer):
    losses = []
    for x, y in batches:
        loss = F.cross_entropy(net(flambeau.tensor(x)), flambeau.tensor(y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_training_with_optax(name):
    x = numbers(8, 4)
    batches = [(x + i / 50, x[:, :3].argmax(1)) for i in range(12)]
    net = mlp()
    pure = function(net)
    optimizer = {"sgd": optax.sgd(0.1, momentum=0.9), "adam": optax.adam(0.01)}[name]
    params, state = pure.params, optimizer.init(pure.params)

    @jax.jit
    def step(params, state, x, y):
        def loss(params):
            logits, _ = pure(params, {}, x)
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

        value, grads = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    losses = []
    for x, y in batches:
        params, state, value = step(params, state, x, y.astype(np.int32))
        losses.append(float(value))

    kinds = {
        "sgd": lambda p: flambeau.optim.SGD(p, 0.1, momentum=0.9),
        "adam": lambda p: flambeau.optim.Adam(p, 0.01),
    }
    expected = train_with_flambeau(net, batches, kinds[name](net.parameters()))
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    assert losses[-1] < losses[0]
    twin = mlp()
    function(twin).store(params)
    for ours, theirs in zip(twin.parameters(), net.parameters(), strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-3, atol=1e-5)


def normalized():
    flambeau.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))


def test_training_with_buffers():
    """A whole loop, whose statistics and results are those of flambeau's own; the program is traced once."""
    x = numbers(8, 4)
    batches = [(x + i / 50, x[:, :3].argmax(1)) for i in range(10)]
    net = normalized()
    pure = function(net)
    optimizer = optax.adamw(0.01, weight_decay=0.01)
    params, buffers, state = pure.params, pure.buffers, optimizer.init(pure.params)
    traced = []

    @jax.jit
    def step(params, buffers, state, x, y):
        traced.append(1)

        def loss(params):
            logits, new = pure(params, buffers, x)
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), new

        (value, new), grads = jax.value_and_grad(loss, has_aux=True)(params)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), new, state, value

    losses = []
    for x, y in batches:
        params, buffers, state, value = step(params, buffers, state, x, y.astype(np.int32))
        losses.append(float(value))
    own = flambeau.optim.AdamW(net.parameters(), 0.01, weight_decay=0.01)
    np.testing.assert_allclose(losses, train_with_flambeau(net, batches, own), rtol=1e-3)
    twin = normalized()
    function(twin).store(params, buffers)
    for key, tensor in net.state_dict().items():
        np.testing.assert_allclose(twin.state_dict()[key].numpy(), tensor.numpy(), rtol=1e-2, atol=1e-4)
    assert twin[1].num_batches_tracked.item() == 10
    assert len(traced) <= 2  # once more if the counters came back as 32 bits
    twin.eval()
    net.eval()
    x = flambeau.tensor(batches[0][0])
    np.testing.assert_allclose(twin(x).detach().numpy(), net(x).detach().numpy(), rtol=1e-2, atol=1e-3)


def test_training_with_random_numbers():
    flambeau.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.3), nn.Tanh(), nn.Linear(64, 3))
    pure = function(net)
    x, optimizer = numbers(16, 4), optax.sgd(0.3)
    y = x[:, :3].argmax(1).astype(np.int32)

    @jax.jit
    def step(params, state, key):
        def loss(params):
            logits, _ = pure(params, {}, x, rng=key)
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

        value, grads = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    def train(seed):
        params, state, losses = pure.params, optimizer.init(pure.params), []
        for key in jax.random.split(jax.random.key(seed), 20):
            params, state, value = step(params, state, key)
            losses.append(float(value))
        return losses

    first, again, other = train(0), train(0), train(1)
    assert first == again
    assert first != other
    assert np.mean(first[-5:]) < 0.7 * np.mean(first[:2])


def test_an_ensemble_under_vmap():
    """Parameters and buffers of several models, in one program; each keeps statistics of its own."""
    nets = []
    for seed in range(3):
        flambeau.manual_seed(seed)
        nets.append(nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)))
    pure = function(nets[0])
    params, buffers = (
        jax.tree.map(lambda *arrays: jnp.stack(arrays), *[getattr(function(net), what) for net in nets])
        for what in ("params", "buffers")
    )
    x = numbers(6, 4)

    def loss(params, buffers):
        output, new = pure(params, buffers, x)
        return (output**2).mean(), new

    grads, new = jax.jit(jax.vmap(jax.grad(loss, has_aux=True)))(params, buffers)
    for number, net in enumerate(nets):
        (net(flambeau.tensor(x)) ** 2).mean().backward()
        for name, param in net.named_parameters():
            np.testing.assert_allclose(grads[name][number], param.grad.numpy(), rtol=1e-3, atol=1e-5)
        for name, buffer in net.named_buffers():
            np.testing.assert_allclose(new[name][number], buffer.numpy(), rtol=1e-4)


def test_threads_trace_and_run_beside_one_another():
    net = normalized()
    pure = function(net)
    batches = [numbers(5 + i % 2, 4) for i in range(8)]

    def work(x):
        @jax.jit
        def loss(params):
            return (pure(params, pure.buffers, x)[0] ** 2).mean()

        return jax.value_and_grad(loss)(pure.params)

    expected = [work(x) for x in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, batches))
    for (a, of_a), (b, of_b) in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
        for name in of_a:
            np.testing.assert_allclose(of_a[name], of_b[name], rtol=1e-4, atol=1e-6)
    assert net[1].num_batches_tracked.item() == 0


def test_optax_on_dicts_of_tensors():
    params = {"w": flambeau.ones(2, 2), "b": flambeau.zeros(2)}
    grads = {"w": flambeau.ones(2, 2), "b": flambeau.ones(2)}
    optimizer = optax.chain(
        optax.masked(optax.add_decayed_weights(0.5), lambda tree: jax.tree.map(lambda a: a.ndim > 1, tree)), optax.sgd(0.1)
    )  # fmt: skip
    updates, _ = optimizer.update(grads, optimizer.init(params), params)
    found = optax.apply_updates(params, updates)
    assert type(found["w"]) is flambeau.Tensor
    np.testing.assert_allclose(found["w"].numpy(), np.full((2, 2), 0.85), rtol=1e-6)
    np.testing.assert_allclose(found["b"].numpy(), np.full(2, -0.1), rtol=1e-6)


# Functions with gradients at edges, on which PyTorch and jax.vjp differ, and more that derivatives must respect.
EDGES = {
    "clamp at its bound": lambda torch, x: x.clamp(0, 1),
    "relu at zero": lambda torch, x: x.relu(),
    "ties in max": lambda torch, x: x.max(0).values,
    "abs at zero": lambda torch, x: x.abs(),
    "norm of zeros": lambda torch, x: (x * 0).norm(),
    "detach": lambda torch, x: x * x.detach(),
    "straight through": lambda torch, x: x + (x.round() - x).detach(),
    "in place": lambda torch, x: x.clone().mul_(x),
    "indexing": lambda torch, x: x[[0, 0, 1]] * x[:3],
    "two results": lambda torch, x: (x.sin(), x.prod()),
    "where": lambda torch, x: torch.where(x > 0, x.exp(), x),
    "complex": lambda torch, x: torch.complex(x, x * 2).exp().abs(),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("jitted", [False, True])
def test_gradients_equal_pytorchs(name, jitted):
    scenario = EDGES[name]
    x = np.float32([0, 1, 1, -0.5])
    *values, gradient = outcome(torch, scenario, [x])
    weights = [np.linspace(1, 2, value.size).reshape(value.shape).astype(value.dtype) for value in values]

    def pulled(x):
        found, pull = jax.vjp(function(lambda x: scenario(flambeau, x)), x)
        several = isinstance(found, tuple)
        return found if several else (found,), pull(tuple(weights) if several else weights[0])[0]

    found, ours = (jax.jit(pulled) if jitted else pulled)(jnp.asarray(x))
    for a, b in zip(found, values, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    np.testing.assert_allclose(ours, gradient, rtol=1e-5)


def test_higher_derivatives():
    cube = function(lambda x: (x**3).sum())
    x = jnp.array([1.0, 2.0])
    np.testing.assert_allclose(jax.jacrev(jax.grad(cube))(x), np.diag([6.0, 12.0]), rtol=1e-6)
    third = jax.jit(jax.jacrev(jax.jacrev(jax.grad(cube))))(x)
    np.testing.assert_allclose(third[0, 0, 0], 6, rtol=1e-6)
    straight = function(lambda x: (x * x.detach()).sum())
    assert not jax.jacrev(jax.grad(straight))(x).any()


def test_custom_backward_counts():
    class Reversed(flambeau.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return -g

    assert jax.grad(lambda x: function(Reversed.apply)(x).sum())(jnp.ones(2)).tolist() == [-1, -1]


def test_vmap_of_grad():
    net = mlp()
    pure = function(net)
    x = numbers(5, 4)
    each = jax.jit(jax.vmap(jax.grad(lambda p, x: (pure(p, {}, x)[0] ** 2).sum()), in_axes=(None, 0)))(
        pure.params, x
    )
    for i in range(5):
        net.zero_grad()
        (net(flambeau.tensor(x[i])) ** 2).sum().backward()
        for name, param in net.named_parameters():
            np.testing.assert_allclose(each[name][i], param.grad.numpy(), rtol=1e-4, atol=1e-5)


def test_jit_computes_the_forward_pass_once():
    net = mlp()
    pure = function(net)
    loss = jax.jit(jax.value_and_grad(lambda params, x: (pure(params, {}, x)[0] ** 2).mean()))
    text = loss.lower(pure.params, numbers(5, 4)).compile().as_text()
    assert text.count(" dot(") + text.count("__onednn$matmul") + text.count('custom_call_target="__cpu$') == 5


def test_dropout_wants_a_key():
    net = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5))
    pure = function(net)
    x = jnp.ones((2, 4))
    with pytest.raises(
        RuntimeError, match=r"test_function.py:\d+ in .*rng=jax\.random\.key\(0\), or switch dropout off"
    ):
        jax.jit(pure)(pure.params, {}, x)
    state = flambeau.get_rng_state()
    run = jax.jit(lambda key: pure(pure.params, {}, x, rng=key)[0])
    first, again, other = (run(jax.random.key(seed)) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()
    assert 0.3 < (first == 0).mean() < 0.7
    grads = jax.grad(lambda x: pure(pure.params, {}, x, rng=jax.random.key(0))[0].sum())(x)
    kept = np.asarray(first != 0, np.float32) * 2
    np.testing.assert_allclose(grads, kept @ net[0].weight.detach().numpy(), rtol=1e-5)
    several = jax.vmap(run)(jax.random.split(jax.random.key(0), 3))
    assert (several[0] != several[1]).any()
    assert flambeau.equal(flambeau.get_rng_state(), state)
    net.eval()
    np.testing.assert_array_equal(pure(pure.params, {}, x)[0], net(flambeau.ones(2, 4)).detach().numpy())
    with pytest.raises(RuntimeError, match=r"leave out generator="):
        function(lambda x: x + flambeau.rand(2, generator=flambeau.Generator()))(
            jnp.ones(2), rng=jax.random.key(0)
        )


def test_any_pytree_goes_in_and_comes_out():
    pure = function(
        lambda tree, scale, *, flag: {"sum": tree["a"] + tree["b"][0] * scale, "flag": flag, "none": None}
    )
    found = pure({"a": jnp.ones(2), "b": [np.float32([1, 2])]}, 3, flag="yes")
    assert (found["sum"].tolist(), found["flag"], found["none"]) == ([4, 7], "yes", None)
    assert jax.jit(lambda t: function(lambda x: x * 2)(t))(flambeau.ones(2)).tolist() == [2, 2]


def test_64_bits():
    pure = function(lambda x: (x.argmax(), x.double().sum()))
    index, total = jax.jit(pure)(jnp.array([1.0, 3.0]))
    assert (index.dtype, total.dtype, int(index), float(total)) == (np.int64, np.float64, 1, 4)


def test_tied_weights():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 3, bias=False)
            self.b = nn.Linear(3, 3, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x))

    net = Tied()
    pure = function(net)
    assert list(pure.params) == ["a.weight"]
    grads = jax.grad(lambda p: pure(p, {}, jnp.ones(3))[0].sum())(pure.params)
    net(flambeau.ones(3)).sum().backward()
    np.testing.assert_allclose(grads["a.weight"], net.a.weight.grad.numpy(), rtol=1e-5)


def test_mistakes_are_told():
    net = mlp()
    pure = function(net)
    with pytest.raises(
        TypeError, match=r"takes \(params, buffers, \*inputs\): params must be a dict by name, not"
    ):
        pure(jnp.ones(4), {}, jnp.ones(4))
    with pytest.raises(KeyError, match=r"no parameter or buffer '5\.weight'"):
        pure({**pure.params, "5.weight": 1}, {}, jnp.ones(4))
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        function(net, jnp.ones((2, 5)))
    with pytest.raises(TypeError, match="must be a Module or callable, not int"):
        function(3)
    with pytest.raises(
        RuntimeError, match=r"A decision by a tensor's value .* inside a function that JAX runs"
    ):
        jax.jit(function(lambda x: x if x.sum() > 0 else -x))(jnp.ones(2))
    seen = flambeau.zeros(2)
    with pytest.raises(
        RuntimeError, match=r"A tensor from outside is written to inside a function that JAX runs"
    ):
        function(lambda x: seen.add_(x))(jnp.ones(2))
    assert seen.tolist() == [0, 0]


def test_a_module_within_a_module_of_jax():
    """As Equinox and Flax do it: a dataclass that is a pytree, whose leaves are the parameters."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
    pure = function(layer)

    @jax.tree_util.register_dataclass
    @dataclasses.dataclass
    class Model:
        params: dict
        head: jax.Array

        def __call__(self, x):
            hidden, _ = pure(self.params, {}, x)
            return hidden.mean(1) @ self.head

    model = Model(pure.params, jnp.arange(8.0)[:, None])
    x = numbers(2, 5, 8)

    @jax.jit
    def loss(model, x):
        return (model(x) ** 2).mean()

    expected = ((layer(flambeau.tensor(x)).mean(1) @ flambeau.arange(8.0)[:, None]) ** 2).mean()
    np.testing.assert_allclose(loss(model, x), expected.item(), rtol=1e-4)
    expected.backward()
    grads = jax.grad(loss)(model, x)
    for name, param in layer.named_parameters():
        np.testing.assert_allclose(grads.params[name], param.grad.numpy(), rtol=1e-3, atol=1e-5)
    model = jax.tree.map(lambda a, g: a - 1e-5 * g, model, grads)
    assert loss(model, x) < expected.item()


def test_in_a_scan():
    cell = nn.GRUCell(3, 4)
    pure = function(cell)
    steps = numbers(6, 2, 3)

    def step(hidden, x):
        hidden, _ = pure(pure.params, {}, x, hidden)
        return hidden, hidden

    _, found = jax.lax.scan(step, jnp.zeros((2, 4)), steps)
    hidden = flambeau.zeros(2, 4)
    for x in steps:
        hidden = cell(flambeau.tensor(x), hidden)
    np.testing.assert_allclose(found[-1], hidden.detach().numpy(), rtol=1e-4, atol=1e-6)
