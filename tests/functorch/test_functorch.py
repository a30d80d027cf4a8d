"""The old package `functorch`: equal to PyTorch's, warnings included."""

import subprocess
import sys
import warnings

import functorch as theirs
import functorch.experimental.control_flow
import numpy as np
import pytest
import torch

import flambeau
import flambeau.functorch.experimental.control_flow
from flambeau import functorch as ours

ROWS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
BOTH = [(torch, theirs), (flambeau, ours)]


def told(call):
    """What a call gives, or the message of its error, and the messages of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = call()
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
    return result, [str(w.message) for w in caught if w.category is FutureWarning]


def net(lib):
    lib.manual_seed(0)
    return lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4), lib.nn.Linear(4, 2))


def numbers(tree):
    if isinstance(tree, (tuple, list)):
        return [each for item in tree for each in numbers(item)]
    return [tree.detach().numpy()] if hasattr(tree, "detach") else []


USES = {
    "vmap": lambda lib, fn, x: fn.vmap(lib.sin)(x),
    "grad": lambda lib, fn, x: fn.grad(lambda x: x.sin().sum())(x),
    "grad_and_value": lambda lib, fn, x: fn.grad_and_value(lambda x: x.sin().sum())(x),
    "vjp": lambda lib, fn, x: fn.vjp(lib.sin, x)[1](x),
    "jvp": lambda lib, fn, x: fn.jvp(lib.sin, (x,), (x,)),
    "jacrev": lambda lib, fn, x: fn.jacrev(lib.sin)(x[0]),
    "jacfwd": lambda lib, fn, x: fn.jacfwd(lib.sin)(x[0]),
    "hessian": lambda lib, fn, x: fn.hessian(lambda x: x.sin().sum())(x[0]),
    "functionalize": lambda lib, fn, x: fn.functionalize(lambda x: x.clone().add_(1))(x),
    "chunk_vmap": lambda lib, fn, x: fn.experimental.chunk_vmap(lambda a, b: a * b, in_dims=(0, None), chunks=2)(x, x[0]),
    "map": lambda lib, fn, x: fn.experimental.control_flow.map(lambda r, w: (r * w, r.sum()), x, x[0].clone()),
}  # fmt: skip


@pytest.mark.parametrize("use", USES)
def test_functions(use):
    expected, found = (told(lambda lib=lib, fn=fn: USES[use](lib, fn, lib.tensor(ROWS))) for lib, fn in BOTH)
    assert found[1] == expected[1]
    assert numbers(expected[0])
    for a, b in zip(numbers(found[0]), numbers(expected[0]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def described(lib, fn):
    function, params, buffers = fn.make_functional_with_buffers(net(lib))
    x = lib.tensor(ROWS)
    output = function(params, buffers, x)
    gradients = lib.autograd.grad(output.pow(2).sum(), params)
    kinds = [type(p).__name__ for p in params], [p.requires_grad for p in params]
    names = function.param_names, function.buffer_names, function.all_names_map
    shapes = [(tuple(p.shape), p.device.type) for p in function.parameters()]
    return [repr(function), kinds, names, shapes], [output, gradients, buffers]


def test_make_functional_with_buffers():
    (expected, _), (found, _) = (told(lambda lib=lib, fn=fn: described(lib, fn)) for lib, fn in BOTH)
    assert found[0] == expected[0]
    for a, b in zip(numbers(found[1]), numbers(expected[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_the_model_itself_is_left_alone():
    model = net(flambeau)
    before = [p.clone() for p in model.parameters()]
    with pytest.warns(FutureWarning):
        function, params, buffers = ours.make_functional_with_buffers(model)
    with flambeau.no_grad():
        params[0].zero_()
    function(params, buffers, flambeau.tensor(ROWS))
    for a, b in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    assert model[1].num_batches_tracked.item() == 0


def tied(lib):
    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = lib.nn.Linear(3, 3), lib.nn.Linear(3, 3)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x))

    lib.manual_seed(0)
    return Net()


@pytest.mark.parametrize("tracked", [True, False])
def test_make_functional(tracked):
    found = []
    for lib, fn in BOTH:
        (function, params), _ = told(
            lambda lib=lib, fn=fn: fn.make_functional(tied(lib), disable_autograd_tracking=not tracked)
        )
        kinds = [p.requires_grad for p in params], function.param_names, function.names_map
        found.append((kinds, [*params, function(params, lib.tensor(ROWS))]))
    assert found[1][0] == found[0][0]
    for a, b in zip(numbers(found[1][1]), numbers(found[0][1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def ensemble(lib, fn):
    lib.manual_seed(0)
    function, params, buffers = fn.combine_state_for_ensemble([net(lib).eval() for _ in range(3)])
    output = lib.vmap(function, in_dims=(0, 0, None))(params, buffers, lib.tensor(ROWS))
    return [p.requires_grad for p in params], [params, buffers, output]


def test_combine_state_for_ensemble():
    (expected, said), (found, told_by_ours) = (
        told(lambda lib=lib, fn=fn: ensemble(lib, fn)) for lib, fn in BOTH
    )
    assert told_by_ours == said
    assert found[0] == expected[0]
    for a, b in zip(numbers(found[1]), numbers(expected[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


MISTAKES = {
    "buffers": lambda lib, fn: fn.make_functional(net(lib)),
    "no models": lambda lib, fn: fn.combine_state_for_ensemble([]),
    "classes": lambda lib, fn: fn.combine_state_for_ensemble([net(lib), lib.nn.ReLU()]),
    "modes": lambda lib, fn: fn.combine_state_for_ensemble([net(lib), net(lib).eval()]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_as_pytorch_tells_them(mistake):
    expected, found = (told(lambda lib=lib, fn=fn: MISTAKES[mistake](lib, fn)) for lib, fn in BOTH)
    assert "Error" in expected[0]
    assert found == expected


PROGRAM = """
import flambeau
flambeau.install_as_torch()
import warnings
warnings.simplefilter("ignore")
import functorch, torch
from functorch import make_functional, vmap
from functorch.experimental.control_flow import cond
function, params = make_functional(torch.nn.Linear(2, 1))
assert function(params, torch.ones(3, 2)).shape == (3, 1)
assert functorch is flambeau.functorch
assert functorch.__version__ == torch.__version__
try:
    import functorch.dim
except ModuleNotFoundError as error:
    print(error)
"""


def test_programs_import_it():
    run = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert "does not have functorch.dim" in run.stdout
