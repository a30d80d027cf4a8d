"""Distributions that are given either probabilities or logits: the other is worked out when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flambeau._core.size import Size
from flambeau._core.tensor import Tensor
from flambeau.distributions.utils import (
    broadcast_all,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
)


class ProbsOrLogits:
    """A distribution whose parameter `probs` or `logits` is `_param`, whichever was given.

    `_is_binary` tells what logits are: log-odds of single events, or logarithms of what sums to one.
    """

    _is_binary = True
    _param: Tensor

    def _take(self, probs: Any, logits: Any) -> Size:
        """Keeps the parameter of single events that was given, as a tensor, and returns its shape."""
        check_one_given(probs, logits)
        name, given = ("logits", logits) if probs is None else ("probs", probs)
        (self._param,) = broadcast_all(given)
        setattr(self, name, self._param)
        return self._param.size()

    def _expanded_probabilities(self, shape: Sequence[int]) -> dict[str, Any]:
        """The attributes of a copy whose parameter has this shape."""
        own = vars(self)
        parts: dict[str, Any] = {n: own[n].expand(shape) for n in ("probs", "logits") if n in own}
        parts["_param"] = parts["probs" if own.get("probs") is self._param else "logits"]
        return parts

    def _new(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._param.new(*args, **kwargs)

    @lazy_property
    def logits(self) -> Tensor:
        """Log-odds, or logarithms of the probabilities."""
        return probs_to_logits(self.probs, is_binary=self._is_binary)

    @lazy_property
    def probs(self) -> Tensor:
        """The probabilities."""
        return logits_to_probs(self.logits, is_binary=self._is_binary)

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter that was given."""
        return self._param.size()


def check_one_given(probs: Any, logits: Any) -> None:
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


def enumerated(values: Tensor, batch_shape: Size, expand: bool) -> Tensor:
    """Values along a new first dimension, in front of those of the batch."""
    values = values.view((-1,) + (1,) * len(batch_shape))
    return values.expand((-1, *batch_shape)) if expand else values
