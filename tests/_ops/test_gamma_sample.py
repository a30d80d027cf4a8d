"""Gamma, Dirichlet and binomial samples: PyTorch's numbers and words, and gradients that are the true ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
import torch

import flambeau


def both(program: Callable[[Any], Any]) -> list[Any]:
    """What the program makes, or its error, and the state of the stream after it, for flambeau and PyTorch."""
    found = []
    for t in (flambeau, torch):
        t.manual_seed(5)
        try:
            made = program(t)
            found.append(
                [str(made.dtype)[-7:], tuple(made.stride()), np.array(made.detach().double().numpy())]
            )
        except Exception as error:
            found.append([type(error).__name__, str(error)])
        found[-1].append(t.get_rng_state().numpy())
    return found


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "gamma": lambda t: t._standard_gamma(t.linspace(0.01, 20, 60).reshape(3, 20)),
    "gamma of a transposed tensor": lambda t: t._standard_gamma(t.linspace(0.01, 20, 60).reshape(3, 20).T),
    "gamma of float64": lambda t: t._standard_gamma(t.linspace(0.01, 20, 60, dtype=t.float64)),
    "gamma of an expanded tensor": lambda t: t._standard_gamma(t.linspace(0.01, 20, 5).expand(7, 5)),
    "gamma after an odd normal": lambda t: (t.randn(3), t._standard_gamma(t.full((4,), 2.0)))[1],
    "gamma of edges": lambda t: t._standard_gamma(t.tensor([0.0, float("inf"), 1e-30])),
    "gamma of integers": lambda t: t._standard_gamma(t.ones(2, dtype=t.int64)),
    "gamma of halves": lambda t: t._standard_gamma(t.ones(2, dtype=t.float16)),
    "gamma of a number": lambda t: t._standard_gamma(3.0),
    "dirichlet": lambda t: t._sample_dirichlet(t.linspace(0.01, 20, 60).reshape(20, 3)),
    "dirichlet of float64": lambda t: t._sample_dirichlet(t.linspace(0.01, 2, 60, dtype=t.float64)),
    "dirichlet of zeros": lambda t: t._sample_dirichlet(t.zeros(2)),
    "dirichlet of halves": lambda t: t._sample_dirichlet(t.ones(2, dtype=t.float16)),
    "binomial": lambda t: t.binomial(t.arange(50.0), t.linspace(0, 1, 50)),
    "binomial of many": lambda t: t.binomial(t.full((50,), 1e4), t.linspace(0, 1, 50)),
    "binomial of expanded tensors": lambda t: t.binomial(
        t.full((3, 1), 7.0).expand(3, 5), t.linspace(0, 1, 5).expand(3, 5)
    ),
    "binomial of float64": lambda t: t.binomial(t.full((9,), 99.0).double(), t.linspace(0, 1, 9).double()),
    "binomial of two dtypes": lambda t: t.binomial(t.ones(2), t.ones(2, dtype=t.float64)),
    "binomial of integers": lambda t: t.binomial(t.ones(2, dtype=t.int64), t.ones(2)),
    "binomial of integer chances": lambda t: t.binomial(t.ones(2), t.ones(2, dtype=t.int64)),
    "binomial of halves": lambda t: t.binomial(t.ones(2).half(), t.ones(2).half()),
    "binomial of other shapes": lambda t: t.binomial(t.ones(3), t.ones(2)),
    "binomial of a number": lambda t: t.binomial(3.0, t.ones(2)),
    "binomial of a number's chance": lambda t: t.binomial(t.ones(2), 0.5),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_agree(name: str) -> None:
    ours, theirs = both(PROGRAMS[name])
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("shape", [0.05, 0.7, 3.0, 40.0])
def test_gamma_samples_move_as_their_distribution_does(shape: float) -> None:
    values = scipy.special.gammaincinv(shape, np.array([0.01, 0.3, 0.5, 0.9, 0.999]))
    step = 1e-5 * shape
    higher, lower = (scipy.special.gammainc(shape + d, values) for d in (step, -step))
    log_density = (shape - 1) * np.log(values) - values - scipy.special.gammaln(shape)
    expected = -(higher - lower) / (2 * step) / np.exp(log_density)
    found = flambeau._standard_gamma_grad(
        flambeau.full((5,), shape, dtype=flambeau.float64), flambeau.tensor(values)
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("a", [0.05, 0.7, 3.0, 200.0, 1e5])
@pytest.mark.parametrize("b", [0.1, 1.0, 2.5, 300.0, 1e5])
def test_dirichlet_samples_move_as_their_distribution_does(a: float, b: float) -> None:
    x = scipy.special.betaincinv(a, b, np.array([0.05, 0.3, 0.5, 0.9, 0.99]))
    x = x[(x > 1e-200) & (x < 1 - 1e-9)]
    step = 1e-5 * a
    higher, lower = (scipy.special.betainc(a + d, b, x) for d in (step, -step))
    log_density = (a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - scipy.special.betaln(a, b)
    expected = -(higher - lower) / (2 * step) / np.exp(log_density) / (1 - x)
    wide = {"dtype": flambeau.float64}
    found = flambeau._dirichlet_grad(
        flambeau.tensor(x), flambeau.full(x.shape, a, **wide), flambeau.full(x.shape, a + b, **wide)
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-5)


@pytest.mark.parametrize("distribution", ["Gamma", "Beta"])
def test_samples_are_differentiated_once(distribution: str) -> None:
    weight = flambeau.tensor([2.0, 3.0], requires_grad=True)
    samples = getattr(flambeau.distributions, distribution)(weight, 1.0).rsample()
    (first,) = flambeau.autograd.grad(samples.sum(), weight, create_graph=True)
    with pytest.raises(NotImplementedError, match=r"the derivative for '_.*_grad' is not implemented"):
        flambeau.autograd.grad(first.sum(), weight)[0].tolist()


def test_draws_are_put_back_that_were_not_needed() -> None:
    generator = flambeau.Generator().manual_seed(3)
    with generator.doubles_in_turn() as uniform:
        taken = [uniform() for _ in range(20)]
    rest = generator.unit_doubles(5).tolist()
    assert taken + rest == flambeau.Generator().manual_seed(3).unit_doubles(25).tolist()
