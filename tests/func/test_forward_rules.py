"""Derivatives forwards of operations whose gradient takes a zero for a case apart, or sums up a series."""

import numpy as np
import pytest
import torch
import torch.func

import flambeau
import flambeau.func

VECTOR = np.array([0.3, -0.8, 1.7, 0.0], np.float32)

FUNCTIONS = {
    "xlogy": lambda lib, x: lib.special.xlogy(x, x.abs() + 1),
    "xlog1py": lambda lib, x: lib.special.xlog1py(x.abs() + 1, x.abs()),
    "logcumsumexp": lambda lib, x: x.logcumsumexp(0),
    "trigamma": lambda lib, x: lib.special.polygamma(1, x.abs() + 1),
    "polygamma": lambda lib, x: lib.special.polygamma(3, x.abs() + 1),
}
TRANSFORMS = {
    "jvp": lambda fn, f, x: fn.jvp(f, (x,), (x + 1,))[1],
    "jacfwd": lambda fn, f, x: fn.jacfwd(f)(x),
    "hessian": lambda fn, f, x: fn.hessian(lambda x: f(x).pow(2).sum())(x),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_derivatives(function, transform):
    found = [
        TRANSFORMS[transform](lib.func, lambda x, lib=lib: FUNCTIONS[function](lib, x), lib.tensor(VECTOR))
        for lib in (torch, flambeau)
    ]
    np.testing.assert_allclose(found[1].numpy(), found[0].numpy(), rtol=2e-4, atol=2e-5)


def test_double_backward_at_a_gradient_of_zero():
    """The derivative of a gradient by the gradient that came in is the same wherever that is."""
    slopes = []
    for lib in (torch, flambeau):
        x, g = lib.tensor(VECTOR, requires_grad=True), lib.zeros(4, requires_grad=True)
        y = lib.special.xlogy(x, lib.tensor(VECTOR).abs() + 1)
        (pulled,) = lib.autograd.grad(y, x, g, create_graph=True)
        slopes.append(lib.autograd.grad(pulled.sum(), g)[0])
    np.testing.assert_allclose(slopes[1].numpy(), slopes[0].numpy(), rtol=1e-5)


@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")
def test_masked_scatter_of_a_batch():
    mask = np.random.default_rng(0).random((4, 3)) < 0.5
    found = []
    for lib in (torch, flambeau):
        source = lib.arange(6.0)
        found.append(
            lib.vmap(lambda m, source=source, lib=lib: lib.zeros(2, 3).masked_scatter(m, source))(
                lib.tensor(mask)
            )
        )
    np.testing.assert_array_equal(found[1].numpy(), found[0].numpy())
