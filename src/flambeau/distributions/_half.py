"""Distances of a symmetric random number from its centre."""

from __future__ import annotations

import math
from typing import Any

from flambeau._core.tensor import Tensor
from flambeau._ops.choice import where
from flambeau.distributions import constraints
from flambeau.distributions.transformed_distribution import TransformedDistribution


class Half(TransformedDistribution):
    """The absolute value of a number from a distribution symmetric about zero, `base_dist`, of some `scale`."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    base_dist: Any

    @property
    def scale(self) -> Tensor:
        """The scale of the symmetric number."""
        found: Tensor = self.base_dist.scale
        return found

    @property
    def mode(self) -> Tensor:
        return self.scale.new_zeros(self.scale.shape)

    def _as_value(self, value: Any) -> Tensor:
        found: Tensor = value
        return found

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        value = self._as_value(value)
        log_prob = self.base_dist.log_prob(value) + math.log(2)
        return where(value >= 0, log_prob, -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        found: Tensor = 2 * self.base_dist.cdf(value) - 1
        return found

    def icdf(self, value: Tensor) -> Tensor:
        found: Tensor = self.base_dist.icdf((value + 1) / 2)
        return found

    def entropy(self) -> Tensor:
        found: Tensor = self.base_dist.entropy() - math.log(2)
        return found
