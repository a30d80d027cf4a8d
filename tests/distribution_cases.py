"""Distributions to compare with PyTorch's, each with parameters and values of its support."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Case:
    """A distribution in both libraries.

    Args:
        cls: its class's name in `distributions`.
        params: the arguments that are tensors, as nested lists.
        value: something in its support.
        options: other arguments.
        make: `make(library, **tensors)`, for what is not a call of `cls`.
        dtype: what both are compared in.
    """

    cls: str
    params: dict[str, Any]
    value: Any
    options: dict[str, Any] = field(default_factory=dict)
    make: Callable[..., Any] | None = None
    note: str = ""
    dtype: type[Any] = np.float64

    def __str__(self) -> str:
        names = ",".join([*self.params, *(f"{k}={v}" for k, v in self.options.items())])
        return f"{self.cls}-{self.note or names}"

    def build(self, library: Any, tensors: list[Any] | None = None, **options: Any) -> Any:
        if tensors is None:
            tensors = [library.tensor(value) for value in self.params.values()]
        given = dict(zip(self.params, tensors, strict=True))
        if self.make is not None:
            return self.make(library, **given)
        return getattr(library.distributions, self.cls)(**given, **self.options, **options)

    @property
    def arrays(self) -> list[np.ndarray[Any, Any]]:
        return [np.array(value, self.dtype) for value in self.params.values()]

    @property
    def values(self) -> np.ndarray[Any, Any]:
        return np.array(self.value, self.dtype)


COVARIANCE = [[2.0, 0.5, 0.1], [0.5, 1.5, -0.3], [0.1, -0.3, 0.8]]
FACTOR = [[1.2, 0.0, 0.0], [0.4, 0.9, 0.0], [-0.2, 0.3, 0.7]]
CORRELATION_FACTOR = [[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.48, 0.6, 0.64]]
VECTORS = [[0.2, -0.4, 1.0], [1.1, 0.3, -0.7]]

CASES = [
    Case("Normal", {"loc": [0.5, -1.0, 2.0], "scale": [1.0, 0.3, 2.5]}, [[0.1, -1.2, 3.0], [4.0, 0.0, 2.0]]),
    Case("Normal", {"loc": 0.5, "scale": [1.0, 0.3]}, [0.1, -1.2], note="broadcast"),
    Case("Uniform", {"low": [-1.0, 0.0], "high": [1.0, 3.0]}, [[0.5, 2.0], [-0.25, 1.0]]),
    Case("Bernoulli", {"probs": [0.2, 0.5, 0.9]}, [[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]),
    Case("Bernoulli", {"logits": [-1.2, 0.0, 2.9]}, [1.0, 0.0, 1.0]),
    Case("Categorical", {"probs": [[0.2, 0.5, 0.9], [1.0, 0.1, 0.4]]}, [[0, 2], [1, 1], [2, 0]]),
    Case("Categorical", {"logits": [[0.2, -0.5, 0.9], [1.0, 0.1, 0.4]]}, [[0, 2], [1, 1]]),
    Case("Beta", {"concentration1": [0.5, 2.0, 9.0], "concentration0": [0.4, 3.0, 1.5]}, [0.2, 0.5, 0.9]),
    Case("Gamma", {"concentration": [0.5, 2.0, 30.0], "rate": [1.0, 0.5, 4.0]}, [[0.2, 3.0, 7.0]]),
    Case(
        "Dirichlet", {"concentration": [[0.5, 2.0, 3.0], [1.5, 4.0, 1.0]]}, [[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]]
    ),
    Case("MultivariateNormal", {"loc": VECTORS, "covariance_matrix": COVARIANCE}, [[[0.1, 0.2, 0.3]]]),
    Case("MultivariateNormal", {"loc": VECTORS[0], "scale_tril": FACTOR}, VECTORS[1], note="without a batch"),
    Case("MultivariateNormal", {"loc": VECTORS[0], "precision_matrix": COVARIANCE}, VECTORS),
    Case(
        "MultivariateNormal",
        {"loc": VECTORS[0], "scale_tril": [FACTOR, [[1.0, 0.0, 0.0], [0.1, 2.0, 0.0], [0.5, -1.0, 0.6]]]},
        VECTORS,
    ),
    Case("Binomial", {"total_count": [4.0, 4.0, 4.0], "probs": [0.2, 0.5, 0.9]}, [[0.0, 3.0, 4.0]]),
    Case("Binomial", {"total_count": [4.0, 12.0], "logits": [0.2, 1.5]}, [1.0, 11.0]),
    Case("Binomial", {"probs": [0.2, 0.7]}, [3.0, 7.0], {"total_count": 7}),
    Case("Cauchy", {"loc": [0.5, -1.0], "scale": [1.0, 0.3]}, [[0.1, -1.2], [4.0, 0.0]]),
    Case("Chi2", {"df": [0.5, 3.0, 12.0]}, [0.2, 4.0, 11.0]),
    Case("ContinuousBernoulli", {"probs": [0.2, 0.5, 0.9, 0.4995]}, [0.3, 0.6, 0.8, 0.1]),
    Case("ContinuousBernoulli", {"logits": [-1.5, 0.0, 2.0]}, [0.3, 0.6, 0.8]),
    Case("Exponential", {"rate": [0.5, 3.0]}, [[0.2, 1.0], [4.0, 0.1]]),
    Case("FisherSnedecor", {"df1": [1.5, 3.0, 12.0], "df2": [1.0, 3.0, 7.0]}, [0.2, 1.5, 0.9]),
    Case(
        "GeneralizedPareto",
        {"loc": [0.5, -1.0, 0.0, 1.0], "scale": [1.0, 2.0, 0.5, 1.5], "concentration": [0.3, -0.4, 0.0, 1.2]},
        [0.7, 0.2, 0.9, 4.0],
        dtype=np.float32,  # PyTorch's own refuses float64
    ),
    Case("Geometric", {"probs": [0.2, 0.5, 0.9]}, [[3.0, 0.0, 1.0]]),
    Case("Geometric", {"logits": [-1.2, 0.5]}, [3.0, 0.0]),
    Case("Gumbel", {"loc": [0.5, -1.0], "scale": [1.0, 0.3]}, [[0.1, -1.2], [4.0, 0.0]]),
    Case("HalfCauchy", {"scale": [1.0, 0.3]}, [[0.1, 1.2], [4.0, 0.0]]),
    Case("HalfNormal", {"scale": [1.0, 0.3]}, [[0.1, 1.2], [4.0, 0.0]]),
    Case("InverseGamma", {"concentration": [0.5, 2.0, 9.0], "rate": [1.0, 0.5, 4.0]}, [0.2, 3.0, 0.4]),
    Case(
        "Kumaraswamy",
        {"concentration1": [0.5, 2.0, 3.0], "concentration0": [0.4, 3.0, 1.5]},
        [0.2, 0.5, 0.9],
    ),
    Case("Laplace", {"loc": [0.5, -1.0], "scale": [1.0, 0.3]}, [[0.1, -1.2], [4.0, 0.0]]),
    Case("LKJCholesky", {"concentration": [0.5, 2.0]}, CORRELATION_FACTOR, {"dim": 3}),
    Case("LogNormal", {"loc": [0.5, -1.0], "scale": [1.0, 0.3]}, [[0.1, 1.2], [4.0, 0.5]]),
    Case(
        "LogisticNormal",
        {"loc": [[0.5, -1.0]], "scale": [[1.0, 0.3], [0.5, 2.0]]},
        [[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]],
    ),
    Case(
        "LowRankMultivariateNormal",
        {"loc": VECTORS, "cov_factor": [[0.5], [1.0], [-0.3]], "cov_diag": [1.0, 0.5, 2.0]},
        [[[0.1, 0.2, 0.3]]],
    ),
    Case(
        "LowRankMultivariateNormal",
        {"loc": VECTORS[0], "cov_factor": [[0.5], [1.0], [-0.3]], "cov_diag": [1.0, 0.5, 2.0]},
        VECTORS[1],
        note="without a batch",
    ),
    Case(
        "LowRankMultivariateNormal",
        {"loc": VECTORS[0], "cov_factor": [[0.5], [1.0], [-0.3]], "cov_diag": [1.0, 0.5, 2.0]},
        VECTORS[1],
        note="without a batch",
    ),
    Case(
        "MixtureSameFamily",
        {"weights": [[0.2, 0.8], [0.5, 0.5]], "loc": [[0.5, -1.0], [0.0, 2.0]], "scale": [1.0, 0.3]},
        [[0.1, -1.2]],
        make=lambda t, weights, loc, scale: t.distributions.MixtureSameFamily(
            t.distributions.Categorical(weights), t.distributions.Normal(loc, scale)
        ),
    ),
    Case(
        "MixtureSameFamily",
        {"weights": [[0.2, 0.8], [0.5, 0.5]], "loc": [VECTORS, VECTORS], "scale": [1.0, 0.3, 2.0]},
        [[0.1, 0.2, 0.3], [1.0, 0.0, -1.0]],
        make=lambda t, weights, loc, scale: t.distributions.MixtureSameFamily(
            t.distributions.Categorical(weights),
            t.distributions.Independent(t.distributions.Normal(loc, scale), 1),
        ),
        note="vectors",
    ),
    Case(
        "Multinomial",
        {"probs": [[0.2, 0.5, 0.3], [1.0, 0.0, 1.0]]},
        [[1.0, 2.0, 2.0], [2.0, 0.0, 3.0]],
        {"total_count": 5},
    ),
    Case("Multinomial", {"logits": [0.2, -0.5, 0.3]}, [[1.0, 2.0, 2.0]], {"total_count": 5}),
    Case("NegativeBinomial", {"total_count": [0.5, 4.0], "probs": [0.2, 0.7]}, [[1.0, 0.0], [0.0, 12.0]]),
    Case("NegativeBinomial", {"total_count": 3.0, "logits": [0.2, -0.7]}, [1.0, 0.0]),
    Case("OneHotCategorical", {"probs": [[0.2, 0.5, 0.9], [1.0, 0.1, 0.4]]}, [[0, 0, 1], [1, 0, 0]]),
    Case("OneHotCategorical", {"logits": [0.2, 0.5, -0.9]}, [[0, 0, 1], [1, 0, 0]]),
    Case("OneHotCategoricalStraightThrough", {"probs": [0.2, 0.5, 0.9]}, [[0, 0, 1], [1, 0, 0]]),
    Case("Pareto", {"scale": [1.0, 0.3, 2.0], "alpha": [0.5, 1.5, 4.0]}, [1.5, 2.0, 3.0]),
    Case("Poisson", {"rate": [0.5, 3.0, 20.0]}, [[0.0, 2.0, 25.0]]),
    Case("RelaxedBernoulli", {"temperature": 0.7, "probs": [0.2, 0.5, 0.9]}, [0.3, 0.6, 0.8]),
    Case("RelaxedBernoulli", {"temperature": 0.7, "logits": [0.2, -0.5]}, [0.3, 0.6]),
    Case("RelaxedOneHotCategorical", {"temperature": 0.7, "probs": [0.2, 0.5, 0.9]}, [[0.3, 0.6, 0.1]]),
    Case("RelaxedOneHotCategorical", {"temperature": 0.7, "logits": [0.2, 0.5, -0.9]}, [[0.3, 0.6, 0.1]]),
    Case(
        "StudentT",
        {"df": [0.5, 1.5, 4.0], "loc": [0.5, -1.0, 2.0], "scale": [1.0, 0.3, 2.5]},
        [0.1, -1.2, 3.0],
    ),
    Case(
        "TransformedDistribution",
        {"loc": [0.5, -1.0], "scale": [1.0, 0.3]},
        [[-0.1, -1.2], [-4.0, -0.2]],
        make=lambda t, loc, scale: t.distributions.TransformedDistribution(
            t.distributions.Normal(loc, scale),
            [t.distributions.ExpTransform(), t.distributions.AffineTransform(0, -2.0)],
        ),
    ),
    Case(
        "TransformedDistribution",
        {"loc": [0.5, -1.0], "shift": [[1.0, 0.3], [0.1, 0.2], [0.3, 0.4]]},
        [[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]],
        make=lambda t, loc, shift: t.distributions.TransformedDistribution(
            t.distributions.Normal(loc, 1.0),
            [t.distributions.AffineTransform(shift, 2.0), t.distributions.StickBreakingTransform()],
        ),
        note="simplex",
    ),
    Case("VonMises", {"loc": [0.5, -1.0, 3.0], "concentration": [1.0, 0.3, 9.0]}, [0.1, -1.2, 3.0]),
    Case("Weibull", {"scale": [1.0, 0.3, 2.0], "concentration": [0.5, 1.5, 4.0]}, [1.5, 0.2, 3.0]),
    Case("Wishart", {"df": [4.5, 6.0], "covariance_matrix": COVARIANCE}, [COVARIANCE]),
    Case("Wishart", {"df": 5.0, "precision_matrix": COVARIANCE}, [COVARIANCE, COVARIANCE]),
    Case("Wishart", {"df": 5.0, "scale_tril": FACTOR}, COVARIANCE),
    Case(
        "Independent",
        {"loc": [[0.5, -1.0], [2.0, 1.0]], "scale": [1.0, 0.3]},
        [[[0.1, -1.2], [2.0, 0.0]]],
        make=lambda t, loc, scale: t.distributions.Independent(t.distributions.Normal(loc, scale), 1),
    ),
]
