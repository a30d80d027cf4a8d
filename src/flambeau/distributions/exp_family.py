"""Distributions of an exponential family, whose entropy follows from the logarithm of their normalizer."""

from __future__ import annotations

from typing import Any

from flambeau._core.tensor import Tensor
from flambeau._core.walk import grad
from flambeau.distributions.distribution import Distribution
from flambeau.distributions.utils import _sum_rightmost

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """Densities `exp(<t(x), theta> - F(theta) + k(x))` with natural parameters `theta`.

    A subclass says `_natural_params`, `_log_normalizer` (the F) and `_mean_carrier_measure` (the mean of k);
    entropy and KL divergence follow from the gradient of F.
    """

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Any) -> Tensor:
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self) -> float:
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """The entropy, by the Bregman divergence of the log normalizer."""
        natural = [each.detach().requires_grad_() for each in self._natural_params]
        log_normalizer = self._log_normalizer(*natural)
        gradients = grad(log_normalizer.sum(), natural, create_graph=True)
        result = -self._mean_carrier_measure + log_normalizer
        for parameter, gradient in zip(natural, gradients, strict=True):
            result = result - _sum_rightmost(parameter * gradient, len(self.event_shape))
        return result
