"""The generalized Pareto distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from flambeau._core.tensor import Tensor
from flambeau._ops.choice import where
from flambeau._ops.comparison import isclose
from flambeau._ops.factory import ones_like, zeros_like
from flambeau._ops.random_new import rand
from flambeau.distributions import constraints
from flambeau.distributions.constraints import Constraint
from flambeau.distributions.distribution import Distribution
from flambeau.distributions.utils import broadcast_all

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """How far numbers lie above a high threshold.

    Args:
        loc: the threshold.
        scale: the width.
        concentration: how heavy the tail is; below 0 it ends at `loc - scale / concentration`.

    >>> GeneralizedPareto(0.0, 1.0, 0.5).mean.item()
    2.0
    """

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(
        self,
        loc: Tensor | float,
        scale: Tensor | float,
        concentration: Tensor | float,
        validate_args: bool | None = None,
    ) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.size(), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        names = ("loc", "scale", "concentration")
        return self._with_batch(GeneralizedPareto, _instance, batch_shape, *names)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Constraint:
        end = where(self.concentration < 0, self.loc - self.scale / self.concentration, math.inf)
        return constraints.interval(self.loc, end)

    @property
    def mean(self) -> Tensor:
        valid = self.concentration < 1
        result = self.loc + self.scale / (1 - where(valid, self.concentration, 0.5))
        return where(valid, result, math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        valid = self.concentration < 0.5
        heavy = where(valid, self.concentration, 0.25)
        return where(valid, self.scale**2 / ((1 - heavy) ** 2 * (1 - 2 * heavy)), math.nan)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return self.icdf(rand(shape, dtype=self.loc.dtype, device=self.loc.device))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        z = self._z(value)
        exponential, heavy = self._split()
        power = 1 / heavy + ones_like(z)
        bent = where(power == 0, power, power * (heavy * z).log1p())
        return -self.scale.log() - where(exponential, z, bent)

    def log_survival_function(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of being above `value`."""
        if self._validate_args:
            self._validate_sample(value)
        z = self._z(value)
        exponential, heavy = self._split()
        return where(exponential, -z, -(heavy * z).log1p() / heavy)

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of `cdf`."""
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        return self.log_cdf(value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        exponential, heavy = self._split()
        survival = (-value).log1p()
        bent = self.loc + self.scale / heavy * (-heavy * survival).expm1()
        return where(exponential, self.loc - self.scale * survival, bent)

    def entropy(self) -> Tensor:
        return (self.scale.log() + self.concentration + 1).broadcast_to(self._batch_shape)

    def _z(self, x: Tensor) -> Tensor:
        return (x - self.loc) / self.scale

    def _split(self) -> tuple[Tensor, Tensor]:
        """Where the tail is exponential, and the concentration with ones there."""
        exponential = isclose(self.concentration, zeros_like(self.concentration))
        return exponential, where(exponential, ones_like(self.concentration), self.concentration)
