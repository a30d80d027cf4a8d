"""`functional_call` and `stack_module_state`: per-sample gradients and ensembles, as PyTorch's tutorials write them."""

import numpy as np
import pytest
import torch
import torch.func

import flambeau
import flambeau.func

ROWS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
CLASSES = np.array([0, 1, 1, 0])


def make(lib):
    return lib.nn.Sequential(lib.nn.Linear(3, 5), lib.nn.LayerNorm(5), lib.nn.Tanh(), lib.nn.Linear(5, 2))


def per_sample(lib, func):
    lib.manual_seed(0)
    model = make(lib)
    params = {name: p.detach() for name, p in model.named_parameters()}

    def loss(params, x, target):
        output = func.functional_call(model, params, (x[None],))
        return lib.nn.functional.cross_entropy(output, target[None])

    return func.vmap(func.grad(loss), in_dims=(None, 0, 0))(params, lib.tensor(ROWS), lib.tensor(CLASSES))


def test_gradients_of_each_sample():
    theirs, ours = per_sample(torch, torch.func), per_sample(flambeau, flambeau.func)
    assert list(ours) == list(theirs)
    for name in ours:
        np.testing.assert_allclose(ours[name].numpy(), theirs[name].numpy(), rtol=1e-4, atol=1e-6)


def convolutional(lib):
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 2)
    ).eval()  # fmt: skip


def recurrent(lib):
    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = lib.nn.Embedding(11, 4, padding_idx=0)
            self.lstm = lib.nn.LSTM(4, 5, batch_first=True, num_layers=2, bidirectional=True)
            self.head = lib.nn.Linear(10, 2)

        def forward(self, ids):
            return self.head(self.lstm(self.tokens(ids))[0][:, -1])

    return Net()


def attentive(lib):
    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens = lib.nn.Embedding(11, 8)
            self.attention = lib.nn.MultiheadAttention(8, 2, batch_first=True)
            self.norm = lib.nn.LayerNorm(8)
            self.head = lib.nn.Linear(8, 2)

        def forward(self, ids):
            x = self.tokens(ids)
            x = self.norm(x + self.attention(x, x, x, need_weights=False)[0])
            return self.head(x.mean(1))

    return Net()


RNG = np.random.default_rng(0)
NETS = {
    "convolutions": (convolutional, RNG.normal(size=(4, 2, 6, 6)).astype(np.float32)),
    "recurrent": (recurrent, RNG.integers(0, 11, (4, 5))),
    "attention": (attentive, RNG.integers(0, 11, (4, 5))),
}


def gradients_of_samples(lib, func, name):
    lib.manual_seed(0)
    model = NETS[name][0](lib)
    params = {key: p.detach() for key, p in model.named_parameters()}
    buffers = dict(model.named_buffers())

    def loss(params, x, target):
        output = func.functional_call(model, (params, buffers), (x[None],))
        return lib.nn.functional.cross_entropy(output, target[None])

    x, target = lib.tensor(NETS[name][1]), lib.tensor(CLASSES)
    whole = func.vmap(func.grad(loss), in_dims=(None, 0, 0))(params, x, target)
    chunks = func.vmap(func.grad(loss), in_dims=(None, 0, 0), chunk_size=3)(params, x, target)
    for key in whole:
        np.testing.assert_allclose(chunks[key].numpy(), whole[key].numpy(), rtol=1e-4, atol=1e-6)
    return whole


@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")
@pytest.mark.parametrize("name", NETS)
def test_gradients_of_each_sample_of_layers(name):
    found = gradients_of_samples(flambeau, flambeau.func, name)
    if name == "recurrent":  # PyTorch cannot take a batch of its LSTM: sample by sample
        expected = one_by_one(torch, name)
    else:
        expected = gradients_of_samples(torch, torch.func, name)
    assert list(found) == list(expected)
    for key in expected:
        np.testing.assert_allclose(found[key].numpy(), expected[key].numpy(), rtol=1e-3, atol=1e-5)


