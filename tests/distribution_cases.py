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
    """

    cls: str
    params: dict[str, Any]
    value: Any
    options: dict[str, Any] = field(default_factory=dict)
    make: Callable[..., Any] | None = None
    note: str = ""

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
        return [np.array(value, np.float64) for value in self.params.values()]

    @property
    def values(self) -> np.ndarray[Any, Any]:
        return np.array(self.value, np.float64)


COVARIANCE = [[2.0, 0.5, 0.1], [0.5, 1.5, -0.3], [0.1, -0.3, 0.8]]
FACTOR = [[1.2, 0.0, 0.0], [0.4, 0.9, 0.0], [-0.2, 0.3, 0.7]]
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
    Case("MultivariateNormal", {"loc": VECTORS[0], "precision_matrix": COVARIANCE}, VECTORS),
    Case(
        "MultivariateNormal",
        {"loc": VECTORS[0], "scale_tril": [FACTOR, [[1.0, 0.0, 0.0], [0.1, 2.0, 0.0], [0.5, -1.0, 0.6]]]},
        VECTORS,
    ),
    Case(
        "Independent",
        {"loc": [[0.5, -1.0], [2.0, 1.0]], "scale": [1.0, 0.3]},
        [[[0.1, -1.2], [2.0, 0.0]]],
        make=lambda t, loc, scale: t.distributions.Independent(t.distributions.Normal(loc, scale), 1),
    ),
]
