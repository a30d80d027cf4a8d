"""The binomial distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flambeau._core.modes import no_grad
from flambeau._core.tensor import Tensor
from flambeau._ops.gamma_sample import binomial
from flambeau._ops.ranges import arange
from flambeau._ops.special import lgamma
from flambeau.distributions import constraints
from flambeau.distributions._probabilities import ProbsOrLogits, check_one_given, enumerated
from flambeau.distributions.constraints import Constraint
from flambeau.distributions.distribution import Distribution
from flambeau.distributions.utils import broadcast_all

__all__ = ["Binomial"]


def _clamp_by_zero(x: Tensor) -> Tensor:
    """`x.clamp(min=0)` with a slope of 1/2 at zero."""
    return (x.clamp(min=0) + x - x.clamp(max=0)) / 2


class Binomial(ProbsOrLogits, Distribution):
    """How many of `total_count` trials succeed.

    Args:
        total_count: how many trials.
        probs: the probability of success in each.
        logits: its log-odds, in place of `probs`.

    >>> import flambeau
    >>> Binomial(10, flambeau.tensor(0.25)).mean.item()
    2.5
    """

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(
        self,
        total_count: Tensor | int = 1,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        check_one_given(probs, logits)
        if probs is not None:
            self.total_count, self.probs = broadcast_all(total_count, probs)
            self._param = self.probs
        else:
            assert logits is not None
            self.total_count, self.logits = broadcast_all(total_count, logits)
            self._param = self.logits
        self.total_count = self.total_count.type_as(self._param)
        super().__init__(self._param.size(), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        parts = self._expanded_probabilities(batch_shape)
        parts["total_count"] = self.total_count.expand(batch_shape)
        return self._expanded(Binomial, _instance, batch_shape, parts)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Constraint:
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        # The logarithm of (1 + exp(logits)) for each trial, without an exponential that overflows.
        normalizer = self.total_count * (
            _clamp_by_zero(self.logits) + (-self.logits.abs()).exp().log1p()
        ) - lgamma(self.total_count + 1)
        ways = lgamma(value + 1) + lgamma(self.total_count - value + 1)
        return value * self.logits - ways - normalizer

    def entropy(self) -> Tensor:
        self._common_count("entropy")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(log_prob.exp() * log_prob).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        count = self._common_count("enumerate_support")
        values = arange(1 + count, dtype=self._param.dtype, device=self._param.device)
        return enumerated(values, self._batch_shape, expand)

    def _common_count(self, method: str) -> int:
        count = int(self.total_count.max())
        if not self.total_count.min() == count:
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{method}`.")
        return count
