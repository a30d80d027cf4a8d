"""KL divergences of all pairs that PyTorch knows, its errors for the others, and how a pair is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from oracle import check

import flambeau

# For each class parameters with a batch of three that broadcast with each other's.
PARAMETERS: dict[str, dict[str, Any]] = {
    "Bernoulli": {"probs": [0.1, 0.5, 0.9]},
    "Beta": {"concentration1": [0.5, 2.0, 3.0], "concentration0": [1.5, 1.0, 4.0]},
    "Binomial": {"total_count": [4.0, 4.0, 4.0], "probs": [0.1, 0.5, 0.9]},
    "Categorical": {"probs": [[0.2, 0.5, 0.3], [0.0, 0.5, 0.5], [1.0, 2.0, 3.0]]},
    "Cauchy": {"loc": [0.5, -1.0, 2.0], "scale": [1.0, 0.3, 2.0]},
    "ContinuousBernoulli": {"probs": [0.1, 0.5, 0.9]},
    "Dirichlet": {"concentration": [[0.5, 2.0, 3.0], [1.5, 1.0, 4.0], [1.0, 1.0, 1.0]]},
    "Exponential": {"rate": [0.5, 1.0, 3.0]},
    "Gamma": {"concentration": [0.5, 2.0, 3.0], "rate": [1.5, 1.0, 4.0]},
    "Geometric": {"probs": [0.1, 0.5, 0.9]},
    "Gumbel": {"loc": [0.5, -1.0, 2.0], "scale": [1.0, 0.3, 2.0]},
    "HalfNormal": {"scale": [1.0, 0.3, 2.0]},
    "Laplace": {"loc": [0.5, -1.0, 2.0], "scale": [1.0, 0.3, 2.0]},
    "LogNormal": {"loc": [0.5, -1.0, 2.0], "scale": [1.0, 0.3, 2.0]},
    "LowRankMultivariateNormal": {
        "loc": [[0.5, -1.0], [2.0, 0.0], [1.0, 1.0]],
        "cov_factor": [[1.0], [0.5]],
        "cov_diag": [[1.0, 0.3], [2.0, 1.0], [0.7, 0.5]],
    },
    "MultivariateNormal": {
        "loc": [[0.5, -1.0], [2.0, 0.0], [1.0, 1.0]],
        "covariance_matrix": [[[2.0, 0.5], [0.5, 1.0]], [[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.9], [0.9, 1.0]]],
    },
    "Normal": {"loc": [0.5, -1.0, 2.0], "scale": [1.0, 0.3, 2.0]},
    "OneHotCategorical": {"probs": [[0.2, 0.5, 0.3], [0.1, 0.5, 0.4], [1.0, 2.0, 3.0]]},
    "Pareto": {"scale": [1.0, 0.3, 2.0], "alpha": [2.5, 3.0, 5.0]},
    "Poisson": {"rate": [0.5, 1.0, 3.0]},
    "Uniform": {"low": [0.5, 0.2, 0.3], "high": [1.5, 0.8, 1.0]},
}

REGISTERED = [(p.__name__, q.__name__) for p, q in torch.distributions.kl._KL_REGISTRY]
PAIRS = [pair for pair in REGISTERED if PARAMETERS.keys() >= set(pair)]
PAIRS.append(("LogNormal", "LogNormal"))


def arrays_of(name: str, turned: bool = False) -> list[np.ndarray[Any, Any]]:
    found = [np.array(value, np.float64) for value in PARAMETERS[name].values()]
    # The other distribution has the same parameters in another order.
    return [np.roll(each, 1, 0) if turned and len(each) == 3 else each for each in found]


def build(t: Any, name: str, tensors: list[Any]) -> Any:
    return getattr(t.distributions, name)(**dict(zip(PARAMETERS[name], tensors, strict=True)))


@pytest.mark.parametrize(("p", "q"), PAIRS)
def test_divergence_agrees_with_gradients(p: str, q: str) -> None:
    count = len(PARAMETERS[p])

    def scenario(t: Any, *tensors: Any) -> Any:
        first, second = build(t, p, list(tensors[:count])), build(t, q, list(tensors[count:]))
        divergence = t.distributions.kl_divergence(first, second)
        # Gradients only where it is finite: beyond, PyTorch's formulas leave nan here and 0 there.
        return t.where(divergence.isinf(), t.ones_like(divergence).detach() * 1e9, divergence)

    arrays = [*arrays_of(p), *arrays_of(q, turned=True)]
    if p == q == "Categorical":
        arrays = arrays_of(p) * 2  # turned, one category would be impossible in one of them alone
    check(scenario, *arrays, tolerance=1e-6)


def test_every_pair_of_pytorch_is_registered() -> None:
    def names(library: Any) -> set[tuple[str, str]]:
        return {(p.__name__, q.__name__) for p, q in library.distributions.kl._KL_REGISTRY}

    assert names(flambeau) >= names(torch)


@pytest.mark.parametrize("low", [-0.5, 0.0, 0.5])
@pytest.mark.parametrize("high", [0.7, 1.0, 1.5])
@pytest.mark.parametrize("q", ["Beta", "ContinuousBernoulli", "Exponential", "Gamma", "Pareto", "Uniform"])
def test_a_uniform_that_reaches_outside_is_infinitely_far(low: float, high: float, q: str) -> None:
    def divergence(t: Any) -> Any:
        other = build(t, q, [t.tensor(value[1]) for value in PARAMETERS[q].values()])
        return t.distributions.kl_divergence(
            t.distributions.Uniform(t.tensor(low), t.tensor(high)), other
        ).item()

    assert divergence(flambeau) == pytest.approx(divergence(torch), abs=1e-6)


@pytest.mark.parametrize("p", ["Beta", "ContinuousBernoulli"])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-1.0, 2.0), (0.1, 1.0)])
def test_to_a_uniform_it_is_infinite_unless_that_covers_it(p: str, low: float, high: float) -> None:
    def divergence(t: Any) -> Any:
        first = build(t, p, [t.tensor(value[0]) for value in PARAMETERS[p].values()])
        return t.distributions.kl_divergence(first, t.distributions.Uniform(low, high)).item()

    assert divergence(flambeau) == pytest.approx(divergence(torch), abs=1e-5)


def test_impossible_outcomes() -> None:
    def scenario(t: Any) -> Any:
        D = t.distributions
        zero, one = t.tensor([0.0, 0.0, 1.0, 1.0, 0.5]), t.tensor([0.0, 0.5, 1.0, 0.5, 0.0])
        edge, half = t.tensor([[0.0, 1.0], [0.5, 0.5]]), t.tensor([[0.5, 0.5], [0.0, 1.0]])
        return (
            D.kl_divergence(D.Bernoulli(zero), D.Bernoulli(one)),
            D.kl_divergence(D.Categorical(edge), D.Categorical(half)),
            D.kl_divergence(D.Binomial(t.tensor([3.0, 5.0]), zero[-1]), D.Binomial(3, zero[-1])),
        )

    for ours, theirs in zip(scenario(flambeau), scenario(torch), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)


def test_heavy_tails_are_infinitely_far() -> None:
    def scenario(t: Any, q: str) -> Any:
        other = build(t, q, [t.tensor(value[0]) for value in PARAMETERS[q].values()])
        pareto = t.distributions.Pareto(1.0, t.tensor([0.5, 1.0, 1.5, 2.0]))
        return t.distributions.kl_divergence(pareto, other).tolist()

    for q in ("Exponential", "Gamma", "Normal"):
        assert scenario(flambeau, q) == pytest.approx(scenario(torch, q), rel=1e-5)


ERRORS = {
    "unknown pair": lambda D, t: D.kl_divergence(D.Normal(0, 1), D.Cauchy(0, 1)),
    "binomials": lambda D, t: D.kl_divergence(D.Binomial(3, t.tensor(0.5)), D.Binomial(4, t.tensor(0.5))),
    "independent": lambda D, t: D.kl_divergence(
        D.Independent(D.Normal(t.zeros(3), 1), 1), D.Independent(D.Normal(t.zeros(3), 1), 0)
    ),
    "transforms": lambda D, t: D.kl_divergence(
        D.TransformedDistribution(D.Normal(0, 1), D.ExpTransform()),
        D.TransformedDistribution(D.Normal(0, 1), D.TanhTransform()),
    ),
    "event shapes": lambda D, t: D.kl_divergence(
        D.MultivariateNormal(t.zeros(2), t.eye(2)), D.MultivariateNormal(t.zeros(3), t.eye(3))
    ),
    "event shapes of low rank": lambda D, t: D.kl_divergence(
        D.LowRankMultivariateNormal(t.zeros(2), t.ones(2, 1), t.ones(2)),
        D.MultivariateNormal(t.zeros(3), t.eye(3)),
    ),
    "event shapes of both low rank": lambda D, t: D.kl_divergence(
        D.LowRankMultivariateNormal(t.zeros(2), t.ones(2, 1), t.ones(2)),
        D.LowRankMultivariateNormal(t.zeros(3), t.ones(3, 1), t.ones(3)),
    ),
    "families": lambda D, t: D.kl_divergence(D.Poisson(1.0), D.Exponential(1.0)),
    "no class": lambda D, t: D.register_kl(3, D.Normal),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_agree(name: str) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        ERRORS[name](torch.distributions, torch)
    with pytest.raises(type(theirs.value)) as ours:
        ERRORS[name](flambeau.distributions, flambeau)
    # Some of PyTorch's have the indentation of its source in them.
    assert str(ours.value) == " ".join(str(theirs.value).split())


def test_the_nearest_pair_is_taken_and_ambiguity_warned_of() -> None:
    def scenario(D: Any) -> list[Any]:
        class Near(D.Normal):  # type: ignore[name-defined]
            pass

        class Nearer(Near):
            pass

        registry = D.kl._KL_REGISTRY
        before = dict(registry)
        D.register_kl(Near, D.Normal)(lambda p, q: "left")
        D.register_kl(D.Normal, Near)(lambda p, q: "right")
        near, normal = Near(0.0, 1.0), D.Normal(0.0, 1.0)
        found = [D.kl_divergence(near, normal), D.kl_divergence(normal, near)]
        with pytest.warns(RuntimeWarning, match="Ambiguous kl_divergence") as warned:
            found.append(D.kl_divergence(Nearer(0.0, 1.0), near))
        found.append(str(warned[0].message))
        D.register_kl(Near, Near)(lambda p, q: "both")
        found.append(D.kl_divergence(Nearer(0.0, 1.0), near))
        registry.clear()
        registry.update(before)
        D.kl._KL_MEMOIZE.clear()
        return found

    assert scenario(flambeau.distributions) == scenario(torch.distributions)
