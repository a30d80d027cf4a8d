"""The negative binomial distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flambeau._core.modes import no_grad
from flambeau._core.tensor import Tensor
from flambeau._ops.activation import logsigmoid
from flambeau._ops.elementary import sigmoid
from flambeau._ops.random_sample import poisson
from flambeau._ops.special import lgamma
from flambeau.distributions import constraints
from flambeau.distributions._probabilities import ProbsOrLogits, check_one_given
from flambeau.distributions.distribution import Distribution
from flambeau.distributions.gamma import Gamma
from flambeau.distributions.utils import broadcast_all, lazy_property

__all__ = ["NegativeBinomial"]


class NegativeBinomial(ProbsOrLogits, Distribution):
    """How many trials succeed before the `total_count`-th that fails.

    Args:
        total_count: how many fail; need not be whole.
        probs: the probability of success, below 1.
        logits: its log-odds, in place of `probs`.

    >>> import flambeau
    >>> NegativeBinomial(3, flambeau.tensor(0.5)).mean.item()
    3.0
    """

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(
        self,
        total_count: Tensor | float,
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
        return self._expanded(NegativeBinomial, _instance, batch_shape, parts)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.logits.exp()

    @property
    def mode(self) -> Tensor:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        return self.mean / sigmoid(-self.logits)

    @lazy_property
    def _gamma(self) -> Gamma:
        # Unchecked: a count of 0 is no shape of a gamma distribution, but fine here.
        return Gamma(concentration=self.total_count, rate=(-self.logits).exp(), validate_args=False)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            return poisson(self._gamma.sample(sample_shape=sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        outcomes = self.total_count * logsigmoid(-self.logits) + value * logsigmoid(self.logits)
        ways = -lgamma(self.total_count + value) + lgamma(1.0 + value) + lgamma(self.total_count)
        ways = ways.masked_fill(self.total_count + value == 0.0, 0.0)
        return outcomes - ways
