"""The continuous Bernoulli distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from flambeau._core.modes import no_grad
from flambeau._core.tensor import Tensor
from flambeau._ops.choice import where
from flambeau._ops.factory import full_like, ones_like, zeros_like
from flambeau._ops.loss import binary_cross_entropy_with_logits
from flambeau._ops.random_new import rand
from flambeau.distributions import constraints
from flambeau.distributions._probabilities import ProbsOrLogits
from flambeau.distributions.exp_family import ExponentialFamily
from flambeau.distributions.utils import (
    broadcast_all,
    clamp_probs,
    lazy_property,
    logits_to_probs,
)

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(ProbsOrLogits, ExponentialFamily):
    """A number `x` between 0 and 1 with a density in proportion to `probs**x * (1 - probs)**(1 - x)`.

    Near to a `probs` of 1/2 the closed forms lose all their digits; Taylor series about it stand in for them.

    Args:
        probs: above 0 and below 1.
        logits: its log-odds, in place of `probs`.
        lims: between which `probs` the series are used.

    Source: Loaiza-Ganem and Cunningham 2019, arXiv:1907.06845.

    >>> ContinuousBernoulli(0.5).mean.item()
    0.5
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        batch_shape = self._take(probs, logits)
        if probs is not None:
            # Checked before they are clamped, after which all would pass.
            if validate_args is not None and not self.arg_constraints["probs"].check(self.probs).all():
                raise ValueError("The parameter probs has invalid values")
            self.probs = self._param = clamp_probs(self.probs)
        self._lims = lims
        super().__init__(batch_shape, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        parts = self._expanded_probabilities(batch_shape) | {"_lims": self._lims}
        return self._expanded(ContinuousBernoulli, _instance, batch_shape, parts)

    @lazy_property
    def probs(self) -> Tensor:
        """The parameter, short of 0 and 1."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _outside_unstable_region(self) -> Tensor:
        return self.probs.le(self._lims[0]) | self.probs.gt(self._lims[1])

    def _cut_probs(self) -> Tensor:
        return where(self._outside_unstable_region(), self.probs, full_like(self.probs, self._lims[0]))

    def _choose(self, closed: Tensor, series: Tensor) -> Tensor:
        return where(self._outside_unstable_region(), closed, series)

    def _cont_bern_log_norm(self) -> Tensor:
        """The logarithm of the factor that makes the density sum to one."""
        cut = self._cut_probs()
        below = where(cut.le(0.5), cut, zeros_like(cut))
        above = where(cut.ge(0.5), cut, ones_like(cut))
        width = where(cut.le(0.5), (-2.0 * below).log1p(), (2.0 * above - 1.0).log())
        log_norm = ((-cut).log1p() - cut.log()).abs().log() - width
        x = (self.probs - 0.5).pow(2)
        return self._choose(log_norm, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self) -> Tensor:
        cut = self._cut_probs()
        closed = cut / (2.0 * cut - 1.0) + 1.0 / ((-cut).log1p() - cut.log())
        x = self.probs - 0.5
        return self._choose(closed, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x.pow(2)) * x)

    @property
    def variance(self) -> Tensor:
        cut = self._cut_probs()
        closed = cut * (cut - 1.0) / (1.0 - 2.0 * cut).pow(2) + 1.0 / ((-cut).log1p() - cut.log()).pow(2)
        x = (self.probs - 0.5).pow(2)
        return self._choose(closed, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return self.icdf(rand(shape, dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        entropy = binary_cross_entropy_with_logits(logits, value, reduction="none")
        return -entropy + self._cont_bern_log_norm()

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        cut = self._cut_probs()
        closed = (cut.pow(value) * (1.0 - cut).pow(1.0 - value) + cut - 1.0) / (2.0 * cut - 1.0)
        inside = self._choose(closed, value)
        above = where(value.ge(1.0), ones_like(value), inside)
        return where(value.le(0.0), zeros_like(value), above)

    def icdf(self, value: Tensor) -> Tensor:
        cut = self._cut_probs()
        closed = ((-cut + value * (2.0 * cut - 1.0)).log1p() - (-cut).log1p()) / (cut.log() - (-cut).log1p())
        return self._choose(closed, value)

    def entropy(self) -> Tensor:
        miss, hit = (-self.probs).log1p(), self.probs.log()
        return self.mean * (miss - hit) - self._cont_bern_log_norm() - miss

    @property
    def _natural_params(self) -> tuple[Tensor]:
        return (self.logits,)

    def _log_normalizer(self, x: Tensor) -> Tensor:
        outside = x.le(self._lims[0] - 0.5) | x.gt(self._lims[1] - 0.5)
        cut = where(outside, x, full_like(x, self._lims[0] - 0.5))
        closed = cut.expm1().abs().log() - cut.abs().log()
        return where(outside, closed, 0.5 * x + x.pow(2) / 24.0 - x.pow(4) / 2880.0)