def one_by_one(lib, name):
    lib.manual_seed(0)
    model = NETS[name][0](lib)
    rows = []
    for x, target in zip(lib.tensor(NETS[name][1]), lib.tensor(CLASSES), strict=True):
        model.zero_grad()
        lib.nn.functional.cross_entropy(model(x[None]), target[None]).backward()
        rows.append({key: p.grad.clone() for key, p in model.named_parameters()})
    return {key: lib.stack([row[key] for row in rows]) for key in rows[0]}


def ensemble(lib, func):
    lib.manual_seed(0)
    models = [make(lib) for _ in range(3)]
    params, buffers = func.stack_module_state(models)

    def run(params, buffers, x):
        return func.functional_call(models[0], (params, buffers), (x,))

    output = func.vmap(run, in_dims=(0, 0, None))(params, buffers, lib.tensor(ROWS))
    output.pow(2).sum().backward()
    return output, {name: p.grad for name, p in params.items()}


def test_an_ensemble_learns():
    (a, grads), (b, expected) = ensemble(flambeau, flambeau.func), ensemble(torch, torch.func)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-4, atol=1e-6)
    for name in expected:
        np.testing.assert_allclose(grads[name].numpy(), expected[name].numpy(), rtol=1e-4, atol=1e-5)


MISTAKES = {
    "strict": lambda lib, f, m: f.functional_call(m, {"weight": lib.zeros(2, 3), "foo": lib.ones(1)}, (lib.ones(3),), strict=True),
    "twice": lambda lib, f, m: f.functional_call(m, ({"weight": lib.zeros(2, 3)}, {"weight": lib.zeros(2, 3)}), (lib.ones(3),)),
    "no dict": lambda lib, f, m: f.functional_call(m, 3, (lib.ones(3),)),
    "no dicts": lambda lib, f, m: f.functional_call(m, [3], (lib.ones(3),)),
    "no models": lambda lib, f, m: f.stack_module_state([]),
    "classes": lambda lib, f, m: f.stack_module_state([m, lib.nn.ReLU()]),
    "modes": lambda lib, f, m: f.stack_module_state([m, lib.nn.Linear(3, 2).eval()]),
    "sizes": lambda lib, f, m: f.stack_module_state([m, lib.nn.Linear(4, 2)]),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_as_pytorch_tells_them(mistake):
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        MISTAKES[mistake](torch, torch.func, torch.nn.Linear(3, 2))
    with pytest.raises(theirs.type) as ours:
        MISTAKES[mistake](flambeau, flambeau.func, flambeau.nn.Linear(3, 2))
    assert str(ours.value) == str(theirs.value)


def test_batch_norms_without_statistics():
    model = flambeau.nn.Sequential(flambeau.nn.BatchNorm1d(3))
    flambeau.func.replace_all_batch_norm_modules_(model)
    assert model[0].running_mean is None
    assert not model[0].track_running_stats


def test_functionalize_gives_what_the_function_gives():
    f = flambeau.func.functionalize(lambda x: x.clone().add_(1))
    assert f(flambeau.zeros(2)).tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="Valid options for inner remove"):
        flambeau.func.functionalize(lambda x: x, remove="all")


def test_full_backward_hooks_run_inside_derivatives():
    """PyTorch refuses them there: they are a Function without setup_context."""
    found = []
    for lib in (torch, flambeau):
        lib.manual_seed(0)
        layer, seen = lib.nn.Linear(3, 2), []
        layer.register_full_backward_hook(
            lambda module, before, after, seen=seen: seen.append(tuple(after[0].shape))
        )
        x = lib.tensor(ROWS, requires_grad=True)
        if lib is torch:
            layer(x).pow(2).sum().backward()
        slopes = (
            x.grad
            if lib is torch
            else lib.func.grad(lambda x, layer=layer: layer(x).pow(2).sum())(x.detach())
        )
        found.append((seen, slopes.detach().numpy()))
    assert found[1][0] == found[0][0] == [(4, 2)]
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-5)
